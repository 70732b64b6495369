"""The orders as a table to take out: one row per line, nothing of the buyer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from backoffice.spreadsheets import Sheet
from orders.admin.situation import situation
from orders.models import Order, OrderLine, Reservation


def order_sheet(orders: QuerySet[Order]) -> Sheet:
    """Lay the orders into a sheet."""
    return Sheet(
        title=_("Orders"),
        headers=[
            _("order"),
            _("created"),
            _("status"),
            _("total, ₸"),
            _("SKU"),
            _("article"),
            _("product"),
            _("quantity"),
            _("price, ₸"),
            _("line total, ₸"),
            _("order at Al-Style"),
            _("waybill"),
            _("ended"),
        ],
        rows=_rows(orders),
    )


def _rows(orders: QuerySet[Order]) -> Iterator[list[Any]]:
    lines = OrderLine.objects.select_related("product").order_by("pk")
    lines = lines.only(
        "order", "sku", "name", "quantity", "price_kzt", "total_kzt", "product__article"
    )
    # The list leaves out what its columns do not show.
    found = orders.defer(None).prefetch_related(
        Prefetch("lines", queryset=lines),
        Prefetch(
            "reservations",
            queryset=Reservation.objects.select_related("supplier_order"),
        ),
    )
    for order in found:
        status, _tone = situation(order)
        numbers = {
            r.supplier_order.supplier_order_id
            for r in order.reservations.all()
            if r.supplier_order is not None
        }
        about = [order.code, order.created_at, str(status), order.total_kzt]
        end = [", ".join(sorted(numbers)), order.waybill_number, order.ended_at]
        for line in order.lines.all() or [OrderLine()]:
            article = line.product.article if line.product is not None else ""
            goods = [line.sku, article, line.name, line.quantity, line.price_kzt]
            yield [*about, *goods, line.total_kzt, *end]
