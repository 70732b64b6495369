"""Reserve an order's goods: one order at Al-Style, never two."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.utils.translation import gettext as _

from catalog.alstyle.cart import Submission
from orders.clients import Clients
from orders.models import Order, Reservation, Step, SupplierOrder
from orders.plan.claims import Claim
from orders.plan.transitions import move_reservation
from orders.steps import outcomes
from orders.steps.outcomes import Outcome
from orders.supply.cart import (
    CART_LEASE,
    CartOccupied,
    GoodsRefused,
    WantedLine,
    empty_cart,
    fill_cart,
    forget_cart,
)
from orders.supply.searching import Found, find_submitted
from orders.supply.submission import AccountIncomplete, prepare_submission
from plumbing.leases import LeaseLost, LeaseTaken, database_now, under_lease
from plumbing.peers import PeerAccessRefused, PeerRefused

SUBMITTING = "submit"
CART_BUSY_AFTER_S = 5
CART_OCCUPIED_AFTER_S = 300
TWIN_AFTER_S = 20
# An order that cannot be found this long after a submit, looked for twice, is not
# there.
ABSENT_AFTER = timedelta(seconds=60)
LOOK_AGAIN_AFTER_S = 45
LEAST_LOOKS = 2


class ReserveHandler:
    """add → get → submit, under one lease for the cart of all hosts."""

    def describe(self, step: Step) -> str:
        """Say what would be sent."""
        reservation = _wanted_reservation(step)
        lines = wanted_lines(reservation) if reservation is not None else []
        goods = ", ".join(f"{line.article} × {line.quantity}" for line in lines)
        text = _("an order for %(goods)s under the code %(code)s")
        return text % {"goods": goods or "—", "code": step.order.code}

    def perform(self, claim: Claim, clients: Clients) -> Outcome:
        """Reserve the goods of the step's order."""
        step = claim.step
        order = Order.objects.get(pk=step.order_id)
        reservation = _wanted_reservation(step)
        if reservation is None or order.is_called_off:
            return outcomes.skipped(_("Nothing is to be reserved for this order"))
        claim.renew(sent={}, sent_at=None)
        problem = order.reason_to_look(order.lines.all()) or _multiples(reservation)
        if problem:
            return outcomes.needs_person(problem)
        if not wanted_lines(reservation):
            return outcomes.needs_person(_("No pieces are left to be reserved"))
        try:
            submission = prepare_submission(clients, reference=order.code)
        except AccountIncomplete as error:
            return outcomes.needs_person(str(error))
        try:
            with under_lease(CART_LEASE) as lease, claim.under(lease):
                return self._order_goods(claim, clients, reservation, submission)
        except (LeaseTaken, LeaseLost):
            return outcomes.retry(
                _("Another worker is using the cart"),
                after_s=CART_BUSY_AFTER_S,
                is_attempt=False,
            )

    def _order_goods(
        self,
        claim: Claim,
        clients: Clients,
        reservation: Reservation,
        submission: Submission,
    ) -> Outcome:
        wanted = wanted_lines(reservation)
        if _is_submit_unsettled(claim.step, wanted):
            text = _(
                "An order that may just have been made is looked for first: waiting"
            )
            return outcomes.retry(text, after_s=TWIN_AFTER_S, is_attempt=False)
        try:
            total = fill_cart(clients.cart, wanted, claim)
        except CartOccupied as error:
            return outcomes.retry(
                str(error), after_s=CART_OCCUPIED_AFTER_S, is_attempt=False
            )
        except GoodsRefused as error:
            return outcomes.refused(str(error), is_stock=error.is_stock)
        # Committed before the call: if we die in it, this says what to look for.
        claim.renew(
            sent_at=database_now(),
            sent={
                "phase": SUBMITTING,
                "lines": [[line.article, line.quantity] for line in wanted],
                "sum": total,
                "reference": submission.reference,
            },
        )
        try:
            number = clients.cart.submit(submission)
        except PeerAccessRefused:
            raise
        except PeerRefused as error:
            empty_cart(clients.cart, claim)
            return outcomes.refused(str(error))
        text = _("Reserved: order %(number)s at Al-Style, %(sum)s ₸")
        return outcomes.done(
            text % {"number": number, "sum": total},
            answered={"supplier_order_id": number},
            apply=partial(_hold, claim.step, number=number, total=total, lines=None),
        )

    def look(self, claim: Claim, clients: Clients) -> Outcome:
        """Look for the order that an earlier try may have made."""
        step = claim.step
        if step.sent.get("phase") != SUBMITTING or step.sent_at is None:
            text = _("The try ended before anything was ordered: doing it again")
            return outcomes.retry(text, after_s=0)
        found = find_submitted(
            clients.cart, sent=step.sent, sent_at=step.sent_at, priority="order"
        )
        if len(found.matches) == 1:
            return _adopt(step, found)
        if found.matches or found.doubtful:
            text = _(
                "It cannot be told which order at Al-Style is this one's: "
                "choose it, or reserve anew"
            )
            return outcomes.needs_person(
                text, answered={"candidates": found.candidates()}
            )
        waited = database_now() - step.sent_at
        if step.looks < LEAST_LOOKS or waited < ABSENT_AFTER:
            text = _("No such order at Al-Style yet: looking again")
            return outcomes.unknown(text, look_after_s=LOOK_AGAIN_AFTER_S)
        return outcomes.retry(
            _("Al-Style surely has no such order: doing it again"), after_s=0
        )


def wanted_lines(reservation: Reservation) -> list[WantedLine]:
    """List what is to be ordered, one line per article."""
    rows = reservation.lines.select_related("product").order_by("product__article")
    return [
        WantedLine(
            article=row.product.article,
            quantity=row.supplied_quantity,
            cost_kzt=row.product.cost_kzt,
        )
        for row in rows
    ]


def _wanted_reservation(step: Step) -> Reservation | None:
    return Reservation.objects.wanted().filter(order_id=step.order_id).first()


def _multiples(reservation: Reservation) -> str:
    for row in reservation.lines.select_related("product"):
        by = row.product.multiplicity or 1
        if row.quantity % by and not row.product.sells_singly:
            text = _("%(article)s is supplied by %(by)s only, ordered %(quantity)s")
            return text % {
                "article": row.product.article,
                "by": by,
                "quantity": row.quantity,
            }
    return ""


def _is_submit_unsettled(step: Step, wanted: Sequence[WantedLine]) -> bool:
    """Tell whether an order may exist that nobody owns yet and that is in our way.

    One for the very same goods: until it is found or surely absent, two such orders
    could not be told apart. Any other until it was looked for once: a submit that
    works late would take the rows that we put into the cart.
    """
    lines = [[line.article, line.quantity] for line in wanted]
    unsettled = Step.objects.of_kind(Step.Kind.RESERVE).unsettled().exclude(pk=step.pk)
    return any(
        sent.get("phase") == SUBMITTING and (looks == 0 or sent.get("lines") == lines)
        for sent, looks in unsettled.values_list("sent", "looks")
    )


def _hold(
    step: Step,
    now: datetime,
    *,
    number: str,
    total: int | None,
    lines: list[list[str | int | None]] | None,
) -> None:
    reservation = Reservation.objects.wanted().get(order_id=step.order_id)
    supplier_order, _created = SupplierOrder.objects.get_or_create(
        supplier_order_id=number,
        defaults={"placed_at": now, "sum_kzt": total, "lines": lines or []},
    )
    move_reservation(
        reservation,
        Reservation.Status.HELD,
        text=_("Al-Style's order %(number)s holds the goods") % {"number": number},
        now=now,
        supplier_order=supplier_order,
        cost_kzt=total,
        held_at=now,
    )
    forget_cart()


def _adopt(step: Step, found: Found) -> Outcome:
    row = found.matches[0]
    text = _("Found at Al-Style: order %(number)s is this one's")
    return outcomes.done(
        text % {"number": row.order_id},
        answered={"supplier_order_id": row.order_id, "adopted": True},
        apply=partial(
            _hold,
            step,
            number=row.order_id,
            total=row.sum_kzt,
            lines=[list(line) for line in row.lines or ()],
        ),
    )
