"""Compare what an order wants with what Al-Style's order has, when a person asks."""

from __future__ import annotations

from django.utils.translation import gettext as _

from orders.clients import Clients
from orders.models import Finding, Reason, Reservation, Step
from orders.plan.claims import Claim
from orders.reconciling.rounds import reconcile_order
from orders.steps import outcomes
from orders.steps.outcomes import Outcome
from orders.supply.verifying import difference_of, note_read
from plumbing.leases import database_now


class CheckHandler:
    """Reads the supplier's order again; changes nothing at any peer."""

    def describe(self, step: Step) -> str:
        """Say what would be asked."""
        return f"{step.get_kind_display()} {step.order.code}"

    def perform(self, claim: Claim, clients: Clients) -> Outcome:
        """Compare anew: a person may have put it right in the portal."""
        held = Reservation.objects.held().filter(order=claim.step.order_id)
        reservation = held.select_related("supplier_order").first()
        supplied = reservation.supplier_order if reservation is not None else None
        if supplied is not None:
            note_read(supplied, clients.cart.order(supplied.supplier_order_id))
        # What was put right there may put right what we have; then it is compared.
        texts = reconcile_order(claim.step.order_id, now=database_now()).texts
        reason = difference_of(supplied) if supplied is not None else ""
        # What only lists can settle stands until they are read again.
        listed = Finding.objects.open().at_peers().filter(order=claim.step.order_id)
        texts += [finding.text for finding in listed]
        if texts or reason:
            found = Finding.objects.open().filter(order=claim.step.order_id).first()
            code = Reason(found.kind) if found else Reason.SUPPLIER_LINES
            return outcomes.needs_person(code, "\n".join(texts) or reason)
        if reservation is None:
            return outcomes.skipped(_("Nothing is held for this order"))
        return outcomes.done(_("Al-Style's order has just what is wanted"))

    def look(self, claim: Claim, clients: Clients) -> Outcome:
        """Do it again: reading twice does no harm."""
        return self.perform(claim, clients)
