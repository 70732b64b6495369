"""Judge the bridge by both peers' own books: exactly once, released, never oversold."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.alstyle.server import AlStyleServer
from sandbox.kaspi.pricelist import Offer
from sandbox.kaspi.server import KaspiServer

Book = list[dict[str, Any]]
Goods = dict[int | None, float]
ArticleOf = Callable[[str], int | None]


@dataclass(slots=True, kw_only=True)
class Audit:
    """What the books say; lists hold Kaspi's codes or the supplier's order ids.

    served_once: wanted orders with exactly one live supplier order.
    unserved: wanted orders without any; each needs a reason of the bridge's own.
    served_twice: orders with more than one live supplier order.
    unreleased: cancelled before the parcel left, and a supplier order still lives.
    owned_by_nobody: live supplier orders made by API for no order of Kaspi's.
    wrong_lines: live supplier orders that hold other goods than was ordered.
    accepted_unserved: accepted by us without a live supplier order.
    assembled_twice: more than one ASSEMBLE was carried out.
    cancelled_short: cancelled as out of stock, by us or by a missed deadline.
    writes_refused: writes Kaspi refused as forbidden.
    foreign_touched: rows of a manager that our calls changed.
    """

    orders: int = 0
    served_once: int = 0
    unserved: list[str] = field(default_factory=list)
    served_twice: list[str] = field(default_factory=list)
    unreleased: list[str] = field(default_factory=list)
    owned_by_nobody: list[str] = field(default_factory=list)
    wrong_lines: list[str] = field(default_factory=list)
    accepted_unserved: list[str] = field(default_factory=list)
    assembled_twice: list[str] = field(default_factory=list)
    cancelled_short: list[str] = field(default_factory=list)
    writes_refused: int = 0
    foreign_touched: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def plain_article(sku: str) -> int | None:
    return int(sku) if sku.isdigit() else None


def audit(
    supplier_book: Book,
    kaspi_book: Book,
    *,
    foreign_touched: int = 0,
    article_of: ArticleOf = plain_article,
    multiple_of: Callable[[int], int] = lambda article: 1,
) -> Audit:
    """Compare the books. Supplier orders belong to the codes in `external_id` or
    `comments`; quantities may be rounded up to the article's multiple.
    """
    found = Audit(orders=len(kaspi_book), foreign_touched=foreign_touched)
    every = {order["id"]: order for order in supplier_book}
    wanted = {
        order["code"]: _wanted(order, article_of, multiple_of) for order in kaspi_book
    }
    owned: dict[str, Book] = {code: [] for code in wanted}
    for made in supplier_book:
        if not _lives(made, every):
            continue
        owners = owners_of(made, wanted)
        for code in owners:
            owned[code].append(made)
        if not owners and made["by"] == "api":
            found.owned_by_nobody.append(str(made["id"]))
        pairs = (pair for code in owners for pair in wanted[code].items())
        if owners and _goods_of(made, every) != _added(pairs):
            found.wrong_lines.append(str(made["id"]))
    for order in kaspi_book:
        _judge(found, order, owned[order["code"]])
    return found


def owners_of(made: dict[str, Any], codes: Container[str]) -> list[str]:
    """Return the codes a supplier order names; several when bought together."""
    text = f"{made['external_id']} {made['comments']}"
    named = dict.fromkeys(re.split(r"[\s,;#]+", text))
    return [name for name in named if name in codes]


def _lives(order: dict[str, Any], every: dict[int, dict[str, Any]]) -> bool:
    seen = set()
    while order["merge_with"] is not None and order["id"] not in seen:
        seen.add(order["id"])
        order = every[order["merge_with"]]
    return bool(order["live"])


def _judge(found: Audit, order: dict[str, Any], mine: Book) -> None:
    code, left = order["code"], "handed" in order["marks"]
    gone = order["status"] == "CANCELLED" and not left
    if len(mine) > 1:
        found.served_twice.append(code)
    if gone and mine:
        found.unreleased.append(code)
    if not gone and not mine:
        found.unserved.append(code)
        if order["accepted"]:
            found.accepted_unserved.append(code)
    if not gone and len(mine) == 1:
        found.served_once += 1
    if order["assembled_times"] > 1:
        found.assembled_twice.append(code)
    if order["reason"] == "MERCHANT_OUT_OF_STOCK":
        found.cancelled_short.append(code)
    found.writes_refused += sum(1 for write in order["writes"] if not write["ok"])


def _goods_of(order: dict[str, Any], every: dict[int, dict[str, Any]]) -> Goods:
    goods = _added((line["article"], line["quantity"]) for line in order["lines"])
    for number in order["merged_from"]:
        # What came from a merged order still counts as that order's; its lines hold
        # what had been merged into it before.
        for line in every[number]["lines"]:
            goods[line["article"]] -= line["quantity"]
    return {article: quantity for article, quantity in goods.items() if quantity}


def _wanted(
    order: dict[str, Any], article_of: ArticleOf, multiple_of: Callable[[int], int]
) -> Goods:
    goods = _added((article_of(e["sku"]), e["quantity"]) for e in order["entries"])
    for article, quantity in goods.items():
        step = multiple_of(article) if article is not None else 1
        goods[article] = -(-quantity // step) * step
    return {article: quantity for article, quantity in goods.items() if quantity}


def _added(pairs: Iterable[tuple[int | None, float]]) -> Goods:
    goods: Goods = {}
    for article, quantity in pairs:
        goods[article] = goods.get(article, 0) + quantity
    return goods


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """An offer of more pieces than the supplier had free within the lag.

    `held`: the living orders that took the others, and how many seconds old they are.
    """

    at: float
    sku: str
    offered: int
    free: int
    held: dict[int, float]


class StockWatch:
    """Compares every price list on sale with what the supplier really had free.

    A list may be as old as `lag_s` of the sandbox's clock, so an offer is an excess
    only when it exceeds every figure of that time.
    """

    def __init__(
        self,
        supplier: AlStyleServer,
        kaspi: KaspiServer,
        *,
        lag_s: float,
        article_of: ArticleOf = plain_article,
    ) -> None:
        self.excesses: list[Excess] = []
        self.lists = 0
        self._supplier = supplier
        self._lag_s = lag_s
        self._article_of = article_of
        supplier.watch_stock()
        kaspi.reader.on_good_fetch.append(self._check)

    def _check(self, picture: dict[str, Offer], at: float) -> None:
        self.lists += 1
        for sku, offer in picture.items():
            article = self._article_of(sku)
            if article is None or not offer.available or offer.stock is None:
                continue
            free = self._supplier.most_free(article, since=at - self._lag_s)
            if offer.stock > free:
                held = self._supplier.holding(article)
                self.excesses.append(
                    Excess(at=at, sku=sku, offered=offer.stock, free=free, held=held)
                )

    def as_dict(self) -> dict[str, Any]:
        return {"lists": self.lists, "excesses": [asdict(e) for e in self.excesses]}
