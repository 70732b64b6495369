"""What an offer costs in each city."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from catalog.pricing import round_up

# What a city adds to a price: percent of it, and tenge.
Supplement: TypeAlias = "tuple[Decimal, int]"
ROUNDED_TO_KZT = 10
MEMO_LIMIT = 100_000


@dataclass(slots=True, kw_only=True)
class CityPrices:
    """The supplements of the cities, by their codes in the list's order."""

    supplements: Mapping[str, Supplement]
    _memo: dict[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether every city takes the price as it is."""
        return not any(map(any, self.supplements.values()))

    def at(self, price_kzt: int) -> tuple[int, ...]:
        """Give each city's price; it is never below the one worked out."""
        known = self._memo.get(price_kzt)
        if known is None:
            if len(self._memo) > MEMO_LIMIT:
                self._memo.clear()
            known = self._memo[price_kzt] = tuple(
                _raised(price_kzt, supplement)
                for supplement in self.supplements.values()
            )
        return known

    def as_before(self, price_kzt: int, before: Mapping[str, int]) -> tuple[int, ...]:
        """Give each city the price it had; a city that is new, the dearest."""
        dearest = max(before.values(), default=price_kzt)
        return tuple(before.get(city, dearest) for city in self.supplements)


def _raised(price_kzt: int, supplement: Supplement) -> int:
    percent, fixed = supplement
    if not percent and not fixed:
        return price_kzt
    raised = price_kzt * (1 + percent / 100) + fixed
    return round_up(Decimal(raised), multiple=ROUNDED_TO_KZT, ending=0)
