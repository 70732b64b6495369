"""Sums up what is booked, in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from orders.models import Booking, Order
from orders.money.periods import Period

SOLD, RETURNED = Q(kind=Booking.Kind.SALE), Q(kind=Booking.Kind.RETURN)
UNKNOWN = Q(profit_kzt__isnull=True)
# An order's lines are booked on one day each way: the days' numbers may be added up.
# Rows are counted by a column that the report's index holds, which the pk is not.
SUMS: dict[str, Any] = {
    "orders": Count("kind", filter=SOLD & Q(counts_order=True)),
    "returns": Count("order", distinct=True, filter=RETURNED),
    "pieces": Sum("quantity"),
    "revenue": Sum("revenue_kzt"),
    "returned": Sum("revenue_kzt", filter=RETURNED),
    "came_back": Sum("cost_kzt", filter=RETURNED),
    "cost": Sum("cost_kzt"),
    "commission": Sum("commission_kzt"),
    "tax": Sum("tax_kzt"),
    "delivery": Sum("delivery_kzt"),
    "profit": Sum("profit_kzt"),
    "unknown": Count("order", distinct=True, filter=UNKNOWN),
    "unknown_revenue": Sum("revenue_kzt", filter=UNKNOWN),
}
EXPECTED_SUMS = SUMS | {"orders": Count("kind", filter=Q(counts_order=True))}
# Limited to some goods, or grouped by them, an order's lines fall apart. What came back
# and what is not known is counted by the line: a third DISTINCT over thousands of goods
# would take longer than all the rest.
GROUPED_SUMS = SUMS | {
    "orders": Count("order", distinct=True, filter=SOLD),
    "returns": Count("kind", filter=RETURNED),
    "unknown": Count("kind", filter=UNKNOWN),
}
# What rows may be grouped by, beside days: the columns that name the group.
GROUPS = {
    "product": "product_id",
    "brand": "brand",
    "category": "category_id",
    "order": "order_id",
}
SORTED_BY = ("revenue", "profit", "pieces", "orders", "cost", "delivery")


@dataclass(slots=True, kw_only=True)
class Sums:
    """What a group of rows comes to: whole tenge, returns taken off.

    `profit` holds what is known only; `unknown_revenue` is that of `unknown` orders
    whose cost or fees nobody knows.
    """

    orders: int = 0
    returns: int = 0
    pieces: int = 0
    revenue: int = 0
    returned: int = 0
    # What the goods that buyers brought back had cost: they are with us.
    came_back: int = 0
    cost: int = 0
    commission: int = 0
    tax: int = 0
    delivery: int = 0
    profit: int = 0
    unknown: int = 0
    unknown_revenue: int = 0

    @property
    def percent(self) -> Decimal | None:
        """What is earned, in percent of the revenue it is earned from."""
        revenue = self.revenue - self.unknown_revenue
        if revenue <= 0:
            return None
        return (Decimal(self.profit) * 100 / revenue).quantize(Decimal("0.1"))

    def add(self, other: Sums) -> None:
        for field in fields(self):
            name = field.name
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """The goods that a report is limited to; None = all."""

    product: int | None = None
    brand: str | None = None
    category: int | None = None

    @property
    def condition(self) -> Q:
        found = Q()
        if self.product is not None:
            found &= Q(product=self.product)
        if self.brand is not None:
            found &= Q(brand=self.brand)
        if self.category is not None:
            # 0 = goods without a category.
            found &= Q(category=self.category or None)
        return found


def booked_in(period: Period, only: Only) -> QuerySet[Booking]:
    rows = Booking.objects.booked().filter(only.condition)
    return rows.filter(day__gte=period.first, day__lte=period.last).order_by()


def total(sums: Iterable[Sums]) -> Sums:
    whole = Sums()
    for one in sums:
        whole.add(one)
    return whole


def read_days(period: Period, only: Only) -> dict[date, Sums]:
    """Sum up by day, in one query; days without a row are left out."""
    sums = GROUPED_SUMS if only.condition else SUMS
    rows = booked_in(period, only).values("day").annotate(**sums)
    return {row["day"]: _sums(row) for row in rows}


def read_groups(
    by: str,
    period: Period,
    only: Only,
    *,
    sort: str = "-revenue",
    start: int = 0,
    limit: int | None = None,
) -> list[tuple[Any, Sums]]:
    """Sum up by product, brand, category or order, in one query, sorted."""
    name = sort.lstrip("-")
    name = name if name in SORTED_BY else "revenue"
    key = F(name)
    ordered = key.desc(nulls_last=True) if sort[:1] == "-" else key.asc(nulls_last=True)
    # Null is found by no IN; 0 is nobody's key.
    group = F("brand") if by == "brand" else Coalesce(GROUPS[by], 0)
    rows = booked_in(period, only).annotate(group=group).values("group")
    if limit is not None:
        # One sum tells which groups stand on the page; all the others only of these.
        page = rows.annotate(**{name: GROUPED_SUMS[name]}).order_by(ordered, "group")
        rows = rows.filter(group__in=page.values("group")[start : start + limit])
    found = rows.annotate(**GROUPED_SUMS).order_by(ordered, "group")
    return [
        (row["group"] if by == "brand" else row["group"] or None, _sums(row))
        for row in found
    ]


def read_open(only: Only) -> tuple[Sums, Sums]:
    """Sum up what is expected, and what is on its way back; no period counts."""
    rows = Booking.objects.filter(only.condition)
    expected = rows.expected().aggregate(**EXPECTED_SUMS)
    back = rows.coming_back().aggregate(**SUMS)
    return _sums(expected), _sums(back)


def read_called_off(period: Period) -> tuple[int, int]:
    """Count the orders called off in the period before they were a sale; and their sum.

    The day is that on which it was seen.
    """
    begin, end = moments_of(period)
    ended = Order.objects.filter(
        status=Order.CANCELLED, ended_at__gte=begin, ended_at__lt=end
    )
    # Those that were a sale first stand among the returns.
    sold = Booking.objects.filter(SOLD, order=OuterRef("pk"))
    lost = ended.filter(~Exists(sold)).order_by()
    found = lost.aggregate(number=Count("pk"), sum=Sum("total_kzt"))
    return found["number"], found["sum"] or 0


def moments_of(period: Period) -> tuple[datetime, datetime]:
    """Give the midnights of Almaty around the period."""
    zone = timezone.get_default_timezone()
    begin = datetime.combine(period.first, time(), tzinfo=zone)
    end = datetime.combine(period.last + timedelta(days=1), time(), tzinfo=zone)
    return begin, end


def _sums(row: Mapping[str, Any]) -> Sums:
    # The database gives no sum of no rows; PostgreSQL's of bigints are decimals.
    return Sums(**{name: int(row[name] or 0) for name in SUMS})
