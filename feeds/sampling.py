"""Shows what the list holds of each point of sale."""

from __future__ import annotations

from dataclasses import dataclass

from feeds import files
from feeds.dividing import Shelf, divide_stock
from feeds.models import Listing, Store
from feeds.writing import find_offer


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


def read_sample() -> Sample | None:
    """Read what the live list holds of the fullest good; None while none is on sale."""
    fullest = Listing.objects.on_sale().order_by("-stock_count", "pk")
    sku = fullest.values_list("sku", flat=True).first()
    text = find_offer(files.live_path(), sku) if sku else ""
    return Sample(sku=sku, lines=tuple(text.splitlines())) if sku and text else None
