"""One round of work on the orders: sweep, watch the deadlines, do what is due."""

from __future__ import annotations

from bridge_site.leases import LeaseTaken, database_now
from orders.connections import Peers
from orders.following import follow_supplier_orders
from orders.machine import Processed, is_anything_due, process_due, sweep
from orders.reservations import close_contained
from orders.watching import cancel_out_of_stock, watch_deadlines


def process_orders(*, budget_s: float, also_later: bool = False) -> Processed:
    """Do what is due, for at most `budget_s` seconds."""
    watch_deadlines(now=database_now())
    with Peers() as peers:
        processed = process_due(peers, budget_s=budget_s, also_later=also_later)
        if cancel_out_of_stock(now=database_now()):
            processed.join(process_due(peers, budget_s=budget_s))
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
    with Peers() as peers:
        try:
            return follow_supplier_orders(peers.cart, now=database_now()).summary
        except LeaseTaken as error:
            return str(error)
