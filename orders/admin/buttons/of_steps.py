"""What staff can do with a step of an order."""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.admin import forms
from orders.admin.buttons.of_purchases import ALONE, STOP, may_stop
from orders.admin.buttons.pressing import (
    ASSEMBLE,
    RESERVE,
    RETRY,
    SETTLE,
    OrderButton,
    by_slug,
)
from orders.models import Purchase, Step
from orders.plan import actions

Kind, Status = Step.Kind, Step.Status


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


def can_retry(step: Step) -> bool:
    """Tell whether trying the step again just so can be right.

    With candidates to choose from it would order the goods a second time, and a
    wrong code stays wrong.
    """
    if step.kind == Kind.COMPLETE or has_candidates(step) or is_watched(step):
        return False
    return step.is_idle or step.status == Status.UNKNOWN


STEP_BUTTONS = by_slug(
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
        fits=lambda full, step: is_watched(step) and may_stop(watched_purchase(step)),
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
        text=_(
            "Al-Style is asked to take out of its order what the buyer took off, and "
            "the order is read again. If Al-Style does not do that, you are told."
        ),
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
