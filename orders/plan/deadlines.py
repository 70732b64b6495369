"""Watches the deadlines of orders that are not accepted yet."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import Order, Step
from orders.plan.events import record
from orders.plan.planning import make_step

Kind, Status = Step.Kind, Step.Status


def watch_deadlines(*, now: datetime) -> int:
    """Warn once of each order whose deadline is near; returns how many.

    Where the owner wants it, such an order is accepted although nothing is reserved.
    """
    near = now + timedelta(minutes=settings.DEADLINE_NEAR_MIN)
    pressing = Order.objects.filter(
        ended_at__isnull=True,
        status=Order.APPROVED,
        accept_by__lte=near,
        deadline_warned_at__isnull=True,
    ).exclude(state=Order.SIGN_REQUIRED)
    warned = 0
    for order in pressing:
        with transaction.atomic():
            mine = Order.objects.filter(pk=order.pk, deadline_warned_at__isnull=True)
            if not mine.update(deadline_warned_at=now):
                continue
            record(order, _("The deadline to accept the order is near"), now=now)
            _accept_unreserved(order, now=now)
            warned += 1
    return warned


def cancel_out_of_stock(*, now: datetime) -> int:
    """Where the owner wants it, cancel what the supplier refused for stock."""
    if not settings.AUTO_CANCEL_OUT_OF_STOCK:
        return 0
    short = Step.objects.filter(
        kind=Kind.RESERVE,
        status=Status.REFUSED,
        answered__is_stock=True,
        order__status=Order.APPROVED,
        order__ended_at__isnull=True,
    ).select_related("order")
    asked = 0
    for step in short:
        asked += _want(
            step.order,
            Kind.CANCEL,
            now=now,
            parameters={"reason": "MERCHANT_OUT_OF_STOCK"},
            text=_("Cancelled as out of stock, as the owner's setting says"),
        )
    return asked


def _accept_unreserved(order: Order, *, now: datetime) -> None:
    if settings.ACCEPT_UNRESERVED_BEFORE_DEADLINE and settings.AUTO_ACCEPT:
        text = _("Accepted unreserved before its deadline, as the owner's setting says")
        _want(order, Kind.ACCEPT, now=now, parameters={}, text=text)


def _want(
    order: Order,
    kind: Step.Kind,
    *,
    now: datetime,
    parameters: dict[str, str],
    text: str,
) -> bool:
    with transaction.atomic():
        Order.objects.select_for_update().get(pk=order.pk)
        asked = order.steps.filter(kind=kind).exclude(status=Status.SKIPPED)
        if asked.exists():
            return False
        step = make_step(order, kind, now=now, parameters=parameters)
        step.save(force_insert=True)
        record(order, text, now=now, step=step)
        return True
