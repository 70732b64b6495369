"""What to take from the shelves for the parcels that wait."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from orders.handover.waiting import Parcel
from orders.models import OrderLine


@dataclass(slots=True, kw_only=True)
class Pick:
    """One good: how many pieces of it, and for which parcels."""

    line: OrderLine
    pieces: int = 0
    # The parcel and how many pieces go into it; None = the order does not say.
    parcels: list[tuple[Parcel, int | None]] = field(default_factory=list)

    @property
    def article(self) -> str:
        product = self.line.product
        return product.article if product else self.line.sku

    @property
    def name(self) -> str:
        product = self.line.product
        return (product.name if product else self.line.name) or self.line.sku

    @property
    def barcode(self) -> str:
        return self.line.product.barcode if self.line.product else ""

    @property
    def shelf(self) -> str:
        """Where it lies, if somebody has said so."""
        return self.line.product.shelf if self.line.product else ""

    @property
    def is_uncertain(self) -> bool:
        """Tell whether an order does not say how many pieces it wants."""
        return any(pieces is None for _parcel, pieces in self.parcels)


def picking_list(parcels: Iterable[Parcel]) -> list[Pick]:
    """Add up the goods of the parcels, a row each, by where they lie, then by name."""
    picks: dict[tuple[int | None, str], Pick] = {}
    for parcel in parcels:
        for line in parcel.lines:
            key = (line.product_id, "" if line.product_id else line.sku)
            pick = picks.setdefault(key, Pick(line=line))
            pick.pieces += line.quantity or 0
            pick.parcels.append((parcel, line.quantity))
    return sorted(
        picks.values(),
        key=lambda pick: (
            not pick.shelf,
            pick.shelf.casefold(),
            pick.name.casefold(),
            pick.article,
        ),
    )
