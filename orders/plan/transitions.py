"""The only place where a step or a reservation changes its status."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import Purchase, Reservation, Step, SupplierOrder
from orders.models.purchase import CartSeen
from orders.models.step import Candidate, SentToPeer, StepAnswer
from orders.plan.events import BRIDGE, record

if TYPE_CHECKING:
    from django.db.models.expressions import Combinable
    from typing_extensions import Unpack


class StepFields(TypedDict, total=False):
    """What may be written with a step's new status."""

    attempts: int | Combinable
    looks: int
    not_before: datetime
    claimed_by: str
    claimed_until: datetime | None
    sent: SentToPeer
    sent_at: datetime | None
    answered: StepAnswer
    last_error: str
    reason: str
    finished_at: datetime | None


class ReservationFields(TypedDict, total=False):
    """What may be written with a reservation's new status."""

    supplier_order: SupplierOrder | None
    cost_kzt: int | None
    held_at: datetime | None
    closed_at: datetime | None
    left_stock_at: datetime | None
    counts: bool


class PurchaseFields(TypedDict, total=False):
    """What may be written with a purchase's new status."""

    submits: list[str]
    submit_ended_at: datetime | None
    cart_since: list[CartSeen]
    supplier_order: SupplierOrder | None
    adopted_by: str
    reason: str
    candidates: list[Candidate]
    settled_at: datetime | None


class PurchaseMoved(Exception):
    """Somebody else has settled the purchase meanwhile: look at it again."""


class ForbiddenTransition(Exception):
    """The status named cannot follow the one there is: a programming error."""


def move_step(
    step: Step,
    to: str,
    *,
    text: str,
    now: datetime,
    actor: str = BRIDGE,
    **fields: Unpack[StepFields],
) -> bool:
    """Change the step's status if it is still what we read; write the event.

    False means that somebody else was first: do nothing more with the step.
    """
    if to not in Step.ALLOWED[Step.Status(step.status)]:
        raise ForbiddenTransition(f"step {step.pk}: {step.status} → {to}")
    if to in Step.TERMINAL:
        fields.setdefault("finished_at", now)
    if to not in Step.STUCK and to != Step.Status.SKIPPED:
        fields["reason"] = ""
    if to != Step.Status.IN_FLIGHT:
        fields["claimed_by"], fields["claimed_until"] = "", None
    with transaction.atomic():
        as_read = Step.objects.filter(
            pk=step.pk, status=step.status, claimed_by=step.claimed_by
        )
        if as_read.update(status=to, **fields) != 1:
            return False
        record(step.order, text, now=now, step=step, actor=actor)
    step.status = to
    for name, value in fields.items():
        setattr(step, name, value)
    return True


def skip_needless(
    step: Step, *, reason: str, now: datetime, actor: str = BRIDGE
) -> bool:
    """Drop a step that waits and is needed no longer; False as `move_step`."""
    text = _("%(step)s: no longer needed, %(reason)s")
    figures = {"step": step.get_kind_display(), "reason": reason}
    return move_step(
        step, Step.Status.SKIPPED, text=text % figures, now=now, actor=actor
    )


def move_reservation(
    reservation: Reservation,
    to: str,
    *,
    text: str,
    now: datetime,
    actor: str = BRIDGE,
    **fields: Unpack[ReservationFields],
) -> bool:
    """Change the reservation's status if it is still what we read; write the event."""
    if to not in Reservation.ALLOWED[Reservation.Status(reservation.status)]:
        raise ForbiddenTransition(
            f"reservation {reservation.pk}: {reservation.status} → {to}"
        )
    if to not in Reservation.OPEN:
        fields.setdefault("closed_at", now)
    if to in (Reservation.Status.RELEASED, Reservation.Status.DROPPED):
        fields["counts"] = False
    with transaction.atomic():
        as_read = Reservation.objects.filter(
            pk=reservation.pk, status=reservation.status
        )
        if as_read.update(status=to, **fields) != 1:
            return False
        if to == Reservation.Status.HELD:
            reservation.note_bought()
        record(reservation.order, text, now=now, actor=actor)
    reservation.status = to
    for name, value in fields.items():
        setattr(reservation, name, value)
    return True


def move_purchase(
    purchase: Purchase,
    to: str,
    *,
    now: datetime,
    text: str = "",
    actor: str = BRIDGE,
    **fields: Unpack[PurchaseFields],
) -> None:
    """Change the purchase's status; `text` is written to the orders it is for.

    Raises `PurchaseMoved` when it is not what we read any more.
    """
    same = to == purchase.status == Purchase.Status.SUBMITTING
    if not same and to not in Purchase.ALLOWED[Purchase.Status(purchase.status)]:
        raise ForbiddenTransition(f"purchase {purchase.pk}: {purchase.status} → {to}")
    if to not in Purchase.UNSETTLED:
        fields.setdefault("settled_at", now)
    with transaction.atomic():
        as_read = Purchase.objects.filter(pk=purchase.pk, status=purchase.status)
        if as_read.update(status=to, **fields) != 1:
            raise PurchaseMoved(f"{purchase}")
        if text:
            for reservation in purchase.reservations.select_related("order"):
                record(reservation.order, text, now=now, actor=actor)
    purchase.status = to
    for name, value in fields.items():
        setattr(purchase, name, value)
