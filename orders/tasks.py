"""The orders' tasks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from orders import processing, retention
from orders.kaspi.client import KaspiClient, open_client
from orders.models import Order
from orders.plan.events import record
from orders.plan.wanting import see_to_processing
from orders.reading import polling, refreshing
from orders.reading.polling import ReadResult
from orders.steps.machine import is_anything_due
from plumbing.leases import LeaseTaken, database_now
from plumbing.peers import PeerError
from plumbing.queue import enqueue

# Shorter than the cluster's time limit for a task; what is left gets a task anew.
ROUND_S = 120


def poll_orders() -> str:
    """Take in new orders; raises `ReadingFailed` when a section was not read."""
    return _read(_poll)


def refresh_orders() -> str:
    """Read open orders again; raises `ReadingFailed` when a section was not read."""
    return _read(refreshing.refresh_orders)


def refresh_one(order_id: int) -> str:
    """Read one order again, because a person asked; the order's trail tells why not."""
    order = Order.objects.get(pk=order_id)
    try:
        with open_client() as client:
            order = refreshing.refresh_order(order_id, client)
    except PeerError as error:
        text = _("Could not be read again from Kaspi: %(error)s")
        record(order, text % {"error": error}, now=database_now())
        raise
    if is_anything_due(now=database_now()):
        see_to_processing()
    return f"{order.code}: {order.state}, {order.status}"


def delete_buyer_data() -> str:
    """Delete what is known of buyers whose orders ended long enough ago."""
    return f"{retention.delete_buyer_data(now=database_now())} deleted"


def delete_old_history() -> str:
    """Delete what is kept of settled orders for a set time only."""
    now = database_now()
    waybills = retention.delete_old_waybills(now=now)
    events = retention.delete_old_events(now=now)
    steps = retention.delete_old_steps(now=now)
    return f"{waybills} waybills, {events} events and {steps} steps deleted"


def process_orders() -> str:
    """Do what is due for a while; asks for another round when more is."""
    processed = processing.process_orders(budget_s=ROUND_S)
    # A peer that is away is left alone until the next sweep.
    if not processed.unreachable and is_anything_due(now=database_now()):
        see_to_processing()
    return processed.summary


def sweep_orders() -> str:
    """Free what dead workers held and see to it that due work is done."""
    if not processing.sweep_orders():
        return "nothing due"
    see_to_processing()
    return "work is due"


def follow_supplier() -> str:
    """Read what became of our orders at Al-Style."""
    return processing.follow_supplier()


def _poll(client: KaspiClient, *, now: datetime) -> ReadResult:
    result = polling.poll_orders(client, now=now)
    refreshing.fetch_awaited_waybills(client, result)
    return result


def _read(read: Callable[..., ReadResult]) -> str:
    """Run a reading and see to it that what it brought is worked on at once."""
    try:
        with open_client() as client:
            result = read(client, now=database_now())
    except LeaseTaken as error:
        # Not a failure: somebody else is just doing it.
        return str(error)
    if result.has_work:
        see_to_processing()
    if result.saved.new:
        # What was just ordered must not be offered for another ten minutes.
        for name in settings.TASKS_AFTER_CATALOGUE_CHANGE:
            enqueue(name, cluster="imports")
    return result.check()
