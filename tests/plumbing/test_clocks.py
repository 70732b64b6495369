"""Hosts and peers whose clocks differ: one clock decides, and the others are told."""

from __future__ import annotations

import datetime as dt
from datetime import timedelta
from email.utils import format_datetime

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from backoffice.formatting import when
from bridge_site import dashboard
from bridge_site.schedules import bring_back, sync_schedules
from bridge_site.workers import read_workers
from orders import alerting
from orders.dashboard import read_orders
from orders.plan.deadlines import watch_deadlines
from orders.tasks import delete_buyer_data, delete_old_history
from plumbing import clocks, leases, queue_time
from plumbing.clocks import PeerTimes, doubt_of_time, note_host, when_time_is_sure
from plumbing.leases import LeaseTaken, take_lease
from plumbing.models import CallCount, ClockApart, Lease, TimeJump
from plumbing.tasks import beat
from tests.orders.factories import make_order
from tests.staff import log_in, make_import

pytestmark = pytest.mark.django_db
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def true_now():
    """The database's clock, which no test sets."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (now,) = cursor.fetchone()
        return now
    if time_machine.escape_hatch.is_travelling():
        return time_machine.escape_hatch.datetime.datetime.now(dt.timezone.utc)
    return dt.datetime.now(dt.timezone.utc)


@pytest.fixture
def host(monkeypatch):
    """Set the clock of this host apart from the database's; on SQLite as well.

    SQLite has but one host; its rules are tested as if it had two.
    """
    for module in (leases, queue_time, clocks, dashboard):
        monkeypatch.setattr(module, "database_now", true_now)
    # What is noted here is true in here.
    monkeypatch.setattr(clocks._Host, "ahead", timedelta(0))

    def apart(by: timedelta):
        return time_machine.travel(true_now() + by, tick=True)

    return apart


@pytest.fixture
def schedule():
    return Schedule.objects.create(
        name="x",
        func="plumbing.tasks.beat",
        args="('orders',)",
        cluster="orders",
        schedule_type=Schedule.MINUTES,
        minutes=10,
        repeats=-1,
        next_run=true_now() - MINUTE,
    )


def run_scheduler(monkeypatch):
    """Let a cluster's guard look once; count what it queued."""
    monkeypatch.setattr("django_q.conf.Conf.CLUSTER_NAME", "orders")
    before = OrmQ.objects.count()
    scheduler(broker=ORM(list_key="orders"))
    return OrmQ.objects.count() - before


# -- what recurs, and the queue ----------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("by", [DAY, -DAY], ids=["ahead", "behind"])
def test_a_host_whose_clock_differs_runs_schedules_by_the_common_one(
    host, schedule, monkeypatch, by
):
    with host(by):
        assert run_scheduler(monkeypatch) == 1
        assert run_scheduler(monkeypatch) == 0
    schedule.refresh_from_db()
    assert MINUTE < schedule.next_run - true_now() <= 10 * MINUTE
    assert bring_back(now=true_now()) == 0


@pytest.mark.django_db(transaction=True)
def test_by_its_own_clock_it_would_run_them_over_and_over(host, schedule, monkeypatch):
    """And nobody else would run them: the twin without the common clock."""
    monkeypatch.setattr("django_q.scheduler.timezone", timezone)
    monkeypatch.setattr("django_q.scheduler.localtime", timezone.localtime)
    with host(DAY):
        queued = 0
        for _look in range(3):
            queued += run_scheduler(monkeypatch)
            # What sees to clocks that were set back takes it for one.
            assert bring_back(now=true_now()) == 1
    assert queued == 3


@pytest.mark.parametrize("by", [DAY, -DAY], ids=["ahead", "behind"])
def test_what_a_wrong_host_queues_is_taken_at_once(host, by):
    with host(by):
        ORM(list_key="orders").enqueue("task")
    assert ORM(list_key="orders").dequeue() is not None


def test_a_wrong_host_takes_no_task_that_another_is_at(host):
    ORM(list_key="orders").enqueue("task")
    assert ORM(list_key="orders").dequeue() is not None
    with host(DAY):
        assert OrmQ.objects.get().lock < timezone.now()
        assert ORM(list_key="orders").dequeue() is None


def test_schedules_made_on_a_wrong_host_are_due_in_their_time(host):
    with host(DAY):
        sync_schedules(now=leases.database_now())
    assert not Schedule.objects.filter(next_run__gt=true_now() + DAY).exists()


def test_a_lease_taken_on_a_wrong_host_lasts_as_long_as_any(host):
    with host(DAY):
        take_lease("work")
    until = Lease.objects.get().until
    assert until - true_now() <= timedelta(seconds=leases.LEASE_S)
    with pytest.raises(LeaseTaken), host(-DAY):
        take_lease("work")


# -- telling -----------------------------------------------------------------------


def told() -> list[str]:
    section = read_workers(now=true_now())
    return [n.text for n in section.needs if n.kind and n.kind.code == "clock"]


@pytest.mark.parametrize(("by", "word"), [(DAY, "ahead"), (-DAY, "behind")])
def test_a_host_whose_clock_differs_is_told_until_it_is_right(host, settings, by, word):
    settings.LANGUAGE_CODE = "en"
    with host(by):
        beat("orders")
        note_host()
    (text,) = told()
    assert f"is {word} by 24 hours" in text
    assert doubt_of_time(now=true_now()) == ""
    note_host()
    assert told() == []


@pytest.mark.parametrize("by", [DAY + MINUTE, -DAY - MINUTE], ids=["ahead", "behind"])
def test_the_overview_of_such_a_host_tells_of_it_too(host, settings, by):
    with host(by):
        note_host()
        page = log_in(settings, "owner").get("/admin/").text
    assert "let NTP set it" in page


@pytest.mark.parametrize("by", [DAY, -DAY], ids=["ahead", "behind"])
def test_what_pages_of_such_a_host_show_is_told_by_the_databases_clock(
    host, settings, by
):
    settings.LANGUAGE_CODE = "en"
    an_hour_ago = true_now() - timedelta(hours=1)
    with host(by):
        note_host()
        assert "1 hour ago" in when(an_hour_ago)
    note_host()
    assert "1 hour ago" in when(an_hour_ago)


def header(by: timedelta) -> str:
    return format_datetime(true_now() + by, usegmt=True)


@pytest.mark.parametrize(("by", "word"), [(DAY, "behind"), (-DAY, "ahead of")])
def test_peers_by_whom_our_clock_is_wrong_are_heard(host, settings, by, word):
    settings.LANGUAGE_CODE = "en"
    times = PeerTimes()
    times.note("Kaspi", header(by))
    times.add()
    (text,) = told()
    assert f"is {word} Kaspi's by 24 hours" in text
    times.note("Kaspi", header(timedelta(0)))
    times.add()
    assert told() == []


def test_a_host_that_is_wrong_does_not_make_the_peers_wrong(host):
    times = PeerTimes()
    with host(DAY):
        times.note("Kaspi", header(timedelta(0)))
        times.add()
    assert not ClockApart.objects.exists()


def test_a_host_set_after_an_answer_does_not_either(host):
    times = PeerTimes()
    times.note("Kaspi", header(timedelta(0)))
    with host(DAY):
        times.add()
    assert not ClockApart.objects.exists()


@pytest.mark.parametrize("words", ["", "yesterday", "Sun, 99 Nov 2026 10:00:00 GMT"])
def test_what_is_no_date_says_nothing(words):
    times = PeerTimes()
    times.note("Kaspi", words)
    times.add()
    assert not ClockApart.objects.exists()


def test_a_clock_a_few_seconds_off_is_right(host):
    times = PeerTimes()
    times.note("Kaspi", header(timedelta(seconds=40)))
    times.add()
    with host(timedelta(seconds=20)):
        note_host()
    assert not ClockApart.objects.exists()


# -- deleting by age ---------------------------------------------------------------


@pytest.fixture
def old_import():
    return make_import(age=500 * DAY)


def jump() -> None:
    TimeJump.objects.create(noticed_at=true_now(), seconds=366 * 86_400, host="srv")


def peer_says_so() -> None:
    times = PeerTimes()
    times.note("Kaspi", header(-366 * DAY))
    times.add()


@pytest.mark.parametrize("doubt", [jump, peer_says_so])
def test_nothing_is_deleted_by_a_clock_that_is_in_doubt(doubt, settings):
    settings.LANGUAGE_CODE = "en"
    deleted = []

    def delete() -> str:
        deleted.append(1)
        return "1 deleted"

    task = when_time_is_sure(delete)
    assert task() == "1 deleted"
    doubt()
    for run in (task, delete_buyer_data, delete_old_history):
        assert run().startswith("nothing is deleted: the clock")
    assert deleted == [1]


def test_each_task_that_deletes_by_age_waits_for_a_sure_clock():
    from bridge_site.schedules import SCHEDULES

    jump()
    deleting = [r for r in SCHEDULES if r.name.startswith("delete-")]
    assert len(deleting) >= 6
    for recurring in deleting:
        module, _dot, name = recurring.func.rpartition(".")
        task = getattr(__import__(module, fromlist=[name]), name)
        assert "1 deleted" not in task()
        assert hasattr(task, "__wrapped__"), recurring.func


def test_the_doubt_is_over_a_day_later(settings):
    jump()
    TimeJump.objects.update(noticed_at=true_now() - DAY - MINUTE)
    assert doubt_of_time(now=true_now()) == ""


def answered(ago: timedelta, outcome: str = "ok") -> None:
    CallCount.objects.update_or_create(
        peer="kaspi",
        method="GET v2/orders",
        outcome=outcome,
        under_ms=100,
        defaults={"last_at": true_now() - ago},
    )


def test_nothing_is_deleted_when_nobody_answers_by_whom_to_tell_the_time(settings):
    """A computer that starts with a wrong clock sees it set by nobody."""
    settings.LANGUAGE_CODE = "en"
    assert doubt_of_time(now=true_now()) == ""
    answered(DAY + MINUTE)
    answered(MINUTE, outcome="lost")
    assert "no peer has answered" in doubt_of_time(now=true_now())
    # By a clock that is years behind, answers lie in the future.
    answered(-400 * DAY)
    assert "no peer has answered" in doubt_of_time(now=true_now())
    answered(MINUTE, outcome="refused")
    assert doubt_of_time(now=true_now()) == ""


# -- deadlines ---------------------------------------------------------------------


def test_deadlines_run_by_kaspis_clock(settings):
    """Ours a day behind, an order would be overdue before anybody is warned."""
    settings.LANGUAGE_CODE = "en"
    order = make_order(accept_by=true_now() + DAY + 10 * MINUTE)

    def is_told() -> list[bool]:
        now = true_now()
        alerts = alerting.read_needs(now=now, is_selling=False)
        needs = read_orders(now=now).needs
        return [
            watch_deadlines(now=now) == 1,
            any(need.kind and need.kind.code == "accept-soon" for need in alerts),
            any(f"{order.code} is due in" in need.text for need in needs),
        ]

    assert is_told() == [False] * 3
    ClockApart.objects.create(name="Kaspi", seconds=86_400, seen_at=true_now())
    assert is_told() == [True] * 3
