"""Follows our orders at Al-Style: held, merged, shipped, cancelled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient, OrderType
from catalog.alstyle.trade import SupplierOrderRow
from orders.models import Cause, Reason, Reservation, Step, SupplierOrder
from orders.plan.ages import RESERVATION_AGES
from orders.plan.transitions import move_reservation, skip_needless
from orders.plan.wanting import want_step
from orders.supply.listing import note_listed
from orders.supply.verifying import ask_for_check, difference_of, verify_purchases
from plumbing.leases import database_now, under_lease

FOLLOWED: tuple[OrderType, ...] = ("index", "current", "canceled", "archive")
MOST_PAGES = 10
# Read one by one in a run: those no page showed, and those whose lines to check.
MOST_SINGLES = 10


@dataclass(slots=True)
class Followed:
    """What one run saw."""

    read: int = 0
    changed: int = 0

    @property
    def summary(self) -> str:
        """Say it in one line."""
        return f"{self.read} orders at Al-Style read, {self.changed} changed"


def follow_supplier_orders(cart: CartClient, *, now: datetime) -> Followed:
    """Read what became of the orders that hold our goods; low priority."""
    result = Followed()
    with under_lease("alstyle-follow"):
        verify_purchases(cart)
        tracked = list(_tracked())
        if not tracked:
            return result
        listed = _read_lists(cart, tracked)
        singles = MOST_SINGLES
        for supplied in tracked:
            row = seen = listed.get(supplied.supplier_order_id) or listed.get(
                supplied.listed_id
            )
            if singles > 0 and _is_to_be_read(supplied, seen):
                singles -= 1
                # Unknown to the supplier: the lists of the next run may show it.
                number = supplied.supplier_order_id
                row = cart.find_order(number, priority="crawl") or seen
            if row is not None:
                result.read += 1
                listed_sum = seen.sum_kzt if seen is not None else None
                # A run takes minutes: by its beginning, a stock reading made in between
                # would seem to contain what was shipped after it.
                result.changed += apply_row(
                    supplied, row, listed_sum_kzt=listed_sum, now=database_now()
                )
        _complain_about_slow_releases(now=now)
    return result


def apply_row(
    supplied: SupplierOrder,
    row: SupplierOrderRow,
    *,
    listed_sum_kzt: int | None,
    now: datetime,
) -> bool:
    """Take in what the supplier says of an order; True when something changed."""
    with transaction.atomic():
        supplied = SupplierOrder.objects.select_for_update().get(pk=supplied.pk)
        before = (supplied.status, supplied.merged_into_id)
        supplied.status, supplied.read_at = row.status, now
        if row.order_id != supplied.supplier_order_id:
            supplied.listed_id = row.order_id
        if row.lines is not None:
            supplied.lines = [list(line) for line in row.lines]
            supplied.sum_kzt = row.sum_kzt
            supplied.listed_sum_kzt = listed_sum_kzt
        if row.status == SupplierOrder.MERGED and row.merge_with:
            supplied.merged_into = _merge_target(row.merge_with, supplied, now=now)
        supplied.save()
        is_whole = row.lines is not None and supplied.merged_into_id is None
        if is_whole and (reason := difference_of(supplied)):
            ask_for_check(supplied, reason)
        _follow_reservations(supplied, now=now)
        return before != (supplied.status, supplied.merged_into_id)


def _tracked() -> Iterable[SupplierOrder]:
    """Orders that hold goods of an open reservation, and what they merged into."""
    held = Reservation.objects.held()
    ids = set(held.values_list("supplier_order_id", flat=True))
    while True:
        targets = set(
            SupplierOrder.objects.filter(pk__in=ids, merged_into__isnull=False)
            .exclude(merged_into__in=ids)
            .values_list("merged_into_id", flat=True)
        )
        if not targets:
            break
        ids |= targets
    return SupplierOrder.objects.filter(pk__in=ids).order_by("read_at", "pk")


def _read_lists(
    cart: CartClient, tracked: list[SupplierOrder]
) -> dict[str, SupplierOrderRow]:
    wanted = {s.listed_id or s.supplier_order_id for s in tracked}
    rows: dict[str, SupplierOrderRow] = {}
    for kind in FOLLOWED:
        for page in range(1, MOST_PAGES + 1):
            if wanted <= rows.keys():
                return rows
            answer = cart.orders_page(kind, page=page, priority="crawl")
            fresh = {r.order_id: r for r in answer.rows if r.order_id not in rows}
            rows.update(fresh)
            note_listed(list(fresh))
            if not fresh or page >= answer.total_pages:
                break
    return rows


def _is_to_be_read(supplied: SupplierOrder, seen: SupplierOrderRow | None) -> bool:
    """Tell whether an order is to be read alone: lists show neither lines nor all."""
    if seen is None or supplied.read_at is None:
        return True
    # A manager took pieces out of it, or put some in.
    return supplied.has_other_sum(seen.sum_kzt)


def _merge_target(
    number: str, supplied: SupplierOrder, *, now: datetime
) -> SupplierOrder | None:
    known = SupplierOrder.objects.numbered(number).first()
    if known is None:
        known = SupplierOrder.objects.create(supplier_order_id=number, placed_at=now)
    # A ring of merges would be followed for ever.
    step: SupplierOrder | None = known
    while step is not None:
        if step.pk == supplied.pk:
            return None
        step = step.merged_into
    return known


def _follow_reservations(supplied: SupplierOrder, *, now: datetime) -> None:
    for source in (supplied, *supplied.merged_sources()):
        for reservation in source.reservations.held().select_related("order"):
            _follow(reservation, supplied, now=now)


def _follow(
    reservation: Reservation, supplied: SupplierOrder, *, now: datetime
) -> None:
    figures = {"number": supplied}
    if supplied.has_left_stock:
        text = _("Al-Style has shipped order %(number)s")
        moved = move_reservation(
            reservation,
            Reservation.Status.SHIPPED,
            text=text % figures,
            now=now,
            left_stock_at=now,
        )
        if moved:
            _drop_releases(reservation, now=now)
    elif supplied.is_cancelled:
        was_held = reservation.status == Reservation.Status.HELD
        text = _("Al-Style has cancelled order %(number)s")
        moved = move_reservation(
            reservation, Reservation.Status.RELEASED, text=text % figures, now=now
        )
        if moved:
            _drop_releases(reservation, now=now)
        if moved and was_held:
            _want_again(reservation, supplied, now=now)


def _drop_releases(reservation: Reservation, *, now: datetime) -> None:
    """Ask nobody any more to let go what is held no longer."""
    asked = reservation.order.steps.of_kind(Step.Kind.RELEASE).idle()
    for step in asked.filter(created_at__gte=reservation.created_at):
        skip_needless(step, reason=_("Al-Style holds the goods no longer"), now=now)


def _want_again(
    reservation: Reservation, supplied: SupplierOrder, *, now: datetime
) -> None:
    """The supplier let the goods go by itself: a living order needs a person."""
    order = reservation.order
    if order.is_over or order.is_closed:
        return
    anew = Reservation.objects.create(order=order, created_at=now)
    for line in reservation.lines.all():
        line.pk, line.reservation, line.bought = None, anew, None
        line.save(force_insert=True)
    text = _(
        "Al-Style cancelled order %(number)s by itself: reserve the goods anew, "
        "or cancel the buyer's order"
    )
    want_step(
        order,
        Step.Kind.RESERVE,
        now=now,
        needs_person=Cause(Reason.SUPPLIER_CANCELLED, text % {"number": supplied}),
    )


def _complain_about_slow_releases(*, now: datetime) -> None:
    slow = Reservation.objects.filter(
        status=Reservation.Status.RELEASING
    ).select_related("order", "supplier_order")
    for reservation in slow:
        releases = reservation.order.steps.of_kind(Step.Kind.RELEASE)
        asked = releases.filter(status=Step.Status.DONE).last()
        if asked is None or asked.finished_at is None:
            continue
        if now - asked.finished_at > RESERVATION_AGES[reservation.status]:
            text = _("Al-Style has not cancelled order %(number)s: call its manager")
            figures = {"number": reservation.supplier_order}
            want_step(
                reservation.order,
                Step.Kind.RELEASE,
                now=now,
                needs_person=Cause(Reason.NOT_CANCELLED_YET, text % figures),
            )
