"""Orders that wait for a person, for each reason there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.utils import timezone

from catalog.models import Product
from orders.models import (
    Cause,
    Finding,
    Order,
    Purchase,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
)
from orders.plan.transitions import move_reservation, move_step
from orders.plan.wanting import want_step
from tests.orders.factories import doubt, make_order, reservation_of, step_of

K, R, S = Step.Kind, Reservation.Status, Step.Status
State = tuple[Order, Step]
FOUND = [
    {
        "id": number,
        "sum": 1000,
        "placed_at": "2026-03-10T08:41:00+05:00",
        "lines": [["70311", 1, 1000]],
    }
    for number in ("501", "502")
]
KINDS = {
    Reason.NOT_CANCELLED_YET: K.RELEASE,
    Reason.SHARED_ORDER: K.RELEASE,
    Reason.FOREIGN_GOODS: K.RELEASE,
    Reason.RELEASE_REFUSED: K.RELEASE,
    Reason.RELEASE_BY_HAND: K.RELEASE,
    Reason.CHECK_REFUSED: K.CHECK,
    Reason.NOT_TRIMMED: K.TRIM,
    Reason.TRIM_SHARED: K.TRIM,
    Reason.NOTHING_LEFT: K.TRIM,
    Reason.GOODS_GONE: K.ACCEPT,
    Reason.ACCEPT_IN_VAIN: K.ACCEPT,
    Reason.ACCEPT_REFUSED: K.ACCEPT,
    Reason.ASSEMBLE_REFUSED: K.ASSEMBLE,
    Reason.ARRIVE_REFUSED: K.ARRIVE,
    Reason.RETURN_REFUSED: K.ARRIVE_BACK,
    Reason.CODE_NOT_SENT: K.SEND_CODE,
    Reason.WRONG_CODE: K.COMPLETE,
    Reason.CANCEL_REFUSED: K.CANCEL,
    Reason.REMOVE_REFUSED: K.REMOVE_LINE,
    Reason.IMEI_REFUSED: K.IMEI,
    Reason.EFFECT_UNSEEN: K.ARRIVE,
    Reason.NO_WAYBILL_SEEN: K.ASSEMBLE,
}
# Steps of a living order that is not accepted yet; the others come after it.
EARLY = {K.RESERVE, K.ACCEPT, K.CANCEL, K.REMOVE_LINE, K.TRIM}
FINDINGS = [Reason(kind) for kind in Finding.Kind.values]


def states_of(reason: Reason, product: Product) -> Iterable[State]:
    """Make orders stuck for the reason, such that each way out fits one of them."""
    if reason in FINDINGS:
        return _contradictions(reason, product)
    if reason in (Reason.TRIED_IN_VAIN, Reason.FAULT, Reason.OTHER):
        return _of_any_kind(reason, product)
    if reason == Reason.NO_EFFECT:
        kinds = (K.CANCEL, K.REMOVE_LINE, K.ARRIVE_BACK, K.COMPLETE)
        return (stuck_with(reason, product, kind) for kind in kinds)
    if reason in KINDS:
        return [stuck_with(reason, product, KINDS[reason])]
    if reason == Reason.WATCHED:
        stages = (Purchase.Stage.LOOKED, Purchase.Stage.CHECKED)
        # One at a time: a purchase that is watched over has the cart.
        return (watched(product, stage) for stage in stages)
    return [not_bought(reason, product)]


def not_bought(reason: Reason, product: Product, **fields: Any) -> State:
    """Let the order's reserve wait for a person."""
    order = make_order((product, 1))
    if reason == Reason.NO_LINES:
        order.lines.all().delete()
    if reason == Reason.UNKNOWN_SKU:
        order.lines.update(product=None, sku="XX-999")
    if reason in (Reason.WHICH_ORDER, Reason.NOT_LISTED, Reason.MIXED_CART):
        found = FOUND if reason == Reason.WHICH_ORDER else []
        doubt(order, candidates=found)
        fields["answered"] = {"candidates": found}
    if reason in (
        Reason.LOSES_MONEY,
        Reason.EARNS_LITTLE,
        Reason.EARNINGS_UNKNOWN,
        Reason.PRICE_ROSE,
    ):
        fields["answered"] = {"cost_kzt": 1200}
    if reason == Reason.OUT_OF_STOCK:
        fields["answered"] = {"is_stock": True}
    if reason == Reason.NUMBER_UNFIT:
        Step.objects.filter(order=order).update(parameters={"number": "777"})
    refused = (Reason.OUT_OF_STOCK, Reason.RESERVE_REFUSED, Reason.NOT_TAKEN)
    to = S.REFUSED if reason in refused else S.NEEDS_PERSON
    return order, stick(step_of(order), to, reason, **fields)


def stick(step: Step, to: str, reason: Reason, **fields: Any) -> Step:
    """Let a waiting step end with a person."""
    now = timezone.now()
    soon = now + timedelta(minutes=1)
    if step.status == S.PENDING:
        move_step(step, S.IN_FLIGHT, text="begun", now=now, claimed_until=soon)
        said = {"last_error": f"{reason.value} 70311", **fields}
        move_step(step, to, text="stuck", now=now, reason=reason, **said)
    return Step.objects.get(pk=step.pk)


def hold(order: Order, number: str = "") -> None:
    """Let Al-Style hold the order's goods."""
    step, now = step_of(order), timezone.now()
    soon = now + timedelta(minutes=1)
    move_step(step, S.IN_FLIGHT, text="begun", now=now, claimed_until=soon)
    move_step(step, S.DONE, text="reserved", now=now)
    supplied = SupplierOrder.objects.create(
        supplier_order_id=number or f"9{order.pk}",
        placed_at=now,
        lines=[["70311", 1, 1000]],
    )
    move_reservation(
        reservation_of(order),
        R.HELD,
        text="held",
        now=now,
        supplier_order=supplied,
        cost_kzt=1000,
        held_at=now,
    )


def stuck_with(reason: Reason, product: Product, kind: Step.Kind) -> State:
    """Make an order with a stuck step of any kind but a reserve."""
    order = make_order((product, 2))
    if reason == Reason.GOODS_GONE:
        order.reservations.update(status=R.DROPPED)
        order.steps.all().delete()
    elif reason == Reason.RELEASE_BY_HAND:
        order.steps.all().delete()
        order.reservations.update(status=R.BY_HAND)
    else:
        hold(order)
    values: dict[str, Any] = {}
    if kind not in EARLY:
        state = Order.KASPI_DELIVERY if kind == K.ASSEMBLE else Order.PICKUP
        values = {"state": state, "status": Order.ACCEPTED}
    if kind == K.RELEASE:
        values = {"status": Order.CANCELLED, "state": Order.ARCHIVE}
    if kind == K.ARRIVE_BACK:
        values["status"] = Order.CANCELLING
    if kind == K.ARRIVE:
        values["is_preorder"] = True
    Order.objects.filter(pk=order.pk).update(**values)
    order.refresh_from_db()
    order.lines.update(needs_imei=kind == K.IMEI)
    entry = order.lines.values_list("entry_id", flat=True).first()
    step = want_step(
        order,
        kind,
        now=timezone.now(),
        parameters={"entry_id": entry, "remained": 1} if entry else None,
        needs_person=Cause(reason, f"{reason.value} 70311"),
    )
    if reason in Step.REFUSED_AS.values():
        Step.objects.filter(pk=step.pk).update(status=S.REFUSED)
    if reason == Reason.NO_WAYBILL_SEEN:
        Step.objects.filter(pk=step.pk).update(sent_at=timezone.now())
    return order, Step.objects.get(pk=step.pk)


def watched(product: Product, stage: str) -> State:
    """Make an order whose supervised purchase waits for "go on"."""
    now = timezone.now()
    order = make_order((product, 1))
    rows = [["70311", 1, 1000, 20, False]]
    Purchase.objects.paused().update(status="given_up")
    doubt(
        order,
        status=Purchase.Status.OPENED
        if stage == Purchase.Stage.LOOKED
        else Purchase.Status.FILLING,
        submits=[],
        stage=stage,
        paused_at=now,
        watched=[
            {
                "at": now.isoformat(),
                "call": stage,
                "rows": rows,
                "words": "",
                "is_clear": True,
                "by": "",
            }
        ],
    )
    step = step_of(order)
    answered = {"supervised": stage}
    return order, stick(step, S.NEEDS_PERSON, Reason.WATCHED, answered=answered)


def _of_any_kind(reason: Reason, product: Product) -> Iterator[State]:
    kinds = (
        *(K.RELEASE, K.CANCEL, K.REMOVE_LINE, K.TRIM),
        *(K.CHECK, K.ACCEPT, K.COMPLETE),
    )
    yield from (stuck_with(reason, product, kind) for kind in kinds)
    yield not_bought(reason, product, answered={"cost_kzt": 1200})
    for like in (Reason.NOT_LISTED, Reason.WHICH_ORDER, Reason.UNKNOWN_SKU):
        order, step = not_bought(like, product)
        yield order, _called(step, reason)
    if reason == Reason.OTHER:
        # As they were stuck before reasons were written.
        order, step = stuck_with(Reason.NO_WAYBILL_SEEN, product, K.ASSEMBLE)
        yield order, _called(step, reason)
        for stage in (Purchase.Stage.LOOKED, Purchase.Stage.CHECKED):
            order, step = watched(product, stage)
            yield order, _called(step, reason)


def _called(step: Step, reason: Reason) -> Step:
    Step.objects.filter(pk=step.pk).update(reason=reason)
    step.reason = reason
    return step


def _contradictions(reason: Reason, product: Product) -> Iterator[State]:
    if reason == Reason.NOT_TAKEN_IN:
        return
    if reason == Reason.SUPPLIER_LINES:
        yield stuck_with(reason, product, K.TRIM)
    held = make_order((product, 2))
    hold(held)
    if reason == Reason.ORDER_LINES:
        held.lines.update(quantity=1)
    bare = make_order((product, 1))
    bare.steps.all().delete()
    if reason == Reason.NO_GOODS:
        bare.reservations.update(status=R.DROPPED)
        accepted = {"status": Order.ACCEPTED, "state": Order.KASPI_DELIVERY}
        Order.objects.filter(pk=bare.pk).update(**accepted)
    if reason in (Reason.NOT_RELEASED, Reason.OPEN_OF_ENDED):
        over = {"status": Order.CANCELLED, "ended_at": timezone.now()}
        Order.objects.filter(pk=held.pk).update(**over)
    if reason == Reason.NOT_SHOWN:
        gone = {"absent_readings": 3, "absent_since": timezone.now()}
        Order.objects.filter(pk=held.pk).update(**gone)
    if reason == Reason.UNKNOWN_STATE:
        Order.objects.filter(pk=held.pk).update(status="BLOCKED_BY_KASPI")
    orders = [held, bare] if reason == Reason.TOO_LONG else [held]
    if reason in (Reason.NO_GOODS, Reason.NOBODYS, Reason.GIVEN_UP):
        orders = [bare]
    yield from ((order, contradict(order, reason)) for order in orders)


def contradict(order: Order, reason: Reason) -> Step:
    """Let the reconciler have found something about the order."""
    now, text = timezone.now(), f"{reason.value} 70311"
    step = want_step(order, K.CHECK, now=now, needs_person=Cause(reason, text))
    Finding.objects.create(
        kind=reason.value,
        subject=f"order {order.code}",
        text=text,
        order=order,
        step=step,
        raised_at=now,
        seen_at=now,
    )
    return Step.objects.get(pk=step.pk)
