"""How many units of a product may be offered, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F

from catalog.explaining import Line
from catalog.models import ImportRun, ProductChange

# A clock that was set back by less is seen to within seconds.
FAR_AHEAD = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Units that may be offered; 0 with the reason's code when none may."""

    units: int
    reason: str
    lines: tuple[Line, ...]


def assess_availability(
    *,
    stock: int,
    is_lower_bound: bool,
    multiplicity: int | None,
    sells_singly: bool,
    reserved: int,
    safety_stock: int,
    cap: int,
    least: int,
    is_stale: bool,
) -> Availability:
    """Subtract from the supplier's stock whatever must not be promised again."""
    if is_stale:
        return _none("stale", [("stale", {})])
    code = "stock_at_least" if is_lower_bound else "stock"
    lines: list[Line] = [(code, {"stock": stock})]
    units = stock
    if reserved:
        units -= reserved
        lines.append(("reserved", {"units": reserved}))
    if safety_stock:
        units -= safety_stock
        lines.append(("safety", {"units": safety_stock}))
    if units <= 0:
        return _none("out_of_stock", [*lines, ("out_of_stock", {})])
    if multiplicity is not None and multiplicity > 1:
        if not sells_singly:
            return _none("multiples", [*lines, ("multiples", {"by": multiplicity})])
        # Each order, even of one piece, takes a whole multiple from the supplier.
        units //= multiplicity
        lines.append(("singly", {"by": multiplicity, "units": units}))
    if units > cap:
        units = cap
        lines.append(("capped", {"units": cap}))
    if units < max(least, 1):
        return _none("below_least", [*lines, ("below_least", {"least": max(least, 1)})])
    return Availability(
        units=units, reason="", lines=(*lines, ("units", {"units": units}))
    )


def _none(reason: str, lines: list[Line]) -> Availability:
    return Availability(units=0, reason=reason, lines=tuple(lines))


def stock_read_at() -> datetime | None:
    """Tell when stock was last read whole; a catalogue crawl reads it too.

    The moment the import began: what was sold while it ran may not be in it.
    """
    begun = ImportRun.objects.of_figures().order_by("-started_at")
    return begun.values_list("started_at", flat=True).first()


def stock_before_last_import() -> dict[int, int]:
    """Map the goods whose stock the last good import lowered to what it was before.

    Whatever is not named here was as low by the import before, too.
    """
    last = ImportRun.objects.of_figures().order_by("-started_at").values_list("pk")[:1]
    lowered = ProductChange.objects.filter(
        run=last, field=ProductChange.Field.STOCK, new__lt=F("old")
    )
    return dict(lowered.order_by().values_list("product_id", "old"))  # type: ignore[arg-type]


def stock_is_stale(*, now: datetime) -> bool:
    """Tell whether the figures are too old to sell by (or were never read)."""
    return figures_are_stale(stock_read_at(), now=now)


def figures_are_stale(read_at: datetime | None, *, now: datetime) -> bool:
    """Tell whether figures read at this moment are too old to sell by.

    So are those of days to come: how old they are, nobody knows. Nor does anybody know
    whether a clock that jumped ahead was set, or whether a computer stood still for as
    long: such figures are old until they are read again.
    """
    limit = timedelta(minutes=settings.STOCK_STALE_AFTER_MIN)
    return read_at is None or not -FAR_AHEAD < now - read_at <= limit
