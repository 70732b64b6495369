"""Make stock and prices move as they do in the real warehouse."""

from __future__ import annotations

import random

from sandbox.alstyle.catalogue import ON_REQUEST, Good, Shop
from sandbox.clock import DAY_S

STOCK_CHANGES_A_DAY = 0.036
PRICE_CHANGES_A_DAY = 0.005
COMES_BACK_WITHIN_S = 2 * DAY_S


class WarehouseLife:
    """Moves a shop on by `tick(seconds)`; seeded.

    Half of all drops from ">N" to 0 come back within two days, some at the next tick.
    """

    def __init__(self, shop: Shop, *, seed: int) -> None:
        self._shop = shop
        self._dice = random.Random(seed)
        self._now = 0.0
        self._owed = {"stock": 0.0, "price": 0.0}
        self._returns: list[tuple[float, int, int]] = []

    def tick(self, seconds: float) -> dict[str, list[int]]:
        """Let `seconds` pass; return the articles whose stock and price changed."""
        self._now += seconds
        changed = {"stock": self._bring_back(), "price": []}
        for _ in range(self._due("stock", STOCK_CHANGES_A_DAY, seconds)):
            changed["stock"].append(self._move_stock())
        for _ in range(self._due("price", PRICE_CHANGES_A_DAY, seconds)):
            changed["price"].append(self._move_price(self._pick()))
        return changed

    def revalue(self, share: float = 0.08) -> list[int]:
        """Hold a revaluation day: change the prices of 6-12 % of goods at once."""
        goods = list(self._shop.goods.values())
        chosen = self._dice.sample(goods, int(len(goods) * share))
        return [self._move_price(good) for good in chosen]

    def _due(self, what: str, share_a_day: float, seconds: float) -> int:
        expected = len(self._shop.goods) * share_a_day * seconds / DAY_S
        self._owed[what] += expected
        whole = int(self._owed[what])
        self._owed[what] -= whole
        return whole

    def _pick(self) -> Good:
        return self._dice.choice(list(self._shop.goods.values()))

    def _move_stock(self) -> int:
        good = self._pick()
        good.quantity_as = ...
        plenty = good.stock > good.shown_above
        if plenty and self._dice.random() < 0.3:
            if self._dice.random() < 0.5:
                wait = self._dice.random() ** 3 * COMES_BACK_WITHIN_S
                self._returns.append((self._now + wait, good.article, good.stock))
            good.stock = 0
        elif good.stock <= 0:
            good.stock = self._dice.randint(1, 80)
        else:
            good.stock = max(0, good.stock - self._dice.randint(1, 5))
        return good.article

    def _bring_back(self) -> list[int]:
        back = []
        for due in [item for item in self._returns if item[0] <= self._now]:
            self._returns.remove(due)
            good = self._shop.goods.get(due[1])
            if good is not None:
                good.stock = due[2]
                back.append(good.article)
        return back

    def _move_price(self, good: Good) -> int:
        factor = self._dice.uniform(0.94, 1.08)
        if good.price1 > ON_REQUEST:
            good.price1 = max(2, round(good.price1 * factor))
        if 1 < good.price2 < 9_000_000:
            good.price2 = max(2, round(good.price2 * factor / 10) * 10)
        return good.article
