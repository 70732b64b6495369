"""Reconciles from the database alone: puts right what it can, tells the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from orders.models import (
    Finding,
    LearnedFact,
    Order,
    Purchase,
    ReadMark,
    Reservation,
    Step,
    SupplierOrder,
    whole_order,
)
from orders.models.purchase import PurchaseQuerySet
from orders.models.supply import ReservationQuerySet
from orders.plan.events import record
from orders.plan.planning import replan
from orders.plan.wanting import want_step
from orders.reconciling.contradictions import (
    IN_HAND,
    Contradiction,
    contradictions_of,
    goods_of,
    goods_of_order,
    has_step,
    load_whole,
    supplied_of_order,
)
from orders.reconciling.raising import Reconciled, keep, not_accepted
from orders.reconciling.waiting import (
    overdue_of_order,
    overdue_purchases,
    unshown_purchases,
)
from orders.supply.learning import learned
from plumbing.leases import under_lease

LEASE = "reconcile"
AT_ONCE = 200
# Al-Style ships within days, and cancels within its working day.
SENT_WITHIN = timedelta(days=30)
# Planning follows a reservation at once; only a worker that died leaves this.
FORGOTTEN_AFTER = timedelta(minutes=10)


def reconcile(*, now: datetime, dry_run: bool = False) -> Reconciled:
    """Look at every order that may contradict something, and at the purchases.

    `dry_run`: nothing is written. Raises `LeaseTaken` when a run is under way.
    """
    result = Reconciled()
    if dry_run:
        for order in _orders(_suspects(now=now)):
            result.tell(not_accepted(_found(order, now=now)))
        result.tell(not_accepted(_of_purchases(now=now)))
        return result
    with under_lease(LEASE) as lease:
        for order in _orders(_suspects(now=now)):
            has_findings = any(f.is_open for f in order.findings.all())
            if (
                has_findings
                or _is_forgotten(order, now=now)
                or _is_to_be_fitted(order)
                or any(_found(order, now=now))
            ):
                lease.confirm()
                _reconcile_order(order.pk, now=now, result=result)
        lease.confirm()
        keep(
            _of_purchases(now=now),
            among=Finding.objects.filter(purchase__isnull=False),
            now=now,
            result=result,
        )
    return result


def reconcile_order(order_id: int, *, now: datetime) -> Reconciled:
    """Look at one order again; the open findings tell what still stands."""
    result = Reconciled()
    _reconcile_order(order_id, now=now, result=result)
    return result


def _suspects(*, now: datetime) -> list[int]:
    """Every order that lives, of which something is open, or sent in vain lately."""
    in_vain = Order.objects.filter(
        status=Order.CANCELLED,
        ended_at__gte=now - SENT_WITHIN,
        handed_over_at=None,
        reservations__status=Reservation.Status.SHIPPED,
    )
    something = (
        Q(ended_at__isnull=True)
        | Q(pk__in=Reservation.objects.open().values("order"))
        | Q(pk__in=Step.objects.open().values("order"))
        | Q(pk__in=Finding.objects.open().in_database().values("order"))
        | Q(pk__in=_odd_purchases().values("reservations__order"))
        | Q(pk__in=_bought_in_vain().values("order"))
        | Q(pk__in=in_vain.values("pk"))
    )
    return list(
        Order.objects.filter(something).order_by("pk").values_list("pk", flat=True)
    )


def _odd_purchases() -> PurchaseQuerySet:
    """Purchases under another number than was answered, or made for nobody."""
    settled = Purchase.objects.exclude(status__in=Purchase.UNSETTLED)
    numbered = settled.exclude(number="")
    same = Q(number=F("supplier_order__supplier_order_id")) | Q(
        number=F("supplier_order__listed_id")
    )
    nobodys = settled.filter(
        supplier_order__isnull=False, supplier_order__reservations__isnull=True
    )
    # A comparison with nothing is neither true nor false in SQL.
    known = numbered.filter(same)
    return settled.filter(
        Q(pk__in=numbered.exclude(pk__in=known.values("pk")).values("pk"))
        | Q(pk__in=nobodys.values("pk"))
    )


def _bought_in_vain() -> ReservationQuerySet:
    """Reservations that hold nothing of what was bought for them and still stands."""
    over = (SupplierOrder.CANCELLED, *SupplierOrder.SHIPPED)
    made = Purchase.objects.filter(status=Purchase.Status.MADE)
    standing = made.exclude(supplier_order__status__in=over)
    return Reservation.objects.filter(supplier_order=None, purchases__in=standing)


def _orders(pks: list[int]) -> Iterator[Order]:
    for place in range(0, len(pks), AT_ONCE):
        some = Order.objects.filter(pk__in=pks[place : place + AT_ONCE])
        yield from load_whole(some.order_by("pk"))


def _found(order: Order, *, now: datetime) -> list[Contradiction]:
    first = ReadMark.objects.first_read_at()
    return [
        *contradictions_of(order, first_read_at=first),
        *overdue_of_order(order, now=now),
    ]


def _of_purchases(*, now: datetime) -> list[Contradiction]:
    return [*overdue_purchases(now=now), *unshown_purchases(now=now)]


def _reconcile_order(pk: int, *, now: datetime, result: Reconciled) -> None:
    with transaction.atomic():
        # As planning does: nobody changes the order's plan meanwhile.
        Order.objects.select_for_update().get(pk=pk)
        (order,) = _orders([pk])
        if _put_right(order, now=now):
            result.healed += 1
            (order,) = _orders([pk])
        keep(
            _found(order, now=now),
            among=Finding.objects.in_database().filter(order=pk, purchase=None),
            now=now,
            result=result,
        )


def _put_right(order: Order, *, now: datetime) -> bool:
    """Do what planning would have done, had it been asked; True when it changed."""
    found = {x.kind for x in contradictions_of(order, first_read_at=None)}
    held = next(
        (r for r in order.reservations.all() if r.status in Reservation.OPEN), None
    )
    changed = False
    if held is not None and _kept_lines_apart(order, held):
        held.want(order.lines.all())
        text = _("The reservation is made what the order says")
        record(order, text, now=now)
        changed = True
    if held is not None and _is_to_be_trimmed(order, held):
        text = _("The buyer took a line off: taking it out of Al-Style's order")
        changed |= want_step(order, Step.Kind.TRIM, now=now, text=text) is not None
    if Finding.Kind.NOT_HELD in found and held is not None:
        wanted = held.status == Reservation.Status.WANTED
        if wanted and not has_step(order, Step.Kind.RESERVE, *Step.OPEN):
            # Its look finds the purchase that was made.
            changed |= want_step(order, Step.Kind.RESERVE, now=now) is not None
    is_asked = held is not None and has_step(
        order, Step.Kind.RELEASE, since=held.created_at
    )
    ended = {Finding.Kind.NOT_RELEASED, Finding.Kind.OPEN_OF_ENDED} & found
    if (ended and not is_asked) or _is_forgotten(order, now=now):
        before = _plan_of(order)
        replan(order, now=now)
        changed |= _plan_of(order) != before
    return changed


def _plan_of(order: Order) -> list[tuple[int, str]]:
    steps = Step.objects.filter(order=order).values_list("pk", "status")
    reservations = Reservation.objects.filter(order=order).values_list("pk", "status")
    return [*steps, *reservations]


def _is_forgotten(order: Order, *, now: datetime) -> bool:
    """Tell whether goods are held for an order that nobody was asked to accept."""
    if not settings.AUTO_ACCEPT or not order.awaits_accept or order.is_closed:
        return False
    if has_step(order, Step.Kind.ACCEPT):
        return False
    return any(
        reservation.status in Reservation.SERVING
        and reservation.held_at is not None
        and now - reservation.held_at > FORGOTTEN_AFTER
        for reservation in order.reservations.all()
    )


def _is_to_be_fitted(order: Order) -> bool:
    reservations = order.reservations.all()
    held = next((r for r in reservations if r.status in Reservation.OPEN), None)
    return held is not None and _kept_lines_apart(order, held)


def _is_to_be_trimmed(order: Order, held: Reservation) -> bool:
    """Tell whether Al-Style's order is to be made as small as the buyer's by itself.

    Once it was seen that this works, and unless it was tried and given up.
    """
    if held.status != Reservation.Status.HELD or held.supplier_order is None:
        return False
    if order.is_over or order.handed_over_at:
        return False
    wanted, reserved = goods_of_order(order), goods_of(held)
    is_less = all(n <= reserved.get(article, 0) for article, n in wanted.items())
    if not wanted or not is_less or wanted == reserved:
        return False
    tried = (*IN_HAND, Step.Status.SKIPPED)
    if has_step(order, Step.Kind.TRIM, *tried, since=held.created_at):
        return False
    return learned(LearnedFact.Name.ORDERS_CHANGE) == "yes"


def _kept_lines_apart(order: Order, held: Reservation) -> bool:
    """Tell whether the reservation may be made what the order says.

    One that is still wanted and not being bought; one that is held when Al-Style's
    order was put right already: it has just what all orders that share it want.
    """
    if order.is_over or goods_of_order(order) == goods_of(held):
        return False
    if any(line.quantity and line.product is None for line in order.lines.all()):
        return False
    if held.status == Reservation.Status.WANTED:
        given_up = Purchase.Status.GIVEN_UP
        if any(purchase.status != given_up for purchase in held.purchases.all()):
            return False
        return not has_step(order, Step.Kind.RESERVE, *Step.UNSETTLED)
    if held.status != Reservation.Status.HELD or held.supplier_order is None:
        return False
    whole = whole_order(held.supplier_order)
    if not whole.lines or not goods_of_order(order):
        return False
    return whole.quantities == _ordered_of(whole)


def _ordered_of(whole: SupplierOrder) -> dict[str, int]:
    """Map articles to the pieces that the buyers' orders want which share this one."""
    sharing = Reservation.objects.open().filter(
        supplier_order__in=[whole, *whole.merged_sources()]
    )
    pieces: Counter[str] = Counter()
    for reservation in sharing.select_related("order"):
        pieces.update(supplied_of_order(reservation.order))
    return dict(pieces)
