"""What staff can do with an order, its steps, its lines and its purchases."""

from __future__ import annotations

from orders.admin.buttons.of_lines import LINE_BUTTONS
from orders.admin.buttons.of_orders import FIGURES, ORDER_BUTTONS
from orders.admin.buttons.of_purchases import PURCHASE_BUTTONS
from orders.admin.buttons.of_steps import STEP_BUTTONS, is_watched
from orders.admin.buttons.pressing import (
    Answers,
    OrderButton,
    Target,
    offered,
    order_of,
    press,
)

__all__ = [
    "FIGURES",
    "LINE_BUTTONS",
    "ORDER_BUTTONS",
    "PURCHASE_BUTTONS",
    "STEP_BUTTONS",
    "Answers",
    "OrderButton",
    "Target",
    "is_watched",
    "offered",
    "order_of",
    "press",
]
