"""The distributor's switches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import DAY_S

CHOICES: dict[str, tuple[str, ...]] = {
    "interval_variant": ("403", "429", "200"),
    "cart_adds": ("replace", "add"),
    "add_refusal": ("silent", "message", "http", "clamp", "accept"),
    "submit_short": ("refuse", "partial", "oversell"),
    "stock_falls": ("submit", "later", "shipping"),
    "cancel_mode": ("at-once", "later", "never", "refused"),
}


@dataclass(slots=True, kw_only=True)
class AlStyleSettings:
    """Switches of the pace, the catalogue, the cart and the orders.

    Pace:
      interval_s: least gap between two calls of one token; 0 = no limit.
      interval_variant: how "too fast" is said: 403, 429 or 200.
      clock_counts_cart: whether cart-api calls count in the pace.
      refused_calls_count: whether a refused call starts the interval anew.
    Catalogue:
      elements_nested: `elements` answers its array nested once.
      date: raw answer of `date`; None = the clock's time as an object.
    Cart:
      cart_adds: what a second `add` of an article does: replace | add.
      add_refusal: how `add` refuses: silent (says yes, adds nothing) | message |
        http (400) | clamp (adds what is possible) | accept (adds it all the same).
      adds_markdown: `add` takes the marked-down units of an article that has them.
    Orders:
      submit_short: with too little stock submit will refuse | partial | oversell.
      submit_keeps_cart: the cart is not emptied by submit.
      checks_attorney: submit refuses an expired power of attorney.
      long_order_ids: /orders shows 11-digit strings.
      shows_external_id: /orders and /order show `external_id` and `comments`.
      clamps_page: a page beyond the last one answers the last one.
      stock_falls: when visible stock falls: submit | later | shipping.
      stock_falls_after_s: how much later is "later".
      cancel_mode: at-once | later | never (says yes, does nothing) | refused.
      cancel_after_s: how much later a cancelled order becomes DA.
      cancel_until: statuses from which `cancel` still works; None = a fresh order.
      statuses_move: orders move on by themselves, at `life_speed` times `life`.
      life: status and the seconds after submit at which it comes.
      expire_after_s: an order not confirmed by then becomes DA; None = never.
    All seconds are of the sandbox's clock.
    """

    interval_s: float = 5.0
    interval_variant: str = "403"
    clock_counts_cart: bool = True
    refused_calls_count: bool = False
    elements_nested: bool = False
    date: Any = None
    cart_adds: str = "replace"
    add_refusal: str = "silent"
    adds_markdown: bool = False
    submit_short: str = "refuse"
    submit_keeps_cart: bool = False
    checks_attorney: bool = True
    long_order_ids: bool = False
    shows_external_id: bool = False
    clamps_page: bool = False
    stock_falls: str = "submit"
    stock_falls_after_s: float = 3600.0
    cancel_mode: str = "at-once"
    cancel_after_s: float = 60.0
    cancel_until: list[str | None] = field(default_factory=lambda: [None, "N", "R"])
    statuses_move: bool = True
    life_speed: float = 1.0
    life: list[tuple[str, float]] = field(
        default_factory=lambda: [
            ("N", 300.0),
            ("R", 1800.0),
            ("SV", 4 * 3600.0),
            ("OS", 8 * 3600.0),
            ("P", 1 * DAY_S),
            ("F", 3 * DAY_S),
        ]
    )
    expire_after_s: float | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if value not in CHOICES.get(name, (value,)):
            raise ValueError(f"{name} is one of {', '.join(CHOICES[name])}")
        object.__setattr__(self, name, value)
