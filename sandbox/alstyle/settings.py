"""The distributor's switches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import DAY_S

CHOICES: dict[str, tuple[str, ...]] = {
    "interval_variant": ("403", "429", "200"),
    "cart_adds": ("replace", "add"),
    "cart_marks": ("kept", "changing", "renumbered"),
    "cart_numbers": ("rows", "goods"),
    "add_refusal": ("silent", "message", "http", "clamp", "accept"),
    "submit_short": ("refuse", "partial", "oversell"),
    "stock_falls": ("submit", "later", "shipping"),
    "cancel_mode": ("at-once", "later", "never", "refused"),
    "date_format": ("seconds", "minutes", "day", "iso", "iso-zone", "empty"),
    "date_zone": ("almaty", "moscow", "utc"),
    "list_order": ("newest", "oldest", "shuffled"),
    "others_goods": ("other", "equal"),
    "shipping_days": ("any", "future", "working"),
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
      cart_marks: what of a row stays as long as the row: its number and `time`: kept |
        its number: changing | nothing, both change with each `get`: renumbered.
      cart_numbers: whether each row has a number of its own: rows | one of the same
        goods has that of the last: goods.
      add_refusal: how `add` refuses: silent (says yes, adds nothing) | message |
        http (400) | clamp (adds what is possible) | accept (adds it all the same).
      adds_markdown: `add` takes the marked-down units of an article that has them.
    Orders:
      submit_short: with too little stock submit will refuse | partial | oversell.
      submit_keeps_cart: the cart is not emptied by submit.
      checks_attorney: submit refuses an expired power of attorney.
      shipping_days: shipping dates submit takes: any | future (not before tomorrow) |
        working (nor a Sunday).
      late_submit_s: a submit whose answer is lost works so much later, with whatever
        the cart holds by then; 0 = at once.
    Orders as they are shown:
      date_format: seconds (2026-03-10 11:00:05) | minutes (10.03.2026 11:00) |
        day (2026-03-10) | iso (2026-03-10T11:00:05) | iso-zone | empty (null).
      date_zone: whose time it is: almaty | moscow | utc.
      list_order: /orders stands newest | oldest first, or shuffled, but always so.
      listed_after_s: how much later a new order stands in /orders.
      order_hidden_s: /order answers 404 for so long after an order was listed.
      long_order_ids, long_submit_ids: /orders and /order show 11-digit strings;
        submit answers with one.
      reads_submit_ids: /order knows the id that submit answered, where /orders shows
        another one; else only the one shown.
      shows_external_id, shows_comments: /orders and /order show them.
      clamps_page: a page beyond the last one answers the last one.
      newer_methods: order-item-delete, order-item-update, orders-merge and dates in
        /orders are there.
    Other people of the same account:
      others_per_order: orders they make around a filling of the cart, half of them
        when `get` first shows it, half others_after_s later.
      others_every: around each such filling only.
      others_goods: of other goods | of equal lines.
      others_comments: with words of their own in `comments`.
      manager_every_s: a manager comes about so often and puts a row into the cart;
        0 = nobody comes.
      manager_stays_s: then he takes out what is left of his pieces.
      manager_same_goods: share of his rows and orders that are of goods which the
        cart holds or held last.
      manager_orders: share of his visits at which he orders in the portal instead.
    Stock and cancelling:
      stock_falls: when visible stock falls: submit | later | shipping.
      stock_falls_after_s: how much later is "later".
      plenty_falls: what stands at ">N" falls too.
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
    cart_marks: str = "kept"
    cart_numbers: str = "rows"
    add_refusal: str = "silent"
    adds_markdown: bool = False
    submit_short: str = "refuse"
    submit_keeps_cart: bool = False
    checks_attorney: bool = True
    shipping_days: str = "any"
    late_submit_s: float = 0.0
    date_format: str = "seconds"
    date_zone: str = "almaty"
    list_order: str = "newest"
    listed_after_s: float = 0.0
    order_hidden_s: float = 0.0
    long_order_ids: bool = False
    long_submit_ids: bool = False
    reads_submit_ids: bool = True
    shows_external_id: bool = False
    shows_comments: bool = False
    clamps_page: bool = False
    newer_methods: bool = False
    others_per_order: int = 0
    others_every: int = 1
    others_after_s: float = 5.0
    others_goods: str = "other"
    others_comments: bool = False
    manager_every_s: float = 0.0
    manager_stays_s: float = 120.0
    manager_same_goods: float = 0.5
    manager_orders: float = 0.25
    stock_falls: str = "submit"
    stock_falls_after_s: float = 3600.0
    plenty_falls: bool = True
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
