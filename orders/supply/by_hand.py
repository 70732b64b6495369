"""Looks at an order that a person made at Al-Style, before it counts as ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient
from catalog.alstyle.trade import SupplierOrderRow
from orders.models import Order, Purchase, SupplierOrder, pieces_in
from plumbing.peers import PeerAccessRefused, PeerRefused


def check_by_hand(
    cart: CartClient,
    number: str,
    wanted: Mapping[str, int],
    *,
    code: str = "",
    may_have_left: bool = False,
) -> str:
    """Say why Al-Style's order does not hold just the wanted pieces; empty = it does.

    `code`: the buyer's order that it is for. `may_have_left`: it was made in a time
    that the database lacks, so it may have been shipped since. Raises `PeerError`: then
    nothing is known.
    """
    try:
        row = cart.order(number)
    except PeerAccessRefused:
        raise
    except PeerRefused:
        text = _(
            "Al-Style shows no order %(number)s: check the number; a new order may "
            "take some minutes to be shown"
        )
        return text % {"number": number}
    return (
        _why_not_alive(row, number, may_have_left=may_have_left)
        or _what_differs(row, number, wanted)
        or _whose_it_is(row, number, code)
    )


def _why_not_alive(row: SupplierOrderRow, number: str, *, may_have_left: bool) -> str:
    figures = {"number": number, "other": row.merge_with or "—"}
    if row.status == SupplierOrder.CANCELLED:
        return _("Order %(number)s at Al-Style is cancelled") % figures
    if row.status == SupplierOrder.MERGED or row.merge_with:
        return _("Order %(number)s at Al-Style was merged into %(other)s") % figures
    if row.status in SupplierOrder.SHIPPED and not may_have_left:
        return _("Order %(number)s at Al-Style has been shipped already") % figures
    return ""


def _what_differs(row: SupplierOrderRow, number: str, wanted: Mapping[str, int]) -> str:
    held = pieces_in(row.lines)
    # Counters keep only what is more than in the other one.
    if short := Counter(wanted) - held:
        text = _("Order %(number)s at Al-Style lacks %(goods)s")
        return text % {"number": number, "goods": _named(short)}
    if more := held - Counter(wanted):
        # To release these goods is to cancel the whole order.
        text = _(
            "Order %(number)s at Al-Style holds other goods too: %(goods)s. A release "
            "would cancel these as well: order them apart, or leave the number out"
        )
        return text % {"number": number, "goods": _named(more)}
    return ""


def _whose_it_is(row: SupplierOrderRow, number: str, code: str) -> str:
    known = SupplierOrder.objects.numbered(number, row.order_id)
    if any(one.reservations.open().exists() or one.is_shared() for one in known):
        text = _("Order %(number)s at Al-Style holds another order's goods")
        return text % {"number": number}
    for doubtful in Purchase.objects.unsettled():
        numbers = {doubtful.number, *(str(c["id"]) for c in doubtful.candidates)}
        is_other = not doubtful.reservations.filter(order__code=code).exists()
        if is_other and numbers & {number, row.order_id}:
            text = _(
                "Order %(number)s at Al-Style may be that of purchase %(purchase)s: "
                "settle that one first"
            )
            return text % {"number": number, "purchase": doubtful}
    if code:
        named = Order.objects.filter(code__in=row.words.split()).exclude(code=code)
        if other := named.first():
            text = _("Order %(number)s at Al-Style was made for order %(code)s")
            return text % {"number": number, "code": other.code}
    return ""


def _named(goods: Mapping[str, int]) -> str:
    return ", ".join(f"{article} × {goods[article]}" for article in sorted(goods))
