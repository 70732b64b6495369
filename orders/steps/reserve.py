"""Reserve an order's goods: one order at Al-Style, never two."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils.translation import gettext as _

from orders.clients import Clients
from orders.models import (
    LearnedFact,
    Order,
    Purchase,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
)
from orders.models.step import Candidate, StepAnswer
from orders.plan.actions import request_step
from orders.plan.claims import Claim
from orders.plan.transitions import PurchaseMoved, move_reservation
from orders.steps import outcomes
from orders.steps.outcomes import Outcome
from orders.supply import purchasing, supervision
from orders.supply.by_hand import NotThatOrder, check_by_hand, read_chosen
from orders.supply.cart import CART_LEASE, CartOccupied, GoodsRefused, PriceRisen
from orders.supply.learning import learned
from orders.supply.margin import MarginDecision, accepted_cost, weigh_order
from orders.supply.purchasing import CartTaken, NotCleared
from orders.supply.settling import SUBMIT_IS_OVER, Settlement, settle
from orders.supply.submission import AccountIncomplete, prepare_submission
from orders.supply.supervision import Paused, pause
from orders.supply.together import (
    BoughtApart,
    are_all_wanted,
    buy_alone,
    companions_of,
    is_in,
    is_joint,
    is_led_by_another,
    leave_out_troubled,
)
from orders.supply.verifying import note_read
from orders.supply.wanted import cause_not_to_buy, wanted_pieces
from plumbing.leases import LeaseLost, LeaseTaken, database_now, under_lease
from plumbing.peers import PeerError, PeerOutcomeUnknown, PeerRefused

CART_BUSY_AFTER_S = 5
CART_OCCUPIED_AFTER_S = 300
UNSETTLED_AFTER_S = 20
Status, Stage = Purchase.Status, Purchase.Stage
Act = Callable[[], Outcome]


class EarnsTooLittle(Exception):
    """By the cart's own prices an order earns too little: a person decides."""

    def __init__(self, weighed: MarginDecision) -> None:
        super().__init__(weighed.reason)
        self.weighed = weighed


class ReserveHandler:
    """get → add → get → submit, under one lease for the cart of all hosts."""

    def describe(self, step: Step) -> str:
        """Say what would be sent."""
        reservation = _wanted_reservation(step)
        wanted = wanted_pieces(reservation) if reservation is not None else {}
        goods = ", ".join(f"{article} × {number}" for article, number in wanted.items())
        text = _("an order for %(goods)s under the code %(code)s")
        return text % {"goods": goods or "—", "code": step.order.code}

    def perform(self, claim: Claim, clients: Clients) -> Outcome:
        """Reserve the goods of the step's order, or settle what an earlier try left."""
        # One that was made counts too: a failed look after it must not buy again.
        if _unsettled_purchase(claim.step) or _made_purchase(claim.step):
            return self.look(claim, clients)
        step = claim.step
        order = Order.objects.get(pk=step.order_id)
        reservation = _wanted_reservation(step)
        if reservation is None or order.is_past_buying:
            return outcomes.skipped(_("Nothing is to be reserved for this order"))
        if number := step.parameters.get("number"):
            return _take_over(clients, reservation, number)
        if order.is_being_cancelled:
            return outcomes.after_cancel(step)
        _fit(reservation)
        if cause := cause_not_to_buy(order, reservation):
            return outcomes.needs_person(cause.reason, cause.text)
        weighed = weigh_order(order, reservation)
        if weighed.reason:
            return _too_dear(weighed)
        return self._under_lease(claim, lambda: self._buy(claim, clients, reservation))

    def look(self, claim: Claim, clients: Clients) -> Outcome:
        """Settle the purchase that an earlier try began."""
        purchase = _unsettled_purchase(claim.step) or _made_purchase(claim.step)
        if purchase is not None and is_led_by_another(claim.step, purchase):
            return _follow(purchase)
        if purchase is None:
            text = _("The try ended before anything was ordered: doing it again")
            return outcomes.retry(text, after_s=0)
        return self._under_lease(claim, lambda: self._settle(claim, clients, purchase))

    def _under_lease(self, claim: Claim, act: Act) -> Outcome:
        is_look = claim.step.status == Step.Status.UNKNOWN
        try:
            with under_lease(CART_LEASE) as lease, claim.under(lease):
                return act()
        except Paused as stop:
            return outcomes.needs_person(
                Reason.WATCHED, str(stop), answered={"supervised": stop.stage}
            )
        except (LeaseTaken, LeaseLost, PurchaseMoved):
            text = _("Another worker is using the cart")
            if is_look or _unsettled_purchase(claim.step) is not None:
                return outcomes.unknown(text, look_after_s=CART_BUSY_AFTER_S)
            return outcomes.retry(text, after_s=CART_BUSY_AFTER_S, is_attempt=False)

    def _buy(self, claim: Claim, clients: Clients, reservation: Reservation) -> Outcome:
        try:
            # Read before the cart is touched: it may take a call of its own.
            prepare_submission(clients, reference=claim.step.order.code)
            others = companions_of(claim.step)
            purchase = purchasing.open_purchase([reservation, *others])
        except AccountIncomplete as error:
            return outcomes.needs_person(error.reason, str(error))
        except CartTaken as error:
            return outcomes.retry(
                str(error), after_s=UNSETTLED_AFTER_S, is_attempt=False
            )
        return self._go_on(claim, clients, purchase)

    def _go_on(self, claim: Claim, clients: Clients, purchase: Purchase) -> Outcome:
        """Fill, check, submit: from wherever the purchase stands."""
        cart = clients.cart
        try:
            self._prepare_cart(claim, clients, purchase)
            if not are_all_wanted(purchase):
                # Called off, or changed, while the cart was filled.
                return self._undo(claim, clients, purchase, reason=_wants_otherwise())
            submission = prepare_submission(clients, reference=purchase.reference)
            number = purchasing.submit(purchase, cart, claim, submission)
        except CartOccupied as error:
            return outcomes.retry(
                str(error), after_s=CART_OCCUPIED_AFTER_S, is_attempt=False
            )
        except PriceRisen as error:
            return outcomes.needs_person(
                error.reason, str(error), answered={"cost_kzt": error.cost_kzt}
            )
        except GoodsRefused as error:
            return outcomes.refused(error.reason, str(error))
        except EarnsTooLittle as error:
            return _too_dear(error.weighed)
        except BoughtApart as error:
            return outcomes.retry(str(error), after_s=0, is_attempt=False)
        except PeerRefused as error:
            if not is_joint(purchase) or purchase.is_unsettled:
                raise
            return _apart(purchase, str(error))
        except (NotCleared, AccountIncomplete) as error:
            purchasing.need_person(purchase, reason=str(error))
            return outcomes.needs_person(error.reason, str(error))
        return self._made(
            claim, clients, purchase, number=number, by="answer", is_fresh=True
        )

    def _prepare_cart(self, claim: Claim, clients: Clients, purchase: Purchase) -> None:
        """Bring the cart to what is to be submitted; raises what `_go_on` answers."""
        cart = clients.cart
        doubt: PeerError | None = None
        if purchase.status == Status.OPENED:
            there = purchasing.look_before(purchase, cart, claim)
            pause(purchase, Stage.LOOKED, {"rows": there})
            doubt = purchasing.add(purchase, cart, claim)
            words, is_clear = (str(doubt), False) if doubt is not None else ("", True)
            pause(purchase, Stage.ADDED, {"words": words, "is_clear": is_clear})
        if purchase.status == Status.FILLING:
            if said := supervision.was_add_doubtful(purchase):
                doubt = PeerOutcomeUnknown(said)
            there = purchasing.look_after(purchase, cart)
            if is_joint(purchase) and doubt is None:
                there = leave_out_troubled(purchase, cart, claim, there)
            agreed = None if is_joint(purchase) else accepted_cost(claim.step.order)
            purchasing.check(
                purchase, cart, claim, there, doubt=doubt, agreed_kzt=agreed
            )
            prices = {row.article: row.price_kzt for row in there}
            if dear := _dearest(purchase, prices):
                purchasing.take_out(purchase, cart, claim, there)
                purchasing.give_up(purchase, reason=dear.reason)
                raise EarnsTooLittle(dear)
            pause(purchase, Stage.CHECKED, {"rows": there})
        else:
            number = str(len(purchase.submits))
            pause(purchase, Stage.UNANSWERED, {"words": number})

    def _made(
        self,
        claim: Claim,
        clients: Clients,
        purchase: Purchase,
        *,
        number: str,
        by: str,
        total: int | None = None,
        is_fresh: bool = False,
    ) -> Outcome:
        text = _("Reserved: order %(number)s at Al-Style, %(sum)s ₸")
        if by != "answer":
            text = _("Found at Al-Style: order %(number)s is this one's, %(sum)s ₸")
        pause(purchase, Stage.SUBMITTED, {"words": number})
        purchasing.note_made(
            purchase, number=number, by=by, now=database_now(), total=total
        )
        try:
            # The cart is others' by then if its order had to be looked for.
            if purchase.cleared_at is None:
                there = purchasing.clear_after(
                    purchase, clients.cart, claim, is_fresh=is_fresh
                )
                if there is not None:
                    supervision.note_last(purchase, {"rows": there})
        except NotCleared as error:
            # The goods are bought all the same; the next purchase finds the rows.
            text = f"{text}. {error}"
        if not is_in(purchase, claim.step):
            # The others were bought; this one was left out, and is bought alone.
            text = _("Other orders were bought: %(number)s; this one by itself next")
            return outcomes.retry(
                text % {"number": number}, after_s=0, is_attempt=False
            )
        total = total or purchase.sum_kzt
        return outcomes.done(
            text % {"number": number, "sum": total or "—"},
            answered={"supplier_order_id": number, "adopted": by != "answer"},
            apply=partial(_hold, purchase, claim.step),
        )

    def _settle(self, claim: Claim, clients: Clients, purchase: Purchase) -> Outcome:
        """Do what the evidence says of a purchase that was not clearly answered."""
        purchase.refresh_from_db()
        cart = clients.cart
        if purchase.status == Status.MADE:
            # Bought along with another order's, or its worker died before it said so.
            return outcomes.done(
                _("Al-Style's order %(number)s is this one's")
                % {"number": purchase.supplier_order},
                answered={"supplier_order_id": str(purchase.supplier_order)},
                apply=partial(_hold, purchase, claim.step),
            )
        if purchase.decision:
            return self._obey(claim, clients, purchase)
        if purchase.paused_at is not None:
            raise Paused(purchase)
        if supervision.may_resume(purchase):
            if are_all_wanted(purchase):
                return self._go_on(claim, clients, purchase)
            return self._undo(claim, clients, purchase, reason=_wants_otherwise())
        found = settle(purchase, cart, claim)
        if found.what == "made":
            by = "answer" if purchase.number else "evidence"
            return self._made(
                claim,
                clients,
                purchase,
                number=found.number,
                by=by,
                total=found.sum_kzt,
            )
        if found.what == "wait":
            with contextlib.suppress(NotCleared):
                purchasing.leave_cart(
                    purchase,
                    cart,
                    claim,
                    is_over=SUBMIT_IS_OVER,
                    are_rows_ours=found.are_rows_ours,
                )
            return outcomes.unknown(found.text, look_after_s=found.look_after_s)
        if found.what == "person":
            return self._ask(claim, clients, purchase, found)
        if found.what == "submit_again" and are_all_wanted(purchase):
            return self._go_on(claim, clients, purchase)
        return self._undo(claim, clients, purchase, reason=found.text)

    def _obey(self, claim: Claim, clients: Clients, purchase: Purchase) -> Outcome:
        """Do what a person has decided: it is this order, or take our rows out."""
        if purchase.decision in ("adopt", "release"):
            return self._take_chosen(claim, clients, purchase)
        if purchase.decision == "not_made":
            text = _("A person has seen that nothing was bought")
            return self._undo(claim, clients, purchase, reason=text)
        text = _("Stopped by a person: our goods are out of the cart")
        undone = self._undo(claim, clients, purchase, reason=text)
        # Begun anew at once, it would only stop there again.
        again = undone.status == Step.Status.PENDING
        return outcomes.needs_person(Reason.STOPPED, text) if again else undone

    def _take_chosen(
        self, claim: Claim, clients: Clients, purchase: Purchase
    ) -> Outcome:
        """Let the order that a person chose hold the goods, if it lives."""
        claim.renew()
        try:
            row = read_chosen(clients.cart, purchase.chosen, codes=purchase.codes)
        except NotThatOrder as error:
            purchasing.unchoose(purchase, reason=str(error), is_sure=error.is_sure)
            return _which_is_ours(str(error), purchase.candidates)
        number = purchase.chosen
        supplied = purchasing.note_made(
            purchase, number=number, by=purchase.adopted_by, now=database_now()
        )
        note_read(supplied, row)
        text = _("Al-Style's order %(number)s holds the goods") % {"number": number}
        return outcomes.done(
            text,
            answered={"supplier_order_id": number, "adopted": True},
            apply=partial(_hold, purchase, claim.step),
        )

    def _undo(
        self, claim: Claim, clients: Clients, purchase: Purchase, *, reason: str
    ) -> Outcome:
        """Take our rows out of the cart: nothing was bought, and try anew if wanted."""
        try:
            # One that was only begun has surely put nothing in.
            if purchase.status != Status.OPENED and purchase.cleared_at is None:
                rows = clients.cart.get()
                purchasing.take_out(purchase, clients.cart, claim, rows)
        except NotCleared as error:
            if purchase.status != Status.NEEDS_PERSON:
                purchasing.need_person(purchase, reason=str(error))
            return outcomes.needs_person(error.reason, str(error))
        purchasing.give_up(purchase, reason=reason)
        return outcomes.retry(reason, after_s=0)

    def _ask(
        self, claim: Claim, clients: Clients, purchase: Purchase, found: Settlement
    ) -> Outcome:
        if purchase.status != Status.NEEDS_PERSON:
            is_out = purchase.cleared_at is not None
            # Where ours may be listed, and it emptied the cart, they are a manager's.
            keeps = learned(LearnedFact.Name.SUBMIT_EMPTIES) == "no"
            is_ours = found.are_rows_ours or keeps
            is_late = purchase.was_seen_late(apart=SUBMIT_IS_OVER)
            if is_ours and is_late and not is_out:
                # Left there, our rows would only keep everybody else out.
                with contextlib.suppress(NotCleared):
                    rows = clients.cart.get()
                    purchasing.take_out(purchase, clients.cart, claim, rows)
                    purchasing.note_cleared(purchase)
            purchasing.need_person(
                purchase, reason=found.text, candidates=found.candidates
            )
        return _which_is_ours(found.text, found.candidates)


def _wants_otherwise() -> str:
    return _("The order wants something else by now")


def _dearest(
    purchase: Purchase, prices: Mapping[str, int | None]
) -> MarginDecision | None:
    """Weigh the orders again by the cart's own prices; None when all earn enough."""
    for reservation in purchase.reservations.select_related("order"):
        weighed = weigh_order(reservation.order, reservation, costs=prices)
        if weighed.reason:
            return weighed
    return None


def _too_dear(weighed: MarginDecision) -> Outcome:
    """Leave it to a person; what it costs is what they may agree to."""
    cost = weighed.margin.purchase_kzt
    answered: StepAnswer = {} if cost is None else {"cost_kzt": cost}
    return outcomes.needs_person(weighed.code, weighed.reason, answered=answered)


def _which_is_ours(text: str, candidates: Sequence[Candidate]) -> Outcome:
    code = Reason.WHICH_ORDER if candidates else Reason.NOT_LISTED
    return outcomes.needs_person(code, text, answered={"candidates": [*candidates]})


def _take_over(clients: Clients, reservation: Reservation, number: str) -> Outcome:
    """Let an order that a person made at Al-Style hold the goods, if it does."""
    wanted = wanted_pieces(reservation)
    order = reservation.order
    reserves = order.steps.of_kind(Step.Kind.RESERVE)
    reason = check_by_hand(
        clients.cart,
        number,
        wanted,
        code=order.code,
        may_have_left=reserves.filter(reason=Reason.AFTER_RESTORE).exists(),
    )
    if reason:
        return outcomes.needs_person(Reason.NUMBER_UNFIT, reason)
    text = _("Al-Style's order %(number)s holds the goods") % {"number": number}
    return outcomes.done(
        text,
        answered={"supplier_order_id": number},
        apply=partial(_hold_by_hand, reservation, number=number),
    )


def _hold_by_hand(reservation: Reservation, now: datetime, *, number: str) -> None:
    supplied, _is_new = SupplierOrder.objects.get_or_create(
        supplier_order_id=number, defaults={"placed_at": now}
    )
    move_reservation(
        reservation,
        Reservation.Status.HELD,
        text=_("Al-Style's order %(number)s holds the goods") % {"number": number},
        now=now,
        supplier_order=supplied,
        cost_kzt=supplied.sum_kzt,
        held_at=now,
    )


def _hold(purchase: Purchase, step: Step, now: datetime) -> None:
    """Note that the order that was bought holds the goods of the step's order."""
    wanted = purchase.reservations.wanted().filter(order=step.order_id)
    for reservation in wanted.select_related("order"):
        move_reservation(
            reservation,
            Reservation.Status.HELD,
            text=_("Al-Style's order %(number)s holds the goods")
            % {"number": purchase.supplier_order},
            now=now,
            supplier_order=purchase.supplier_order,
            cost_kzt=purchase.share_of(reservation),
            held_at=now,
        )
        if purchase.decision == "release":
            by = purchase.adopted_by
            request_step(reservation.order, Step.Kind.RELEASE, actor=by)


def _follow(purchase: Purchase) -> Outcome:
    """Wait for the order whose step sees to the purchase."""
    if purchase.status == Status.NEEDS_PERSON:
        return _which_is_ours(purchase.reason, purchase.candidates)
    text = _("Bought together with order %(code)s, which sees to the purchase")
    first = purchase.first_order
    return outcomes.unknown(
        text % {"code": first.code if first is not None else "—"},
        look_after_s=UNSETTLED_AFTER_S,
    )


def _apart(purchase: Purchase, why: str) -> Outcome:
    """Let each order be bought by itself after a refusal that may mean any of them."""
    buy_alone(dict.fromkeys(purchase.reservations.select_related("order"), why))
    return outcomes.retry(why, after_s=0, is_attempt=False)


def _fit(reservation: Reservation) -> None:
    """Want what the order says by now: readings leave alone what is under way."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=reservation.order_id)
        lines = list(order.lines.all())
        if not reservation.wants(lines):
            reservation.want(lines)


def _wanted_reservation(step: Step) -> Reservation | None:
    return Reservation.objects.wanted().filter(order_id=step.order_id).first()


def _unsettled_purchase(step: Step) -> Purchase | None:
    mine = Purchase.objects.unsettled()
    return mine.filter(reservations__order=step.order_id).first()


def _made_purchase(step: Step) -> Purchase | None:
    """Give the purchase whose order exists, though the reservation does not know."""
    made = Purchase.objects.filter(status=Status.MADE)
    wanted = Reservation.objects.wanted().filter(order=step.order_id)
    return made.filter(reservations__in=wanted).first()
