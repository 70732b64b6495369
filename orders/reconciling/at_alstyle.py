"""What Al-Style's lists have and nobody here knows, or takes for released."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient, OrderType
from catalog.alstyle.trade import SupplierOrderRow
from orders.clients import Clients
from orders.models import (
    Finding,
    Order,
    Purchase,
    Reservation,
    SupplierListing,
    SupplierOrder,
)
from orders.reconciling.contradictions import Contradiction, shown
from orders.supply.listing import note_listed
from plumbing.leases import LeaseHandle
from plumbing.peers import PeerProtocolError

Kind = Finding.Kind
AT_ALSTYLE = (Kind.NOBODYS, Kind.GIVEN_UP, Kind.STILL_LIVE)
LISTED: tuple[OrderType, ...] = ("index", "current")
MOST_PAGES = 100
# Orders of nobody that are read one by one: as many as a manager makes in a day.
MOST_READ = 60
# How young a number must be to be read: an older one was read on an earlier day.
READ_WITHIN = timedelta(days=3)
# What a purchase given up may have become shows within days.
GIVEN_UP_WITHIN = timedelta(days=30)
# How long one called released is looked at until it is seen cancelled.
RELEASED_WITHIN = timedelta(days=30)
GONE = (SupplierOrder.CANCELLED, SupplierOrder.MERGED)


def found_at_alstyle(
    clients: Clients, lease: LeaseHandle, now: datetime
) -> Iterator[Contradiction]:
    """Orders at Al-Style that are nobody's, or that were called released and live."""
    cart = clients.cart
    unread: set[str] = set()
    listed = _listed_orders(cart, lease)
    listed |= _sent_though_released(cart, lease, set(listed), unread=unread, now=now)
    known = SupplierOrder.objects.numbered(*listed).prefetch_related(
        "reservations__order", "purchases", "merged"
    )
    owners: dict[str, SupplierOrder] = {}
    for supplied in known:
        owners[supplied.supplier_order_id] = owners[supplied.listed_id] = supplied
    nobodys = [
        row
        for number, row in listed.items()
        if number not in owners and row.status not in SupplierOrder.SHIPPED
    ]
    yield from _released_but_alive(listed, owners)
    yield from _of_nobody(cart, lease, nobodys, unread=unread, now=now)
    yield from _as_told(unread)


def _listed_orders(cart: CartClient, lease: LeaseHandle) -> dict[str, SupplierOrderRow]:
    """Read the lists of orders that hold goods, or have sent them, to the last page."""
    found: dict[str, SupplierOrderRow] = {}
    for kind in LISTED:
        for page in range(1, MOST_PAGES + 1):
            answer = cart.orders_page(kind, page=page, priority="crawl")
            lease.confirm()
            found |= {row.order_id: row for row in answer.rows}
            if page >= answer.total_pages:
                break
        else:
            raise PeerProtocolError(_("Al-Style's list of orders has no end"))
    note_listed(list(found))
    return {n: row for n, row in found.items() if row.status not in GONE}


def _sent_though_released(
    cart: CartClient,
    lease: LeaseHandle,
    listed: set[str],
    *,
    unread: set[str],
    now: datetime,
) -> dict[str, SupplierOrderRow]:
    """Read those called released that left the lists without being seen cancelled.

    The archive's lists, where those stand that were sent and paid for, are not read to
    their end. Adds to `unread` the numbers that could not be read.
    """
    told = Finding.objects.open().filter(kind=Kind.STILL_LIVE)
    numbers = [finding.facts["number"] for finding in told]
    lately = Q(reservations__closed_at__gt=now - RELEASED_WITHIN)
    having = Reservation.objects.exclude(status=Reservation.Status.RELEASED)
    released = (
        SupplierOrder.objects.numbered(*numbers) | SupplierOrder.objects.filter(lately)
    ).exclude(Q(status__in=GONE) | Q(reservations__in=having))
    sent: dict[str, SupplierOrderRow] = {}
    for supplied in released.distinct().order_by("-placed_at", "-pk")[:MOST_READ]:
        number = supplied.listed_id or supplied.supplier_order_id
        if number in listed:
            continue
        lease.confirm()
        row = cart.find_order(supplied.supplier_order_id, priority="crawl")
        if row is None:
            unread.add(number)
        elif row.status in GONE:
            SupplierOrder.objects.filter(pk=supplied.pk).update(status=row.status)
        elif row.status in SupplierOrder.SHIPPED:
            sent[number] = row
    return sent


def _as_told(unread: set[str]) -> Iterator[Contradiction]:
    """Let stand what was told of orders that cannot be read."""
    told = Finding.objects.open().filter(kind__in=AT_ALSTYLE).select_related("order")
    for finding in told:
        if finding.facts["number"] in unread:
            yield Contradiction(
                kind=Kind(finding.kind),
                subject=finding.subject,
                text=finding.text,
                facts=finding.facts,
                order=finding.order,
            )


def _released_but_alive(
    listed: dict[str, SupplierOrderRow], owners: dict[str, SupplierOrder]
) -> Iterator[Contradiction]:
    """An order whose goods somebody called released, and Al-Style has or sent it."""
    for number, row in listed.items():
        supplied = owners.get(number)
        if supplied is None:
            continue
        reservations = list(supplied.reservations.all())
        released = [r for r in reservations if r.status == Reservation.Status.RELEASED]
        if not released or len(released) < len(reservations) or supplied.merged.all():
            continue
        has_left = row.status in SupplierOrder.SHIPPED
        if has_left:
            text = _(
                "The goods of Al-Style's order %(number)s were called released, but it "
                "was shipped (%(status)s): they come all the same and stay with you, "
                "unless Al-Style takes them back"
            )
        else:
            text = _(
                "The goods of Al-Style's order %(number)s were called released, but it "
                "is still alive there (%(status)s): cancel it there"
            )
        yield Contradiction(
            kind=Kind.STILL_LIVE,
            subject=f"Al-Style {number}",
            text=text
            % {"number": number, "status": SupplierOrder.name_status(row.status)},
            # Who has seen it alive has not seen it shipped.
            facts={"number": number} | ({"has_left": True} if has_left else {}),
            order=released[-1].order,
        )


def _of_nobody(
    cart: CartClient,
    lease: LeaseHandle,
    nobodys: list[SupplierOrderRow],
    *,
    unread: set[str],
    now: datetime,
) -> Iterator[Contradiction]:
    """Orders nobody of ours has that bear our code, or that a lost purchase made."""
    given_up = _given_up(now=now)
    for listed in _read_singly(
        cart, lease, nobodys, given_up=given_up, unread=unread, now=now
    ):
        if SupplierOrder.objects.numbered(listed.order_id).exists():
            # Noted while the lists were read.
            continue
        if order := _named(listed):
            if _may_be_known_soon(order):
                continue
            text = _(
                "Al-Style's order %(number)s bears this order's code, and none of our "
                "reservations holds it: cancel it there, or reserve by hand under it"
            )
            yield Contradiction(
                kind=Kind.NOBODYS,
                subject=f"Al-Style {listed.order_id}",
                text=text % {"number": listed.order_id},
                facts={"number": listed.order_id},
                order=order,
            )
        elif fitting := next((p for p in given_up if _fits(listed, p)), None):
            yield _of_given_up(listed, fitting)


def _may_be_known_soon(order: Order) -> bool:
    """Tell whether it is just being looked for, or may be ours under another number."""
    mine = order.reservations.all()
    unsettled = Purchase.objects.unsettled().filter(reservations__in=mine)
    unread = mine.filter(supplier_order__isnull=False, supplier_order__read_at=None)
    return unsettled.exists() or unread.exists()


def _of_given_up(row: SupplierOrderRow, purchase: Purchase) -> Contradiction:
    text = _(
        "Al-Style's order %(number)s is nobody's and has just what purchase "
        "%(purchase)s was to buy, which was given up (%(goods)s)"
    )
    figures = {
        "number": row.order_id,
        "purchase": purchase,
        "goods": shown(purchase.quantities),
    }
    reservation = purchase.reservations.select_related("order").first()
    return Contradiction(
        kind=Kind.GIVEN_UP,
        subject=f"Al-Style {row.order_id}",
        text=text % figures,
        facts={"number": row.order_id, "purchase": purchase.pk},
        order=reservation.order if reservation is not None else None,
    )


def _read_singly(
    cart: CartClient,
    lease: LeaseHandle,
    nobodys: list[SupplierOrderRow],
    *,
    given_up: list[Purchase],
    unread: set[str],
    now: datetime,
) -> Iterator[SupplierOrderRow]:
    """Read those that may be ours, with their lines; give the others as listed.

    Adds to `unread` the numbers that could not be read.
    """
    open_ = Finding.objects.open().filter(kind__in=(Kind.NOBODYS, Kind.GIVEN_UP))
    asked = {subject.split()[-1] for subject in open_.values_list("subject", flat=True)}
    listings = SupplierListing.objects.filter(first_seen_at__gte=now - READ_WITHIN)
    young = set(
        listings.filter(number__in=[row.order_id for row in nobodys]).values_list(
            "number", flat=True
        )
    )
    sums = {purchase.sum_kzt for purchase in given_up} - {None}
    reads = 0
    # What is open already first: unread, it would look settled.
    for listed in sorted(nobodys, key=lambda row: row.order_id not in asked):
        may_be_ours = listed.order_id in asked | young or listed.sum_kzt in sums
        if not may_be_ours or reads >= MOST_READ:
            yield listed
            continue
        reads += 1
        lease.confirm()
        row = cart.find_order(listed.order_id, priority="crawl")
        if row is None:
            unread.add(listed.order_id)
        yield row or listed


def _given_up(*, now: datetime) -> list[Purchase]:
    """Purchases that were submitted and given up lately, the youngest first."""
    given_up = Purchase.objects.filter(
        status=Purchase.Status.GIVEN_UP, created_at__gte=now - GIVEN_UP_WITHIN
    )
    unsettled = [purchase.quantities for purchase in Purchase.objects.unsettled()]
    return [
        purchase
        for purchase in given_up
        if purchase.may_be_bought and purchase.quantities not in unsettled
    ]


def _named(row: SupplierOrderRow) -> Order | None:
    words = row.words.replace(",", " ").split()
    return Order.objects.filter(code__in=words).first() if words else None


def _fits(row: SupplierOrderRow, purchase: Purchase) -> bool:
    if row.lines is None:
        return False
    there = SupplierOrder(lines=[list(line) for line in row.lines]).quantities
    if there != purchase.quantities:
        return False
    sent = purchase.first_submit_at
    earlier = SupplierListing.objects.filter(
        number=row.order_id, first_seen_at__lt=sent
    )
    return not earlier.exists()
