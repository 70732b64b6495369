"""Release an order's goods: cancel the order at Al-Style that holds them."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.alstyle.trade import SupplierOrderRow
from orders.clients import Clients
from orders.models import Reason, Reservation, Step, SupplierOrder
from orders.plan.claims import Claim
from orders.plan.transitions import move_reservation
from orders.steps import outcomes
from orders.steps.outcomes import Outcome
from orders.supply.verifying import foreign_goods, note_read
from plumbing.peers import PeerAccessRefused, PeerRefused

# Al-Style may not show an order for a while, listed or not: that is no "no" yet.
SHOWN_AGAIN_AFTER_S = 300


class ReleaseHandler:
    """cancel, then wait for the supplier to say DA."""

    def describe(self, step: Step) -> str:
        """Say what would be sent."""
        reservation = _held_reservation(step)
        number = reservation.supplier_order if reservation is not None else "—"
        return _("cancel order %(number)s at Al-Style") % {"number": number}

    def perform(self, claim: Claim, clients: Clients) -> Outcome:
        """Ask Al-Style to cancel the order that holds the goods."""
        reservation = _held_reservation(claim.step)
        if reservation is None or reservation.supplier_order is None:
            return outcomes.skipped(_("Nothing is held for this order"))
        supplied = reservation.supplier_order
        if shared := _shared(supplied):
            return shared
        # Read first: a cancel takes all that is in it, a manager's goods too.
        try:
            row = clients.cart.order(supplied.supplier_order_id)
        except PeerAccessRefused:
            raise
        except PeerRefused as error:
            if claim.step.attempts >= settings.STEP_ATTEMPTS:
                raise
            text = _("Al-Style does not show order %(number)s now: %(error)s")
            figures = {"number": supplied, "error": error}
            return outcomes.retry(text % figures, after_s=SHOWN_AGAIN_AFTER_S)
        note_read(supplied, row)
        if row.status == SupplierOrder.CANCELLED:
            return _by_status(claim.step, row, otherwise=outcomes.retry("", after_s=0))
        if not_ours := _not_only_ours(supplied, row):
            return not_ours
        claim.renew()
        try:
            clients.cart.cancel(supplied.supplier_order_id)
        except PeerAccessRefused:
            raise
        except PeerRefused as error:
            row = clients.cart.order(supplied.supplier_order_id)
            refused = outcomes.refused(Reason.RELEASE_REFUSED, str(error))
            return _by_status(claim.step, row, otherwise=refused)
        text = _("Al-Style was asked to cancel order %(number)s")
        return outcomes.done(
            text % {"number": supplied},
            apply=partial(_mark, claim.step, to=Reservation.Status.RELEASING),
        )

    def look(self, claim: Claim, clients: Clients) -> Outcome:
        """See what became of the order at Al-Style."""
        reservation = _held_reservation(claim.step)
        if reservation is None or reservation.supplier_order is None:
            return outcomes.skipped(_("Nothing is held for this order"))
        row = clients.cart.order(reservation.supplier_order.supplier_order_id)
        # Asking twice to cancel the same order does no harm, once it was looked at.
        again = outcomes.retry(
            _("Al-Style has not cancelled the order: asking again"), after_s=0
        )
        return _by_status(claim.step, row, otherwise=again)


def _shared(supplied: SupplierOrder) -> Outcome | None:
    """Leave to a person what is known to hold goods of others."""
    if supplied.merged_into is not None:
        return _merged(supplied, into=str(supplied.merged_into))
    if not supplied.is_shared():
        return None
    text = _(
        "Al-Style's order %(number)s holds goods of other orders too: "
        "ask its manager to take these out, then mark them released"
    )
    return outcomes.needs_person(Reason.SHARED_ORDER, text % {"number": supplied})


def _not_only_ours(supplied: SupplierOrder, row: SupplierOrderRow) -> Outcome | None:
    """Leave to a person what a manager has merged, or added to, a moment ago."""
    if row.status == SupplierOrder.MERGED or row.merge_with:
        return _merged(supplied, into=row.merge_with)
    foreign = foreign_goods(supplied)
    if not foreign:
        return None
    text = _(
        "Al-Style's order %(number)s holds goods that are not this order's "
        "(%(goods)s): have ours taken out there, then mark them released"
    )
    figures = {"number": supplied, "goods": foreign}
    return outcomes.needs_person(Reason.FOREIGN_GOODS, text % figures)


def _merged(supplied: SupplierOrder, *, into: str) -> Outcome:
    """Leave it to a person: the goods are in an order that is not ours to cancel."""
    text = _(
        "Al-Style merged order %(number)s into %(other)s: ask its manager to take this "
        "order's goods out there, then mark them released"
    )
    figures = {"number": supplied, "other": into or "—"}
    return outcomes.needs_person(Reason.SHARED_ORDER, text % figures)


def _by_status(step: Step, row: SupplierOrderRow, *, otherwise: Outcome) -> Outcome:
    if row.status == SupplierOrder.CANCELLED:
        return outcomes.done(
            _("Al-Style has cancelled order %(number)s") % {"number": row.order_id},
            apply=partial(_mark, step, to=Reservation.Status.RELEASED),
        )
    return otherwise


def _held_reservation(step: Step) -> Reservation | None:
    held = Reservation.objects.held_before(step)
    return held.select_related("supplier_order", "order").first()


def _mark(step: Step, now: datetime, *, to: Reservation.Status) -> None:
    reservation = _held_reservation(step)
    if reservation is None or reservation.status == to:
        return
    text = {
        Reservation.Status.RELEASING: _("The goods are being released"),
        Reservation.Status.RELEASED: _("The goods are released"),
    }
    move_reservation(reservation, to, text=text[to], now=now)
