"""Keeps on sale what would go off sale, when that is too much at once to believe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from catalog.availability import stock_before_last_import, stock_read_at
from catalog.models import Product
from feeds.models import Listing
from feeds.offers import ProductRow, Terms

AT_ONCE = 500
# The figure itself fell.
BY_FIGURE = frozenset({"out_of_stock", "below_least", "multiples"})
# A word of ours or of the supplier's catalogue, while the figures say it is there.
BY_WORD = frozenset({"gone", "not_published", "no_price"})
# Sold at its old price, such a product would bring a loss.
LOSING = frozenset({Product.Quarantine.BELOW_FLOOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Withholding:
    """What a merged list keeps, and by which figures."""

    # Stock by the import before the last, where the last lowered it.
    stock_before: dict[int, int]
    # What a product costs that has no price now, and perhaps had one at a lower cost.
    costs: dict[int, int]
    settled: frozenset[str]
    # None where whatever goes off sale may be kept.
    only: frozenset[str] | None = None

    def units(self, row: ProductRow, terms: Terms, *, reason: str) -> tuple[int, bool]:
        """Give the units that stay on sale, and whether figures confirm them.

        A figure that fell counts only when two imports in a row have it; nothing is
        kept beyond what the figures allow, or at a price that today's overtook.
        """
        if not row.was_available or row.sku in self.settled:
            return 0, True
        if self.only is not None and row.sku not in self.only:
            return 0, True
        if reason not in BY_FIGURE and (reason not in BY_WORD or self._is_dearer(row)):
            return 0, True
        units = terms.availability(row).units
        is_confirmed = bool(units)
        if not units and row.pk in self.stock_before:
            before = row._replace(stock=self.stock_before[row.pk])
            units = terms.availability(before).units
        return min(units, row.listed_stock), is_confirmed

    def _is_dearer(self, row: ProductRow) -> bool:
        """Tell whether the listed price is below what the product should cost now."""
        if row.quarantine in LOSING:
            return True
        price = row.price_kzt or self.costs.get(row.pk, 0)
        return price > row.listed_price_kzt


def read_withholding(*, settled: frozenset[str]) -> Withholding:
    return Withholding(
        stock_before=stock_before_last_import(),
        costs=_costs_of_unpriced(),
        settled=settled,
    )


def read_withheld(*, settled: frozenset[str]) -> Withholding | None:
    """Give what keeps just those that are withheld already; None when there are none.

    They wait to the end, however few they are by then. A figure that fells one of them
    counts at once, as it does with any other.
    """
    withheld = frozenset(_marked())
    if withheld <= settled:
        return None
    return Withholding(
        stock_before={}, costs=_costs_of_unpriced(), settled=settled, only=withheld
    )


def _costs_of_unpriced() -> dict[int, int]:
    unpriced = Product.objects.filter(price_kzt=None, cost_kzt__isnull=False)
    return dict(unpriced.order_by().values_list("pk", "cost_kzt"))  # type: ignore[arg-type]


def settled_skus() -> frozenset[str]:
    """Name the SKUs that imports have found off sale for the set time."""
    read_at = stock_read_at()
    if read_at is None:
        return frozenset()
    return skus_withheld_at(read_at - timedelta(hours=settings.FEED_WITHHELD_HOURS))


def skus_withheld_at(moment: datetime) -> frozenset[str]:
    """Name the SKUs that have been withheld since this moment or longer."""
    withheld = Listing.objects.withheld().filter(withheld_since__lte=moment)
    return frozenset(withheld.values_list("sku", flat=True))


def mark_withheld(skus: set[str], *, now: datetime) -> None:
    """Note since when each SKU is withheld, where that is not known yet."""
    _mark(skus - _marked(), since=now)


def forget_withheld_but(skus: set[str]) -> None:
    """Forget the SKUs that are not withheld any more."""
    _mark(_marked() - skus, since=None)


def _marked() -> set[str]:
    return set(Listing.objects.withheld().values_list("sku", flat=True))


def _mark(skus: set[str], *, since: datetime | None) -> None:
    ordered = sorted(skus)
    for start in range(0, len(ordered), AT_ONCE):
        listings = Listing.objects.filter(sku__in=ordered[start : start + AT_ONCE])
        listings.update(withheld_since=since)
