"""Reconciles from both peers' lists: what they have and nobody here knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient, OrderType
from catalog.alstyle.trade import SupplierOrderRow
from orders.clients import Clients
from orders.kaspi.client import KaspiClient
from orders.kaspi.listing import SKEW, WINDOW, read_list
from orders.kaspi.schema import KaspiOrder
from orders.kaspi.words import said
from orders.models import (
    Finding,
    Order,
    Purchase,
    ReadMark,
    Reservation,
    SupplierListing,
    SupplierOrder,
)
from orders.reconciling.contradictions import Contradiction, shown
from orders.reconciling.raising import Reconciled, keep, not_accepted
from orders.supply.listing import note_listed
from plumbing.leases import LeaseHandle, database_now, under_lease
from plumbing.peers import PeerError, PeerProtocolError

Kind = Finding.Kind
AT_ALSTYLE = (Kind.NOBODYS, Kind.GIVEN_UP, Kind.STILL_LIVE)
LEASE = "reconcile-peers"
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
# The poll takes in what is younger by itself.
TAKEN_IN_WITHIN = timedelta(minutes=30)


def reconcile_with_peers(
    clients: Clients, *, now: datetime, dry_run: bool = False
) -> Reconciled:
    """Read both peers' lists at crawl priority and compare them with our rows.

    A peer that cannot be read keeps its findings as they are. Raises `PeerError` when
    neither could be read, `LeaseTaken` when a run is under way.
    """
    result, failures = Reconciled(), list[PeerError]()
    with under_lease(LEASE) as lease:
        for kinds, read in (
            (AT_ALSTYLE, _at_alstyle),
            ((Kind.NOT_TAKEN_IN,), _at_kaspi),
        ):
            try:
                found = list(read(clients, lease, now))
            except PeerError as error:
                failures.append(error)
                result.failures.append(str(error))
                continue
            if dry_run:
                result.tell(not_accepted(found))
                continue
            lease.confirm()
            among = Finding.objects.filter(kind__in=kinds)
            keep(found, among=among, now=database_now(), result=result)
    if len(failures) > 1:
        raise failures[0]
    return result


def _at_alstyle(
    clients: Clients, lease: LeaseHandle, now: datetime
) -> Iterator[Contradiction]:
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


def _at_kaspi(
    clients: Clients, lease: LeaseHandle, now: datetime
) -> Iterator[Contradiction]:
    """Orders that Kaspi shows and no row of ours has."""
    first = ReadMark.objects.first_read_at()
    if first is None:
        return
    for state in Order.STATES:
        for seen in _listed_at_kaspi(clients.kaspi, lease, state, now=now):
            created = seen.created_at
            is_young = created is not None and created > now - TAKEN_IN_WITHIN
            has_ended = Order(state=seen.state, status=seen.status).has_ended
            # What had ended before the bridge began to read was left out on purpose.
            is_old = has_ended and (created is None or created < first)
            if is_young or is_old:
                continue
            text = _(
                "Kaspi shows order %(code)s (%(state)s, %(status)s), which the bridge "
                "never took in: look at the readings of orders"
            )
            figures = {
                "code": seen.code,
                "state": said(seen.state),
                "status": said(seen.status),
            }
            yield Contradiction(
                kind=Kind.NOT_TAKEN_IN,
                subject=f"Kaspi {seen.code}",
                text=text % figures,
                facts={"code": seen.code},
            )


def _listed_at_kaspi(
    kaspi: KaspiClient, lease: LeaseHandle, state: str, *, now: datetime
) -> list[KaspiOrder]:
    """Read the orders of a section that no row of ours has."""
    unknown: list[KaspiOrder] = []
    until = now + SKEW
    for batch in read_list(
        kaspi, state, since=until - WINDOW, until=until, moment=database_now
    ):
        lease.confirm()
        ids = [order.id for order in batch.orders]
        codes = [order.code for order in batch.orders]
        known = {
            *Order.objects.filter(kaspi_id__in=ids).values_list("kaspi_id", flat=True),
            *Order.objects.filter(code__in=codes).values_list("code", flat=True),
        }
        unknown += [
            o for o in batch.orders if o.id not in known and o.code not in known
        ]
    return unknown
