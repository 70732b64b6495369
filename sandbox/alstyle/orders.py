"""The distributor's orders: how they come, move on, hold stock and end."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.alstyle.catalogue import Shop
from sandbox.alstyle.settings import AlStyleSettings
from sandbox.clock import Clock

FIRST_ORDER = 412_000
FIRST_NOTE = 830_000
CANCELLED, MERGED = "DA", "Un"
ENDED = frozenset({CANCELLED, MERGED, "F"})
SHIPPING = frozenset({"OS", "OK", "P", "F"})
UNCONFIRMED = (None, "N", "R")


class OrderRefused(Exception):
    """The distributor says no, in the portal's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedLine:
    """One article of an order at the price of the moment."""

    article: int
    quantity: int
    price: int
    is_markdown: bool = False


@dataclass(slots=True, kw_only=True)
class SupplierOrder:
    """One order. `fallen`: its goods have left the visible stock, but for those that
    `stood` at ">N".

    `at` is `time.monotonic()`, `created` the sandbox's clock; `by` api, manager or
    other. `binds`: its goods are taken from the shop's stock. `foreign`: a manager's
    pieces that went along, by article.
    """

    id: int
    lines: list[OrderedLine]
    created: float
    at: float
    external_id: str = ""
    comments: str = ""
    bin: str = ""
    consignment: bool = False
    by: str = "api"
    binds: bool = True
    foreign: dict[int, int] = field(default_factory=dict)
    status: str | None = None
    status_since: float | None = None
    merge_with: int | None = None
    merged_from: list[int] = field(default_factory=list)
    fallen: bool = False
    stood: list[int] = field(default_factory=list)
    frozen: bool = False
    cancel_asked: list[float] = field(default_factory=list)
    cancel_due: float | None = None
    cancelled_at: float | None = None
    note: int | None = None
    files: list[str] = field(default_factory=list)

    @property
    def long_id(self) -> str:
        """Return the 11-digit id, which has nothing to do with the short one."""
        return f"{20_000_000_000 + (self.id * 7_368_787) % 10_000_000_000}"

    @property
    def total(self) -> int:
        return sum(line.price * line.quantity for line in self.lines)

    @property
    def is_live(self) -> bool:
        """Say whether it still binds goods."""
        return self.status not in (CANCELLED, MERGED)


class OrderBook:
    """All orders, newest last. `settle()` lets due changes happen."""

    def __init__(self, shop: Shop, settings: AlStyleSettings, clock: Clock) -> None:
        self.orders: dict[int, SupplierOrder] = {}
        self._shop = shop
        self._settings = settings
        self._clock = clock
        self.last = FIRST_ORDER
        self.last_note = FIRST_NOTE
        self._free_log: dict[int, list[tuple[float, int]]] | None = None

    def free(self, article: int) -> int:
        """Return how many pieces no order binds yet."""
        good = self._shop.goods.get(article)
        bound = sum(
            line.quantity
            for order in self.orders.values()
            if order.is_live and not order.fallen and order.binds
            for line in order.lines
            if line.article == article and not line.is_markdown
        )
        return (good.available if good is not None else 0) - bound

    def holding(self, article: int) -> dict[int, float]:
        """Map the living orders that took an article to their ages in seconds."""
        now = self._clock.timestamp()
        return {
            order.id: now - order.created
            for order in self.orders.values()
            if order.is_live and order.binds
            if any(line.article == article for line in order.lines)
        }

    def watch(self) -> None:
        """Begin to remember how many pieces of each article were free and when."""
        self._free_log = {}
        for article in self._shop.goods:
            self.note(article)

    def note(self, article: int) -> None:
        """Remember an article's free pieces, if they changed."""
        if self._free_log is None:
            return
        log, free = self._free_log.setdefault(article, []), self.free(article)
        if not log or log[-1][1] != free:
            log.append((self._clock.timestamp(), free))

    def most_free(self, article: int, *, since: float) -> int:
        """Return the most pieces that were free at any moment since then."""
        log = (self._free_log or {}).get(article, [])
        before = [free for at, free in log if at <= since][-1:]
        return max([*before, *(free for at, free in log if at > since)], default=0)

    def create(
        self, lines: list[OrderedLine], *, binds: bool = True, **fields: Any
    ) -> SupplierOrder:
        """Make an order of lines that may really be had; raises OrderRefused."""
        lines = self._within_stock(lines) if binds else lines
        if not lines:
            raise OrderRefused("Нет доступных товаров")
        self.last += 1
        order = SupplierOrder(
            id=self.last,
            lines=lines,
            binds=binds,
            created=self._clock.timestamp(),
            at=time.monotonic(),
            **fields,
        )
        self.orders[order.id] = order
        if order.consignment:
            self.move(order, "SV")
        if self._settings.stock_falls == "submit":
            self._fall(order)
        self._note_all(order)
        return order

    def _note_all(self, order: SupplierOrder) -> None:
        for line in order.lines:
            self.note(line.article)

    def _within_stock(self, lines: list[OrderedLine]) -> list[OrderedLine]:
        if self._settings.submit_short == "oversell":
            return lines
        possible = []
        for line in lines:
            free = self.free(line.article) if not line.is_markdown else line.quantity
            if free >= line.quantity:
                possible.append(line)
            elif self._settings.submit_short == "refuse":
                raise OrderRefused(f"Товар {line.article}: недостаточно на складе")
            elif free > 0:
                cut = asdict(line) | {"quantity": free}
                possible.append(OrderedLine(**cut))
        return possible

    def find(self, number: str | int) -> SupplierOrder | None:
        text = str(number).strip()
        for order in self.orders.values():
            if text in (str(order.id), order.long_id):
                return order
        return None

    def move(self, order: SupplierOrder, status: str | None) -> None:
        """Give an order a status, with all it means for stock."""
        if order.status == status:
            return
        order.status, order.status_since = status, self._clock.timestamp()
        if status in SHIPPING:
            self._fall(order)
        if status == CANCELLED:
            order.cancelled_at = self._clock.timestamp()
            self._rise(order)
        self._note_all(order)

    def cancel(self, order: SupplierOrder) -> None:
        """Cancel as the switch says; raises OrderRefused."""
        now = self._clock.timestamp()
        order.cancel_asked.append(now)
        mode = self._settings.cancel_mode
        if order.status == CANCELLED:
            return
        if mode == "refused" or order.status not in self._settings.cancel_until:
            raise OrderRefused("Заказ нельзя отменить")
        if mode == "at-once":
            self.move(order, CANCELLED)
        elif mode == "later" and order.cancel_due is None:
            order.cancel_due = now + self._settings.cancel_after_s

    def confirm(self, order: SupplierOrder) -> int:
        """Turn an order into a delivery note; return the note's number."""
        if not order.is_live or order.status == "F":
            raise OrderRefused("Заказ нельзя подтвердить")
        if order.note is None:
            self.last_note += 1
            order.note = self.last_note
            self.move(order, "SV")
        return order.note

    def merge(self, order: SupplierOrder, into: SupplierOrder) -> None:
        """Merge one order into another; its goods go over."""
        if order.fallen or into.fallen:
            self._fall(order)
            self._fall(into)
        into.lines = into.lines + order.lines
        into.stood = into.stood + order.stood
        into.merged_from.append(order.id)
        order.merge_with = into.id
        self.move(order, MERGED)

    def settle(self) -> None:
        now = self._clock.timestamp()
        for order in list(self.orders.values()):
            self._settle(order, now)

    def _settle(self, order: SupplierOrder, now: float) -> None:
        if order.status in ENDED or order.frozen:
            return
        rules, age = self._settings, now - order.created
        if order.cancel_due is not None and now >= order.cancel_due:
            self.move(order, CANCELLED)
            return
        expires = rules.expire_after_s
        if expires is not None and age >= expires and order.status in UNCONFIRMED:
            self.move(order, CANCELLED)
            return
        if rules.stock_falls == "later" and age >= rules.stock_falls_after_s:
            self._fall(order)
        if not rules.statuses_move:
            return
        names = [None, *(name for name, _ in rules.life)]
        if order.status not in names:
            return
        reached = names.index(order.status)
        for place, (status, after_s) in enumerate(rules.life):
            if place >= reached and age * rules.life_speed >= after_s:
                self.move(order, status)

    def _fall(self, order: SupplierOrder) -> None:
        if not order.fallen:
            order.fallen = True
            self._shift(order, -1)

    def _rise(self, order: SupplierOrder) -> None:
        if order.fallen:
            order.fallen = False
            self._shift(order, 1)

    def _shift(self, order: SupplierOrder, sign: int) -> None:
        if not order.binds:
            return
        if sign < 0 and not self._settings.plenty_falls:
            order.stood = [
                line.article for line in order.lines if self._stands(line.article)
            ]
        for line in order.lines:
            good = self._shop.goods.get(line.article)
            if good is None or line.article in order.stood:
                continue
            if line.is_markdown:
                good.quantity_markdown += sign * line.quantity
            else:
                good.stock += sign * line.quantity

    def _stands(self, article: int) -> bool:
        good = self._shop.goods.get(article)
        return good is not None and good.stock > good.shown_above

    def reduce(self, order: SupplierOrder, article: int, quantity: int) -> None:
        """Leave `quantity` pieces of an article in an order; raises OrderRefused."""
        if not order.is_live or order.status in SHIPPING:
            raise OrderRefused("Заказ нельзя изменить")
        had = {line.article: line.quantity for line in order.lines}
        if not 0 <= quantity < had.get(article, 0):
            raise OrderRefused("Неверное количество")
        was_fallen = order.fallen
        self._rise(order)
        order.lines = [
            OrderedLine(**asdict(line) | {"quantity": quantity})
            if line.article == article
            else line
            for line in order.lines
            if line.article != article or quantity
        ]
        if was_fallen:
            self._fall(order)
        self.note(article)
        if not order.lines:
            self.move(order, CANCELLED)

    def book(self) -> list[dict[str, Any]]:
        return [
            asdict(order)
            | {"long_id": order.long_id, "sum": order.total, "live": order.is_live}
            for order in self.orders.values()
        ]
