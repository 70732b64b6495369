"""What a row of the table of reasons says, and which button a way out is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from django.http import HttpRequest
from django.utils.functional import Promise

from orders.admin.buttons import (
    LINE_BUTTONS,
    ORDER_BUTTONS,
    STEP_BUTTONS,
    OrderButton,
    Target,
)
from orders.admin.full_order import FullOrder
from orders.models import Reason, Step

Text = str | Promise
When = Callable[[FullOrder], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way out: a button, what comes of it here, when it is the one to recommend."""

    of: Literal["order", "step", "line"]
    slug: str
    then: Text = ""
    when: When | None = None

    @property
    def code(self) -> str:
        return f"{self.of}:{self.slug}"

    @property
    def button(self) -> OrderButton:
        all_buttons = {
            "order": ORDER_BUTTONS,
            "step": STEP_BUTTONS,
            "line": LINE_BUTTONS,
        }
        return all_buttons[self.of][self.slug]

    def targets(self, full: FullOrder, step: Step) -> list[Target]:
        """List what the button fits now: the order, the step, or some of its lines."""
        candidates: list[Target] = [full.order]
        if self.of == "step":
            candidates = [step]
        elif self.of == "line":
            candidates = [*full.lines]
        return [target for target in candidates if self.button.fits(full, target)]

    def rank(self, full: FullOrder) -> int:
        """Say how late it comes: what is not right now after what is, to drop last."""
        if self.slug == "drop":
            return 2
        return 0 if self.when is None or self.when(full) else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """What a reason means and what leads out of it, the best way first.

    `wants_goods`: whether other goods may serve the buyer instead.
    """

    reason: Reason
    means: Text
    ways: tuple[Way, ...]
    wants_goods: bool = False

    def offered(
        self, request: HttpRequest, full: FullOrder, step: Step
    ) -> Iterator[tuple[Way, Target]]:
        """Give the ways that fit and this person may go, the recommended one first."""
        fitting = [
            (way, targets[0])
            for way in self.ways
            if way.button.is_for(request) and (targets := way.targets(full, step))
        ]
        # One that is not right now is still a way, after those that are.
        yield from sorted(fitting, key=lambda pair: pair[0].rank(full))


def by_order(slug: str, then: Text = "", *, when: When | None = None) -> Way:
    return Way(of="order", slug=slug, then=then, when=when)


def by_step(slug: str, then: Text = "", *, when: When | None = None) -> Way:
    return Way(of="step", slug=slug, then=then, when=when)


def by_line(slug: str, then: Text = "") -> Way:
    return Way(of="line", slug=slug, then=then)


def is_held(full: FullOrder) -> bool:
    """Tell whether its goods, all of them, are held or on their way to us."""
    held = full.reservation
    return full.is_reserved and held is not None and not held.is_short


def is_in_stock(full: FullOrder) -> bool:
    """Tell whether the supplier's last figures have enough of each line."""
    needed = [(x.product, x.quantity) for x in full.lines if x.quantity != 0]
    return bool(needed) and all(
        product is not None
        and quantity is not None
        and product.gone_at is None
        and product.stock >= quantity
        for product, quantity in needed
    )
