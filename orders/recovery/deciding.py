"""What a person says of orders of which nothing could be proven after a restore."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import Order, Purchase, Reason, Reservation, Step, pieces_in
from orders.models.step import Candidate, StepQuerySet
from orders.plan.actions import (
    ActionImpossible,
    adopt_for_purchase,
    mark_reserved_by_hand,
    refuse_doubtful,
    retry_step,
)
from orders.recovery.matching import total
from orders.supply.wanted import joint_lines, wanted_pieces
from plumbing.leases import database_now


def undecided() -> StepQuerySet:
    """Give the steps whose orders wait to hear whether they were bought."""
    waiting = Step.objects.stuck().of_kind(Step.Kind.RESERVE)
    waiting = waiting.filter(reason=Reason.AFTER_RESTORE)
    whole = waiting.select_related("order").prefetch_related("order__lines")
    return whole.order_by("order__created_at", "pk")


def candidates_of(step: Step) -> list[Candidate]:
    return list(step.answered.get("maybe_bought") or [])


def were_bought(steps: Sequence[Step], number: str, *, actor: str) -> None:
    """Note that these orders' goods were bought under a number.

    One by itself is looked up at the supplier before it counts, by its step. Several
    share one of the orders that were read, which must hold just what they want; it is
    read again before it does. Raises `ActionImpossible`.
    """
    if len(steps) == 1:
        mark_reserved_by_hand(steps[0].order, actor=actor, number=number)
        return
    with transaction.atomic():
        orders = [step.order_id for step in steps]
        locked = Order.objects.select_for_update().filter(pk__in=orders).order_by("pk")
        for order in locked:
            refuse_doubtful(order)
        wanted = Reservation.objects.wanted().filter(order__in=orders)
        reservations = list(wanted.select_related("order").order_by("pk"))
        pieces = pieces_in(_found(steps, number)["lines"])
        if len(reservations) < len(orders) or pieces != total(
            map(wanted_pieces, reservations)
        ):
            text = _("Order %(number)s does not hold just what these orders want")
            raise ActionImpossible(text % {"number": number})
        purchase = _lost_purchase(reservations, steps)
        adopt_for_purchase(purchase, number, actor=actor)


def _lost_purchase(
    reservations: Sequence[Reservation], steps: Sequence[Step]
) -> Purchase:
    """Make the purchase that the database lacks, as one whose answer was lost."""
    now, begun = database_now(), min(r.created_at for r in reservations)
    candidates = {str(c["id"]): c for step in steps for c in candidates_of(step)}
    purchase = Purchase.objects.create(
        status=Purchase.Status.NEEDS_PERSON,
        reference=" ".join(r.order.code for r in reservations)[:400],
        lines=[list(line) for line in joint_lines(reservations)],
        submits=[begun.isoformat()],
        candidates=list(candidates.values()),
        created_at=now,
        cleared_at=now,
    )
    purchase.reservations.set(reservations)
    return purchase


def buy(step: Step, *, actor: str) -> None:
    """Note that nothing was bought: have it reserved. Raises `ActionImpossible`."""
    retry_step(step, actor=actor)


def take_as_cared_for(step: Step, *, actor: str) -> None:
    """Note that a person has the goods. Raises `ActionImpossible`."""
    mark_reserved_by_hand(step.order, actor=actor)


def _found(steps: Sequence[Step], number: str) -> Candidate:
    for step in steps:
        for candidate in candidates_of(step):
            if str(candidate["id"]) == number:
                return candidate
    text = _("Order %(number)s is not among the candidates")
    raise ActionImpossible(text % {"number": number})
