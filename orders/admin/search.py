"""What the search box finds among the orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.formatting import absolute, money
from backoffice.searching import LAST_DIGITS, SHOWN, Hit, Hits, Sought, holding
from catalog.models import Product
from orders.admin.buyers import whole_phone
from orders.admin.situation import situation_pill, supplier_pill
from orders.models import (
    Buyer,
    Order,
    OrderLine,
    Reservation,
    SupplierOrder,
    Waybill,
)
from plumbing.clocks import now_to_show

# Rows of any table that name orders.
Rows: TypeAlias = QuerySet[Any, Any]


def find_orders(
    request: HttpRequest, sought: Sought, *, goods: Iterable[Product] = ()
) -> Hits:
    """Find orders by whatever staff know of them, the newest first; two queries.

    `goods`: those that the text names; orders of them are found, too.
    """
    title = _("Orders")
    if not request.user.has_perm("orders.view_order"):
        return Hits(title=title, hits=[])
    sees_buyers = request.user.has_perm("orders.view_buyer_data")
    arms = [*_named(sought), _of_goods(goods)]
    if sees_buyers:
        arms += _of_buyers(sought)
    orders = Order.objects.filter(pk__in=_united(arms)).order_by("-created_at", "-pk")
    if sees_buyers:
        orders = orders.select_related("buyer")
    found = list(orders.defer("problem", "note")[: SHOWN + 1])
    shown, now = found[:SHOWN], now_to_show()
    names = _goods_of(shown)
    hits = [
        _hit(order, names[order.pk], sees_buyers=sees_buyers, now=now)
        for order in shown
    ]
    exact = [hit.url for hit in hits if hit.title in sought.numbers]
    return Hits(
        title=title,
        hits=hits,
        is_cut=len(found) > SHOWN,
        exact=exact[0] if len(exact) == 1 else "",
    )


def find_supplier_orders(request: HttpRequest, sought: Sought) -> Hits:
    """Find Al-Style's orders that hold goods for no order of Kaspi's."""
    title = _("Orders at Al-Style")
    numbers = sought.numbers
    if not numbers or not request.user.has_perm("orders.view_supplierorder"):
        return Hits(title=title, hits=[])
    supplied = SupplierOrder.objects.numbered(*numbers)
    found = supplied.filter(reservations=None).order_by("-placed_at")[:SHOWN]
    now = now_to_show()
    return Hits(
        title=title,
        hits=[
            Hit(
                title=f"№{one}",
                url=reverse("admin:orders_supplierorder_change", args=[one.pk]),
                pill=supplier_pill(one),
                details=[absolute(one.placed_at, now=now), money(one.sum_kzt)],
            )
            for one in found
        ],
    )


def numbered(sought: Sought) -> Q:
    """Match orders by any number that belongs to them, for the list of orders."""
    return Q(pk__in=_united(_named(sought)))


def _named(sought: Sought) -> list[Rows]:
    """Give the pks of orders by each kind of number: each by an index of its own.

    In one condition they would make the database read all orders.
    """
    numbers, digits = sought.numbers, sought.digits
    lines = OrderLine.objects.filter(sku__in=numbers)
    products = Product.objects.filter(Q(article__in=numbers) | Q(sku__in=numbers))
    of_products = OrderLine.objects.filter(product__in=products.values("pk"))
    reserved = Reservation.objects.filter(
        supplier_order__in=SupplierOrder.objects.numbered(*numbers).values("pk")
    )
    printed = Waybill.objects.filter(number__in=numbers)
    arms: list[Rows] = [
        Order.objects.filter(code__in=numbers).values("pk"),
        Order.objects.filter(kaspi_id__in=sought.words).values("pk"),
        Order.objects.filter(waybill_number__in=numbers).values("pk"),
        *(rows.values("order_id") for rows in (lines, of_products, reserved, printed)),
    ]
    if len(digits) >= LAST_DIGITS:
        # By its end, as people say it: "the order ending in 4588".
        alike = Order.objects.filter(code_end=digits[-LAST_DIGITS:])
        arms.append(alike.filter(code__endswith=digits).values("pk"))
    return arms


def _of_goods(goods: Iterable[Product]) -> Rows:
    return OrderLine.objects.filter(product__in=list(goods)).values("order_id")


def _of_buyers(sought: Sought) -> list[Rows]:
    """Give the pks of orders by their buyer's phone, or by all words of the name."""
    arms = []
    if sought.phone:
        arms.append(Buyer.objects.filter(phone=sought.phone).values("pk"))
    if sought.has_letters:
        # Read one by one, but only as long as buyers are kept: 30 days after the end.
        named = Buyer.objects.all()
        for word in sought.words:
            named = named.filter(holding("name", word))
        arms.append(named.values("pk"))
    return arms


def _united(arms: list[Rows]) -> Rows:
    first, *others = (arm.order_by() for arm in arms)
    return first.union(*others)


def _goods_of(orders: list[Order]) -> dict[int, list[OrderLine]]:
    lines: dict[int, list[OrderLine]] = defaultdict(list)
    rows = OrderLine.objects.filter(order__in=orders).order_by("pk")
    for line in rows.only("order_id", "name", "sku", "quantity"):
        lines[line.order_id].append(line)
    return lines


def _hit(
    order: Order, lines: list[OrderLine], *, sees_buyers: bool, now: datetime
) -> Hit:
    details = [absolute(order.created_at, now=now), money(order.total_kzt)]
    if lines:
        first, more = lines[0], len(lines) - 1
        goods = f"{first.name or first.sku} ×\u00a0{first.quantity or '?'}"
        if more:
            text = ngettext("and %(n)d more line", "and %(n)d more lines", more)
            goods = f"{goods}, {text % {'n': more}}"
        details.append(goods)
    if sees_buyers and hasattr(order, "buyer"):
        phone = whole_phone(order.buyer.phone)
        details.append(" · ".join(filter(None, (order.buyer.name, phone))))
    return Hit(
        title=order.code,
        url=reverse("admin:orders_order_change", args=[order.pk]),
        pill=situation_pill(order),
        details=details,
    )
