"""Makes an earlier list again: its goods and prices, with the stock of today."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from feeds.comparing import ListDifferences
from feeds.models import Listing
from feeds.offers import (
    CHUNK,
    Offer,
    ProductRow,
    Terms,
    Withholder,
    clean_text,
    decide_offer,
    product_rows,
    show_prices,
)
from feeds.validating import ReadOffer, read_offers

BATCH = 500


def restore_offers(
    path: Path,
    *,
    now: datetime,
    terms: Terms,
    differences: ListDifferences,
    withholder: Withholder | None = None,
) -> Iterator[Offer]:
    """Stream the offers of the list at `path` with what may be sold of them today.

    Everything that differs from what is listed goes into `differences`.
    """
    offers = read_offers(path)
    named: set[str] = set()
    while batch := list(islice(offers, BATCH)):
        named.update(offer.sku for offer in batch)
        rows = {
            row.sku: row
            for row in product_rows(now=now, skus=[offer.sku for offer in batch])
        }
        differences.products += len(rows)
        for offer in batch:
            row = rows.get(offer.sku)
            prices: tuple[int, ...] = (offer.price_kzt,)
            if terms.city_prices is not None and offer.city_prices:
                prices = terms.city_prices.as_before(offer.price_kzt, offer.city_prices)
            price, by_city = show_prices(prices)
            # Its product is gone, or took another SKU: nothing backs it.
            units, reason = (
                (0, "remapped") if row is None else _decide(offer, row, terms, prices)
            )
            if (
                withholder
                and not units
                and row
                and _may_stay(offer, row, terms, prices)
            ):
                # At which price is the earlier list's word, too.
                priced = row._replace(price_kzt=offer.price_kzt, quarantine="")
                units, is_confirmed = withholder.units(priced, terms, reason=reason)
                if units:
                    differences.withhold(offer.sku, is_confirmed=is_confirmed)
            if row is None or row.was_available is None:
                differences.add(offer.sku)
            else:
                was = (row.was_available, row.listed_stock, row.listed_price_kzt)
                differences.compare(
                    offer.sku,
                    was,
                    units=units,
                    price_kzt=price,
                    reason=reason,
                )
            yield Offer(
                offer.sku,
                offer.model,
                offer.brand,
                units,
                row.preorder_days if row else None,
                price,
                by_city,
            )
    # What was listed since leaves the list, and Kaspi sells it no longer.
    listed = Listing.objects.order_by("pk").values_list("sku", "is_available")
    for sku, is_available in listed.iterator(chunk_size=CHUNK):
        if sku not in named:
            differences.let_go(sku, was_available=is_available)


def _decide(
    offer: ReadOffer, row: ProductRow, terms: Terms, prices: tuple[int, ...]
) -> tuple[int, str]:
    """Give the units to offer and "", or 0 and the `Reason`'s code."""
    if row.is_gone:
        return 0, "gone"
    if _is_its_word(offer, row):
        # What is chosen for sale, and at which price, is the earlier list's word.
        availability = terms.availability(row)
        return availability.units, availability.reason
    # What was not on sale then may bear a price older still, and what had another name
    # another product's: it is sold only if today's price is no higher.
    units, reason = decide_offer(row, terms)
    if units and not _is_no_dearer(row, terms, prices):
        return 0, "no_price"
    return units, reason


def _is_its_word(offer: ReadOffer, row: ProductRow) -> bool:
    """Tell whether the earlier list sold this product, as far as can be seen."""
    return bool(offer.units) and offer.model == (clean_text(row.name) or row.sku)


def _may_stay(
    offer: ReadOffer, row: ProductRow, terms: Terms, prices: tuple[int, ...]
) -> bool:
    """Tell whether the product may be sold at the earlier list's price at all."""
    return _is_its_word(offer, row) or _is_no_dearer(row, terms, prices)


def _is_no_dearer(row: ProductRow, terms: Terms, prices: tuple[int, ...]) -> bool:
    """Tell whether today's price is no higher than the earlier one, in no city."""
    price = row.usable_price_kzt
    if price is None:
        return False
    if terms.city_prices is None:
        return price <= min(prices)
    today = terms.city_prices.at(price)
    if len(prices) < len(today):
        prices = prices * len(today)
    return all(now <= then for now, then in zip(today, prices, strict=True))
