"""The ways out of an order's situation: when each is offered, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.admin import forms
from orders.admin.mapping import map_line
from orders.admin.standing import Held, Kind, Standing, Status
from orders.models import Order, OrderLine, Step
from orders.plan import actions
from plumbing.queue import enqueue

REFRESH = "orders.tasks.refresh_one"
RETRY, ACCEPT, ASSEMBLE = "retry_step", "accept_order", "assemble_order"
COMPLETE, CANCEL, RESERVE = "complete_order", "cancel_order", "reserve_order"
Data = dict[str, Any]
Text = str | Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A button: who may press it, when it makes sense, what it asks and does.

    `act` gets the order, step or line, what was answered, and who asks.
    """

    slug: str
    label: Text
    permission: str
    fits: Callable[[Standing, Any], bool]
    act: Callable[[Any, Data, str], None]
    form: type[forms.ActionForm] | None = None
    text: Text = ""
    is_danger: bool = False

    @property
    def codename(self) -> str:
        """The permission as `has_perm` wants it."""
        return f"orders.{self.permission}"


def ask(order: Order, kind: Step.Kind, actor: str, **parameters: Any) -> None:
    """Ask for a step; one of the kind that was refused makes room for it."""
    with transaction.atomic():
        for step in order.steps.filter(kind=kind, status=Status.REFUSED):
            actions.skip_step(step, actor=actor, reason=gettext("asked for anew"))
        actions.request_step(order, kind, actor=actor, parameters=parameters)


def has_candidates(step: Step) -> bool:
    """Tell whether orders at Al-Style wait to be chosen from."""
    is_asked = step.kind == Kind.RESERVE and step.status == Status.NEEDS_PERSON
    return is_asked and bool(step.answered.get("candidates"))


def can_retry(step: Step) -> bool:
    """Tell whether trying the step again just so can be right.

    With candidates to choose from it would order the goods a second time, and a
    wrong code stays wrong.
    """
    if step.kind == Kind.COMPLETE or has_candidates(step):
        return False
    return step.status in (*Step.STUCK, Status.PENDING, Status.UNKNOWN)


def _can_assemble(s: Standing, _order: object) -> bool:
    at_kaspi = s.order.state == Order.KASPI_DELIVERY and not s.order.is_assembled
    fresh = s.is_free(Kind.ASSEMBLE) and not s.was_done(Kind.ASSEMBLE)
    return s.is_accepted and at_kaspi and fresh


def _is_ours_to_hand_over(s: Standing) -> bool:
    return s.is_accepted and s.order.state in (Order.PICKUP, Order.DELIVERY)


def _is_unreserved(s: Standing) -> bool:
    return s.is_alive and s.held in ("", Held.WANTED)


def _is_settled(s: Standing, kind: Step.Kind) -> bool:
    unsettled = (Status.IN_FLIGHT, Status.UNKNOWN)
    return not any(p.kind == kind and p.status in unsettled for p in s.steps)


def _can_return(s: Standing, _order: object) -> bool:
    back = (Order.CANCELLING, Order.RETURN_REQUESTED)
    return s.order.status in back and s.is_free(Kind.ARRIVE_BACK)


ACCEPT_WAYS = (
    Way(
        slug="accept",
        label=_("Accept"),
        permission=ACCEPT,
        fits=lambda s, _o: (
            s.order.awaits_accept and s.is_reserved and s.is_free(Kind.ACCEPT)
        ),
        act=lambda order, data, actor: ask(order, Kind.ACCEPT, actor),
    ),
    Way(
        slug="accept-unreserved",
        label=_("Accept unreserved…"),
        permission=ACCEPT,
        fits=lambda s, _o: (
            s.order.awaits_accept and not s.is_reserved and s.is_free(Kind.ACCEPT)
        ),
        act=lambda order, data, actor: actions.accept_unreserved(order, actor=actor),
        form=forms.ActionForm,
        text=_(
            "Kaspi is told that the order is accepted although nothing is reserved at "
            "Al-Style. You will have to find the goods elsewhere, or cancel later at "
            "the shop's cost."
        ),
    ),
)
RESERVE_WAYS = (
    Way(
        slug="reserve",
        label=_("Reserve at Al-Style"),
        permission=RESERVE,
        fits=lambda s, _o: _is_unreserved(s) and s.is_free(Kind.RESERVE),
        act=lambda order, data, actor: ask(order, Kind.RESERVE, actor),
    ),
    Way(
        slug="by-hand",
        label=_("Reserved by hand…"),
        permission=RESERVE,
        fits=lambda s, _o: _is_unreserved(s) and _is_settled(s, Kind.RESERVE),
        act=lambda order, data, actor: actions.mark_reserved_by_hand(
            order, actor=actor, number=data["number"]
        ),
        form=forms.NumberForm,
        text=_(
            "For goods that you have reserved yourself: in Al-Style's portal, by "
            "phone, or from your own shelf. The bridge stops reserving them."
        ),
    ),
    Way(
        slug="release",
        label=_("Release at Al-Style…"),
        permission=RESERVE,
        fits=lambda s, _o: s.held == Held.HELD and s.is_free(Kind.RELEASE),
        act=lambda order, data, actor: ask(order, Kind.RELEASE, actor),
        form=forms.ActionForm,
        text=_("The bridge cancels the order at Al-Style that holds the goods."),
        is_danger=True,
    ),
    Way(
        slug="released",
        label=_("Released by hand…"),
        permission=RESERVE,
        fits=lambda s, _o: (
            s.held in (Held.HELD, Held.RELEASING, Held.BY_HAND)
            and _is_settled(s, Kind.RELEASE)
        ),
        act=lambda order, data, actor: actions.mark_released(order, actor=actor),
        form=forms.ActionForm,
        text=_(
            "Only if you have seen that Al-Style holds nothing for this order any "
            "more. The goods count as available again."
        ),
        is_danger=True,
    ),
)
DELIVERY_WAYS = (
    Way(
        slug="assemble",
        label=_("Assemble…"),
        permission=ASSEMBLE,
        fits=_can_assemble,
        act=lambda order, data, actor: ask(
            order, Kind.ASSEMBLE, actor, places=data["places"]
        ),
        form=forms.PlacesForm,
        text=_("Kaspi makes the waybill; it appears here a few minutes later."),
    ),
    Way(
        slug="send-code",
        label=_("Send the buyer a code"),
        permission=COMPLETE,
        fits=lambda s, _o: _is_ours_to_hand_over(s) and s.is_idle(Kind.SEND_CODE),
        act=lambda order, data, actor: ask(order, Kind.SEND_CODE, actor),
    ),
    Way(
        slug="complete",
        label=_("Hand over by the code…"),
        permission=COMPLETE,
        fits=lambda s, _o: _is_ours_to_hand_over(s) and s.is_idle(Kind.COMPLETE),
        act=lambda order, data, actor: ask(
            order, Kind.COMPLETE, actor, code=data["code"]
        ),
        form=forms.CodeForm,
        text=_("The buyer has the goods and tells you the code from Kaspi."),
    ),
    Way(
        slug="arrived",
        label=_("Pre-ordered goods have arrived"),
        permission=ASSEMBLE,
        fits=lambda s, _o: (
            s.order.is_preorder
            and s.is_accepted
            and s.is_free(Kind.ARRIVE)
            and not s.was_done(Kind.ARRIVE)
        ),
        act=lambda order, data, actor: ask(order, Kind.ARRIVE, actor),
    ),
    Way(
        slug="arrived-back",
        label=_("The goods are back"),
        permission=ASSEMBLE,
        fits=_can_return,
        act=lambda order, data, actor: ask(order, Kind.ARRIVE_BACK, actor),
    ),
)
OTHER_WAYS = (
    Way(
        slug="cancel",
        label=_("Cancel the order…"),
        permission=CANCEL,
        fits=lambda s, _o: s.is_alive and s.is_idle(Kind.CANCEL),
        act=lambda order, data, actor: ask(
            order,
            Kind.CANCEL,
            actor,
            reason=data["reason"],
            comment=data.get("comment", ""),
        ),
        form=forms.CancelForm,
        text=_(
            "The buyer loses the order. More than one in twenty cancelled as out of "
            "stock can switch the shop off for a week."
        ),
        is_danger=True,
    ),
    Way(
        slug="reread",
        label=_("Read again from Kaspi"),
        permission=RETRY,
        fits=lambda s, _o: True,
        act=lambda order, data, actor: _reread(order),
    ),
)
ORDER_WAYS = {
    way.slug: way for way in (*ACCEPT_WAYS, *RESERVE_WAYS, *DELIVERY_WAYS, *OTHER_WAYS)
}
STEP_WAYS = {
    way.slug: way
    for way in (
        Way(
            slug="retry",
            label=_("Try again"),
            permission=RETRY,
            fits=lambda s, step: can_retry(step),
            act=lambda step, data, actor: actions.retry_step(step, actor=actor),
        ),
        Way(
            slug="adopt",
            label=_("Choose the order at Al-Style…"),
            permission=RESERVE,
            fits=lambda s, step: has_candidates(step),
            act=lambda step, data, actor: actions.adopt_supplier_order(
                step, data["number"], actor=actor
            ),
            form=forms.CandidateForm,
            text=_(
                "Al-Style's answer was lost, and these orders nobody owns may be the "
                "one that was made. Compare them with Al-Style's portal."
            ),
        ),
        Way(
            slug="anew",
            label=_("Reserve anew…"),
            permission=RESERVE,
            fits=lambda s, step: has_candidates(step),
            act=lambda step, data, actor: actions.reserve_anew(step, actor=actor),
            form=forms.ActionForm,
            text=_(
                "Only if none of the orders found is this one's: the goods are ordered "
                "again. If one of them was, they are bought twice."
            ),
            is_danger=True,
        ),
        Way(
            slug="drop",
            label=_("Drop…"),
            permission=RETRY,
            fits=lambda s, step: step.status in (*Step.STUCK, Status.PENDING),
            act=lambda step, data, actor: actions.skip_step(
                step, actor=actor, reason=data["reason"]
            ),
            form=forms.ReasonForm,
            text=_("The bridge will not do this any more; you have seen to it."),
        ),
    )
}
LINE_WAYS = {
    "map": Way(
        slug="map",
        label=_("Choose the product…"),
        permission=RESERVE,
        fits=lambda s, line: line.product_id is None and s.is_alive,
        act=lambda line, data, actor: map_line(line, data["product"], actor=actor),
        form=forms.ProductForm,
        text=_("The line's SKU is none of our products. Say which one is meant."),
    )
}


def _reread(order: Order) -> None:
    enqueue(REFRESH, order.pk, cluster="orders")


def order_of(target: Order | Step | OrderLine) -> Order:
    """Give the order that something belongs to."""
    return target if isinstance(target, Order) else target.order
