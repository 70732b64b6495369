from __future__ import annotations

import pytest
from django.utils import timezone

from orders.models import Order, OrderEvent, Reservation, Step, SupplierOrder
from orders.plan import actions
from orders.plan.actions import ActionImpossible
from orders.plan.planning import replan
from orders.steps import HANDLERS
from tests.orders.factories import (
    doubt,
    make_order,
    make_product,
    reservation_of,
    step_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
S, R, K = Step.Status, Reservation.Status, Step.Kind


@pytest.fixture
def product():
    return make_product("70311")


def set_status(order, status: str, kind: str = K.RESERVE) -> Step:
    step = step_of(order, kind)
    Step.objects.filter(pk=step.pk).update(status=status, claimed_until=timezone.now())
    return step_of(order, kind)


@pytest.mark.parametrize("status", [S.REFUSED, S.NEEDS_PERSON])
def test_a_stuck_step_is_tried_again_and_the_trail_names_who(product, status):
    order = make_order((product, 1))
    actions.retry_step(set_status(order, status), actor="anna")
    assert step_of(order).status == S.PENDING
    assert order.steps.filter(status__in=Step.OPEN).count() == 1
    assert OrderEvent.objects.filter(order=order, actor="anna").exists()
    assert step_of(order).not_before <= timezone.now()


def test_what_is_under_way_is_not_tried_twice(product):
    order = make_order((product, 1))
    step = set_status(order, S.IN_FLIGHT)
    with pytest.raises(ActionImpossible):
        actions.retry_step(step, actor="anna")
    with pytest.raises(ActionImpossible):
        actions.mark_reserved_by_hand(order, actor="anna")


def test_a_sku_mapped_by_hand_makes_the_order_reservable(product):
    order = make_order((product, 2), problem="old-sku: none of our products")
    order.lines.update(product=None, sku="old-sku", problem="none of our products")
    order.reservations.get().lines.all().delete()
    other = make_product("812", sku="old-sku")
    actions.retry_step(step_of(order), actor="anna")
    order.refresh_from_db()
    assert order.problem == ""
    assert order.lines.get().product == other
    assert [(x.product, x.quantity) for x in reservation_of(order).lines.all()] == [
        (other, 2)
    ]


@pytest.mark.parametrize("status", [R.HELD, R.SHIPPED])
def test_a_number_that_holds_another_orders_goods_is_taken(product, status):
    order, supplied = make_order((product, 1)), make_supplier_order("412001")
    order.reservations.update(status=status, supplier_order=supplied)
    second = make_order((product, 1))
    with pytest.raises(ActionImpossible, match="412001"):
        actions.mark_reserved_by_hand(second, actor="anna", number="412001")
    assert reservation_of(second).status == R.WANTED


def hold(order: Order, number: str) -> None:
    """Let Al-Style's order of a number hold the goods, as if it had been bought."""
    reservation = order.reservations.open().first()
    if reservation is None:
        reservation = Reservation(order=order, created_at=timezone.now())
    reservation.status = R.HELD
    reservation.supplier_order = make_supplier_order(number)
    reservation.held_at = timezone.now()
    reservation.save()
    order.steps.of_kind(K.RESERVE).idle().update(status=S.DONE)


def make_supplier_order(number: str) -> SupplierOrder:
    return SupplierOrder.objects.create(
        supplier_order_id=number, placed_at=timezone.now()
    )


def test_goods_released_by_hand_no_longer_count(product):
    order = make_order((product, 1))
    actions.mark_reserved_by_hand(order, actor="anna")
    actions.mark_released(order, actor="anna")
    reservation = reservation_of(order)
    assert (reservation.status, reservation.counts) == (R.DROPPED, False)
    with pytest.raises(ActionImpossible):
        actions.mark_released(order, actor="anna")


def test_a_cancel_is_asked_for_once(product):
    order = make_order((product, 1))
    for _ in range(2):
        actions.request_step(
            order,
            K.CANCEL,
            actor="anna",
            parameters={"reason": "MERCHANT_OUT_OF_STOCK"},
        )
    assert order.steps.filter(kind=K.CANCEL).count() == 1


def test_nothing_held_is_nothing_to_release(product):
    order = make_order((product, 1))
    with pytest.raises(ActionImpossible):
        actions.request_step(order, K.RELEASE, actor="anna")


def test_a_dropped_step_says_who_and_why(product):
    order = make_order((product, 1))
    step = set_status(order, S.REFUSED)
    actions.skip_step(step, actor="anna", reason="bought elsewhere")
    assert step_of(order).status == S.SKIPPED
    assert "bought elsewhere" in OrderEvent.objects.filter(order=order).last().text


def test_a_reserve_with_candidates_is_chosen_not_retried(product):
    order = make_order((product, 1))
    doubt(order)
    step = set_status(order, S.NEEDS_PERSON)
    step.answered = {"candidates": [{"id": "412001"}]}
    step.save()
    with pytest.raises(ActionImpossible):
        actions.skip_step(step, actor="anna", reason="never mind")
    with pytest.raises(ActionImpossible):
        actions.mark_reserved_by_hand(order, actor="anna")
    with pytest.raises(ActionImpossible):
        actions.retry_step(step, actor="anna")
    actions.reserve_anew(step, actor="anna")
    assert (step_of(order).status, step_of(order).answered) == (S.PENDING, {})


def test_the_buyers_code_is_never_told(product):
    order = make_order((product, 1))
    step = Step(order=order, kind=K.COMPLETE, parameters={"code": "4711"})
    assert "4711" not in HANDLERS[K.COMPLETE].describe(step)


@pytest.mark.parametrize("status", [S.REFUSED, S.NEEDS_PERSON])
def test_trying_an_old_release_again_leaves_goods_reserved_since_alone(product, status):
    order = make_order((product, 1))
    hold(order, "412001")
    actions.request_step(order, K.RELEASE, actor="anna")
    stuck = set_status(order, status, K.RELEASE)
    reservation = reservation_of(order)
    reservation.status = R.RELEASED
    reservation.save()
    hold(order, "412002")
    with pytest.raises(ActionImpossible):
        actions.retry_step(stuck, actor="anna")
    assert HANDLERS[K.RELEASE].describe(stuck).count("412002") == 0
    actions.request_step(order, K.RELEASE, actor="anna")
    assert step_of(order, K.RELEASE).status == S.PENDING
    assert "412002" in HANDLERS[K.RELEASE].describe(step_of(order, K.RELEASE))


def test_an_old_stuck_release_does_not_keep_new_goods_from_being_released(product):
    order = make_order((product, 1))
    hold(order, "412001")
    actions.request_step(order, K.RELEASE, actor="anna")
    set_status(order, S.NEEDS_PERSON, K.RELEASE)
    Reservation.objects.filter(order=order).update(status=R.RELEASED)
    hold(order, "412002")
    Order.objects.filter(pk=order.pk).update(status=Order.CANCELLED)
    replan(order, now=timezone.now())
    assert step_of(order, K.RELEASE).status == S.PENDING


def test_a_release_that_was_refused_is_tried_again(product):
    order = make_order((product, 1))
    hold(order, "412001")
    actions.request_step(order, K.RELEASE, actor="anna")
    actions.retry_step(set_status(order, S.REFUSED, K.RELEASE), actor="anna")
    assert step_of(order, K.RELEASE).status == S.PENDING
    assert "412001" in HANDLERS[K.RELEASE].describe(step_of(order, K.RELEASE))
