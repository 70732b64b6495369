"""Reads both peers' books, over the time that the database lacks and further."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Min

from catalog.alstyle.cart import CartClient, OrderType
from catalog.alstyle.trade import SupplierOrderRow
from orders.clients import Clients
from orders.kaspi.client import KaspiClient
from orders.kaspi.listing import SKEW
from orders.models import Order, ReadMark, SupplierListing, SupplierOrder, pieces_in
from orders.reading.polling import OVERLAP, Reader, ReadResult, running_from
from orders.reading.refreshing import refresh_orders
from orders.recovery.matching import A_DAY, Bought, Want
from orders.supply.listing import note_listed
from plumbing.leases import LeaseHandle
from plumbing.peers import PeerProtocolError, PeerRefused

# How far back from the database's last reading; a return may come so late.
FURTHER = timedelta(days=16)
# Of a database that knows nothing.
NOTHING_KNOWN = timedelta(days=45)
# Orders that wait at Kaspi are not older.
RECENT = timedelta(days=30)
# What may hold goods, and what was shipped meanwhile.
LISTS: tuple[OrderType, ...] = ("index", "current", "archive")
MOST_PAGES = 200
# Orders of nobody that are read one by one, in one run.
MOST_READ = 300
# A sum as far from what our goods cost may still be theirs: prices change.
SUM_MAY_DIFFER_PERCENT = 30


@dataclass(slots=True, kw_only=True)
class Books:
    """What nobody of ours has at the supplier. `failures`: what could not be read."""

    bought: list[Bought] = field(default_factory=list)
    rows: dict[str, SupplierOrderRow] = field(default_factory=dict)
    # Whether anybody has ordered there of late.
    has_recent: bool = False
    failures: list[str] = field(default_factory=list)


def read_kaspi(
    client: KaspiClient, lease: LeaseHandle, *, now: datetime, takes_in_all: bool
) -> ReadResult:
    """Read every section over the gap and further, and each open order by itself.

    `takes_in_all`: also what had ended, and what was accepted, before the bridge first
    read orders: it did, in the life that the database lacks.
    """
    result, moment = ReadResult(), running_from(now)
    since, until = _since(now=now), now + SKEW
    reader = Reader(client, lease=lease, result=result, moment=moment)
    if takes_in_all:
        first = reader.first_read_at
        reader.first_read_at = since if first is None else min(first, since)
    for state in Order.STATES:
        reader.read_section(state, since=since, until=until, now=now)
    refreshed = refresh_orders(client, now=now)
    result.failures += refreshed.failures
    result.saved.add(refreshed.saved)
    return result


def _since(*, now: datetime) -> datetime:
    """Say from which moment on the database may lack something."""
    marks = ReadMark.objects.whole().filter(state__in=Order.WAITING_STATES)
    last = marks.aggregate(last=Min("read_until"))["last"]
    if last is None:
        return now - NOTHING_KNOWN
    opened = Order.objects.open().aggregate(first=Min("created_at"))["first"] or last
    since: datetime = min(last - OVERLAP - FURTHER, opened - OVERLAP)
    return since


def read_supplier(
    clients: Clients,
    lease: LeaseHandle,
    *,
    wants: Sequence[Want],
    codes: set[str],
    now: datetime,
) -> Books:
    """Read the supplier's orders to the last page, and those singly that may be ours.

    `codes`: of other orders of ours that an order may have been made for. Raises
    `PeerError` when a list cannot be read to its end.
    """
    cart, books = clients.cart, Books()
    listed: dict[str, SupplierOrderRow] = {}
    for kind in LISTS:
        listed |= {row.order_id: row for row in _list(cart, lease, kind)}
    seen_since = dict(
        SupplierListing.objects.filter(number__in=listed).values_list(
            "number", "first_seen_at"
        )
    )
    note_listed(list(listed))
    held = SupplierOrder.objects.filter(reservations__isnull=False)
    pairs = held.values_list("supplier_order_id", "listed_id")
    owned = {number for pair in pairs for number in pair if number}
    nobodys = [row for number, row in listed.items() if number not in owned]
    all_codes = codes | {want.code for want in wants}
    lately = now - RECENT
    books.has_recent = any(
        row.placed_at is None or row.placed_at > lately for row in nobodys
    )
    likely = [
        row
        for row in nobodys
        if _may_be_ours(row, wants, all_codes, seen_since.get(row.order_id))
    ]
    if len(likely) > MOST_READ:
        books.failures.append(f"{len(likely) - MOST_READ} orders not read singly")
    for row in likely[:MOST_READ]:
        lease.confirm()
        try:
            whole = cart.order(row.order_id, priority="crawl")
        except (PeerRefused, PeerProtocolError) as error:
            # Listed, and not shown yet: nothing may be concluded without it.
            books.failures.append(str(error))
            continue
        if whole.order_id in owned:
            # Ours under the other of its numbers.
            continue
        books.rows[whole.order_id] = whole
        books.bought.append(bought(whole, seen_since=seen_since.get(row.order_id)))
    return books


def bought(row: SupplierOrderRow, *, seen_since: datetime | None) -> Bought:
    """Give one of the supplier's orders as it is matched."""
    lines = row.lines
    return Bought(
        number=row.order_id,
        words=frozenset(row.words.replace(",", " ").split()),
        pieces=None if lines is None else pieces_in(lines),
        sum_kzt=row.sum_kzt,
        made_at=row.placed_at,
        seen_since=seen_since,
    )


def _list(
    cart: CartClient, lease: LeaseHandle, kind: OrderType
) -> Iterable[SupplierOrderRow]:
    for page in range(1, MOST_PAGES + 1):
        answer = cart.orders_page(kind, page=page, priority="crawl")
        lease.confirm()
        yield from answer.rows
        if page >= answer.total_pages:
            return
    raise PeerProtocolError("Al-Style's list of orders has no end")


def _may_be_ours(
    row: SupplierOrderRow,
    wants: Sequence[Want],
    codes: set[str],
    seen_since: datetime | None,
) -> bool:
    """Tell by what a list shows of an order whether it has to be read."""
    if row.status in (SupplierOrder.CANCELLED, SupplierOrder.MERGED):
        return False
    words = set(row.words.replace(",", " ").split())
    if words:
        return bool(words & codes)
    if not wants:
        return False
    oldest = min(want.created_at for want in wants)
    if seen_since is not None and seen_since < oldest:
        return False
    made = row.placed_at
    if made is not None and made <= oldest - A_DAY:
        return False
    known = [want.cost_kzt for want in wants if want.cost_kzt is not None]
    if row.sum_kzt is None or len(known) < len(wants):
        return True
    if row.sum_kzt * 100 < min(known) * (100 - SUM_MAY_DIFFER_PERCENT):
        return False
    # Bought together they may come to the sum of all, and a manager's goods may have
    # gone along: without dates that would be each order that was ever made.
    most = sum(known) * (100 + SUM_MAY_DIFFER_PERCENT)
    return made is not None or row.sum_kzt * 100 <= most
