"""Watches the deadlines of orders that are not accepted yet."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from orders.kaspi.client import PEER_NAME
from orders.models import Order, Step
from orders.models.step import StepParameters
from orders.plan.events import record
from orders.plan.wanting import want_step
from plumbing.clocks import time_at


def due_now(*, now: datetime) -> datetime:
    """Return the time by which deadlines run: Kaspi's, however far ours is from it."""
    return time_at(PEER_NAME, now=now)


def watch_deadlines(*, now: datetime) -> int:
    """Warn once of each order whose deadline is near; returns how many.

    Where the owner wants it, such an order is accepted although nothing is reserved.
    """
    near = due_now(now=now) + timedelta(minutes=settings.DEADLINE_NEAR_MIN)
    pressing = Order.objects.open().awaiting_accept().filter(accept_by__lte=near)
    unreserved = _(
        "Accepted unreserved before its deadline, as the owner's setting says"
    )
    warned = 0
    for order in pressing.filter(deadline_warned_at__isnull=True):
        with transaction.atomic():
            mine = Order.objects.filter(pk=order.pk, deadline_warned_at__isnull=True)
            if not mine.update(deadline_warned_at=now):
                continue
            record(order, _("The deadline to accept the order is near"), now=now)
            if settings.ACCEPT_UNRESERVED_BEFORE_DEADLINE and settings.AUTO_ACCEPT:
                _want_first(order, Step.Kind.ACCEPT, now=now, text=unreserved)
            warned += 1
    return warned


def cancel_out_of_stock(*, now: datetime) -> int:
    """Where the owner wants it, cancel what the supplier refused for stock."""
    if not settings.AUTO_CANCEL_OUT_OF_STOCK:
        return 0
    short = Step.objects.of_kind(Step.Kind.RESERVE).filter(
        status=Step.Status.REFUSED,
        answered__is_stock=True,
        order__in=Order.objects.open().filter(status=Order.APPROVED),
    )
    text = _("Cancelled as out of stock, as the owner's setting says")
    return sum(
        _want_first(step.order, Step.Kind.CANCEL, now=now, text=text)
        for step in short.select_related("order")
    )


def _want_first(order: Order, kind: Step.Kind, *, now: datetime, text: str) -> bool:
    """Ask for a step that was never asked for: one refused or dropped is a person's."""
    parameters: StepParameters = (
        {"reason": "MERCHANT_OUT_OF_STOCK"}
        if kind == Step.Kind.CANCEL
        else {"unreserved": True}
    )
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=order.pk)
        if order.steps.of_kind(kind).asked_or_dropped_by_person().exists():
            return False
        step = want_step(order, kind, now=now, parameters=parameters, text=text)
        return step is not None
