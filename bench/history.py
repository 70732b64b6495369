"""A year of a supplier's stock and prices, made up with the shares of real ones."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from catalog.alstyle.client import PAGE_LIMIT, AlStyleClient
from catalog.alstyle.goods import parse_element_page, parse_elements, parse_stock_list
from catalog.alstyle.reference import parse_categories
from catalog.alstyle.schema import CategoryList, ElementList, ElementPage, StockList
from plumbing.peers import PeerUnavailable

# Midnight in Almaty.
BEGINNING = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5)))
CATEGORIES = 10
TRADING_HOURS = range(9, 20)
# Every ten minutes would take hours to replay; the shares are by day.
READ_AT_HOURS = (0, 3, 6, *TRADING_HOURS, 21)
LEAST_BOUND = 50

# Shares of all goods, by day (contract, section 2).
SOLD_OUT, BOUNDED = 0.25, 0.25
STOCK_MOVES, PRICE_MOVES = 0.036, 0.005
# Six a day of 15 000 goods, and typing errors, of which the real year had none.
JUMPS, TYPING_ERRORS = 6 / 15_000, 1 / 15_000
COME_AND_GO = 0.0005
# Of the year's days.
REVALUATIONS, OUTAGES, SHORT_ANSWERS, FALSE_ZEROS, STOCKTAKINGS = 12, 8, 10, 6, 3
LOST_BRANCHES = 3


@dataclass(slots=True, kw_only=True)
class Good:
    """One good as it truly is."""

    category: int
    stock: int
    is_bounded: bool
    cost: int
    retail: int
    # What the supplier mistypes as its price, while he does.
    mistyped: int | None = None

    @property
    def quantity(self) -> int | str:
        is_shown_bounded = self.is_bounded and self.stock > LEAST_BOUND
        return f">{LEAST_BOUND}" if is_shown_bounded else self.stock


@dataclass(slots=True)
class Faults:
    """What is wrong with the answers just now."""

    is_down: bool = False
    share: float = 1.0
    zero_share: float = 0.0
    # Else one answer is wrong, and the next is right.
    zeros_last: bool = False
    hidden: frozenset[int] = frozenset()


class Supplier(AlStyleClient):
    """Al-Style as its client shows it, without the wire between."""

    def __init__(self, *, goods: int, seed: int) -> None:
        self.dice = random.Random(seed)
        self.goods = {10_000 + i: self._make() for i in range(goods)}
        self.faults = Faults()
        self._next_article = 10_000 + goods

    def _make(self) -> Good:
        dice = self.dice
        cost = dice.randrange(500, 90_000)
        is_bounded = dice.random() < BOUNDED
        stock = 0 if dice.random() < SOLD_OUT else dice.randrange(1, 60)
        return Good(
            category=dice.randrange(CATEGORIES),
            stock=LEAST_BOUND * 4 if is_bounded else stock,
            is_bounded=is_bounded,
            cost=cost,
            retail=0
            if dice.random() < 0.03
            else cost * dice.randrange(118, 150) // 100,
        )

    def add_new(self) -> None:
        self.goods[self._next_article] = self._make()
        self._next_article += 1

    def date(self) -> str:
        self._answer()
        return "01.01.2026"

    def categories(self) -> CategoryList:
        self._answer()
        rows = [
            {"id": n + 1, "name": f"Ветка {n}", "left": 2 * n + 1, "right": 2 * n + 2}
            for n in range(CATEGORIES)
        ]
        return parse_categories(rows)

    def elements_page(self, *, offset: int) -> ElementPage:
        self._answer()
        shown = [a for a in self.goods if a not in self.faults.hidden]
        rows = self._elements(shown[offset : offset + PAGE_LIMIT])
        pagination = {"totalCount": len(shown)}
        return parse_element_page({"elements": rows, "pagination": pagination})

    def element_info(self, articles: Sequence[str]) -> ElementList:
        self._answer()
        asked = [int(article) for article in articles]
        shown = [a for a in asked if a in self.goods and a not in self.faults.hidden]
        return parse_elements(self._elements(shown))

    def quantity_price(self) -> StockList:
        self._answer()
        articles = list(self.goods)
        if self.faults.share < 1:
            articles = articles[: int(len(articles) * self.faults.share)]
        answer = {}
        for number, article in enumerate(articles):
            good = self.goods[article]
            is_zero = number < len(articles) * self.faults.zero_share
            answer[str(article)] = {
                "quantity": 0 if is_zero else good.quantity,
                "price1": good.mistyped or good.cost,
                "price2": good.retail,
            }
        if not self.faults.zeros_last:
            self.faults.zero_share = 0.0
        return parse_stock_list([answer])

    def _elements(self, articles: Iterable[int]) -> list[dict[str, Any]]:
        return [
            {
                "article": article,
                "name": f"Мышь Zeta ZX-{article}",
                "category": good.category + 1,
                "price1": good.mistyped or good.cost,
                "price2": good.retail,
                "quantity": good.quantity,
                "brand": "Zeta",
            }
            for article, good in ((a, self.goods[a]) for a in articles)
        ]

    def _answer(self) -> None:
        if self.faults.is_down:
            raise PeerUnavailable("Al-Style: no answer")


@dataclass(slots=True)
class Year:
    """Moves the supplier through its days, hour by hour."""

    supplier: Supplier
    days: int
    _due: dict[int, list[Callable[[], None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    happened: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def hours(self) -> Iterator[datetime]:
        """Live through the year; give the moments at which the bridge reads."""
        self._plan()
        for hour in range(self.days * 24):
            for happen in self._due.pop(hour, ()):
                happen()
            if hour % 24 in TRADING_HOURS:
                self._trade(hour)
            if hour % 24 in READ_AT_HOURS:
                yield BEGINNING + timedelta(hours=hour)

    def _plan(self) -> None:
        """Strew the odd days over the year; a shorter one has its share of them."""
        for often, event, hours in (
            (REVALUATIONS, self._revalue, (10, 11)),
            (OUTAGES, self._go_down, range(24)),
            (SHORT_ANSWERS, self._answer_short, READ_AT_HOURS),
            (FALSE_ZEROS, self._answer_zeros, READ_AT_HOURS),
            (STOCKTAKINGS, self._take_stock, TRADING_HOURS),
            (LOST_BRANCHES, self._hide_goods, (2,)),
        ):
            dice = self.supplier.dice
            for _ in range(max(round(often * self.days / 365), 1)):
                # The first days are quiet: the bridge is being set up.
                day = dice.randrange(2, max(self.days - 4, 3))
                hour = 24 * day + dice.choice(list(hours))
                self._due[hour].append(partial(event, hour))

    def _trade(self, hour: int) -> None:
        dice, goods = self.supplier.dice, self.supplier.goods
        share = 1 / len(TRADING_HOURS)
        for _ in range(self._many(STOCK_MOVES * share)):
            self._move_stock(goods[dice.choice(list(goods))], hour)
        for _ in range(self._many(PRICE_MOVES * share)):
            self._reprice(goods[dice.choice(list(goods))], dice.uniform(-0.08, 0.08))
        for _ in range(self._many(JUMPS * share)):
            up = dice.random() < 2 / 3
            change = dice.uniform(0.5, 1.2) if up else -dice.uniform(0.45, 0.6)
            self._reprice(goods[dice.choice(list(goods))], change)
            self.happened["jumps up" if up else "jumps down"] += 1
        for _ in range(self._many(TYPING_ERRORS * share)):
            self._mistype(goods[dice.choice(list(goods))], hour)
        for _ in range(self._many(COME_AND_GO * share)):
            self.supplier.add_new()
            del goods[dice.choice(list(goods))]

    def _many(self, share: float) -> int:
        expected = share * len(self.supplier.goods)
        return int(expected) + (self.supplier.dice.random() < expected % 1)

    def _move_stock(self, good: Good, hour: int) -> None:
        dice = self.supplier.dice
        if not good.is_bounded:
            good.stock = 0 if dice.random() < 0.3 else dice.randrange(1, 60)
            return
        before, good.stock = good.stock, 0
        # Half come back within two days, some by the next reading.
        back = dice.randrange(1, 48) if dice.random() < 0.5 else dice.randrange(48, 400)

        def restock() -> None:
            good.stock = before

        self._due[hour + back].append(restock)

    def _reprice(self, good: Good, change: float) -> None:
        good.cost = max(int(good.cost * (1 + change)), 100)
        good.retail = int(good.retail * (1 + change))

    def _mistype(self, good: Good, hour: int) -> None:
        good.mistyped = good.cost // 10 if self.supplier.dice.random() < 0.5 else None
        good.mistyped = good.mistyped or good.cost * 10
        self.happened["typing errors"] += 1

        def correct() -> None:
            good.mistyped = None

        self._due[hour + 5].append(correct)

    def _revalue(self, _hour: int) -> None:
        self.happened["revaluations"] += 1
        dice = self.supplier.dice
        share = dice.uniform(0.06, 0.12)
        for good in self.supplier.goods.values():
            if dice.random() < share:
                self._reprice(good, dice.uniform(-0.1, 0.15))

    def _for_a_while(self, hour: int, hours: int, **faults: Any) -> None:
        for name, value in faults.items():
            setattr(self.supplier.faults, name, value)

        def mend() -> None:
            for name in faults:
                setattr(self.supplier.faults, name, getattr(Faults(), name))

        self._due[hour + hours].append(mend)

    def _go_down(self, hour: int) -> None:
        self.happened["outages"] += 1
        hours = self.supplier.dice.randrange(2, 20)
        self._for_a_while(hour, hours, is_down=True)

    def _answer_short(self, hour: int) -> None:
        self.happened["short answers"] += 1
        self._for_a_while(hour, 1, share=self.supplier.dice.uniform(0.02, 0.85))

    def _answer_zeros(self, hour: int) -> None:
        self.happened["false zeros"] += 1
        dice = self.supplier.dice
        share, zeros_last = dice.uniform(0.4, 1), dice.random() < 0.5
        self._for_a_while(hour, 1, zero_share=share, zeros_last=zeros_last)

    def _take_stock(self, hour: int) -> None:
        """Half of the goods are truly not there for two days."""
        self.happened["stocktakings"] += 1
        before = {}
        for article, good in self.supplier.goods.items():
            if self.supplier.dice.random() < 0.5:
                before[article], good.stock = good.stock, 0

        def open_again() -> None:
            for article, stock in before.items():
                if article in self.supplier.goods:
                    self.supplier.goods[article].stock = stock

        self._due[hour + 48].append(open_again)

    def _hide_goods(self, hour: int) -> None:
        """The catalogue loses a branch for a day; the stock list does not."""
        self.happened["lost branches"] += 1
        lost = [a for n, a in enumerate(self.supplier.goods) if n % 12 == 0]
        self._for_a_while(hour, 24, hidden=frozenset(lost))
