"""What staff can do with an order as a whole."""

from __future__ import annotations

from typing import cast

from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.admin import forms
from orders.admin.buttons.pressing import (
    ACCEPT,
    ASSEMBLE,
    CANCEL,
    COMPLETE,
    RESERVE,
    RETRY,
    Act,
    Answers,
    Effect,
    OrderButton,
    by_slug,
)
from orders.admin.full_order import FullOrder
from orders.models import Order, Reservation, Step
from orders.models.step import StepParameters
from orders.plan import actions
from orders.plan.closing import close_order
from plumbing.queue import enqueue

REFRESH = "orders.tasks.refresh_one"
READ_STOCK = "catalog.tasks.sync_stock"
# Stands beside the figures of a card only.
FIGURES = "figures"
Kind, Status = Step.Kind, Step.Status


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


def _can_assemble(full: FullOrder, _order: object) -> bool:
    order = full.order
    waits = order.is_fetched_by_kaspi and not order.is_assembled
    return full.is_accepted and waits and _was_never_asked(full, Kind.ASSEMBLE)


def _was_never_asked(full: FullOrder, kind: Step.Kind) -> bool:
    return full.is_free(kind) and not full.has_step(kind, Status.DONE)


def _is_ours_to_hand_over(full: FullOrder) -> bool:
    return full.is_accepted and full.order.state in (Order.PICKUP, Order.DELIVERY)


def _can_release(full: FullOrder, order: Order) -> bool:
    """What is on its way to the buyer is let go no more."""
    is_held = full.reservation_status == Reservation.Status.HELD
    is_gone = order.handed_over_at is not None and not order.is_over
    return is_held and not is_gone and full.is_free(Kind.RELEASE)


def _can_return(full: FullOrder, _order: object) -> bool:
    back = (Order.CANCELLING, Order.RETURN_REQUESTED)
    return full.order.status in back and full.is_free(Kind.ARRIVE_BACK)


def _can_be_released_by_hand(full: FullOrder, _order: object) -> bool:
    status = Reservation.Status
    holding = (status.HELD, status.BY_HAND, status.RELEASING)
    return full.reservation_status in holding and full.is_settled(Kind.RELEASE)


# In the order of the page: what an order waits for first, what is seldom meant last.
ORDER_BUTTONS = by_slug(
    OrderButton(
        slug="accept",
        label=_("Accept"),
        permission=ACCEPT,
        fits=lambda full, _o: (
            full.awaits_accept and full.is_reserved and full.is_free(Kind.ACCEPT)
        ),
        act=_asks_for(Kind.ACCEPT),
        text=_("Kaspi is told that the order is accepted: its goods are reserved."),
    ),
    OrderButton(
        slug="accept-unreserved",
        label=_("Accept unreserved…"),
        permission=ACCEPT,
        fits=lambda full, _o: (
            full.awaits_accept
            and (full.lacks_goods or not full.is_reserved)
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
        label=_("Reserve at Al-Style…"),
        permission=RESERVE,
        fits=lambda full, _o: full.is_unreserved and full.is_free(Kind.RESERVE),
        act=_asks_for(Kind.RESERVE),
        form=forms.ActionForm,
        effect=Effect.BUYS,
        text=_("The goods are ordered at Al-Style for this order: this buys them."),
    ),
    OrderButton(
        slug="by-hand",
        label=_("Reserved by hand…"),
        permission=RESERVE,
        fits=lambda full, _o: (
            full.is_unreserved
            and full.is_settled(Kind.RESERVE)
            and full.purchase is None
        ),
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
        fits=_can_release,
        act=_asks_for(Kind.RELEASE),
        form=forms.ActionForm,
        effect=Effect.CANCELS,
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
        text=_("Kaspi sends the buyer a new code by which the goods are handed over."),
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
        effect=Effect.CANCELS,
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
        text=_("The order is read from Kaspi within a minute; nothing is changed."),
    ),
    OrderButton(
        slug=FIGURES,
        label=_("Read them now"),
        permission="catalog.sync_catalogue",
        fits=lambda full, _o: full.needs_goods,
        act=lambda order, answers, actor: enqueue(READ_STOCK, cluster="imports"),
        text=_("Al-Style's stock and prices are read within a minute or two."),
    ),
    OrderButton(
        slug="close",
        label=_("Close the order…"),
        permission=CANCEL,
        fits=lambda full, order: (
            order.is_gone
            and order.ended_at is None
            and full.purchase is None
            and not full.has_step_in_flight
        ),
        act=lambda order, answers, actor: close_order(
            order, releases=answers.get("goods") == "release", actor=actor
        ),
        form=forms.CloseForm,
        effect=Effect.CANCELS,
        text=_(
            "Nothing more is asked of Kaspi for this order, and it leaves the lists of "
            "open ones. If Kaspi shows it again, it opens by itself."
        ),
    ),
)
