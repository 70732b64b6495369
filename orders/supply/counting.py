"""What our reservations take from the supplier's stock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from catalog.availability import stock_read_at
from catalog.models import Product
from orders.models import (
    Purchase,
    Reservation,
    ReservationLine,
    SupplierOrder,
    pieces_in,
    supplied_quantity,
)
from orders.supply.verifying import beyond
from plumbing.leases import database_now

CLOCK_SLACK = timedelta(minutes=1)


def reserved_units(read_at: datetime | None) -> dict[int, int]:
    """Map product ids to units to be subtracted from stock figures read at a moment.

    None: they were never read. A reservation counts from its first moment until stock
    figures, read after its goods left the supplier's stock, contain it. So do a
    manager's goods that went along in its order, or in one that may be its order: they
    leave the stock together.
    """
    counted = _not_contained(Reservation.objects.counted(), read_at)
    rows = ReservationLine.objects.filter(reservation__in=counted)
    units: Counter[int] = Counter()
    ours: dict[int | None, Counter[str]] = defaultdict(Counter)
    for product_id, article, quantity, bought, by, number in rows.values_list(
        "product_id",
        "product__article",
        "quantity",
        "bought",
        "product__multiplicity",
        F("reservation__supplier_order"),
    ):
        pieces = supplied_quantity(quantity, by) if bought is None else bought
        units[product_id] += pieces
        ours[number][article] += pieces
    along = _gone_along(counted, ours) + _perhaps_gone_along()
    known = Product.objects.filter(article__in=along)
    for product_id, article in known.values_list("pk", "article"):
        units[product_id] += along[article]
    return dict(units)


def _gone_along(
    counted: QuerySet[Reservation], ours: Mapping[int | None, Counter[str]]
) -> Counter[str]:
    """Map articles to the pieces that the orders of these hold besides our own."""
    into: dict[int, int | None] = {}
    held: dict[int, Counter[str]] = {}
    asked = SupplierOrder.objects.filter(pk__in=counted.values("supplier_order"))
    while True:
        for pk, whole, lines in asked.values_list("pk", "merged_into", "lines"):
            into[pk], held[pk] = whole, pieces_in(lines)
        missing = {whole for whole in into.values() if whole} - into.keys()
        if not missing:
            break
        asked = SupplierOrder.objects.filter(pk__in=missing)
    wanted: dict[int, Counter[str]] = defaultdict(Counter)
    for pk in into:
        last = pk
        while whole := into[last]:
            last = whole
        wanted[last] += ours.get(pk, Counter())
    along: Counter[str] = Counter()
    for pk, pieces in wanted.items():
        along.update(beyond(held[pk], pieces))
    return along


def _perhaps_gone_along() -> Counter[str]:
    """Map articles to the most that may have gone along in orders not known yet."""
    along: Counter[str] = Counter()
    for purchase in Purchase.objects.unsettled().exclude(candidates=[]):
        most: Counter[str] = Counter()
        for candidate in purchase.candidates:
            # Only one of them can be its order.
            most |= Counter(beyond(pieces_in(candidate["lines"]), purchase.quantities))
        along += most
    return along


def close_contained() -> int:
    """Stop counting what the stock figures contain by now."""
    counted = Reservation.objects.counted()
    others = _not_contained(counted, stock_read_at())
    return counted.exclude(pk__in=others.values("pk")).update(counts=False)


def _not_contained(
    reservations: QuerySet[Reservation], read_at: datetime | None
) -> QuerySet[Reservation]:
    if read_at is None or _is_to_come(read_at):
        # Read tomorrow, by a clock that has just been set back: before all of them.
        return reservations
    # A reading that began before the goods left may or may not have seen them leave.
    left = Q(left_stock_at__lt=read_at)
    if settings.SUPPLIER_STOCK_FALLS_AT == "submit":
        left |= Q(held_at__lt=read_at)
    return reservations.exclude(left)


def _is_to_come(moment: datetime) -> bool:
    # The clock that counts is asked only where this host's says so too.
    return all(moment > now() + CLOCK_SLACK for now in (timezone.now, database_now))
