"""Saves what was read of orders: new ones whole, known ones where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import Model, Q
from django.utils.translation import gettext as _

from orders.erasures import erased_ids
from orders.kaspi.schema import KaspiOrder
from orders.models import (
    Buyer,
    Order,
    OrderEvent,
    OrderLine,
    Reason,
    Reservation,
    ReservationLine,
    SkuMapping,
    Step,
)
from orders.money.booking import book_safely
from orders.plan.events import make_event, record
from orders.plan.planning import Opening, open_order, replan
from orders.plan.transitions import move_step
from orders.reading.comparing import Products, Values, compare, describe
from orders.reading.failures import tell_failure


@dataclass(slots=True, kw_only=True)
class Saved:
    """What became of orders that were read; `failed` holds codes and reasons."""

    new: list[Order] = field(default_factory=list)
    changed: list[Order] = field(default_factory=list)
    unchanged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: Saved) -> None:
        """Add what another page brought."""
        self.new += other.new
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.failed += other.failed

    def note_failure(self, code: str, error: Exception) -> None:
        """Note an order that could not be saved, and log why."""
        self.failed.append((code, tell_failure(error, about=code)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How and when orders were read.

    `read_at`: when the answer was asked for; a row that is newer is left alone.
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
    whole = found.select_related("buyer").prefetch_related("lines__product")
    return {order.code: order for order in whole}


def save_orders(
    seen: Sequence[KaspiOrder], known: dict[str, Order], arrival: Arrival
) -> Saved:
    """Save a page: the new orders in one transaction, each changed one in its own.

    An order that cannot be saved, for whatever reason, stops no other: it is `failed`.
    """
    products = _products_of(seen, known.values())
    saved = _take_in(
        [order for order in seen if order.code not in known], arrival, products=products
    )
    unchanged = []
    for order in seen:
        row = known.get(order.code)
        if row is None:
            continue
        try:
            differs = compare(
                row,
                row.lines.all(),
                _buyer_of(row),
                order,
                products=products,
                now=arrival.now,
            )
            if not differs:
                unchanged.append(row)
            elif _update(row.pk, order, products=products, arrival=arrival):
                saved.changed.append(row)
        except Exception as error:
            saved.note_failure(row.code, error)
    _note_unchanged(unchanged, arrival, saved)
    saved.unchanged += len(unchanged)
    return saved


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
    return SkuMapping.objects.products_of(skus)


def _buyer_of(order: Order) -> Buyer | None:
    try:
        return order.buyer
    except ObjectDoesNotExist:
        return None


def _set(row: Model, values: Values) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def _take_in(seen: list[KaspiOrder], arrival: Arrival, *, products: Products) -> Saved:
    """Save new orders, all at once; where one is in the way, one by one."""
    saved = Saved()
    if not seen:
        return saved
    try:
        saved.new = _insert([_new(order, arrival, products) for order in seen])
    except Exception:
        # Which of them it was shows when each is saved by itself.
        for order in seen:
            saved.add(_take_in_one(order, arrival, products=products))
    return saved


def _take_in_one(seen: KaspiOrder, arrival: Arrival, *, products: Products) -> Saved:
    try:
        return Saved(new=_insert([_new(seen, arrival, products)]))
    except Exception as error:
        # Another process has saved it meanwhile, or it cannot be saved at all.
        saved = Saved()
        try:
            known = load_known([seen]).get(seen.code)
            if known is None:
                saved.note_failure(seen.code, error)
            elif _update(known.pk, seen, products=products, arrival=arrival):
                saved.changed.append(known)
        except Exception as another:
            saved.note_failure(seen.code, another)
        return saved


def _new(seen: KaspiOrder, arrival: Arrival, products: Products) -> _New:
    now = arrival.now
    order = Order(
        code=seen.code,
        created_at=seen.created_at or now,
        first_seen=now,
        last_seen=arrival.read_at,
        # An older database forgot it; Kaspi tells the buyer all the same.
        buyer_erased_at=now if seen.id in erased_ids() else None,
    )
    differs = compare(order, [], None, seen, products=products, now=now)
    _set(order, differs.order)
    entries = seen.entries or ()
    remarks = [*seen.remarks, *(words for entry in entries for words in entry.remarks)]
    return _New(
        order=order,
        lines=differs.new_lines,
        buyer=Buyer(order=order, **differs.buyer) if differs.buyer else None,
        opening=open_order(
            order,
            differs.new_lines,
            now=now,
            reserve=_is_ours_to_reserve(seen, arrival),
        ),
        remarks=[make_event(order, words, now=now) for words in remarks],
    )


def _is_ours_to_reserve(seen: KaspiOrder, arrival: Arrival) -> bool:
    """Whoever accepted it before the bridge first read orders has reserved it too."""
    if seen.status == Order.APPROVED or seen.state in Order.WAITING_STATES:
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
        book_safely([item.order for item in new], now=new[0].order.first_seen)
    return [item.order for item in new]


def _update(pk: int, seen: KaspiOrder, *, products: Products, arrival: Arrival) -> bool:
    """Save what differs, with its event and the new plan, in one transaction.

    False when a later reading is saved already: what was seen is out of date.
    """
    now = arrival.now
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=pk)
        if order.last_seen > arrival.read_at:
            return False
        lines = list(order.lines.select_related("product"))
        buyer = _buyer_of(order)
        # Again, under the lock: another process may have saved since the page was read.
        differs = compare(order, lines, buyer, seen, products=products, now=now)
        words = describe(differs, order, had_buyer=buyer is not None)
        old_problem = order.problem
        _set(order, differs.order)
        order.last_seen = arrival.read_at
        order.save(update_fields=[*differs.order, "last_seen"])
        for line, values in differs.lines:
            _set(line, values)
            line.save(update_fields=[*values])
        for line in differs.new_lines:
            line.save(force_insert=True)
        if differs.buyer:
            # The order's events hold none of it.
            Buyer.objects.update_or_create(order=order, defaults=differs.buyer)
        if words:
            record(order, _("At Kaspi: %(changes)s") % {"changes": words}, now=now)
        if differs.concerns_goods or old_problem != order.problem:
            step = _fit_reservation(order, [*lines, *differs.new_lines])
            if old_problem != order.problem:
                _note_problem(order, step, old=old_problem, now=now)
        replan(order, now=now)
    return True


def _fit_reservation(order: Order, lines: Sequence[OrderLine]) -> Step | None:
    """Make a reservation that is still to be made want what the lines say.

    Returns the step that waits for it. One that is under way is left alone: the
    goods may be ordered already.
    """
    steps = Step.objects.select_for_update().of_kind(Step.Kind.RESERVE)
    step = steps.filter(order=order).open().first()
    wanted = order.reservations.wanted().first()
    if wanted is None or (step is not None and not step.is_idle):
        return None
    wanted.want(lines)
    return step


def _note_problem(order: Order, step: Step | None, *, old: str, now: datetime) -> None:
    """Tell of a problem, or that it is gone and the order goes on by itself."""
    words = order.problem or _("What was unclear is clear now")
    record(order, words, now=now, step=step)
    if step is None or step.status != Step.Status.NEEDS_PERSON:
        return
    if order.problem:
        cause = order.cause_to_look(order.lines.all())
        Step.objects.filter(pk=step.pk, last_error=old).update(
            last_error=words, reason=cause.reason if cause else Reason.UNREADABLE
        )
    elif step.last_error == old:
        move_step(
            step,
            Step.Status.PENDING,
            text=_("Reserve: nothing stands in the way any more"),
            now=now,
            not_before=now,
            last_error="",
        )


def _note_unchanged(orders: list[Order], arrival: Arrival, saved: Saved) -> None:
    """Note in one query that they were seen; look after accepts without effect."""
    pks = [order.pk for order in orders]
    earlier = Order.objects.filter(pk__in=pks, last_seen__lt=arrival.read_at)
    if not pks or not earlier.update(last_seen=arrival.read_at):
        return
    waiting = [order.pk for order in orders if order.status == Order.APPROVED]
    if not waiting:
        return
    accepted = Step.objects.of_kind(Step.Kind.ACCEPT).filter(
        order__in=waiting, status=Step.Status.DONE
    )
    for order in Order.objects.filter(pk__in=accepted.values("order")):
        try:
            replan(order, now=arrival.now)
        except Exception as error:
            saved.note_failure(order.code, error)
