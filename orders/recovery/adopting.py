"""Writes down what was found at the supplier, or asks a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from catalog.alstyle.trade import SupplierOrderRow
from orders.models import (
    Cause,
    Order,
    Purchase,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
)
from orders.models.step import StepAnswer
from orders.plan.planning import replan, said_of_called_off
from orders.plan.transitions import move_purchase, move_reservation, move_step
from orders.plan.wanting import want_step
from orders.recovery.matching import Bought, Match, Want
from orders.supply.purchasing import give_up, need_person
from orders.supply.settling import candidate_of
from orders.supply.wanted import joint_lines
from plumbing.leases import database_now

Status = Purchase.Status


class Adopter:
    """Takes the supplier's orders for ours; each in one transaction."""

    def __init__(self, *, rows: Mapping[str, SupplierOrderRow]) -> None:
        self._rows = rows

    def adopt(self, found: Match) -> None:
        """Note that an order at the supplier was bought for orders of ours."""
        with transaction.atomic():
            reservations = self._wanted([want.pk for want in found.wants])
            if len(reservations) < len(found.wants):
                # Somebody has decided meanwhile: the next run looks again.
                return
            take_for(reservations, self._supplied(found.bought.number), by="evidence")

    def let_go(self, order: Order, bought: Sequence[Bought]) -> None:
        """Have released what was bought for an order that is called off by now."""
        mine = [row for row in bought if order.code in row.words]
        if len(mine) != 1:
            return
        others = Order.objects.filter(code__in=mine[0].words).exclude(pk=order.pk)
        if others.exists():
            return
        with transaction.atomic():
            order = Order.objects.select_for_update().get(pk=order.pk)
            if order.reservations.open().exists() or not order.is_called_off:
                return
            now = database_now()
            reservation = Reservation.objects.create(order=order, created_at=now)
            reservation.want(order.lines.all())
            take_for([reservation], self._supplied(mine[0].number), by="evidence")

    def tell_held(self, order: Order, want: Want, bought: Sequence[Bought]) -> None:
        """Let a person see what may still be held for an order that was called off.

        Nothing names it: it may be somebody else's, so nothing is cancelled unseen.
        """
        numbers = [row.number for row in bought if row.fits(want)]
        if not numbers:
            return
        cause = Cause(Reason.AFTER_RESTORE, said_of_called_off(numbers))
        want_step(order, Step.Kind.CHECK, now=database_now(), needs_person=cause)

    def ask(self, want: Want, candidates: Sequence[Bought]) -> None:
        """Let a person say whether the goods of an order were bought."""
        shown = [candidate_of(self._rows[row.number]) for row in candidates]
        text = _(
            "The database is older than the last thing sent to Al-Style: whether these "
            "goods were bought cannot be proven"
        )
        if shown:
            numbers = ", ".join(found["id"] for found in shown)
            text = _("%(text)s. It may be Al-Style's order %(numbers)s") % {
                "text": text,
                "numbers": numbers,
            }
        with transaction.atomic():
            reservation = next(iter(self._wanted([want.pk])), None)
            if reservation is None:
                return
            begun = reservation.purchases.filter(status__in=Purchase.UNSETTLED).first()
            reason, answered = Reason.AFTER_RESTORE, StepAnswer(maybe_bought=shown)
            if begun is not None:
                reason = Reason.WHICH_ORDER if shown else Reason.NOT_LISTED
                answered = StepAnswer(candidates=shown)
                if begun.status != Status.NEEDS_PERSON:
                    need_person(begun, reason=text, candidates=shown)
            now = database_now()
            _stop(reservation.order, Cause(reason, text), answered, now=now)

    def _wanted(self, pks: Sequence[int]) -> list[Reservation]:
        """Give the reservations that are still wanted, their orders locked."""
        orders = Order.objects.filter(reservations__in=pks)
        list(orders.select_for_update(of=("self",)).order_by("pk"))
        wanted = Reservation.objects.wanted().filter(pk__in=pks)
        return list(wanted.select_related("order").order_by("pk"))

    def _supplied(self, number: str) -> SupplierOrder:
        row, now = self._rows[number], database_now()
        known = SupplierOrder.objects.numbered(number).first()
        supplied = known or SupplierOrder(supplier_order_id=number)
        supplied.placed_at = row.placed_at or now
        supplied.status, supplied.sum_kzt = row.status, row.sum_kzt
        supplied.lines = [list(line) for line in row.lines or ()]
        supplied.listed_id, supplied.read_at = row.order_id, now
        supplied.save()
        return supplied


def take_for(
    reservations: Sequence[Reservation], supplied: SupplierOrder, *, by: str
) -> None:
    """Let the supplier's order hold the goods of all of them; in a transaction."""
    now = database_now()
    purchase = _purchase_of(reservations, supplied, by=by, now=now)
    text = _("Al-Style's order %(number)s holds the goods") % {"number": supplied}
    for reservation in reservations:
        move_reservation(
            reservation,
            Reservation.Status.HELD,
            text=text,
            now=now,
            actor=by if by != "evidence" else "bridge",
            supplier_order=supplied,
            cost_kzt=purchase.share_of(reservation),
            held_at=now,
        )
        for step in reservation.order.steps.of_kind(Step.Kind.RESERVE).exclude(
            status__in=(Step.Status.DONE, Step.Status.SKIPPED)
        ):
            move_step(step, Step.Status.SKIPPED, text=text, now=now)
        replan(reservation.order, now=now)


def _purchase_of(
    reservations: Sequence[Reservation],
    supplied: SupplierOrder,
    *,
    by: str,
    now: datetime,
) -> Purchase:
    """Settle the purchase that was begun for just these, or make the one we lack."""
    begun = list(
        Purchase.objects.unsettled().filter(reservations__in=reservations).distinct()
    )
    wanted = {reservation.pk for reservation in reservations}
    for purchase in begun:
        is_same = {r.pk for r in purchase.reservations.all()} == wanted
        if is_same and Status.MADE in Purchase.ALLOWED[Status(purchase.status)]:
            move_purchase(
                purchase,
                Status.MADE,
                now=now,
                supplier_order=supplied,
                adopted_by=by,
            )
            return purchase
    for purchase in begun:
        give_up(purchase, reason=_("Bought otherwise in the time that was lost"))
    purchase = Purchase.objects.create(
        reference=" ".join(r.order.code for r in reservations)[:400],
        lines=[list(line) for line in joint_lines(reservations)],
        sum_kzt=supplied.sum_kzt,
        status=Status.MADE,
        supplier_order=supplied,
        adopted_by=by,
        created_at=now,
        settled_at=now,
        cleared_at=now,
        verified_at=now,
    )
    purchase.reservations.set(reservations)
    return purchase


def _stop(order: Order, cause: Cause, answered: StepAnswer, *, now: datetime) -> None:
    """Let the order's reserve wait for a person, whatever it waited for."""
    for step in order.steps.of_kind(Step.Kind.RESERVE).exclude(
        status__in=(Step.Status.DONE, Step.Status.SKIPPED)
    ):
        if step.status == Step.Status.REFUSED:
            move_step(step, Step.Status.SKIPPED, text=cause.text, now=now)
        elif step.status == Step.Status.NEEDS_PERSON:
            Step.objects.filter(pk=step.pk, status=step.status).update(
                reason=cause.reason,
                last_error=cause.text,
                answered=answered,
            )
            return
        elif step.status != Step.Status.IN_FLIGHT:
            move_step(
                step,
                Step.Status.NEEDS_PERSON,
                text=cause.text,
                now=now,
                reason=cause.reason,
                last_error=cause.text,
                answered=answered,
            )
            return
    made = want_step(order, Step.Kind.RESERVE, now=now, needs_person=cause)
    if made is not None:
        Step.objects.filter(pk=made.pk).update(answered=answered)
