"""Finds what waits longer than `orders.plan.ages` allows without a person told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from django.utils.translation import gettext as _

from backoffice.formatting import span
from orders.models import Finding, Order, Purchase, Reservation, Step
from orders.models.step import CLAIM_S
from orders.plan.ages import (
    PURCHASE_AGES,
    RESERVATION_AGES,
    STEP_AGES,
    UNSHOWN_FOR,
)
from orders.plan.events import BRIDGE
from orders.reconciling.contradictions import IN_HAND, Contradiction, has_step
from plumbing.limits import LONG_AGO
from plumbing.models import TimeJump

Kind = Finding.Kind
# A purchase comes to a person together with its reserve step.
TOLD_BY = timedelta(minutes=10)


def overdue_of_order(order: Order, *, now: datetime) -> Iterator[Contradiction]:
    """Find the order's steps and its reservation that wait too long.

    Give an order of `load_whole`. A clock that was set makes nothing old.
    """
    if any(_overdue_of_order(order, now=now, set_at=LONG_AGO)):
        yield from _overdue_of_order(order, now=now, set_at=_last_set_at(now=now))


def _last_set_at(*, now: datetime) -> datetime:
    """Tell when the clock was last set; ages of what is older are not known."""
    jumps = TimeJump.objects.filter(noticed_at__lte=now)
    return jumps.aggregate(last=Max("noticed_at"))["last"] or LONG_AGO


def _overdue_of_order(
    order: Order, *, now: datetime, set_at: datetime
) -> Iterator[Contradiction]:
    for step in order.steps.all():
        limit = STEP_AGES.get(step.status)
        if limit is not None and _is_step_overdue(step, limit, now=now, set_at=set_at):
            text = _("%(step)s has been %(status)s for longer than %(limit)s")
            figures = {
                "step": step.get_kind_display(),
                "status": step.get_status_display(),
                "limit": span(limit),
            }
            yield Contradiction(
                kind=Kind.TOO_LONG,
                subject=f"step {step.pk}",
                text=text % figures,
                facts={
                    "stuck": step.is_stuck,
                    "created_at": step.created_at.isoformat(),
                },
                order=order,
                stands=not step.is_stuck,
            )
    for reservation in order.reservations.all():
        limit = RESERVATION_AGES.get(reservation.status)
        if limit is None or _is_told(order, reservation):
            continue
        if now - max(_reservation_since(order, reservation), set_at) > limit:
            text = _("The reservation has been %(status)s for longer than %(limit)s")
            figures = {
                "status": reservation.get_status_display(),
                "limit": span(limit),
            }
            yield Contradiction(
                kind=Kind.TOO_LONG,
                subject=f"reservation {reservation.pk}",
                text=text % figures,
                facts={"status": reservation.status},
                order=order,
            )


def overdue_purchases(*, now: datetime) -> Iterator[Contradiction]:
    """Find purchases that wait too long, one contradiction for each of their orders."""
    unsettled = Purchase.objects.unsettled().prefetch_related(
        "reservations__order__steps"
    )
    for purchase in unsettled:
        orders = [reservation.order for reservation in purchase.reservations.all()]
        told = any(has_step(o, Step.Kind.RESERVE, *Step.STUCK) for o in orders)
        limit = PURCHASE_AGES[purchase.status]
        is_with_person = purchase.status == Purchase.Status.NEEDS_PERSON
        if is_with_person and not told:
            limit = TOLD_BY
        since = purchase.last_submit_at or purchase.created_at
        if now - since <= limit or now - _last_set_at(now=now) <= limit:
            continue
        text = _("Purchase %(purchase)s has been %(status)s for longer than %(limit)s")
        figures = {
            "purchase": purchase,
            "status": purchase.get_status_display(),
            "limit": span(limit),
        }
        concerned: list[Order | None] = [*orders] or [None]
        for order in concerned:
            yield Contradiction(
                kind=Kind.TOO_LONG,
                subject=f"purchase {purchase.pk}, order {order or '—'}",
                text=text % figures,
                facts={"status": purchase.status},
                order=order,
                purchase=purchase,
                stands=not told,
            )


def unshown_purchases(*, now: datetime) -> Iterator[Contradiction]:
    """Find purchases whose order Al-Style does not show by the number it answered.

    What is in it is not compared, and nobody may know when it is cancelled.
    """
    unshown = Purchase.objects.unshown().select_related("supplier_order")
    for purchase in unshown.prefetch_related("reservations__order"):
        since = max(purchase.settled_at or purchase.created_at, _last_set_at(now=now))
        if purchase.unshown_at is None or purchase.unshown_at - since <= UNSHOWN_FOR:
            continue
        text = _(
            "Al-Style has not shown order %(number)s for longer than %(limit)s: look "
            "in its portal, maybe under another number, whether it holds our goods"
        )
        figures = {"number": purchase.supplier_order, "limit": span(UNSHOWN_FOR)}
        for reservation in purchase.reservations.all():
            order = reservation.order
            yield Contradiction(
                kind=Kind.TOO_LONG,
                subject=f"purchase {purchase.pk}, order {order}",
                text=text % figures,
                facts={"number": str(purchase.supplier_order)},
                order=order,
                purchase=purchase,
            )


def _is_step_overdue(
    step: Step, limit: timedelta, *, now: datetime, set_at: datetime
) -> bool:
    if step.status == Step.Status.IN_FLIGHT:
        claimed = step.claimed_until
        longest = limit - timedelta(seconds=CLAIM_S)
        return claimed is None or now - max(claimed, set_at) > longest
    # Withheld on purpose.
    if step.status == Step.Status.PENDING and settings.OBSERVE_ONLY:
        return False
    if now - max(step.created_at, set_at) <= limit:
        return False
    if step.status == Step.Status.REFUSED:
        return now - max(step.finished_at or step.created_at, set_at) > limit
    events = step.events.all()
    last = events.aggregate(last=Max("happened_at"))["last"] or step.created_at
    if step.status != Step.Status.PENDING and now - max(last, set_at) > limit:
        return True
    if step.status == Step.Status.NEEDS_PERSON:
        return False
    # Tried and tried again: since it was asked for, or a person last touched it.
    by_person = events.exclude(actor=BRIDGE).aggregate(last=Max("happened_at"))["last"]
    asked = max(step.created_at, by_person or step.created_at, set_at)
    return now - asked > STEP_AGES[Step.Status.PENDING]


def _is_told(order: Order, reservation: Reservation) -> bool:
    """Tell whether a step says already what the reservation waits for."""
    if reservation.status == Reservation.Status.WANTED:
        # The step has an age of its own.
        return has_step(order, Step.Kind.RESERVE, *IN_HAND)
    if reservation.status == Reservation.Status.RELEASING:
        return has_step(order, Step.Kind.RELEASE, *Step.STUCK)
    # On its way: its end ends the reservation.
    return order.handed_over_at is not None


def _reservation_since(order: Order, reservation: Reservation) -> datetime:
    if reservation.status == Reservation.Status.RELEASING:
        asked = [
            step.finished_at
            for step in order.steps.all()
            if step.kind == Step.Kind.RELEASE
            and step.status == Step.Status.DONE
            and step.finished_at is not None
        ]
        if asked:
            return max(asked)
    return reservation.held_at or reservation.created_at
