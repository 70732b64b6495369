"""Buyers: orders made from Kaspi's picture of the price list, at their moments."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

from sandbox import KaspiServer

# One of each first, so that a short soak has them too.
ONE_OF_EACH: tuple[dict[str, object], ...] = (
    {"fate": "fulfil"},
    {"fate": "buyer_cancels_new"},
    {"fate": "buyer_cancels"},
    {"fate": "cancelled_in_transit"},
    {"fate": "returned"},
    {"fate": "fulfil", "credit": True},
    {"fate": "unsigned", "credit": True},
    {"fate": "fulfil", "express": True},
    {"fate": "fulfil", "kind": "pickup"},
    {"fate": "fulfil", "accepted": True},
    {"fate": "fulfil", "kind": "postomat", "masked_phone": True},
)
RIVALS = 3
UNKNOWN_SKU = "999999999"
# What life at both peers is slowed down or sped up to, in seconds.
KASPI_LIFE: dict[str, Any] = {
    "sign_after_s": 5.0,
    "buyer_cancels_after_s": 6.0,
    "handover_after_s": 8.0,
    "transit_s": 16.0,
    "to_warehouse_s": 3.0,
    "return_after_s": 8.0,
    "waybill_after_s": 1.0,
}
SUPPLIER_LIFE = [
    ("N", 4.0),
    ("R", 10.0),
    ("SV", 60.0),
    ("OS", 75.0),
    ("P", 90.0),
    ("F", 120.0),
]


class Buyers:
    """Make `count` orders between 0 and `over_s`."""

    def __init__(
        self,
        kaspi: KaspiServer,
        *,
        count: int,
        over_s: float,
        dice: random.Random,
    ) -> None:
        self._kaspi = kaspi
        makers: list[Callable[[], object]] = [
            lambda options=options: kaspi.new_order(**options)  # type: ignore[misc]
            for options in ONE_OF_EACH
        ]
        makers.append(lambda: kaspi.new_order([{"sku": UNKNOWN_SKU}]))
        rivals = self._last_units()
        makers += [lambda sku=sku: self._order_twice(sku) for sku in rivals]  # type: ignore[misc]
        singles = count - len(makers) - len(rivals)
        makers += [lambda: kaspi.generate(1)] * max(singles, 0)
        moments = sorted(dice.uniform(0, over_s) for _ in makers)
        self._queue = deque(zip(moments, makers, strict=True))

    def turn(self, now_s: float) -> None:
        """Make the orders whose moment has come."""
        while self._queue and self._queue[0][0] <= now_s:
            self._queue.popleft()[1]()

    def _last_units(self) -> list[str]:
        offers = self._kaspi.picture.items()
        lone = [sku for sku, o in offers if o.available and o.stock == 1]
        return lone[:RIVALS]

    def _order_twice(self, sku: str) -> None:
        """Two buyers click at the same moment; what the shop has is one piece."""
        for _buyer in range(2):
            self._kaspi.new_order([{"sku": sku, "quantity": 1}])
