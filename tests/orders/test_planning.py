"""What is asked of the peers next, from what is known of an order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orders.models import (
    Cause,
    Order,
    OrderEvent,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
)
from orders.plan.planning import ACCEPTS_PER_ORDER, STOCK_FALLS_WITHIN, replan
from orders.plan.wanting import want_step
from tests.orders.factories import (
    doubt,
    make_order,
    make_product,
    reservation_of,
    step_of,
)

pytestmark = pytest.mark.django_db

Kind, Status = Step.Kind, Step.Status


@pytest.fixture
def product():
    return make_product("70311")


@pytest.fixture(autouse=True)
def usual(settings):
    settings.AUTO_RESERVE = settings.AUTO_ACCEPT = True
    settings.AUTO_ASSEMBLE = False


def reserved(order: Order, *, number: str = "500001") -> Reservation:
    """Let a supplier's order hold the goods."""
    supplied = SupplierOrder.objects.create(
        supplier_order_id=number, placed_at=timezone.now()
    )
    Reservation.objects.filter(order=order).update(
        status=Reservation.Status.HELD,
        supplier_order=supplied,
        held_at=timezone.now(),
    )
    order.steps.filter(kind=Kind.RESERVE).update(status=Status.DONE)
    return reservation_of(order)


def plan(order: Order, **known: object) -> list[tuple[str, str]]:
    """Plan anew after Kaspi said `known`; gives what is open then."""
    Order.objects.filter(pk=order.pk).update(**known)
    order.refresh_from_db()
    replan(order, now=timezone.now())
    return list(order.steps.open().values_list("kind", "status"))


def test_a_new_order_begins_with_its_reservation(product):
    order = make_order((product, 2))
    assert plan(order) == [(Kind.RESERVE, Status.PENDING)]
    assert reservation_of(order).lines.get().quantity == 2


def test_an_order_that_cannot_be_read_waits_for_a_person(product):
    order = make_order((product, 1), problem="SKU?")
    assert plan(order) == [(Kind.RESERVE, Status.NEEDS_PERSON)]
    assert step_of(order).last_error == "SKU?"


@pytest.mark.parametrize("status", Order.CALLED_OFF)
def test_an_order_called_off_before_it_was_seen_is_only_noted(product, status):
    order = make_order((product, 1), status=status, state="ARCHIVE")
    assert plan(order) == []
    assert not order.reservations.exists()


def test_what_was_shipped_before_it_could_be_accepted_is_accepted_then(product):
    """Al-Style may ship what waited for the buyer's signature at Kaspi."""
    order = make_order((product, 1), status="APPROVED_BY_BANK", state="SIGN_REQUIRED")
    reserved(order)
    assert plan(order) == []
    Reservation.objects.update(status=Reservation.Status.SHIPPED)
    assert plan(order, state=Order.NEW) == [(Kind.ACCEPT, Status.PENDING)]


def test_what_was_shipped_early_is_assembled_as_well(product, settings):
    settings.AUTO_ASSEMBLE = True
    order = make_order((product, 1), status="ACCEPTED_BY_MERCHANT")
    reserved(order)
    Reservation.objects.update(status=Reservation.Status.SHIPPED)
    assert (Kind.ASSEMBLE, Status.PENDING) in plan(order, state=Order.KASPI_DELIVERY)


def test_what_is_held_is_accepted(product):
    order = make_order((product, 1))
    reserved(order)
    assert plan(order) == [(Kind.ACCEPT, Status.PENDING)]


def test_goods_only_wanted_are_no_reason_to_accept(product):
    order = make_order((product, 1))
    assert (Kind.ACCEPT, Status.PENDING) not in plan(order)


def test_an_unsigned_credit_is_reserved_but_not_accepted(product):
    order = make_order((product, 1), state=Order.SIGN_REQUIRED)
    reserved(order)
    assert plan(order) == []
    assert plan(order, state=Order.NEW) == [(Kind.ACCEPT, Status.PENDING)]


def test_planning_again_asks_for_nothing_twice(product):
    order = make_order((product, 1))
    reserved(order)
    assert plan(order) == plan(order) == [(Kind.ACCEPT, Status.PENDING)]
    assert order.steps.of_kind(Kind.ACCEPT).count() == 1


def test_an_accept_without_effect_is_asked_for_a_few_times_then_by_a_person(product):
    order = make_order((product, 1))
    reserved(order)
    for _ in range(ACCEPTS_PER_ORDER):
        assert plan(order) == [(Kind.ACCEPT, Status.PENDING)]
        asked = timezone.now() - timedelta(minutes=5)
        order.steps.of_kind(Kind.ACCEPT).open().update(
            status=Status.DONE, finished_at=asked
        )
    assert plan(order) == [(Kind.ACCEPT, Status.NEEDS_PERSON)]


def test_an_accept_not_looked_at_since_is_not_repeated(product):
    order = make_order((product, 1))
    reserved(order)
    plan(order)
    order.steps.of_kind(Kind.ACCEPT).update(
        status=Status.DONE, finished_at=timezone.now()
    )
    assert plan(order) == []


def test_what_kaspi_has_done_already_is_dropped(product):
    order = make_order((product, 1))
    reserved(order)
    plan(order)
    assert plan(order, status=Order.ACCEPTED, state=Order.KASPI_DELIVERY) == []
    assert step_of(order, Kind.ACCEPT).status == Status.SKIPPED


@pytest.mark.parametrize(
    ("state", "wanted"),
    [(Order.KASPI_DELIVERY, [(Kind.ASSEMBLE, Status.PENDING)]), (Order.DELIVERY, [])],
)
def test_packing_is_told_to_kaspi_where_kaspi_fetches(product, settings, state, wanted):
    settings.AUTO_ASSEMBLE = True
    order = make_order((product, 1))
    reserved(order)
    assert plan(order, status=Order.ACCEPTED, state=state) == wanted


def test_a_pre_order_is_packed_once_its_goods_have_arrived(product, settings):
    settings.AUTO_ASSEMBLE = True
    order = make_order((product, 1), is_preorder=True)
    reserved(order)
    assert plan(order, status=Order.ACCEPTED, state=Order.KASPI_DELIVERY) == []
    assert plan(order, arrived_at=timezone.now()) == [(Kind.ASSEMBLE, Status.PENDING)]


def test_a_cancelled_order_gives_its_goods_back(product):
    order = make_order((product, 1))
    reserved(order)
    plan(order)
    assert plan(order, status=Order.CANCELLED) == [(Kind.RELEASE, Status.PENDING)]
    assert step_of(order, Kind.ACCEPT).status == Status.SKIPPED


def test_nothing_reserved_is_nothing_to_release(product):
    order = make_order((product, 1))
    assert plan(order, status=Order.CANCELLED) == []
    assert reservation_of(order).status == Reservation.Status.DROPPED


@pytest.mark.parametrize("status", [Status.PENDING, Status.NEEDS_PERSON])
@pytest.mark.parametrize(
    "known",
    [
        {"status": Order.CANCELLED, "state": Order.ARCHIVE},
        {"status": Order.COMPLETED, "state": Order.ARCHIVE},
        {"status": Order.ACCEPTED, "handed_over_at": timezone.now()},
    ],
    ids=["called off", "completed", "left with other pieces"],
)
def test_an_order_made_by_hand_that_was_not_looked_at_is_not_forgotten(
    product, known, status
):
    order = make_order((product, 1))
    named = {"number": "412001"}
    order.steps.filter(kind=Kind.RESERVE).update(parameters=named, status=status)
    plan(order, **known)
    assert reservation_of(order).status == Reservation.Status.DROPPED
    told = step_of(order, Kind.CHECK)
    assert told.stuck_for == Reason.RELEASE_BY_HAND
    assert "412001" in told.last_error
    # Once is enough.
    plan(order)
    assert order.steps.filter(kind=Kind.CHECK).count() == 1


@pytest.mark.parametrize("status", Step.UNSETTLED)
def test_an_unsettled_reserve_is_left_to_whoever_settles_it(product, status):
    order = make_order((product, 1))
    until = timezone.now() + timedelta(minutes=1)
    order.steps.update(status=status, claimed_by="me", claimed_until=until)
    assert plan(order, status=Order.CANCELLED) == [(Kind.RESERVE, status)]
    assert reservation_of(order).status == Reservation.Status.WANTED


def test_goods_on_their_way_are_not_released(product):
    order = make_order((product, 1))
    reservation = reserved(order)
    SupplierOrder.objects.update(status="P")
    assert plan(order, status=Order.CANCELLING) == []
    reservation.refresh_from_db()
    assert reservation.status == Reservation.Status.HELD


def test_what_a_person_reserved_a_person_releases(product):
    order = make_order((product, 1))
    order.steps.update(status=Status.SKIPPED)
    order.reservations.update(status=Reservation.Status.BY_HAND)
    assert plan(order, status=Order.CANCELLED) == [(Kind.RELEASE, Status.NEEDS_PERSON)]


def test_a_hand_over_ends_what_was_reserved_by_hand(product):
    order = make_order((product, 1))
    order.reservations.update(status=Reservation.Status.BY_HAND)
    plan(order, status=Order.ACCEPTED, handed_over_at=timezone.now())
    reservation = reservation_of(order)
    assert reservation.status == Reservation.Status.SHIPPED
    assert reservation.left_stock_at is not None


def test_a_completed_order_asks_for_nothing_more(product):
    order = make_order((product, 1))
    reserved(order)
    plan(order)
    assert plan(order, status=Order.COMPLETED) == []


def test_one_step_of_a_kind_is_open_at_a_time(product):
    order = make_order((product, 1))
    now = timezone.now()
    assert want_step(order, Kind.CANCEL, now=now) is not None
    assert want_step(order, Kind.CANCEL, now=now) is None


def test_a_step_says_why_it_needs_a_person(product):
    order = make_order((product, 1))
    step = want_step(
        order,
        Kind.RELEASE,
        now=timezone.now(),
        needs_person=Cause(Reason.OTHER, "Call the manager"),
    )
    assert (step.status, step.last_error) == (Status.NEEDS_PERSON, "Call the manager")
    assert step.stuck_for == Reason.OTHER
    told = OrderEvent.objects.filter(order=order, step=step)
    assert told.get().text == "Call the manager"


def test_a_completed_order_holds_nothing_any_more(product):
    order = make_order((product, 1))
    reserved(order)
    done = {"status": Order.COMPLETED, "state": Order.ARCHIVE}
    plan(order, **done, ended_at=timezone.now())
    reservation = reservation_of(order)
    assert reservation.status == Reservation.Status.SHIPPED
    assert reservation.left_stock_at is not None


def test_a_quickly_completed_order_counts_until_the_stock_has_surely_fallen(product):
    order = make_order((product, 1))
    reserved(order)
    done = {"status": Order.COMPLETED, "state": Order.ARCHIVE}
    plan(order, **done, ended_at=timezone.now())
    reservation = reservation_of(order)
    assert reservation.held_at is not None
    assert reservation.left_stock_at == reservation.held_at + STOCK_FALLS_WITHIN


def test_a_completed_order_that_reserved_nothing_counts_no_longer(product):
    order = make_order((product, 1))
    plan(order, status=Order.COMPLETED, state=Order.ARCHIVE, ended_at=timezone.now())
    reservation = reservation_of(order)
    assert (reservation.status, reservation.counts) == (
        Reservation.Status.DROPPED,
        False,
    )


def test_a_purchase_in_doubt_is_settled_though_the_order_is_completed(product):
    order = make_order((product, 1))
    doubt(order)
    order.steps.update(status=Status.NEEDS_PERSON)
    plan(order, status=Order.COMPLETED, state=Order.ARCHIVE, ended_at=timezone.now())
    assert step_of(order).status == Status.NEEDS_PERSON
    assert reservation_of(order).status == Reservation.Status.WANTED


def test_goods_that_came_back_are_not_held_by_the_supplier(product):
    order = make_order((product, 1))
    reserved(order)
    now = timezone.now()
    ended = {"state": Order.ARCHIVE, "handed_over_at": now, "ended_at": now}
    plan(order, status=Order.RETURNED, **ended)
    assert reservation_of(order).status == Reservation.Status.SHIPPED
    assert not order.steps.of_kind(Kind.RELEASE).exists()


def test_goods_bought_after_the_end_wait_for_a_person(product):
    order = make_order((product, 1))
    held = reserved(order)
    Reservation.objects.filter(pk=held.pk).update(held_at=timezone.now())
    earlier = timezone.now() - timedelta(hours=1)
    plan(order, status=Order.COMPLETED, state=Order.ARCHIVE, ended_at=earlier)
    assert reservation_of(order).status == Reservation.Status.HELD
