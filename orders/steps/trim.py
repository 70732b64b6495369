"""Take out of Al-Style's order what the buyer's order has no longer."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from catalog.alstyle.trade import SupplierOrderRow
from orders.clients import Clients
from orders.models import (
    LearnedFact,
    Order,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
    whole_order,
)
from orders.plan.claims import Claim
from orders.reconciling.contradictions import (
    goods_of,
    goods_of_order,
    shown,
    supplied_of_order,
)
from orders.reconciling.rounds import reconcile_order
from orders.steps import outcomes
from orders.steps.outcomes import Outcome
from orders.supply.learning import learn
from orders.supply.verifying import note_read, wanted_of
from plumbing.leases import database_now
from plumbing.peers import PeerAccessRefused, PeerRefused

# An unclear write may take effect a while after its connection broke.
LOOKS, LOOK_AFTER_S = 2, 60
# Just placed, awaiting payment, a preliminary reserve.
UNCONFIRMED = ("", "N", "R")


class TrimHandler:
    """order → order-item-update, order-item-delete → order, which tells.

    Both methods are newer and known from one source: what they did is believed when
    the order, read again, shows it; what fails costs nothing, a person is told as
    before.
    """

    def describe(self, step: Step) -> str:
        """Say what would be sent."""
        held = _held_reservation(step)
        if held is None or held.supplier_order is None:
            return f"{step.get_kind_display()} {step.order.code}"
        left = _too_much(step.order, held.supplier_order)
        text = _("leave in order %(number)s at Al-Style: %(goods)s")
        return text % {"number": held.supplier_order, "goods": shown(left) or "—"}

    def perform(self, claim: Claim, clients: Clients) -> Outcome:
        """Have Al-Style's order hold just what the buyer's order has."""
        held = _held_reservation(claim.step)
        if held is None or held.supplier_order is None:
            return outcomes.skipped(_("Nothing is held for this order"))
        supplied = held.supplier_order
        if supplied.is_shared():
            return _see_shared(claim, clients, supplied)
        row = _read(supplied, clients)
        order = Order.objects.get(pk=claim.step.order_id)
        if not supplied_of_order(order):
            text = _("Nothing is left in the order: cancel it, and its goods go back")
            return outcomes.needs_person(Reason.NOTHING_LEFT, text)
        too_much = _too_much(order, supplied)
        for article, left in too_much.items():
            claim.renew(sent_at=database_now())
            try:
                clients.cart.change_line(supplied.supplier_order_id, article, left=left)
            except PeerAccessRefused:
                raise
            except PeerRefused as error:
                return _refused(supplied, error, status=row.status)
        return self._see(claim, clients, supplied, was_asked=bool(too_much))

    def look(self, claim: Claim, clients: Clients) -> Outcome:
        """See what an unclear change came to; it is not sent again by itself."""
        held = _held_reservation(claim.step)
        if held is None or held.supplier_order is None:
            return outcomes.skipped(_("Nothing is held for this order"))
        return self._see(claim, clients, held.supplier_order, was_asked=True)

    def _see(
        self,
        claim: Claim,
        clients: Clients,
        supplied: SupplierOrder,
        *,
        was_asked: bool,
    ) -> Outcome:
        _read(supplied, clients)
        order = Order.objects.get(pk=claim.step.order_id)
        left = _too_much(order, supplied)
        if left and claim.step.looks < LOOKS:
            text = _("Al-Style's order %(number)s does not show it yet")
            return outcomes.unknown(
                text % {"number": supplied}, look_after_s=LOOK_AFTER_S
            )
        if left:
            text = _(
                "Al-Style's order %(number)s still holds more than the buyer's order: "
                "have it taken out there until %(goods)s are left, then compare"
            )
            figures = {"number": supplied, "goods": shown(left)}
            return outcomes.needs_person(Reason.NOT_TRIMMED, text % figures)
        if supplied.quantities != supplied_of_order(order):
            text = _(
                "Al-Style's order %(number)s holds other goods than the buyer's order: "
                "%(there)s instead of %(goods)s"
            )
            figures = {
                "number": supplied,
                "there": shown(supplied.quantities),
                "goods": shown(supplied_of_order(order)),
            }
            return outcomes.needs_person(Reason.SUPPLIER_LINES, text % figures)
        if was_asked:
            learn(
                LearnedFact.Name.ORDERS_CHANGE,
                "yes",
                evidence=f"{supplied}, {order.code}",
                now=database_now(),
            )
        Reservation.objects.held().filter(supplier_order=supplied).update(
            cost_kzt=supplied.sum_kzt
        )
        # The reservation is made what the order says, and what was told is settled.
        reconcile_order(order.pk, now=database_now())
        text = _("Al-Style's order %(number)s holds just what the buyer's order has")
        return outcomes.done(text % {"number": supplied})


def _see_shared(claim: Claim, clients: Clients, supplied: SupplierOrder) -> Outcome:
    """Leave an order with others' goods to its manager, who may have done it already.

    The reservation is made what the order says once all of them fit together.
    """
    _read(whole_order(supplied), clients)
    reconcile_order(claim.step.order_id, now=database_now())
    held = _held_reservation(claim.step)
    if held is not None and goods_of(held) == goods_of_order(held.order):
        text = _("Al-Style's order %(number)s holds just what the buyer's order has")
        return outcomes.done(text % {"number": supplied})
    text = _(
        "Al-Style's order %(number)s holds goods of other orders too: ask its "
        "manager to take out what this one has no longer, then compare"
    )
    return outcomes.needs_person(Reason.TRIM_SHARED, text % {"number": supplied})


def _refused(supplied: SupplierOrder, error: PeerRefused, *, status: str) -> Outcome:
    # Of one that is being packed or has left it says nothing about the others.
    if status in UNCONFIRMED:
        learn(
            LearnedFact.Name.ORDERS_CHANGE,
            "no",
            evidence=f"{supplied}: {error}"[:200],
            now=database_now(),
        )
    text = _(
        "Al-Style does not let goods be taken out of order %(number)s (%(words)s): "
        "have it done there, then compare"
    )
    figures = {"number": supplied, "words": error}
    return outcomes.needs_person(Reason.NOT_TRIMMED, text % figures)


def _read(supplied: SupplierOrder, clients: Clients) -> SupplierOrderRow:
    row = clients.cart.order(supplied.supplier_order_id)
    note_read(supplied, row)
    return row


def _too_much(order: Order, supplied: SupplierOrder) -> Mapping[str, int]:
    """Map the articles of which the supplier's order has too much to what stays.

    Of ours only: what no reservation of ours wanted is a manager's.
    """
    wanted, ours = supplied_of_order(order), wanted_of(supplied)
    return {
        article: wanted.get(article, 0)
        for article, there in supplied.quantities.items()
        if wanted.get(article, 0) < there <= ours.get(article, 0)
    }


def _held_reservation(step: Step) -> Reservation | None:
    held = Reservation.objects.filter(
        order=step.order_id, status=Reservation.Status.HELD
    )
    return held.select_related("supplier_order", "order").first()
