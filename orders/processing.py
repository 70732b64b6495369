"""Work on the orders as commands and schedules ask for it."""

from __future__ import annotations

from datetime import datetime, timedelta

from orders.clients import Clients
from orders.models import Reservation, Step
from orders.plan.deadlines import cancel_out_of_stock, watch_deadlines
from orders.steps.machine import Processed, process_due, sweep
from orders.supply.counting import close_contained
from orders.supply.following import follow_supplier_orders
from plumbing.leases import LeaseTaken, database_now

# While so many steps wait for the supplier, readings have one turn of its clock in
# eleven: following would take twenty minutes of them, and the stock waits behind it.
MANY_STEPS = 10
FOLLOWED_AT_LEAST_EVERY = timedelta(hours=2)


def process_orders(*, budget_s: float, also_later: bool = False) -> Processed:
    """Do what is due at both peers, whoever else does, for `budget_s` at most."""
    watch_deadlines(now=database_now())
    with Clients() as clients:
        processed = process_due(clients, budget_s=budget_s, also_later=also_later)
        if cancel_out_of_stock(now=database_now()):
            processed.join(process_due(clients, budget_s=budget_s))
    close_contained()
    return processed


def sweep_orders() -> str:
    """See to what nobody asks for: dead workers' steps, deadlines, shortages."""
    now = database_now()
    swept, warned = sweep(now=now), watch_deadlines(now=now)
    cancelled, closed = cancel_out_of_stock(now=now), close_contained()
    return f"{swept} swept, {warned} warned, {cancelled} cancelled, {closed} closed"


def follow_supplier() -> str:
    """Read what became of our orders at Al-Style, unless a queue of orders presses."""
    if _shall_following_wait(now=database_now()):
        return "put off: many orders wait for the supplier"
    with Clients() as clients:
        try:
            return follow_supplier_orders(clients.cart, now=database_now()).summary
        except LeaseTaken as error:
            return str(error)


def _shall_following_wait(*, now: datetime) -> bool:
    due = Step.objects.unclaimed(now=now).filter(
        peer=Step.Peer.ALSTYLE, not_before__lte=now
    )
    if due.count() < MANY_STEPS:
        return False
    long_ago = now - FOLLOWED_AT_LEAST_EVERY
    held = Reservation.objects.held().filter(held_at__lt=long_ago)
    forgotten = held.exclude(supplier_order__read_at__gte=long_ago)
    return not forgotten.exists()
