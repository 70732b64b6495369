"""Stores what was read of orders: new ones whole, known ones where they differ."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DataError, IntegrityError, transaction
from django.db.models import Q, QuerySet

from catalog.models import Product
from orders.kaspi.schema import KaspiOrder
from orders.models import (
    Buyer,
    Order,
    OrderEvent,
    OrderLine,
    Reservation,
    ReservationLine,
    Step,
)
from orders.plan.events import make_event
from orders.plan.planning import Opening, open_order, replan
from orders.reading.comparing import (
    Products,
    line_of,
    new_buyer,
    order_of,
    order_problem,
)
from orders.reading.updating import is_changed, update_order

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Stored:
    """What became of orders that were read; `failed` holds codes and reasons."""

    new: list[Order] = field(default_factory=list)
    changed: list[Order] = field(default_factory=list)
    unchanged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: Stored) -> None:
        """Add what another batch brought."""
        self.new += other.new
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.failed += other.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How and when orders were read.

    `first_read_at`: orders accepted before this moment were reserved by hand; None =
    the bridge has read no orders yet.
    """

    read_at: datetime
    now: datetime
    first_read_at: datetime | None


@dataclass(slots=True, kw_only=True)
class _New:
    """The rows of one new order, unsaved."""

    order: Order
    lines: list[OrderLine]
    buyer: Buyer | None
    opening: Opening
    remarks: list[OrderEvent]


def load_known(seen: Sequence[KaspiOrder]) -> dict[str, Order]:
    """Load the orders that are stored already, by code, with lines and buyer."""
    ids, codes = [order.id for order in seen], [order.code for order in seen]
    found = Order.objects.filter(Q(kaspi_id__in=ids) | Q(code__in=codes))
    known = {}
    for order in _whole(found):
        known[order.code] = order
    return known


def store(
    seen: Sequence[KaspiOrder], known: dict[str, Order], arrival: Arrival
) -> Stored:
    """Store a batch: the new orders in one transaction, each changed one in its own."""
    products = _products_of(seen, known.values())
    stored = _take_in(
        [order for order in seen if order.code not in known], arrival, products=products
    )
    unchanged = []
    for order in seen:
        row = known.get(order.code)
        if row is None:
            continue
        if not is_changed(row, order, products=products, now=arrival.now):
            unchanged.append(row)
        elif update_order(row.pk, order, products=products, arrival=arrival):
            stored.changed.append(row)
    _note_unchanged(unchanged, arrival)
    stored.unchanged += len(unchanged)
    return stored


def _whole(orders: QuerySet[Order]) -> QuerySet[Order]:
    return orders.select_related("buyer").prefetch_related("lines__product")


def _products_of(seen: Iterable[KaspiOrder], known: Iterable[Order]) -> Products:
    """Find the products of every SKU in question in one query."""
    skus = {entry.sku for order in seen for entry in order.entries or ()}
    # A line that waits for its product finds it when the SKU has been mapped since.
    skus |= {
        line.sku
        for order in known
        for line in order.lines.all()
        if line.product_id is None
    }
    return Product.objects.in_bulk(skus - {""}, field_name="sku")


def _take_in(seen: list[KaspiOrder], arrival: Arrival, *, products: Products) -> Stored:
    """Save new orders, all at once; where one is in the way, one by one."""
    stored = Stored()
    if not seen:
        return stored
    try:
        stored.new = _insert([_new(order, arrival, products) for order in seen])
    except (IntegrityError, DataError):
        for order in seen:
            stored.add(_take_in_one(order, arrival, products=products))
    return stored


def _take_in_one(seen: KaspiOrder, arrival: Arrival, *, products: Products) -> Stored:
    try:
        return Stored(new=_insert([_new(seen, arrival, products)]))
    except (IntegrityError, DataError) as error:
        # Another process has stored it meanwhile, or it cannot be stored at all.
        known = load_known([seen]).get(seen.code)
        if known is not None:
            update_order(known.pk, seen, products=products, arrival=arrival)
            return Stored(changed=[known])
        reason = type(error).__name__
        log.warning("order %s cannot be stored: %s", seen.code, reason)
        return Stored(failed=[(seen.code, reason)])


def _new(seen: KaspiOrder, arrival: Arrival, products: Products) -> _New:
    order = order_of(seen, now=arrival.now, read_at=arrival.read_at)
    lines = [line_of(order, entry, products=products) for entry in seen.entries or ()]
    order.problem = order_problem(seen, lines, state=order.state)
    opening = open_order(
        order, lines, now=arrival.now, reserve=is_to_reserve(seen, arrival)
    )
    entries = seen.entries or ()
    remarks = [*seen.remarks, *(words for entry in entries for words in entry.remarks)]
    return _New(
        order=order,
        lines=lines,
        buyer=new_buyer(order, seen),
        opening=opening,
        remarks=[make_event(order, words, now=arrival.now) for words in remarks],
    )


def is_to_reserve(seen: KaspiOrder, arrival: Arrival) -> bool:
    """Tell whether a new order's goods are ours to reserve.

    Whoever accepted it before the bridge first read orders has reserved them too.
    """
    if seen.status == Order.APPROVED or seen.state in (Order.NEW, Order.SIGN_REQUIRED):
        return True
    first = arrival.first_read_at
    return first is not None and (seen.created_at or arrival.now) >= first


def _insert(new: list[_New]) -> list[Order]:
    openings = [item.opening for item in new]
    with transaction.atomic():
        Order.objects.bulk_create([item.order for item in new])
        Buyer.objects.bulk_create([item.buyer for item in new if item.buyer])
        OrderLine.objects.bulk_create([line for item in new for line in item.lines])
        Reservation.objects.bulk_create(
            [opening.reservation for opening in openings if opening.reservation]
        )
        ReservationLine.objects.bulk_create(
            [line for opening in openings for line in opening.reservation_lines]
        )
        Step.objects.bulk_create(
            [step for opening in openings for step in opening.steps]
        )
        OrderEvent.objects.bulk_create(
            [event for item in new for event in (*item.opening.events, *item.remarks)]
        )
    return [item.order for item in new]


def _note_unchanged(orders: list[Order], arrival: Arrival) -> None:
    """Note in one query that they were seen; look after accepts without effect."""
    pks = [order.pk for order in orders]
    earlier = Order.objects.filter(pk__in=pks, last_seen__lt=arrival.read_at)
    if not pks or not earlier.update(last_seen=arrival.read_at):
        return
    waiting = [order.pk for order in orders if order.status == Order.APPROVED]
    if not waiting:
        return
    accepted = Step.objects.filter(
        order__in=waiting, kind=Step.Kind.ACCEPT, status=Step.Status.DONE
    )
    for order in Order.objects.filter(pk__in=accepted.values("order")):
        replan(order, now=arrival.now)
