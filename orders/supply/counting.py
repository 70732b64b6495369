"""What our reservations take from the supplier's stock."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from catalog.availability import stock_read_at
from orders.models import Reservation, ReservationLine, supplied_quantity
from plumbing.leases import database_now

CLOCK_SLACK = timedelta(minutes=1)


def reserved_units(read_at: datetime | None) -> dict[int, int]:
    """Map product ids to units to be subtracted from stock figures read at a moment.

    None: they were never read. A reservation counts from its first moment until stock
    figures, read after its goods left the supplier's stock, contain it.
    """
    counted = _not_contained(Reservation.objects.counted(), read_at)
    rows = ReservationLine.objects.filter(reservation__in=counted)
    units: Counter[int] = Counter()
    for product_id, quantity, by in rows.values_list(
        "product_id", "quantity", "product__multiplicity"
    ):
        units[product_id] += supplied_quantity(quantity, by)
    return dict(units)


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
