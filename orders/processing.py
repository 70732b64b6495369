"""One round of work on the orders: sweep, watch the deadlines, do what is due."""

from __future__ import annotations

from orders.clients import Clients
from orders.plan.deadlines import cancel_out_of_stock, watch_deadlines
from orders.steps.machine import Processed, is_anything_due, process_due, sweep
from orders.supply.counting import close_contained
from orders.supply.following import follow_supplier_orders
from plumbing.leases import LeaseTaken, database_now


def process_orders(*, budget_s: float, also_later: bool = False) -> Processed:
    """Do what is due, for at most `budget_s` seconds."""
    watch_deadlines(now=database_now())
    with Clients() as clients:
        processed = process_due(clients, budget_s=budget_s, also_later=also_later)
        if cancel_out_of_stock(now=database_now()):
            processed.join(process_due(clients, budget_s=budget_s))
    close_contained()
    return processed


def sweep_orders() -> bool:
    """Free what dead workers held; True when something waits to be done."""
    now = database_now()
    swept = sweep(now=now)
    warned = watch_deadlines(now=now)
    return bool(swept or warned) or is_anything_due(now=now)


def follow_supplier() -> str:
    """Read what became of our orders at Al-Style."""
    with Clients() as clients:
        try:
            return follow_supplier_orders(clients.cart, now=database_now()).summary
        except LeaseTaken as error:
            return str(error)
