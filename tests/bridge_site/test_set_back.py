"""The clock is set back by a day: what follows is right at once, not tomorrow."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import DateTimeField, F
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_q.models import Schedule

from bridge_site.parts import watch_time
from bridge_site.schedules import sync_schedules
from bridge_site.set_back import NOT_MOVED, OURS, bring_moments_back
from bridge_site.workers import PARTS, silent_parts
from catalog.availability import stock_is_stale, stock_read_at
from orders.kaspi.client import open_client
from orders.models import Order, OrderEvent, Purchase, ReadMark, Reservation
from orders.reading.polling import poll_orders
from orders.reading.refreshing import refresh_orders
from orders.supply.counting import close_contained
from plumbing.leases import database_now
from plumbing.models import CallCount, ClockApart, Heartbeat, TimeJump
from plumbing.timekeeping import TimeWatch
from tests.orders.factories import doubt, make_order, make_product
from tests.staff import make_import

pytestmark = pytest.mark.django_db
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def set_clock_back(by: timedelta) -> None:
    """Let all that the bridge noted lie further ahead, as after the clock was set."""
    for label, fields in OURS.items():
        for field in fields:
            apps.get_model(label)._default_manager.update(**{field: F(field) + by})
    for purchase in Purchase.objects.all():
        purchase.submits = [later(m, by) for m in purchase.submits]
        purchase.cart_since = [
            {**seen, "at": later(seen["at"], by)} for seen in purchase.cart_since
        ]
        purchase.save()
    Heartbeat.objects.update(beaten_at=F("beaten_at") + by)
    Schedule.objects.update(next_run=F("next_run") + by)


def later(moment: str, by: timedelta) -> str:
    return (datetime.fromisoformat(moment) + by).isoformat()


@pytest.fixture(autouse=True)
def beating():
    now = database_now()
    for name in PARTS:
        Heartbeat.objects.create(name=name, host="srv", beaten_at=now)


def test_each_moment_is_either_moved_or_left_for_a_reason():
    kept = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model._meta.app_label
        in ("alerts", "bridge", "bridge_site", "catalog", "feeds", "orders")
        and not model.__name__.startswith("Historical")
        for field in model._meta.concrete_fields
        if isinstance(field, DateTimeField)
    }
    told = Counter(
        f"{label}.{field}"
        for table in (OURS, NOT_MOVED)
        for label, fields in table.items()
        for field in fields
    )
    assert set(told) == kept
    assert [name for name, times in told.items() if times > 1] == []


def test_a_clock_that_was_not_set_moves_nothing():
    order = make_order(last_seen=database_now() + 2 * MINUTE)
    assert bring_moments_back(now=database_now()) == timedelta(0)
    assert Order.objects.get().last_seen == order.last_seen


def test_ages_and_order_stay(django_assert_max_num_queries):
    now = database_now()
    old = make_order(last_seen=now - 9 * DAY)
    before, after = (make_order(last_seen=now - m * MINUTE) for m in (10, 2))
    set_clock_back(DAY)
    Order.objects.filter(pk=old.pk).update(last_seen=now - 9 * DAY)
    with django_assert_max_num_queries(95):
        by = bring_moments_back(now=database_now())
    assert abs(by - DAY) < MINUTE
    seen = dict(Order.objects.values_list("pk", "last_seen"))
    assert seen[after.pk] - seen[before.pk] == 8 * MINUTE
    assert abs(now - 2 * MINUTE - seen[after.pk]) < MINUTE
    assert seen[old.pk] == now - 9 * DAY
    assert bring_moments_back(now=database_now()) == timedelta(0)
    beats = {beat.name: beat for beat in Heartbeat.objects.all()}
    assert silent_parts(beats, now=database_now()) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_brought_back", [True, False])
def test_a_cancellation_after_it_is_seen(kaspi, settings, is_brought_back):
    kaspi.change_settings(states_move=False, waybill_after_s=0)
    settings.KASPI_TIMEOUT_S = 2
    make_product("70311")
    made = kaspi.new_order([{"sku": "70311"}])
    with open_client() as client:
        poll_orders(client, now=database_now())
        client.accept(made.id, code=made.code)
        refresh_orders(client, now=database_now())
        assert Order.objects.get().status == Order.ACCEPTED
        set_clock_back(DAY)
        kaspi.happen(made.code, "buyer-cancel")
        if is_brought_back:
            bring_moments_back(now=database_now())
        refresh_orders(client, now=database_now())
    # Else the order as it was read tomorrow would win for a day.
    assert (Order.objects.get().status == Order.CANCELLED) is is_brought_back


def test_stock_that_is_not_read_any_more_goes_stale_in_its_time(settings):
    make_import()
    set_clock_back(DAY)
    later_on = database_now() + timedelta(minutes=settings.STOCK_STALE_AFTER_MIN + 10)
    assert not stock_is_stale(now=later_on)
    bring_moments_back(now=database_now())
    assert not stock_is_stale(now=database_now())
    assert stock_is_stale(now=later_on)
    newer = make_import(age=timedelta(0))
    assert stock_read_at() == newer.started_at


@pytest.mark.parametrize("hosts", [1, 2])
def test_a_clock_that_jumped_ahead_makes_no_old_figures_fresh(hosts):
    """A suspended host takes the hours that it missed for a clock that was set.

    And each host tells of the same jump.
    """
    make_import(age=10 * timedelta(hours=1))
    noticed = database_now() - MINUTE
    for host in range(hosts):
        TimeJump.objects.create(noticed_at=noticed, seconds=36_000, host=f"srv{host}")
    assert stock_is_stale(now=database_now())


def test_a_jump_that_was_taken_back_makes_no_later_figures_younger(settings):
    settings.STOCK_STALE_AFTER_MIN = 120
    now, ahead = database_now(), timedelta(hours=5)
    TimeJump.objects.create(noticed_at=now + ahead, seconds=5 * 3600, host="srv")
    TimeJump.objects.create(noticed_at=now + 10 * MINUTE, seconds=-5 * 3600, host="srv")
    read = make_import(age=-ahead + 5 * MINUTE)
    assert not stock_is_stale(now=read.started_at)
    assert stock_is_stale(now=read.started_at + timedelta(hours=4))


@pytest.mark.parametrize("is_brought_back", [True, False])
def test_goods_that_leave_after_it_are_still_to_be_subtracted(is_brought_back):
    """A reading of tomorrow does not contain what leaves today."""
    make_import(age=MINUTE)
    order = make_order((make_product("70311"), 1))
    set_clock_back(DAY)
    if is_brought_back:
        bring_moments_back(now=database_now())
    order.reservations.update(
        status=Reservation.Status.SHIPPED,
        supplier_order=None,
        counts=True,
        left_stock_at=database_now(),
    )
    close_contained()
    assert order.reservations.get().counts


def test_a_section_that_is_not_read_any_more_is_told_in_its_time():
    ReadMark.objects.note_read(Order.NEW, now=database_now())
    set_clock_back(DAY)
    bring_moments_back(now=database_now())
    mark = ReadMark.objects.get()
    assert not mark.is_late(now=database_now())
    assert mark.is_late(now=database_now() + timedelta(hours=1))


def test_a_lost_submit_is_over_a_minute_after_it_not_a_day():
    now = database_now()
    purchase = doubt(
        make_order((make_product("70311"), 1)),
        submits=[(now - 10 * timedelta(seconds=1)).isoformat()],
        cart_since=[{"at": (now - timedelta(seconds=5)).isoformat(), "rows": {}}],
    )
    set_clock_back(DAY)
    bring_moments_back(now=database_now())
    purchase.refresh_from_db()
    assert purchase.last_submit_at is not None
    assert abs(now - timedelta(seconds=10) - purchase.last_submit_at) < MINUTE
    (seen,) = purchase.cart_since
    apart = datetime.fromisoformat(seen["at"]) - purchase.last_submit_at
    assert apart == timedelta(seconds=5)


def test_who_erred_at_the_sign_in_while_the_clock_was_ahead_is_not_kept_out_for_it():
    user = User.objects.create(username="aigul")
    tomorrow = database_now() + DAY - 10 * MINUTE
    device = TOTPDevice.objects.create(
        user=user,
        key="00",
        throttling_failure_count=3,
        throttling_failure_timestamp=tomorrow,
    )
    attempt = AccessAttempt.objects.create(username="aigul", failures_since_start=9)
    AccessAttempt.objects.update(attempt_time=tomorrow)
    Heartbeat.objects.update(beaten_at=database_now() + DAY)
    assert not device.verify_is_allowed()[0]
    bring_moments_back(now=database_now())
    device.refresh_from_db()
    assert device.verify_is_allowed()[0]
    attempt.refresh_from_db()
    assert attempt.attempt_time < database_now()


@pytest.mark.django_db(transaction=True)
def test_what_recurs_goes_on_and_the_history_reads_in_order():
    order = make_order()
    sync_schedules(now=database_now())
    set_clock_back(DAY)
    watch_time(TimeWatch())
    latest = database_now() + timedelta(days=1, minutes=3)
    assert not Schedule.objects.filter(next_run__gt=latest).exists()
    soon = database_now() + timedelta(minutes=20)
    assert Schedule.objects.filter(minutes__gt=0, next_run__gt=soon).count() == 0
    told = OrderEvent.objects.filter(order=order).values_list("happened_at", flat=True)
    assert max(told) < database_now() + MINUTE


# -- a clock that is years behind --------------------------------------------------


def answer(**values) -> None:
    defaults = {"method": "GET x", "outcome": "ok", "under_ms": 100}
    defaults["last_at"] = database_now()
    CallCount.objects.create(**{"peer": "kaspi", **defaults, **values})


@pytest.mark.parametrize("are_beats_new", [False, True])
def test_years_are_moved_only_when_a_peer_confirms_the_time(are_beats_new):
    """An empty battery starts a computer in another year, until it hears of the time.

    Moved there, all that was noted would be old enough to be deleted thereafter.
    """
    order, read = make_order(), make_import()
    set_clock_back(5000 * DAY)
    if are_beats_new:
        # The parts beat on, by the clock as it is.
        Heartbeat.objects.update(beaten_at=database_now())
    answer(outcome="lost")
    for _look in range(3):
        assert bring_moments_back(now=database_now()) == timedelta(0)
    # Said once, and meanwhile nothing is sold by figures of which nobody knows how
    # old they are.
    assert TimeJump.objects.get().seconds < -4999 * 86400
    assert stock_is_stale(now=database_now())
    answer()
    apart = ClockApart.objects.create(
        name="Kaspi", seconds=5000 * 86400, seen_at=database_now()
    )
    assert bring_moments_back(now=database_now()) == timedelta(0)
    apart.delete()
    assert bring_moments_back(now=database_now()) > 4999 * DAY
    order.refresh_from_db()
    assert abs(order.last_seen - database_now()) < 10 * MINUTE
    assert abs(stock_read_at() - read.started_at) < 10 * MINUTE
    assert not stock_is_stale(now=database_now())
