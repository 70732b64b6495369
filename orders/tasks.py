"""The orders' tasks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from orders import dispatching, processing, retention
from orders.clients import Clients
from orders.kaspi.client import KaspiClient, open_client
from orders.models import Order
from orders.money import recounting
from orders.plan.events import record
from orders.reading import polling, refreshing
from orders.reading.polling import ReadResult
from orders.reconciling import peers, rounds
from orders.recovery.beginning import hold_back
from orders.recovery.running import recover_when_due
from plumbing import epoch
from plumbing.clocks import when_time_is_sure
from plumbing.leases import LeaseTaken, database_now
from plumbing.peers import PeerError
from plumbing.queue import enqueue

# For each peer; together shorter than the cluster's time limit for a task.
ROUND_S = 60


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
    return f"{order.code}: {order.state}, {order.status}"


@when_time_is_sure
def delete_buyer_data() -> str:
    """Delete what is known of buyers whose orders ended long enough ago."""
    return f"{retention.delete_buyer_data(now=database_now())} deleted"


@when_time_is_sure
def delete_old_history() -> str:
    """Delete what is kept of settled orders for a set time only."""
    now = database_now()
    waybills = retention.delete_old_waybills(now=now)
    events = retention.delete_old_events(now=now)
    steps = retention.delete_old_steps(now=now)
    return f"{waybills} waybills, {events} events and {steps} steps deleted"


def process_orders() -> str:
    """Do what is due for a while, where no dispatcher does.

    Nothing queues it any more; what versions before have queued must not hold up the
    readings that share its cluster.
    """
    return dispatching.dispatch_once(budget_s=ROUND_S).summary


def sweep_orders() -> str:
    """See to what nobody asks for: dead workers' steps, deadlines, shortages."""
    return processing.sweep_orders()


def reconcile() -> str:
    """Look for what contradicts the promises, from the database alone."""
    if epoch.is_guarded():
        # It would find what the database lacks.
        return "waits until the database is reconciled"
    try:
        return rounds.reconcile(now=database_now()).summary
    except LeaseTaken as error:
        return str(error)


def reconcile_with_peers() -> str:
    """Look in both peers' lists for what nobody here knows."""
    if epoch.is_guarded():
        return "waits until the database is reconciled"
    try:
        with Clients() as clients:
            return peers.reconcile_with_peers(clients, now=database_now()).summary
    except LeaseTaken as error:
        return str(error)


def recover() -> str:
    """Reconcile a database that was taken back, if it was, and let writes go out."""
    try:
        recovered = recover_when_due(now=database_now())
    except LeaseTaken as error:
        return str(error)
    return recovered.summary if recovered is not None else "nothing to be reconciled"


def recount_money() -> str:
    """Work out anew what all orders bring, and mend what differs."""
    return recounting.recount_money(now=database_now()).summary


def follow_supplier() -> str:
    """Read what became of our orders at Al-Style."""
    return processing.follow_supplier()


def _poll(client: KaspiClient, *, now: datetime) -> ReadResult:
    hold_back()
    result = polling.poll_orders(client, now=now)
    refreshing.fetch_awaited_waybills(client, result)
    return result


def _read(read: Callable[..., ReadResult]) -> str:
    """Run a reading; what it asks for is a due step, which a dispatcher sees."""
    try:
        with open_client() as client:
            result = read(client, now=database_now())
    except LeaseTaken as error:
        # Not a failure: somebody else is just doing it.
        return str(error)
    if result.saved.new:
        # What was just ordered must not be offered for another ten minutes.
        for name in settings.TASKS_AFTER_CATALOGUE_CHANGE:
            enqueue(name, cluster="imports")
    return result.check()
