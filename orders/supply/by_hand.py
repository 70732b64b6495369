"""Looks at an order that a person made at Al-Style, before it counts as ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient
from catalog.alstyle.trade import SupplierOrderRow
from orders.models import Order, Purchase, Reservation, SupplierOrder, pieces_in
from orders.supply.listing import note_listed_number, unlisted
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
    row = _read(cart, number)
    if row is None:
        return _not_shown(number)
    return (
        _why_not_alive(row, number, may_have_left=may_have_left)
        or _what_differs(row, number, wanted)
        or _may_be_ours_already(cart, row, number, wanted)
        or _whose_it_is(row, number, code)
    )


class NotThatOrder(Exception):
    """The order that a person chose cannot be taken for a purchase's.

    `is_sure`: and it never can; else it is not shown at the moment.
    """

    def __init__(self, reason: str, *, is_sure: bool) -> None:
        super().__init__(reason)
        self.is_sure = is_sure


def read_chosen(
    cart: CartClient, number: str, *, codes: Collection[str]
) -> SupplierOrderRow:
    """Read the order that a person chose as the one that a purchase made.

    `codes`: the buyers' orders that it is for. Its lines are compared when it is ours.
    Raises `NotThatOrder`, and `PeerError`: then nothing is known.
    """
    row = _read(cart, number)
    if row is None:
        raise NotThatOrder(_not_shown(number), is_sure=False)
    # Shipped, the goods are on their way to us all the same.
    reason = _why_not_alive(row, number, may_have_left=True)
    if reason := reason or _who_holds_it(row, number, codes):
        raise NotThatOrder(reason, is_sure=True)
    return row


def _read(cart: CartClient, number: str) -> SupplierOrderRow | None:
    try:
        return cart.order(number)
    except PeerAccessRefused:
        raise
    except PeerRefused:
        return None


def _not_shown(number: str) -> str:
    text = _(
        "Al-Style shows no order %(number)s: check the number; a new order may "
        "take some minutes to be shown"
    )
    return text % {"number": number}


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


def _may_be_ours_already(
    cart: CartClient, row: SupplierOrderRow, number: str, wanted: Mapping[str, int]
) -> str:
    """Say which of our orders it may be under the number that lists show.

    One that was made a moment ago is known by the number that submit answered only.
    """
    if SupplierOrder.objects.numbered(number, row.order_id).exists():
        return ""
    for ours in unlisted(wanted):
        shown = cart.find_order(ours.supplier_order_id)
        if shown is None:
            text = _(
                "Order %(number)s at Al-Style may be order %(ours)s, made for another "
                "buyer and not shown under that number yet: try again in some minutes"
            )
            return text % {"number": number, "ours": ours}
        note_listed_number(ours, shown)
    return ""


def _who_holds_it(row: SupplierOrderRow, number: str, codes: Collection[str]) -> str:
    held = Reservation.objects.having(number, row.order_id)
    known = SupplierOrder.objects.numbered(number, row.order_id)
    is_anothers = held.exclude(order__code__in=codes).exists()
    if is_anothers or any(one.is_shared() for one in known):
        text = _("Order %(number)s at Al-Style holds another order's goods")
        return text % {"number": number}
    return ""


def _whose_it_is(row: SupplierOrderRow, number: str, code: str) -> str:
    if reason := _who_holds_it(row, number, {code}):
        return reason
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
