"""What staff can do with a purchase."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from orders.admin import forms
from orders.admin.buttons.pressing import SETTLE, Effect, OrderButton, by_slug
from orders.models import Purchase
from orders.plan import actions
from orders.supply.supervision import is_supervised

ALONE = _(
    "From now on purchases are made without stopping, for ever. Say so when you have "
    "seen a whole purchase and all was as it should be."
)
BUYS_NEXT = _(
    "The next call orders what is in the cart: this buys the goods. Compare them with "
    "the order first."
)
STOP = _(
    "Nothing is bought. The bridge takes out of the cart what it has put in, and the "
    "order waits for you."
)


def buys_next(purchase: Purchase) -> bool:
    """Tell whether the next call of a supervised purchase orders the goods."""
    return purchase.stage in (Purchase.Stage.CHECKED, Purchase.Stage.UNANSWERED)


def may_stop(purchase: Purchase) -> bool:
    bought = purchase.stage == Purchase.Stage.SUBMITTED
    return purchase.paused_at is not None and not bought


def _is_doubtful(purchase: Purchase) -> bool:
    return purchase.status == Purchase.Status.NEEDS_PERSON


PURCHASE_BUTTONS = by_slug(
    OrderButton(
        slug="go-on",
        label=_("Go on"),
        permission=SETTLE,
        fits=lambda full, purchase: (
            purchase.paused_at is not None and not buys_next(purchase)
        ),
        act=lambda purchase, answers, actor: actions.go_on_with(purchase, actor=actor),
        text=_("The purchase makes its next call and stops again; nothing is bought."),
    ),
    OrderButton(
        slug="go-on-buying",
        label=_("Go on: order the goods…"),
        permission=SETTLE,
        fits=lambda full, purchase: (
            purchase.paused_at is not None and buys_next(purchase)
        ),
        act=lambda purchase, answers, actor: actions.go_on_with(purchase, actor=actor),
        form=forms.ActionForm,
        effect=Effect.BUYS,
        text=BUYS_NEXT,
    ),
    OrderButton(
        slug="go-on-alone",
        label=_("Go on by yourself…"),
        permission=SETTLE,
        # Also when it is made: that is what somebody watched it for.
        fits=lambda full, purchase: bool(purchase.stage) and is_supervised(),
        act=lambda purchase, answers, actor: actions.go_on_alone(purchase, actor=actor),
        form=forms.ActionForm,
        effect=Effect.BUYS,
        text=ALONE,
    ),
    OrderButton(
        slug="stop",
        label=_("Stop: take our goods out…"),
        permission=SETTLE,
        fits=lambda full, purchase: may_stop(purchase),
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
        fits=lambda full, purchase: _is_doubtful(purchase) and not purchase.chosen,
        act=lambda purchase, answers, actor: actions.buy_anew(purchase, actor=actor),
        form=forms.ActionForm,
        effect=Effect.BUYS,
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
        effect=Effect.CANCELS,
        text=_(
            "The order that you choose is taken as this purchase's, and cancelled at "
            "Al-Style."
        ),
        is_danger=True,
    ),
)
