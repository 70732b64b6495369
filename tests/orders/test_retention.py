from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orders import retention
from orders.models import Buyer, Order, OrderEvent, Purchase, Reservation, Step, Waybill
from orders.plan.events import record
from orders.retention import delete_buyer_data
from orders.tasks import delete_buyer_data as delete_task
from orders.tasks import delete_old_history
from tests.orders.factories import doubt, make_order, make_product, step_of

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
S, R = Step.Status, Reservation.Status


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture(autouse=True)
def a_year(settings):
    settings.EVENTS_KEPT_DAYS = settings.STEPS_KEPT_DAYS = 365
    settings.WAYBILLS_KEPT_DAYS = 30


def end(order: Order, *, days: float, status: str = Order.COMPLETED) -> Order:
    """Let the order have ended, with all that it asked for done."""
    order.status, order.ended_at = status, timezone.now() - days * DAY
    order.save()
    order.steps.update(status=S.DONE)
    order.reservations.update(status=R.DROPPED, counts=False)
    return order


def ended(days: float) -> Order:
    order = make_order((make_product(f"{Order.objects.count()}a"), 1))
    record(order, "reserved", now=timezone.now(), step=step_of(order))
    return end(order, days=days)


def left() -> tuple[int, int]:
    return OrderEvent.objects.count(), Step.objects.count()


def test_a_buyers_data_go_the_set_time_after_the_end(settings):
    settings.BUYER_DATA_KEPT_DAYS = 30
    now = timezone.now()
    kept = {}
    for name, ended_at in (
        ("open", None),
        ("recent", now - timedelta(days=29)),
        ("old", now - timedelta(days=31)),
    ):
        order = make_order(ended_at=ended_at)
        kept[name] = Buyer.objects.create(order=order, name="Тест", phone="7000000001")
    assert delete_buyer_data(now=now) == 1
    assert set(Buyer.objects.all()) == {kept["open"], kept["recent"]}
    assert Order.objects.count() == 3
    assert delete_task() == "0 deleted"


def add_waybill(order: Order) -> None:
    Waybill.objects.create(
        order=order, number="W1", pdf=b"%PDF", fetched_at=timezone.now()
    )


def test_the_waybills_go_with_the_buyer_whose_name_they_bear(settings, now):
    settings.BUYER_DATA_KEPT_DAYS, settings.WAYBILLS_KEPT_DAYS = 30, 0
    recent, old, nameless, living = ended(29), ended(31), ended(90), make_order()
    for order in (recent, old, nameless, living):
        add_waybill(order)
    for order in (recent, old, living):
        Buyer.objects.create(order=order, name="Тест")
    assert delete_buyer_data(now=now) == 1
    assert {w.order for w in Waybill.objects.all()} == {recent, living}


def test_waybills_may_go_before_the_buyer(settings, now):
    settings.WAYBILLS_KEPT_DAYS = 7
    old, living = ended(8), make_order()
    for order in (ended(6), old, living):
        add_waybill(order)
    Buyer.objects.create(order=old, name="Тест")
    assert retention.delete_old_waybills(now=now) == 1
    assert not old.waybills.exists()
    assert Buyer.objects.count() == 1


def test_history_goes_the_set_time_after_the_end(now):
    old, recent = ended(366), ended(364)
    before = left()
    assert retention.delete_old_events(now=now) == before[0] / 2
    assert retention.delete_old_steps(now=now) == 1
    assert not old.events.exists() and not old.steps.exists()
    assert recent.events.count() == before[0] / 2
    assert recent.steps.count() == 1
    assert Order.objects.count() == 2
    assert delete_old_history() == "0 waybills, 0 events and 0 steps deleted"


def test_an_event_outlives_its_step(settings, now):
    settings.EVENTS_KEPT_DAYS = 0
    old = ended(366)
    events = old.events.count()
    retention.delete_old_steps(now=now)
    assert old.events.count() == events
    assert not old.events.exclude(step=None).exists()


def living(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(ended_at=None)


def held(order: Order) -> None:
    order.reservations.update(status=R.BY_HAND)


def counting(order: Order) -> None:
    order.reservations.update(status=R.SHIPPED, counts=True)


def doubtful(order: Order) -> None:
    doubt(order, status=Purchase.Status.NEEDS_PERSON)


def in_flight(order: Order) -> None:
    order.steps.update(status=S.IN_FLIGHT, claimed_until=timezone.now())


def of_status(status: str):
    def change(order: Order) -> None:
        order.steps.update(status=status)

    change.__name__ = f"step_{status}"
    return change


@pytest.mark.parametrize(
    "change",
    [
        living,
        held,
        counting,
        doubtful,
        in_flight,
        *map(of_status, (S.PENDING, S.UNKNOWN, S.NEEDS_PERSON, S.REFUSED)),
    ],
    ids=lambda change: change.__name__,
)
def test_what_is_not_over_keeps_its_whole_history(now, change):
    order = ended(1000)
    Step.objects.create(
        order=order, kind="accept", status=S.DONE, not_before=now, created_at=now
    )
    assert order in retention.settled_orders(now)
    change(order)
    before = left()
    delete_old_history()
    assert left() == before


def test_nothing_is_deleted_when_all_is_to_be_kept(settings, now):
    settings.EVENTS_KEPT_DAYS = settings.STEPS_KEPT_DAYS = 0
    settings.WAYBILLS_KEPT_DAYS = 0
    add_waybill(ended(5000))
    before = left()
    delete_old_history()
    assert (*left(), Waybill.objects.count()) == (*before, 1)
