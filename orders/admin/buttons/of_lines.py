"""What staff can do with a line of an order."""

from __future__ import annotations

from typing import cast

from django.utils.translation import gettext_lazy as _

from orders.admin import forms
from orders.admin.buttons.pressing import (
    ASSEMBLE,
    CANCEL,
    RESERVE,
    Act,
    Answers,
    Effect,
    OrderButton,
    by_slug,
)
from orders.admin.mapping import map_line
from orders.models import OrderLine, Step
from orders.models.step import StepParameters
from orders.plan import actions

Kind = Step.Kind


def _asks_for_line(kind: Step.Kind) -> Act:
    def act(line: OrderLine, answers: Answers, actor: str) -> None:
        parameters = cast("StepParameters", answers)
        actions.request_line_step(line, kind, actor=actor, parameters=parameters)

    return act


LINE_BUTTONS = by_slug(
    OrderButton(
        slug="map",
        label=_("Choose the product…"),
        permission=RESERVE,
        fits=lambda full, line: line.product_id is None and full.needs_goods,
        act=lambda line, answers, actor: map_line(
            line, answers["product"], actor=actor
        ),
        form=forms.ProductForm,
        effect=Effect.BUYS,
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
        effect=Effect.CANCELS,
        text=_(
            "The buyer gets less than was ordered, and the money for the rest back. "
            "It cannot be undone."
        ),
        is_danger=True,
    ),
)
