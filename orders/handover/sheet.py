"""The sheet of a day: what was handed over, and what is still to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Q
from django.utils import timezone

from orders.handover.waiting import MOST_SHOWN, Parcel, read_parcels, waiting_orders
from orders.models import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Parcels of Kaspi's of a day; `ready` only of today's sheet."""

    day: date
    handed_over: list[Parcel]
    ready: list[Parcel]

    @property
    def parcels(self) -> list[Parcel]:
        return [*self.ready, *self.handed_over]

    @property
    def places(self) -> int:
        """Add up the places; one that nobody told us is at least one."""
        return sum(parcel.places or 1 for parcel in self.parcels)


def read_sheet(day: date, *, now: datetime) -> Sheet:
    """Read a day's parcels: those that left on it, and today those ready to leave."""
    begins = timezone.make_aware(datetime.combine(day, time.min))
    ends = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
    is_kaspi = Q(state=Order.KASPI_DELIVERY) | Q(is_kaspi_delivery=True)
    left = Order.objects.filter(
        is_kaspi, handed_over_at__gte=begins, handed_over_at__lt=ends
    ).order_by("handed_over_at", "pk")
    ready: list[Order] = []
    if day == timezone.localdate(now):
        assembled = Q(state=Order.KASPI_DELIVERY, is_assembled=True)
        ready = list(waiting_orders().filter(assembled)[:MOST_SHOWN])
    return Sheet(
        day=day,
        handed_over=read_parcels(left[:MOST_SHOWN]),
        ready=read_parcels(ready),
    )
