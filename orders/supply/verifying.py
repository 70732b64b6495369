"""Reads each order that was made, once, and learns from those clearly answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient
from catalog.alstyle.trade import SupplierOrderRow
from orders.models import (
    Cause,
    LearnedFact,
    Purchase,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
)
from orders.models.purchase import PurchaseQuerySet
from orders.plan.ages import UNSHOWN_FOR
from orders.plan.wanting import want_step
from orders.supply.learning import learn, learn_at_most, learn_from_order, learned
from orders.supply.listing import note_listed, note_listed_number
from plumbing.clocks import is_time_steady
from plumbing.leases import database_now

Name = LearnedFact.Name
# In one run; the others follow in the next.
MOST_AT_ONCE = 20


def verify_purchases(cart: CartClient) -> int:
    """Read the orders that were made and not read yet; returns how many were read.

    At crawl priority: no order waits for it. One that the supplier does not show yet
    is read by a later run, after those not asked for since.
    """
    read = 0
    for purchase in _to_read(now=database_now())[:MOST_AT_ONCE]:
        supplied = purchase.supplier_order
        if supplied is None:
            continue
        row = cart.find_order(supplied.supplier_order_id, priority="crawl")
        if row is None:
            mine = Purchase.objects.filter(pk=purchase.pk)
            mine.update(unshown_at=database_now())
            continue
        read += 1
        note_read(supplied, row)
        if purchase.adopted_by == "answer":
            learn_from_order(purchase, row, now=database_now())
            _learn_from_list(purchase, row, cart)
        Purchase.objects.filter(pk=purchase.pk).update(verified_at=database_now())
        if reason := difference_of(supplied):
            ask_for_check(supplied, reason)
        elif reason := _went_along(purchase, supplied):
            _tell(purchase.reservations.all(), reason)
    return read


def _to_read(*, now: datetime) -> PurchaseQuerySet:
    """Give those to ask for; what a person was told of, now and then only."""
    unread = Purchase.objects.unverified().select_related("supplier_order")
    not_told = Q(settled_at=None) | Q(unshown_at__lte=F("settled_at") + UNSHOWN_FOR)
    long_ago = Q(unshown_at=None) | Q(unshown_at__lte=now - UNSHOWN_FOR)
    due = unread.filter(not_told | long_ago)
    return due.order_by(F("unshown_at").asc(nulls_first=True), "pk")


def note_read(supplied: SupplierOrder, row: SupplierOrderRow) -> None:
    """Keep what the supplier says an order of ours holds; its status is followed."""
    supplied.lines = [list(line) for line in row.lines or ()]
    supplied.sum_kzt = row.sum_kzt
    supplied.read_at = database_now()
    supplied.save(update_fields=["lines", "sum_kzt", "read_at"])
    note_listed_number(supplied, row)


def wanted_of(supplied: SupplierOrder) -> dict[str, int]:
    """Map articles to the pieces that our open reservations want of an order."""
    wanted: Counter[str] = Counter()
    held = Reservation.objects.open().filter(supplier_order__in=_whole(supplied))
    for reservation in held:
        for line in reservation.lines.select_related("product"):
            wanted[line.product.article] += line.supplied_quantity
    return dict(wanted)


def beyond(these: Mapping[str, int], those: Mapping[str, int]) -> dict[str, int]:
    """Map articles to the pieces that these have more than those."""
    return {
        article: number - those.get(article, 0)
        for article, number in these.items()
        if number > those.get(article, 0)
    }


def difference_of(supplied: SupplierOrder) -> str:
    """Say in which lines the supplier's order is not what is wanted, if in any."""
    if not Reservation.objects.held().filter(supplier_order__in=_whole(supplied)):
        return ""
    return _difference(wanted_of(supplied), supplied)


def _went_along(purchase: Purchase, supplied: SupplierOrder) -> str:
    """Say what was ordered besides the purchase's goods, though nothing is held now.

    Shipped or given back meanwhile, a manager's goods went along all the same.
    """
    if Reservation.objects.held().filter(supplier_order__in=_whole(supplied)):
        return ""
    return _difference(purchase.quantities, supplied)


def _difference(wanted: Mapping[str, int], supplied: SupplierOrder) -> str:
    more = beyond(supplied.quantities, wanted)
    less = beyond(wanted, supplied.quantities)
    parts = []
    if more:
        parts.append(_("too much: %(goods)s") % {"goods": _goods(more)})
    if less:
        parts.append(_("missing: %(goods)s") % {"goods": _goods(less)})
    if not parts:
        return ""
    text = _(
        "Al-Style's order %(number)s has not just what is wanted (%(parts)s): a "
        "manager's goods may have gone along; have it put right, then compare again"
    )
    return text % {"number": supplied, "parts": "; ".join(parts)}


def foreign_goods(supplied: SupplierOrder) -> str:
    """Name what an order at Al-Style holds beyond what ours want; empty = nothing."""
    return _goods(beyond(supplied.quantities, wanted_of(supplied)))


def ask_for_check(supplied: SupplierOrder, reason: str) -> None:
    """Let a person see, on each order it concerns, that a supplier's order is wrong."""
    held = Reservation.objects.held().filter(supplier_order__in=_whole(supplied))
    _tell(held, reason)


def _whole(supplied: SupplierOrder) -> list[SupplierOrder]:
    """Give the order with those that were merged into it."""
    return [supplied, *supplied.merged_sources()]


def _tell(reservations: QuerySet[Reservation], reason: str) -> None:
    now = database_now()
    for reservation in reservations.select_related("order"):
        cause = Cause(Reason.SUPPLIER_LINES, reason)
        want_step(reservation.order, Step.Kind.CHECK, now=now, needs_person=cause)


def _goods(pieces: dict[str, int]) -> str:
    return ", ".join(f"{article} × {number}" for article, number in pieces.items())


def _learn_from_list(
    purchase: Purchase, row: SupplierOrderRow, cart: CartClient
) -> None:
    """See where and how soon a new order is listed, until that is known."""
    if learned(Name.LIST_ORDER) is not None:
        return
    page = cart.orders_page("index", page=1, priority="crawl")
    numbers = [listed.order_id for listed in page.rows]
    note_listed(numbers)
    now, sent = database_now(), purchase.last_submit_at
    if row.order_id not in numbers or sent is None or not is_time_steady(now=now):
        return
    _learn_delay(purchase, sent, now)
    if len(numbers) > 1:
        place = numbers.index(row.order_id)
        is_last = place == len(numbers) - 1 and page.total_pages == 1
        order = "newest" if place == 0 else "oldest" if is_last else "unsorted"
        learn(Name.LIST_ORDER, order, evidence=f"{purchase}", now=now)


def _learn_delay(purchase: Purchase, sent: datetime, now: datetime) -> None:
    seconds = max(int((now - sent).total_seconds()), 0)
    learn_at_most(Name.LISTED_AFTER_S, seconds, evidence=f"{purchase}", now=now)
