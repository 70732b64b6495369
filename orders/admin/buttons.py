"""What staff can do with an order, its steps and its lines: a button for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.pages import Button, log_objects
from orders.admin import forms
from orders.admin.full_order import FullOrder
from orders.admin.mapping import map_line
from orders.models import Order, OrderEvent, OrderLine, Purchase, Reservation, Step
from orders.models.step import StepParameters
from orders.plan import actions
from orders.plan.events import record
from orders.supply.supervision import is_supervised
from plumbing.leases import database_now
from plumbing.queue import enqueue

REFRESH = "orders.tasks.refresh_one"
RETRY, ACCEPT, ASSEMBLE = "retry_step", "accept_order", "assemble_order"
COMPLETE, CANCEL, RESERVE = "complete_order", "cancel_order", "reserve_order"
SETTLE = "settle_purchase"
Kind, Status = Step.Kind, Step.Status
Answers = dict[str, Any]
Text = str | Promise
Target = Order | Step | OrderLine | Purchase
Act = Callable[[Any, Answers, str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderButton:
    """Who may press it, when it makes sense, what it asks, and what it does.

    `act` gets the order, step or line, what was answered, and who asks; it raises
    `ActionImpossible`. Without a form the button acts at once.
    """

    slug: str
    label: Text
    permission: str
    fits: Callable[[FullOrder, Any], bool]
    act: Act
    form: type[forms.ActionForm] | None = None
    text: Text = ""
    is_danger: bool = False

    @property
    def title(self) -> str:
        """The label without the dots that say that it asks first."""
        return str(self.label).rstrip("…")

    def is_for(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"orders.{self.permission}")

    def at(self, url_name: str, pk: int, *, is_main: bool) -> Button:
        """Make the button of a page."""
        return Button(
            label=str(self.label),
            url=reverse(f"admin:{url_name}", args=[pk, self.slug]),
            asks_first=self.form is not None,
            is_main=is_main,
        )


def offered(
    request: HttpRequest,
    buttons: dict[str, OrderButton],
    full: FullOrder,
    target: Target,
) -> list[OrderButton]:
    """List what makes sense now and this person may do."""
    return [b for b in buttons.values() if b.is_for(request) and b.fits(full, target)]


def press(
    request: HttpRequest,
    button: OrderButton,
    target: Target,
    answers: Answers,
) -> None:
    """Act, with a line in the admin's log and one in the order's history.

    Raises `ActionImpossible`; nothing is changed then.
    """
    actor = request.user.get_username()
    order = order_of(target)
    # The buyer's code stays out of the log.
    told = [
        str(told)
        for name, told in answers.items()
        if told not in ("", None) and name != "code"
    ]
    with transaction.atomic():
        history = OrderEvent.objects.filter(order=order)
        newest = history.order_by("-pk").values_list("pk", flat=True).first() or 0
        button.act(target, answers, actor)
        if not history.filter(pk__gt=newest, actor=actor).exists():
            record(order, button.title, now=database_now(), actor=actor)
        message = ": ".join([button.title, *filter(None, [", ".join(told)])])
        log_objects(request, Order.objects.filter(pk=order.pk), message)


def order_of(target: Target) -> Order:
    """Give the order that a target belongs to."""
    if isinstance(target, Order):
        return target
    if isinstance(target, Purchase):
        order = target.first_order
        if order is None:
            raise actions.ActionImpossible(
                gettext("The purchase is for no order any more")
            )
        return order
    return target.order


def is_watched(step: Step) -> bool:
    """Tell whether its supervised purchase waits for "go on"."""
    is_asked = step.kind == Kind.RESERVE and step.status == Status.NEEDS_PERSON
    return is_asked and bool(step.answered.get("supervised"))


def watched_purchase(step: Step) -> Purchase:
    """Give the supervised purchase that a step waits with."""
    paused = Purchase.objects.paused()
    purchase = paused.filter(reservations__order=step.order_id).first()
    if purchase is None:
        raise actions.ActionImpossible(gettext("Somebody else was first: look again"))
    return purchase


def _may_stop(purchase: Purchase) -> bool:
    bought = purchase.stage == Purchase.Stage.SUBMITTED
    return purchase.paused_at is not None and not bought


def _is_doubtful(purchase: Purchase) -> bool:
    return purchase.status == Purchase.Status.NEEDS_PERSON


def has_candidates(step: Step) -> bool:
    """Tell whether orders at Al-Style wait to be chosen from."""
    is_asked = step.kind == Kind.RESERVE and step.status == Status.NEEDS_PERSON
    return is_asked and bool(step.answered.get("candidates"))


def is_doubtful(step: Step) -> bool:
    """Tell whether a person must say what became of a call that may have arrived."""
    return step.status == Status.NEEDS_PERSON and step.sent_at is not None


def can_retry(step: Step) -> bool:
    """Tell whether trying the step again just so can be right.

    With candidates to choose from it would order the goods a second time, and a
    wrong code stays wrong.
    """
    if step.kind == Kind.COMPLETE or has_candidates(step) or is_watched(step):
        return False
    return step.is_idle or step.status == Status.UNKNOWN


def _asks_for(kind: Step.Kind, *, unreserved: bool = False) -> Act:
    """Ask for a step with the answers as its parameters.

    One of the kind that was refused makes room for it.
    """

    def act(order: Order, answers: Answers, actor: str) -> None:
        # The forms call what they ask for as the steps do.
        parameters = cast("StepParameters", answers)
        if unreserved:
            parameters = {**parameters, "unreserved": True}
        with transaction.atomic():
            for step in order.steps.filter(kind=kind, status=Status.REFUSED):
                actions.skip_step(step, actor=actor, reason=gettext("asked for anew"))
            actions.request_step(order, kind, actor=actor, parameters=parameters)

    return act


def _asks_for_line(kind: Step.Kind) -> Act:
    def act(line: OrderLine, answers: Answers, actor: str) -> None:
        parameters = cast("StepParameters", answers)
        actions.request_line_step(line, kind, actor=actor, parameters=parameters)

    return act


def _can_assemble(full: FullOrder, _order: object) -> bool:
    order = full.order
    waits = order.is_fetched_by_kaspi and not order.is_assembled
    return full.is_accepted and waits and _was_never_asked(full, Kind.ASSEMBLE)


def _was_never_asked(full: FullOrder, kind: Step.Kind) -> bool:
    return full.is_free(kind) and not full.has_step(kind, Status.DONE)


def _is_ours_to_hand_over(full: FullOrder) -> bool:
    return full.is_accepted and full.order.state in (Order.PICKUP, Order.DELIVERY)


def _can_return(full: FullOrder, _order: object) -> bool:
    back = (Order.CANCELLING, Order.RETURN_REQUESTED)
    return full.order.status in back and full.is_free(Kind.ARRIVE_BACK)


def _can_be_released_by_hand(full: FullOrder, _order: object) -> bool:
    holding = full.is_reserved or (
        full.reservation_status == Reservation.Status.RELEASING
    )
    return holding and full.is_settled(Kind.RELEASE)


ALONE = _(
    "From now on purchases are made without stopping, for ever. Say so when you have "
    "seen a whole purchase and all was as it should be."
)
STOP = _(
    "Nothing is bought. The bridge takes out of the cart what it has put in, and the "
    "order waits for you."
)


def _by_slug(*buttons: OrderButton) -> dict[str, OrderButton]:
    return {button.slug: button for button in buttons}


# In the order of the page: what an order waits for first, what is seldom meant last.
ORDER_BUTTONS = _by_slug(
    OrderButton(
        slug="accept",
        label=_("Accept"),
        permission=ACCEPT,
        fits=lambda full, _o: (
            full.order.awaits_accept and full.is_reserved and full.is_free(Kind.ACCEPT)
        ),
        act=_asks_for(Kind.ACCEPT),
    ),
    OrderButton(
        slug="accept-unreserved",
        label=_("Accept unreserved…"),
        permission=ACCEPT,
        fits=lambda full, _o: (
            full.order.awaits_accept
            and not full.is_reserved
            and not full.is_under_way(Kind.ACCEPT)
        ),
        act=_asks_for(Kind.ACCEPT, unreserved=True),
        form=forms.ActionForm,
        text=_(
            "Kaspi is told that the order is accepted although nothing is reserved at "
            "Al-Style. You will have to find the goods elsewhere, or cancel later at "
            "the shop's cost."
        ),
    ),
    OrderButton(
        slug="reserve",
        label=_("Reserve at Al-Style"),
        permission=RESERVE,
        fits=lambda full, _o: full.is_unreserved and full.is_free(Kind.RESERVE),
        act=_asks_for(Kind.RESERVE),
    ),
    OrderButton(
        slug="by-hand",
        label=_("Reserved by hand…"),
        permission=RESERVE,
        fits=lambda full, _o: full.is_unreserved and full.is_settled(Kind.RESERVE),
        act=lambda order, answers, actor: actions.mark_reserved_by_hand(
            order, actor=actor, number=answers["number"]
        ),
        form=forms.NumberForm,
        text=_(
            "For goods that you have reserved yourself: in Al-Style's portal, by "
            "phone, or from your own shelf. The bridge stops reserving them."
        ),
    ),
    OrderButton(
        slug="release",
        label=_("Release at Al-Style…"),
        permission=RESERVE,
        fits=lambda full, _o: (
            full.reservation_status == Reservation.Status.HELD
            and full.is_free(Kind.RELEASE)
        ),
        act=_asks_for(Kind.RELEASE),
        form=forms.ActionForm,
        text=_("The bridge cancels the order at Al-Style that holds the goods."),
        is_danger=True,
    ),
    OrderButton(
        slug="released",
        label=_("Released by hand…"),
        permission=RESERVE,
        fits=_can_be_released_by_hand,
        act=lambda order, answers, actor: actions.mark_released(order, actor=actor),
        form=forms.ActionForm,
        text=_(
            "Only if you have seen that Al-Style holds nothing for this order any "
            "more. The goods count as available again."
        ),
        is_danger=True,
    ),
    OrderButton(
        slug="assemble",
        label=_("Assemble…"),
        permission=ASSEMBLE,
        fits=_can_assemble,
        act=_asks_for(Kind.ASSEMBLE),
        form=forms.PlacesForm,
        text=_("Kaspi makes the waybill; it appears here a few minutes later."),
    ),
    OrderButton(
        slug="send-code",
        label=_("Send the buyer a code"),
        permission=COMPLETE,
        fits=lambda full, _o: (
            _is_ours_to_hand_over(full) and not full.is_under_way(Kind.SEND_CODE)
        ),
        act=_asks_for(Kind.SEND_CODE),
    ),
    OrderButton(
        slug="complete",
        label=_("Hand over by the code…"),
        permission=COMPLETE,
        fits=lambda full, _o: (
            _is_ours_to_hand_over(full) and not full.is_under_way(Kind.COMPLETE)
        ),
        act=_asks_for(Kind.COMPLETE),
        form=forms.CodeForm,
        text=_("The buyer has the goods and tells you the code from Kaspi."),
    ),
    OrderButton(
        slug="arrived",
        label=_("Pre-ordered goods have arrived"),
        permission=ASSEMBLE,
        fits=lambda full, _o: (
            full.order.is_preorder
            and full.is_accepted
            and _was_never_asked(full, Kind.ARRIVE)
        ),
        act=_asks_for(Kind.ARRIVE),
    ),
    OrderButton(
        slug="arrived-back",
        label=_("The goods are back"),
        permission=ASSEMBLE,
        fits=_can_return,
        act=_asks_for(Kind.ARRIVE_BACK),
    ),
    OrderButton(
        slug="cancel",
        label=_("Cancel the order…"),
        permission=CANCEL,
        fits=lambda full, _o: full.needs_goods and not full.is_under_way(Kind.CANCEL),
        act=_asks_for(Kind.CANCEL),
        form=forms.CancelForm,
        text=_(
            "The buyer loses the order. More than one in twenty cancelled as out of "
            "stock can switch the shop off for a week."
        ),
        is_danger=True,
    ),
    OrderButton(
        slug="reread",
        label=_("Read again from Kaspi"),
        permission=RETRY,
        fits=lambda full, _o: True,
        act=lambda order, answers, actor: enqueue(REFRESH, order.pk, cluster="orders"),
    ),
)


PURCHASE_BUTTONS = _by_slug(
    OrderButton(
        slug="go-on",
        label=_("Go on"),
        permission=SETTLE,
        fits=lambda full, purchase: purchase.paused_at is not None,
        act=lambda purchase, answers, actor: actions.go_on_with(purchase, actor=actor),
    ),
    OrderButton(
        slug="go-on-alone",
        label=_("Go on by yourself…"),
        permission=SETTLE,
        # Also when it is made: that is what somebody watched it for.
        fits=lambda full, purchase: bool(purchase.stage) and is_supervised(),
        act=lambda purchase, answers, actor: actions.go_on_alone(purchase, actor=actor),
        form=forms.ActionForm,
        text=ALONE,
    ),
    OrderButton(
        slug="stop",
        label=_("Stop: take our goods out…"),
        permission=SETTLE,
        fits=lambda full, purchase: _may_stop(purchase),
        act=lambda purchase, answers, actor: actions.stop_purchase(
            purchase, actor=actor
        ),
        form=forms.ActionForm,
        text=STOP,
        is_danger=True,
    ),
    OrderButton(
        slug="adopt",
        label=_("It is this order…"),
        permission=SETTLE,
        fits=lambda full, purchase: (
            _is_doubtful(purchase) and bool(purchase.candidates)
        ),
        act=lambda purchase, answers, actor: actions.adopt_for_purchase(
            purchase, answers["number"], actor=actor
        ),
        form=forms.CandidateForm,
        text=_(
            "Al-Style's answer was lost, and these orders nobody owns may be the "
            "one that was made. Compare them with Al-Style's portal."
        ),
    ),
    OrderButton(
        slug="not-made",
        label=_("It was not made: empty the cart and try again…"),
        permission=SETTLE,
        fits=lambda full, purchase: _is_doubtful(purchase),
        act=lambda purchase, answers, actor: actions.buy_anew(purchase, actor=actor),
        form=forms.ActionForm,
        text=_(
            "Only if you have seen in Al-Style's portal that no order was made: the "
            "goods are ordered again. If one was, they are bought twice."
        ),
        is_danger=True,
    ),
    OrderButton(
        slug="release",
        label=_("Release that order…"),
        permission=SETTLE,
        fits=lambda full, purchase: (
            _is_doubtful(purchase) and bool(purchase.candidates)
        ),
        act=lambda purchase, answers, actor: actions.adopt_for_purchase(
            purchase, answers["number"], actor=actor, is_unwanted=True
        ),
        form=forms.CandidateForm,
        text=_(
            "The order that you choose is taken as this purchase's, and cancelled at "
            "Al-Style."
        ),
        is_danger=True,
    ),
)
STEP_BUTTONS = _by_slug(
    OrderButton(
        slug="go-on",
        label=_("Go on"),
        permission=SETTLE,
        fits=lambda full, step: is_watched(step),
        act=lambda step, answers, actor: actions.go_on_with(
            watched_purchase(step), actor=actor
        ),
    ),
    OrderButton(
        slug="go-on-alone",
        label=_("Go on by yourself…"),
        permission=SETTLE,
        fits=lambda full, step: is_watched(step),
        act=lambda step, answers, actor: actions.go_on_alone(
            watched_purchase(step), actor=actor
        ),
        form=forms.ActionForm,
        text=ALONE,
    ),
    OrderButton(
        slug="stop",
        label=_("Stop: take our goods out…"),
        permission=SETTLE,
        fits=lambda full, step: is_watched(step) and _may_stop(watched_purchase(step)),
        act=lambda step, answers, actor: actions.stop_purchase(
            watched_purchase(step), actor=actor
        ),
        form=forms.ActionForm,
        text=STOP,
        is_danger=True,
    ),
    OrderButton(
        slug="retry",
        label=_("Try again"),
        permission=RETRY,
        fits=lambda full, step: can_retry(step),
        act=lambda step, answers, actor: actions.retry_step(step, actor=actor),
    ),
    OrderButton(
        slug="new-price",
        label=_("Order at the new price…"),
        permission=RESERVE,
        fits=lambda full, step: step.waits_for_price,
        act=lambda step, answers, actor: actions.order_at_new_price(
            step, answers["accept_cost_kzt"], actor=actor
        ),
        form=forms.NewPriceForm,
        text=_(
            "The goods are bought although the order earns less than is set, or loses "
            "money. If Al-Style asks for more by then, you are asked again."
        ),
        is_danger=True,
    ),
    OrderButton(
        slug="adopt",
        label=_("Choose the order at Al-Style…"),
        permission=SETTLE,
        fits=lambda full, step: has_candidates(step),
        act=lambda step, answers, actor: actions.adopt_supplier_order(
            step, answers["number"], actor=actor
        ),
        form=forms.CandidateForm,
        text=_(
            "Al-Style's answer was lost, and these orders nobody owns may be the "
            "one that was made. Compare them with Al-Style's portal."
        ),
    ),
    OrderButton(
        slug="anew",
        label=_("Reserve anew…"),
        permission=SETTLE,
        fits=lambda full, step: has_candidates(step),
        act=lambda step, answers, actor: actions.reserve_anew(step, actor=actor),
        form=forms.ActionForm,
        text=_(
            "Only if none of the orders found is this one's: the goods are ordered "
            "again. If one of them was, they are bought twice."
        ),
        is_danger=True,
    ),
    OrderButton(
        slug="assemble-anew",
        label=_("Assemble again…"),
        permission=ASSEMBLE,
        fits=lambda full, step: step.kind == Kind.ASSEMBLE and is_doubtful(step),
        act=lambda step, answers, actor: actions.assemble_anew(step, actor=actor),
        form=forms.ActionForm,
        text=_(
            "Only if Kaspi's cabinet shows no waybill for this order: if there is one, "
            "a second one with another number is made."
        ),
        is_danger=True,
    ),
    OrderButton(
        slug="drop",
        label=_("Drop…"),
        permission=RETRY,
        fits=lambda full, step: step.is_idle and not is_watched(step),
        act=lambda step, answers, actor: actions.skip_step(
            step, actor=actor, reason=answers["reason"]
        ),
        form=forms.ReasonForm,
        text=_("The bridge will not do this any more; you have seen to it."),
    ),
)
LINE_BUTTONS = _by_slug(
    OrderButton(
        slug="map",
        label=_("Choose the product…"),
        permission=RESERVE,
        fits=lambda full, line: line.product_id is None and full.needs_goods,
        act=lambda line, answers, actor: map_line(
            line, answers["product"], actor=actor
        ),
        form=forms.ProductForm,
        text=_("The line's SKU is none of our products. Say which one is meant."),
    ),
    OrderButton(
        slug="imei",
        label=_("Enter IMEI…"),
        permission=ASSEMBLE,
        fits=lambda full, line: (
            line.needs_imei
            and bool(line.quantity)
            and full.is_accepted
            and not full.has_step(Kind.IMEI, *Step.OPEN)
        ),
        act=_asks_for_line(Kind.IMEI),
        form=forms.ImeiForm,
        text=_("Kaspi wants to know which device goes to the buyer."),
    ),
    OrderButton(
        slug="remove",
        label=_("Take pieces off…"),
        permission=CANCEL,
        fits=lambda full, line: (
            full.needs_goods
            and line.quantity != 0
            and not full.has_step(Kind.REMOVE_LINE, *Step.OPEN)
        ),
        act=_asks_for_line(Kind.REMOVE_LINE),
        form=forms.RemovalForm,
        text=_(
            "The buyer gets less than was ordered, and the money for the rest back. "
            "It cannot be undone."
        ),
        is_danger=True,
    ),
)
