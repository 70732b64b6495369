"""Other people of the same account: their orders, and a manager at the shared cart."""

from __future__ import annotations

import random

from sandbox.alstyle.cart import Cart
from sandbox.alstyle.catalogue import ON_REQUEST, Shop
from sandbox.alstyle.orders import OrderBook, OrderedLine
from sandbox.alstyle.settings import AlStyleSettings
from sandbox.clock import Clock

WORDS = ("Заказ для магазина", "Срочно, заберёт Тест", "по счёту 17")
MOST_PIECES = 3


class OtherPeople:
    """Acts when it is due. Not locked: the server locks.

    What they order comes with a delivery of its own: the shop's stock does not fall.
    """

    def __init__(
        self,
        *,
        shop: Shop,
        settings: AlStyleSettings,
        clock: Clock,
        cart: Cart,
        orders: OrderBook,
        seed: int,
    ) -> None:
        self.visits = {"rows": 0, "orders": 0}
        self._shop = shop
        self._settings = settings
        self._clock = clock
        self._cart = cart
        self._orders = orders
        self._dice = random.Random(seed)
        self._fillings: set[tuple[int, ...]] = set()
        self._coming: list[tuple[float, list[OrderedLine]]] = []
        self._last_filling: list[OrderedLine] = []
        self._next_visit: float | None = None
        self._leaves_at: float | None = None

    def notice_filling(self) -> None:
        """Order around what `get` shows, once for each filling of the cart."""
        rows = [row for row in self._cart.rows.values() if row.quantity > row.theirs]
        ids = tuple(row.item_id for row in rows)
        if not ids or ids in self._fillings:
            return
        self._fillings.add(ids)
        self._last_filling = [
            self._line(row.article, row.quantity - row.theirs) for row in rows
        ]
        number = self._settings.others_per_order
        if not number or (len(self._fillings) - 1) % self._settings.others_every:
            return
        for _ in range(number // 2):
            self._order(self._chosen_lines())
        due = self._clock.timestamp() + self._settings.others_after_s
        later = number - number // 2
        self._coming += [(due, self._chosen_lines()) for _ in range(later)]

    @property
    def is_expecting(self) -> bool:
        is_here = self._settings.manager_every_s > 0 or self._leaves_at is not None
        return is_here or bool(self._coming)

    @property
    def is_at_cart(self) -> bool:
        return self._leaves_at is not None

    def settle(self) -> None:
        now = self._clock.timestamp()
        for due in [item for item in self._coming if item[0] <= now]:
            self._coming.remove(due)
            self._order(due[1])
        if self._leaves_at is not None and now >= self._leaves_at:
            self._leaves_at = None
            self._cart.drop_foreign()
        self._visit(now)

    def go_home(self) -> None:
        """Take the manager's pieces out; nobody comes any more."""
        self._settings.manager_every_s = 0.0
        self._coming.clear()
        self._cart.drop_foreign()

    def _visit(self, now: float) -> None:
        every_s = self._settings.manager_every_s
        if every_s <= 0:
            self._next_visit = None
            return
        if self._next_visit is None:
            self._next_visit = now + self._dice.uniform(0.5, 1.5) * every_s
        if now < self._next_visit or self._leaves_at is not None:
            return
        self._next_visit = None
        lines = self._some_goods()
        if self._dice.random() < self._settings.manager_orders:
            self.visits["orders"] += 1
            self._order(lines, by="manager")
            return
        self.visits["rows"] += 1
        self._cart.add_foreign(lines[0].article, lines[0].quantity, now)
        self._leaves_at = now + self._settings.manager_stays_s

    def _some_goods(self) -> list[OrderedLine]:
        if self._last_filling and (
            self._dice.random() < self._settings.manager_same_goods
        ):
            return list(self._last_filling)
        return [self._any_line()]

    def _chosen_lines(self) -> list[OrderedLine]:
        if self._settings.others_goods == "equal":
            return list(self._last_filling)
        return [self._any_line()]

    def _any_line(self) -> OrderedLine:
        had = {line.article for line in self._last_filling}
        goods = [
            good.article
            for good in self._shop.goods.values()
            if good.price1 > ON_REQUEST
            and good.available >= MOST_PIECES
            and good.article not in had
        ]
        return self._line(self._dice.choice(goods), self._dice.randint(1, MOST_PIECES))

    def _line(self, article: int, quantity: int) -> OrderedLine:
        good = self._shop.goods.get(article)
        price = good.price1 if good is not None else ON_REQUEST
        return OrderedLine(article=article, quantity=quantity, price=price)

    def _order(self, lines: list[OrderedLine], *, by: str = "other") -> None:
        words = self._dice.choice(WORDS) if self._settings.others_comments else ""
        self._orders.create(lines, by=by, comments=words, binds=False)
