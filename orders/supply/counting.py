"""What our reservations take from the supplier's stock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from catalog.availability import stock_read_at
from catalog.models import Product
from orders.models import (
    Purchase,
    Reservation,
    SupplierOrder,
    pieces_in,
    supplied_quantity,
)
from orders.supply.verifying import beyond
from plumbing.leases import database_now

CLOCK_SLACK = timedelta(minutes=1)
# One row for each line, and for a reservation without any; with Al-Style's order.
COUNTED = (
    "supplier_order",
    "supplier_order__merged_into",
    "supplier_order__lines",
    "lines__product_id",
    "lines__product__article",
    "lines__quantity",
    "lines__bought",
    "lines__product__multiplicity",
)
# What one of Al-Style's orders was merged into, and the pieces it holds, by article.
Held = tuple[int | None, Counter[str]]


def reserved_units(read_at: datetime | None) -> dict[int, int]:
    """Map product ids to units to be subtracted from stock figures read at a moment.

    None: they were never read. A reservation counts from its first moment until stock
    figures, read after its goods left the supplier's stock, contain it. So do a
    manager's goods that went along in its order, or in one that may be its order: they
    leave the stock together.
    """
    counted = _not_contained(Reservation.objects.counted(), read_at)
    units: Counter[int] = Counter()
    ours: dict[int, Counter[str]] = defaultdict(Counter)
    orders: dict[int, Held] = {}
    rows: Iterable[tuple[Any, ...]] = counted.order_by().values_list(*COUNTED)
    for number, whole, there, product_id, article, quantity, bought, by in rows:
        if number is not None:
            orders[number] = (whole, pieces_in(there))
        if product_id is None:
            # Nothing of it is known here; what its order holds went along.
            continue
        pieces = supplied_quantity(quantity, by) if bought is None else bought
        units[product_id] += pieces
        if number is not None:
            ours[number][article] += pieces
    along = _gone_along(orders, ours) + _perhaps_gone_along()
    known = Product.objects.filter(article__in=along)
    for product_id, article in known.values_list("pk", "article"):
        units[product_id] += along[article]
    return dict(units)


def _gone_along(
    orders: dict[int, Held], ours: Mapping[int, Counter[str]]
) -> Counter[str]:
    """Map articles to the pieces that these orders hold besides our own.

    `orders` gets those that they were merged into.
    """
    while missing := {whole for whole, _ in orders.values() if whole} - orders.keys():
        read = SupplierOrder.objects.filter(pk__in=missing)
        for pk, whole, lines in read.values_list("pk", "merged_into", "lines"):
            orders[pk] = (whole, pieces_in(lines))
    wanted: dict[int, Counter[str]] = defaultdict(Counter)
    for pk in orders:
        last = pk
        while whole := orders[last][0]:
            last = whole
        wanted[last] += ours.get(pk, Counter())
    along: Counter[str] = Counter()
    for pk, pieces in wanted.items():
        along.update(beyond(orders[pk][1], pieces))
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
