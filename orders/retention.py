"""What is forgotten of orders that ended: personal data first, their history later."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from orders.forgetting import forget_buyers
from orders.models import (
    Buyer,
    Order,
    OrderEvent,
    Purchase,
    Reservation,
    Step,
    Waybill,
)
from orders.models.order import OrderQuerySet
from plumbing.batches import delete_in_batches
from plumbing.wiping import overwriting

# Orders whose texts are gone through in one transaction.
BATCH = 100


def delete_buyer_data(*, now: datetime) -> int:
    """Forget buyers, and the waybills that name them; return how many buyers."""
    ended_before = now - timedelta(days=settings.BUYER_DATA_KEPT_DAYS)
    due = Buyer.objects.filter(order__ended_at__lt=ended_before).order_by("pk")
    forgotten, last = 0, 0
    with overwriting():
        # By the order's end, not by the buyer's row: it may be gone already.
        _delete_waybills(ended_before)
        while pks := list(due.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
            forgotten += forget_buyers(pks, now=now)
            last = pks[-1]
    return forgotten


def delete_old_waybills(*, now: datetime) -> int:
    """Delete the waybills of orders that ended the set time ago; return how many."""
    days = settings.WAYBILLS_KEPT_DAYS
    return _delete_waybills(now - timedelta(days=days)) if days else 0


def delete_old_events(*, now: datetime) -> int:
    """Delete the events of orders settled the set time ago; return how many."""
    days = settings.EVENTS_KEPT_DAYS
    if not days:
        return 0
    settled = settled_orders(now - timedelta(days=days))
    return delete_in_batches(OrderEvent.objects.filter(order__in=settled))


def delete_old_steps(*, now: datetime) -> int:
    """Delete the steps of orders settled the set time ago; return how many."""
    days = settings.STEPS_KEPT_DAYS
    if not days:
        return 0
    settled = settled_orders(now - timedelta(days=days))
    return delete_in_batches(Step.objects.filter(order__in=settled))


def settled_orders(ended_before: datetime) -> OrderQuerySet:
    """Find orders that ended before then and of which nothing more is to come."""
    waits = Q(status__in=Step.OPEN) | Q(status__in=Step.STUCK)
    steps = Step.objects.filter(waits, order=OuterRef("pk"))
    reservations = Reservation.objects.open() | Reservation.objects.counted()
    purchases = Purchase.objects.unsettled()
    return Order.objects.filter(
        ~Exists(steps),
        ~Exists(reservations.filter(order=OuterRef("pk"))),
        ~Exists(purchases.filter(reservations__order=OuterRef("pk"))),
        ended_at__lt=ended_before,
    )


def _delete_waybills(ended_before: datetime) -> int:
    return delete_in_batches(Waybill.objects.filter(order__ended_at__lt=ended_before))
