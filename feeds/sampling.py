"""Shows what the list holds of each point of sale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from feeds.dividing import Shelf, divide_stock
from feeds.drafting import Refusal, city_prices_of, read_points
from feeds.models import Listing, Store
from feeds.offers import (
    Offer,
    clean_text,
    decide_offer,
    product_rows,
    read_terms,
    show_prices,
)
from feeds.writing import write_sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One offer of the list, line by line."""

    sku: str
    lines: tuple[str, ...]


def read_shelves() -> dict[str, Shelf]:
    """Count the goods and units of each active point, by its code.

    The figures are those of the live list, divided by the shares of this moment.
    """
    return divide_stock(Store.objects.active().order_by("store_id"))


def read_sample(*, now: datetime) -> Sample | None:
    """Write the offer that a list of this moment would hold of the fullest good.

    None while nothing is on sale, or while the points can stand in no list.
    """
    listing = Listing.objects.on_sale().order_by("-stock_count", "pk").first()
    if listing is None:
        return None
    try:
        points = read_points()
    except Refusal:
        return None
    terms = read_terms(now=now, city_prices=city_prices_of(points))
    row = next(iter(product_rows(now=now, pk=listing.product_id)))
    units, _reason = decide_offer(row, terms)
    price, by_city = row.usable_price_kzt or listing.price_kzt, None
    if terms.city_prices is not None:
        price, by_city = show_prices(terms.city_prices.at(price))
    model, brand = clean_text(row.name) or row.sku, clean_text(row.brand)
    offer = Offer(row.sku, model, brand, units, row.preorder_days, price, by_city)
    lines = write_sample(offer, points=points).splitlines()
    return Sample(sku=row.sku, lines=tuple(lines))
