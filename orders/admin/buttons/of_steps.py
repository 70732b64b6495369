"""What staff can do with a step of an order."""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.admin import forms
from orders.admin.buttons.of_purchases import (
    ALONE,
    BUYS_NEXT,
    STOP,
    buys_next,
    may_stop,
)
from orders.admin.buttons.pressing import (
    ASSEMBLE,
    CANCEL,
    RESERVE,
    RETRY,
    SETTLE,
    Answers,
    Effect,
    OrderButton,
    by_slug,
)
from orders.admin.full_order import FullOrder
from orders.models import Purchase, Reservation, Step
from orders.plan import actions

Kind, Status = Step.Kind, Step.Status
# Asked for once more, these neither buy nor cancel anything.
HARMLESS = (
    *(Kind.ACCEPT, Kind.ASSEMBLE, Kind.ARRIVE, Kind.ARRIVE_BACK),
    *(Kind.SEND_CODE, Kind.IMEI),
)


TRIMS = _(
    "Al-Style's order is read; what the buyer took off and is still in it, Al-Style is "
    "asked to take out. If it does not do that, you are told."
)


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


def has_candidates(step: Step) -> bool:
    """Tell whether orders at Al-Style wait to be chosen from."""
    is_asked = step.kind == Kind.RESERVE and step.status == Status.NEEDS_PERSON
    return is_asked and bool(step.answered.get("candidates"))


def is_doubtful(step: Step) -> bool:
    """Tell whether a person must say what became of a call that may have arrived."""
    return step.status == Status.NEEDS_PERSON and step.sent_at is not None


def _is_stuck(step: Step, *kinds: Step.Kind) -> bool:
    return step.is_stuck and step.kind in kinds


def _names_an_order(step: Step) -> bool:
    """Tell whether it is to take over an order that a person made at Al-Style."""
    return "number" in step.parameters


def _can_buy_again(full: FullOrder, step: Step) -> bool:
    is_clear = full.is_unreserved and full.purchase is None
    return _is_stuck(step, Kind.RESERVE) and is_clear and not _names_an_order(step)


def _can_look_again(full: FullOrder, step: Step) -> bool:
    """With candidates to choose from, one of them may hold the goods already."""
    if has_candidates(step) or is_watched(step) or not _is_stuck(step, Kind.RESERVE):
        return False
    return full.purchase is not None


def _can_retry(full: FullOrder, step: Step) -> bool:
    """What neither buys nor cancels; a wrong code stays wrong."""
    if _is_stuck(step, Kind.RESERVE):
        return _names_an_order(step) and full.is_unreserved
    return _is_stuck(step, *HARMLESS)


def _can_release_again(full: FullOrder, step: Step) -> bool:
    holding = full.reservation_status in (
        Reservation.Status.HELD,
        Reservation.Status.RELEASING,
    )
    return _is_stuck(step, Kind.RELEASE) and holding


def _can_drop(full: FullOrder, step: Step) -> bool:
    """A purchase that may have bought the goods must not be forgotten."""
    if step.kind == Kind.RESERVE and full.purchase is not None:
        return False
    return step.is_idle


def _buys_next(purchase: Purchase | None) -> bool:
    return purchase is not None and buys_next(purchase)


def _goes_on(step: Step, _answers: Answers, actor: str) -> None:
    actions.go_on_with(watched_purchase(step), actor=actor)


def _retries(step: Step, _answers: Answers, actor: str) -> None:
    actions.retry_step(step, actor=actor)


STEP_BUTTONS = by_slug(
    OrderButton(
        slug="go-on",
        label=_("Go on"),
        permission=SETTLE,
        fits=lambda full, step: is_watched(step) and not _buys_next(full.purchase),
        act=_goes_on,
        text=_("The purchase makes its next call and stops again; nothing is bought."),
    ),
    OrderButton(
        slug="go-on-buying",
        label=_("Go on: order the goods…"),
        permission=SETTLE,
        fits=lambda full, step: is_watched(step) and _buys_next(full.purchase),
        act=_goes_on,
        form=forms.ActionForm,
        effect=Effect.BUYS,
        text=BUYS_NEXT,
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
        effect=Effect.BUYS,
        text=ALONE,
    ),
    OrderButton(
        slug="stop",
        label=_("Stop: take our goods out…"),
        permission=SETTLE,
        fits=lambda full, step: is_watched(step) and may_stop(watched_purchase(step)),
        act=lambda step, answers, actor: actions.stop_purchase(
            watched_purchase(step), actor=actor
        ),
        form=forms.ActionForm,
        text=STOP,
        is_danger=True,
    ),
    OrderButton(
        slug="now",
        label=_("Do not wait"),
        permission=RETRY,
        fits=lambda full, step: step.status in (Status.PENDING, Status.UNKNOWN),
        act=_retries,
        text=_("What waits for a later moment is done at once."),
    ),
    OrderButton(
        slug="retry",
        label=_("Try again"),
        permission=RETRY,
        fits=_can_retry,
        act=_retries,
        text=_("It is asked for once more; nothing is bought or cancelled by it."),
    ),
    OrderButton(
        slug="compare",
        label=_("Compare again"),
        permission=RETRY,
        fits=lambda full, step: _is_stuck(step, Kind.CHECK),
        act=_retries,
        text=_("Al-Style's order is read and compared anew; nothing is changed there."),
    ),
    OrderButton(
        slug="buy-again",
        label=_("Reserve again…"),
        permission=RESERVE,
        fits=_can_buy_again,
        act=_retries,
        form=forms.ActionForm,
        effect=Effect.BUYS,
        text=_(
            "Al-Style is asked once more. If it has the goods, they are ordered: this "
            "buys them."
        ),
    ),
    OrderButton(
        slug="look-again",
        label=_("Look at Al-Style again…"),
        permission=RESERVE,
        fits=_can_look_again,
        act=_retries,
        form=forms.ActionForm,
        effect=Effect.BUYS,
        text=_(
            "The cart and Al-Style's orders are read again. If our order is there, it "
            "is taken; if it is sure that nothing was ordered, the goods are ordered "
            "anew: this buys them."
        ),
    ),
    OrderButton(
        slug="release-again",
        label=_("Release again…"),
        permission=RESERVE,
        fits=_can_release_again,
        act=_retries,
        form=forms.ActionForm,
        effect=Effect.CANCELS,
        text=_("Al-Style is asked once more to cancel the order that holds the goods."),
        is_danger=True,
    ),
    OrderButton(
        slug="cancel-again",
        label=_("Send the cancel again…"),
        permission=CANCEL,
        fits=lambda full, step: _is_stuck(step, Kind.CANCEL) and full.needs_goods,
        act=_retries,
        form=forms.ActionForm,
        effect=Effect.CANCELS,
        text=_(
            "Kaspi is asked once more to cancel, for the same reason: the buyer loses "
            "the order."
        ),
        is_danger=True,
    ),
    OrderButton(
        slug="cut-again",
        label=_("Take the pieces off again…"),
        permission=CANCEL,
        fits=lambda full, step: _is_stuck(step, Kind.REMOVE_LINE) and full.needs_goods,
        act=_retries,
        form=forms.ActionForm,
        effect=Effect.CANCELS,
        text=_(
            "Kaspi is asked once more to take the same pieces off: the buyer gets less "
            "than was ordered. It cannot be undone."
        ),
        is_danger=True,
    ),
    OrderButton(
        slug="new-price",
        label=_("Order at the new price…"),
        permission=RESERVE,
        fits=lambda full, step: step.waits_for_price and full.is_unreserved,
        act=lambda step, answers, actor: actions.order_at_new_price(
            step, answers["accept_cost_kzt"], actor=actor
        ),
        form=forms.NewPriceForm,
        answers=lambda step: {"accept_cost_kzt": step.answered["cost_kzt"]},
        effect=Effect.BUYS,
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
        fits=lambda full, step: (
            _is_stuck(step, Kind.RESERVE) and full.is_in_doubt and not is_watched(step)
        ),
        act=lambda step, answers, actor: actions.reserve_anew(step, actor=actor),
        form=forms.ActionForm,
        effect=Effect.BUYS,
        text=_(
            "Only if you have seen in Al-Style's portal that none of its orders is "
            "this one's: the goods are ordered again. If one of them was, they are "
            "bought twice."
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
        slug="trim",
        label=_("Take it out of Al-Style's order…"),
        permission=RESERVE,
        fits=lambda full, step: (
            step.kind == Kind.CHECK
            and step.is_stuck
            and full.has_too_much
            and full.is_free(Kind.TRIM)
        ),
        act=lambda step, answers, actor: actions.request_step(
            step.order, Kind.TRIM, actor=actor
        ),
        form=forms.ActionForm,
        effect=Effect.CANCELS,
        text=TRIMS,
    ),
    OrderButton(
        slug="trim-again",
        label=_("Take it out of Al-Style's order again…"),
        permission=RESERVE,
        fits=lambda full, step: _is_stuck(step, Kind.TRIM),
        act=_retries,
        form=forms.ActionForm,
        effect=Effect.CANCELS,
        text=TRIMS,
    ),
    OrderButton(
        slug="drop",
        label=_("Drop…"),
        permission=RETRY,
        fits=_can_drop,
        act=lambda step, answers, actor: actions.skip_step(
            step, actor=actor, reason=answers["reason"]
        ),
        form=forms.ReasonForm,
        text=_("The bridge will not do this any more; you have seen to it."),
    ),
)
