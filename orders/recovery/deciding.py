"""What a person says of orders of which nothing could be proven after a restore."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import Order, Reason, Reservation, Step, SupplierOrder, pieces_in
from orders.models.step import Candidate, StepQuerySet
from orders.plan.actions import (
    ActionImpossible,
    mark_reserved_by_hand,
    refuse_taken,
    retry_step,
)
from orders.recovery.adopting import take_for
from orders.recovery.matching import total
from orders.supply.wanted import wanted_pieces
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
    share one of the orders that were read, and it must hold just what they want.
    Raises `ActionImpossible`.
    """
    if len(steps) == 1:
        mark_reserved_by_hand(steps[0].order, actor=actor, number=number)
        return
    with transaction.atomic():
        orders = [step.order_id for step in steps]
        list(Order.objects.select_for_update().filter(pk__in=orders).order_by("pk"))
        wanted = Reservation.objects.wanted().filter(order__in=orders)
        reservations = list(wanted.select_related("order").order_by("pk"))
        found = _found(steps, number)
        pieces = pieces_in(found["lines"])
        if len(reservations) < len(orders) or pieces != total(
            map(wanted_pieces, reservations)
        ):
            text = _("Order %(number)s does not hold just what these orders want")
            raise ActionImpossible(text % {"number": number})
        refuse_taken(number, orders)
        supplied, _is_new = SupplierOrder.objects.get_or_create(
            supplier_order_id=number,
            defaults={
                "placed_at": database_now(),
                "sum_kzt": found["sum"],
                "lines": found["lines"],
            },
        )
        take_for(reservations, supplied, by=actor)


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
