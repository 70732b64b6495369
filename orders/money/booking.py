"""Keeps the rows that say what orders bring, and when, as the orders are."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from catalog.rules import RuleBook, load_rules
from orders.models import Booking, Order, OrderLine, Reservation
from orders.money.earnings import total_of
from orders.money.lines import HAS_COST, LineEarnings, earnings_of

log = logging.getLogger(__name__)

Kind = Booking.Kind
Key = tuple[int | None, str]
Values = dict[str, Any]
FIGURES = (
    "day",
    "product_id",
    "brand",
    "category_id",
    "counts_order",
    "quantity",
    "revenue_kzt",
    "cost_kzt",
    "commission_kzt",
    "tax_kzt",
    "delivery_kzt",
    "profit_kzt",
    "is_cost_final",
    "is_delivery_estimated",
)
# The goods are with us again, and so is what was taken for the sale.
GIVEN_BACK = (Order.RETURNED, Order.RETURN_ACCEPTED)


@dataclass(slots=True, kw_only=True)
class Booked:
    """How many rows were made, changed and taken away."""

    orders: int = 0
    made: int = 0
    changed: int = 0
    gone: int = 0

    @property
    def differing(self) -> int:
        return self.made + self.changed + self.gone

    @property
    def summary(self) -> str:
        return (
            f"{self.orders} orders: {self.made} rows missing, {self.changed} "
            f"differing, {self.gone} too many"
        )

    def add(self, other: Booked) -> None:
        """Add what another batch brought."""
        self.orders += other.orders
        self.made += other.made
        self.changed += other.changed
        self.gone += other.gone


def book_safely(orders: Sequence[Order], *, now: datetime) -> None:
    """Book them; what goes wrong is logged and mended by the nightly recount.

    Runs where goods are bought and orders accepted: figures must hold up neither.
    """
    try:
        with transaction.atomic():
            book_orders(orders, now=now)
    except Exception:
        codes = ", ".join(order.code for order in orders[:5])
        log.exception("what orders bring could not be booked: %s", codes)


def book_orders(
    orders: Sequence[Order],
    *,
    now: datetime,
    book: RuleBook | None = None,
    is_dry_run: bool = False,
) -> Booked:
    """Make the rows of these orders what `Booking` promises; write only differences.

    Runs in the caller's transaction, which has locked the orders.
    """
    done = Booked(orders=len(orders))
    if not orders:
        return done
    book = book or load_rules()
    known = _load([order.pk for order in orders])
    made, changed, gone = [], [], []
    for order in orders:
        rows = known.rows[order.pk]
        earned = earnings_of(
            order, known.lines[order.pk], known.reservations[order.pk], book=book
        )
        wanted = dict(_wanted(order, earned, rows, today=timezone.localdate(now)))
        for (line_id, kind), values in wanted.items():
            row = rows.get((line_id, kind))
            if row is None:
                made.append(
                    Booking(order_id=order.pk, line_id=line_id, kind=kind, **values)
                )
            elif any(getattr(row, name) != value for name, value in values.items()):
                for name, value in values.items():
                    setattr(row, name, value)
                changed.append(row)
        gone += [row.pk for key, row in rows.items() if key not in wanted]
    done.made, done.changed, done.gone = len(made), len(changed), len(gone)
    if not is_dry_run:
        _write(made, changed, gone)
    return done


@dataclass(slots=True)
class _Known:
    """What is stored of some orders, by their pks."""

    lines: dict[int, list[OrderLine]]
    reservations: dict[int, list[Reservation]]
    rows: dict[int, dict[Key, Booking]]


def _load(pks: Sequence[int]) -> _Known:
    known = _Known(defaultdict(list), defaultdict(list), defaultdict(dict))
    lines = OrderLine.objects.filter(order__in=pks).select_related("product")
    for line in lines.order_by("pk"):
        known.lines[line.order_id].append(line)
    reservations = Reservation.objects.filter(order__in=pks, status__in=HAS_COST)
    for one in reservations.select_related("supplier_order").prefetch_related(
        "lines__product"
    ):
        known.reservations[one.order_id].append(one)
    for row in Booking.objects.filter(order__in=pks):
        known.rows[row.order_id][row.line_id, row.kind] = row
    return known


def _write(made: list[Booking], changed: list[Booking], gone: list[int]) -> None:
    # What goes goes first: the order as a whole may become its lines.
    if gone:
        Booking.objects.filter(pk__in=gone).delete()
    if made:
        Booking.objects.bulk_create(made)
    if changed:
        Booking.objects.bulk_update(changed, FIGURES)


def _wanted(
    order: Order,
    earned: Sequence[LineEarnings],
    rows: dict[Key, Booking],
    *,
    today: date,
) -> Iterator[tuple[Key, Values]]:
    """Say which rows the order should have, with their figures."""
    sold = any(kind == Kind.SALE for _line, kind in rows)
    is_back = order.status in GIVEN_BACK or (sold and order.status == Order.CANCELLED)
    ended = timezone.localdate(order.ended_at) if order.ended_at else today
    if (order.is_called_off or order.is_closed) and not is_back and not sold:
        return
    if not order.is_called_off and not order.has_ended:
        created = timezone.localdate(order.created_at)
        for place, one in enumerate(earned):
            key = (_pk(one), Kind.EXPECTED.value)
            yield key, _figures(one, None, day=created, place=place)
        return
    for place, one in enumerate(earned):
        key = (_pk(one), Kind.SALE.value)
        sale = _figures(one, rows.get(key), day=ended, place=place)
        yield key, sale
        if is_back:
            back = (_pk(one), Kind.RETURN.value)
            earlier = rows.get(back)
            # Until now it was a sale: the return is of today.
            day = earlier.day if earlier else (today if sold else ended)
            yield back, _reversed(sale, day=day)


def _pk(one: LineEarnings) -> int | None:
    return one.line.pk if one.line is not None else None


def _figures(
    one: LineEarnings, booked: Booking | None, *, day: date, place: int
) -> Values:
    """Give a row's figures; of one `booked` already, guesses stay as they were made.

    Dealer prices and rules change afterwards, what they were at the sale does not. What
    is known for certain since, and Kaspi's table, which has days of its own, count.
    """
    product = one.line.product if one.line is not None else None
    values: Values = {
        "day": day,
        "product_id": product.pk if product else None,
        "brand": product.brand if product else "",
        "category_id": product.category_id if product else None,
        "counts_order": place == 0,
        "quantity": one.quantity,
        "revenue_kzt": one.revenue_kzt,
        "cost_kzt": one.cost_kzt,
        "is_cost_final": one.is_cost_final,
        "commission_kzt": one.commission_kzt,
        "tax_kzt": one.tax_kzt,
        "delivery_kzt": one.delivery_kzt,
        "is_delivery_estimated": one.is_delivery_estimated,
    }
    if booked is not None:
        values["day"] = booked.day
        if booked.product_id == values["product_id"]:
            values |= {"brand": booked.brand, "category_id": booked.category_id}
        if not one.is_cost_final and booked.cost_kzt is not None:
            values["cost_kzt"] = booked.cost_kzt
            values["is_cost_final"] = booked.is_cost_final
        if booked.tax_kzt is not None:
            values["tax_kzt"] = booked.tax_kzt
        if one.is_delivery_estimated and booked.is_delivery_estimated:
            values["delivery_kzt"] = booked.delivery_kzt
    gone = total_of((values["cost_kzt"], values["commission_kzt"], values["tax_kzt"]))
    values["profit_kzt"] = (
        None
        if gone is None or not one.is_revenue_known
        else one.revenue_kzt - gone - values["delivery_kzt"]
    )
    return values


def _reversed(sale: Values, *, day: date) -> Values:
    """Turn a sale's figures round; what the delivery cost is lost."""
    values = {**sale, "day": day, "delivery_kzt": 0, "is_delivery_estimated": False}
    for name in ("quantity", "revenue_kzt", "cost_kzt", "commission_kzt", "tax_kzt"):
        values[name] = None if sale[name] is None else -sale[name]
    profit = sale["profit_kzt"]
    values["profit_kzt"] = None if profit is None else -profit - sale["delivery_kzt"]
    return values
