"""Keeps on sale what would go off sale, when that is too much at once to believe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from catalog.availability import stock_before_last_import, stock_read_at
from catalog.models import HIGHEST_PRICE_KZT, PriceRule, Product
from catalog.pricing import floor_of
from catalog.repricing import PriceRow, decide_by, price_rows, rule_for
from catalog.rules import load_rules
from feeds.models import Listing
from feeds.offers import ProductRow, Terms
from plumbing.clocks import is_span_sure

AT_ONCE = 500
# The figure itself fell.
BY_FIGURE = frozenset({"out_of_stock", "below_least", "multiples"})
# A word of ours or of the supplier's catalogue, while the figures say it is there.
BY_WORD = frozenset({"gone", "not_published", "no_price"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Withholding:
    """What a merged list keeps, and by which figures."""

    # Stock by the import before the last, where the last lowered it.
    stock_before: dict[int, int]
    # At which price a product stays that may not be sold at today's (`price_to_keep`),
    # before the supplements of cities.
    prices: dict[int, int]
    settled: frozenset[str]
    # None where whatever goes off sale may be kept.
    only: frozenset[str] | None = None

    def units(self, row: ProductRow, terms: Terms, *, reason: str) -> tuple[int, bool]:
        """Give the units that stay on sale, and whether figures confirm them.

        A figure that fell counts only when two imports in a row have it; nothing is
        kept beyond what the figures allow, or at a price that would bring a loss.
        """
        if not row.was_available or row.sku in self.settled:
            return 0, True
        if self.only is not None and row.sku not in self.only:
            return 0, True
        if reason not in BY_FIGURE and reason not in BY_WORD:
            return 0, True
        if self.price_kzt(row) is None:
            return 0, True
        units = terms.availability(row).units
        is_confirmed = bool(units)
        if not units and row.pk in self.stock_before:
            before = row._replace(stock=self.stock_before[row.pk])
            units = terms.availability(before).units
        return min(units, row.listed_stock), is_confirmed

    def price_kzt(self, row: ProductRow) -> int | None:
        """Give the price at which it stays: today's where that may be sold at."""
        return row.usable_price_kzt or self.prices.get(row.pk)


def read_withholding(*, settled: frozenset[str]) -> Withholding:
    return Withholding(
        stock_before=stock_before_last_import(),
        prices=_prices_to_keep(),
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
        stock_before={}, prices=_prices_to_keep(), settled=settled, only=withheld
    )


def price_to_keep(row: PriceRow, rule: PriceRule | None) -> int | None:
    """Give the price that a product was last sold at and may stay on sale at.

    None where it is below what the product must bring by now, or nobody knows it.
    """
    was = row.price_override_kzt or row.accepted_price_kzt
    floor = floor_of(decide_by(row, rule))
    least = max(floor, row.cost_kzt or 0, row.price_kzt or 0)
    if row.quarantine == Product.Quarantine.BELOW_FLOOR:
        return None
    return was if was and least <= was <= HIGHEST_PRICE_KZT else None


def _prices_to_keep() -> dict[int, int]:
    book = load_rules()
    listed = Product.objects.filter(listings__is_available=True)
    found = {
        row.pk: price_to_keep(row, rule_for(row, book))
        for row in price_rows(listed.exclude(quarantine=Product.Quarantine.NONE))
    }
    return {pk: price for pk, price in found.items() if price is not None}


def settled_skus(*, now: datetime) -> frozenset[str]:
    """Name the SKUs that imports have found off sale for the set time."""
    read_at = stock_read_at()
    if read_at is None:
        return frozenset()
    since = read_at - timedelta(hours=settings.FEED_WITHHELD_HOURS)
    settled = skus_withheld_at(since)
    if settled and not is_span_sure(since=since, until=now):
        return frozenset()
    return settled


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
