"""A button of an order's, and what happens when it is pressed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext

from backoffice.pages import Button, log_objects
from orders.admin import forms
from orders.admin.full_order import FullOrder
from orders.models import Order, OrderEvent, OrderLine, Purchase, Step
from orders.plan import actions
from orders.plan.events import record
from plumbing.leases import database_now

RETRY, ACCEPT, ASSEMBLE = "retry_step", "accept_order", "assemble_order"
COMPLETE, CANCEL, RESERVE = "complete_order", "cancel_order", "reserve_order"
SETTLE = "settle_purchase"
Answers = dict[str, Any]
Text = str | Promise
Target = Order | Step | OrderLine | Purchase
Act = Callable[[Any, Answers, str], object]


class Effect(Enum):
    """What cannot be taken back: a button that does one of these asks first."""

    NONE = "none"
    BUYS = "buys"
    CANCELS = "cancels"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderButton:
    """Who may press it, when it makes sense, what it asks, and what it does.

    `act` gets the order, step or line, what was answered, and who asks; it raises
    `ActionImpossible`. Without a form the button acts at once. `text`: what comes of
    it. `answers`: what to answer when many are chosen, for a form that each fills in
    differently.
    """

    slug: str
    label: Text
    permission: str
    fits: Callable[[FullOrder, Any], bool]
    act: Act
    form: type[forms.ActionForm] | None = None
    text: Text = ""
    effect: Effect = Effect.NONE
    is_danger: bool = False
    answers: Callable[[Any], Answers] | None = None

    @property
    def title(self) -> str:
        """The label without the dots that say that it asks first."""
        return str(self.label).rstrip("…")

    @property
    def asks_the_same(self) -> bool:
        """Whether one answer serves many orders."""
        return self.form in forms.SAME_FOR_MANY or self.answers is not None

    def is_for(self, request: HttpRequest) -> bool:
        name = self.permission
        return request.user.has_perm(name if "." in name else f"orders.{name}")

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


def by_slug(*buttons: OrderButton) -> dict[str, OrderButton]:
    return {button.slug: button for button in buttons}
