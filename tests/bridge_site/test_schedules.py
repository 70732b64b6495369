from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from django.utils.module_loading import import_string
from django_q.models import OrmQ, Schedule

from bridge_site.schedules import SCHEDULES, bring_back, sync_schedules

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 12, 0, tzinfo=timezone.utc)


def test_declared_schedules_are_created_once():
    assert sync_schedules(now=NOW) == len(SCHEDULES)
    assert sync_schedules(now=NOW) == 0
    assert Schedule.objects.count() == len(SCHEDULES)


def test_what_nobody_declares_is_deleted_and_what_was_bent_is_put_right():
    sync_schedules(now=NOW)
    Schedule.objects.create(name="stray", func="os.system", next_run=NOW)
    Schedule.objects.filter(name="sync-stock").update(args="((", minutes=1)
    assert sync_schedules(now=NOW) == 2
    row = Schedule.objects.get(name="sync-stock")
    assert (row.args, row.minutes) == ("", 10)
    assert not Schedule.objects.filter(name="stray").exists()


def test_the_owner_may_set_how_often(settings):
    settings.POLL_ORDERS_EVERY_MIN = 2
    sync_schedules(now=NOW)
    assert Schedule.objects.get(name="poll-orders").minutes == 2


def test_running_schedules_keep_their_next_run():
    sync_schedules(now=NOW)
    later = NOW.replace(minute=7)
    Schedule.objects.filter(name="sync-stock").update(next_run=later)
    sync_schedules(now=NOW)
    assert Schedule.objects.get(name="sync-stock").next_run == later


def test_daily_work_starts_at_its_hour_in_almaty():
    sync_schedules(now=NOW)
    row = Schedule.objects.get(name="sync-catalog")
    assert row.next_run == datetime(2026, 3, 10, 22, 20, tzinfo=timezone.utc)


@pytest.mark.parametrize("recurring", SCHEDULES, ids=lambda r: r.name)
def test_every_schedule_names_a_function(recurring):
    assert callable(import_string(recurring.func))


def test_a_clock_set_back_by_a_day_does_not_stop_recurring_work():
    sync_schedules(now=NOW + timedelta(days=1))
    OrmQ.objects.create(key="orders", payload="", lock=NOW + timedelta(days=1))
    assert bring_back(now=NOW) > 1
    due = set(Schedule.objects.filter(next_run__lte=NOW).values_list("name", flat=True))
    assert {"poll-orders", "sync-stock", "beat-orders", "sync-catalog"} <= due
    assert OrmQ.objects.get().lock == NOW
    assert bring_back(now=NOW) == 0


def test_what_waits_as_it_should_is_left_alone():
    sync_schedules(now=NOW)
    for row in Schedule.objects.all():
        period = timedelta(minutes=row.minutes) if row.minutes else timedelta(days=1)
        Schedule.objects.filter(pk=row.pk).update(next_run=NOW + period)
    # A task that a worker has taken.
    OrmQ.objects.create(key="imports", payload="", lock=NOW + timedelta(hours=2))
    assert bring_back(now=NOW) == 0
