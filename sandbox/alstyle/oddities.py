"""Faults that strike inside the catalogue: what is listed, not how it is sent."""

from __future__ import annotations

import zlib
from typing import Any

from sandbox.alstyle.catalogue import Good, Shop
from sandbox.faults import Fault, find

NEW_ARTICLE = 95_001


class Oddities:
    """Bends listings. Goods that vanish are kept for `restore()`."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._vanished: list[Good] = []
        self._flaps = 0

    def before_page(self, offset: int, faults: list[Fault]) -> None:
        """Let goods vanish or appear before the page at `offset` > 0 is read."""
        vanishing, appearing = find(faults, "vanishing"), find(faults, "appearing")
        if vanishing is not None and offset > 0:
            for article in list(self._shop.goods)[: vanishing.options["count"]]:
                self._vanished.append(self._shop.remove_good(article))
        if appearing is not None and offset > 0:
            for _ in range(appearing.options["count"]):
                article = max(NEW_ARTICLE, max(self._shop.goods, default=0) + 1)
                self._shop.add_good(article, first=True)

    def restore(self) -> int:
        """Put the vanished goods back at the beginning; return how many."""
        back = {good.article: good for good in self._vanished}
        self._shop.goods = back | self._shop.goods
        self._vanished.clear()
        return len(back)

    def rows(self, rows: list[Any], faults: list[Fault]) -> list[Any]:
        if find(faults, "empty_catalogue"):
            return []
        if find(faults, "half_catalogue"):
            return rows[: len(rows) // 2]
        return rows

    def page(
        self, rows: list[Any], offset: int, limit: int, faults: list[Fault]
    ) -> list[Any]:
        """Cut one page out of a listing."""
        shifted, short = find(faults, "shifted"), find(faults, "short_pages")
        if shifted is not None and offset > 0:
            offset = max(0, offset - shifted.options["by"])
        page = rows[offset : offset + limit]
        if short is not None and len(page) > short.options["by"]:
            page = page[: -short.options["by"]]
        return page

    def total(self, rows: list[Any], faults: list[Fault]) -> int:
        wrong = find(faults, "wrong_total")
        return len(rows) + (wrong.options["by"] if wrong is not None else 0)

    def quantities(self, faults: list[Fault]) -> frozenset[int]:
        """Return the articles whose ">N" shows as 0 in this one answer."""
        flapping = find(faults, "flapping")
        if flapping is None:
            return frozenset()
        self._flaps += 1
        return frozenset(
            good.article
            for good in self._shop.goods.values()
            if isinstance(good.quantity, str)
            and _chance(f"{good.article}/{self._flaps}") < flapping.options["share"]
        )

    def unpriced(self, faults: list[Fault]) -> frozenset[int]:
        """Return the articles that quantity-price leaves out of this one answer."""
        missing = find(faults, "missing_prices")
        if missing is None:
            return frozenset()
        count = int(len(self._shop.goods) * missing.options["share"])
        return frozenset(list(self._shop.goods)[:count])


def _chance(text: str) -> float:
    return zlib.crc32(text.encode()) / 2**32
