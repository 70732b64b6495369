"""The orders' tasks."""

from __future__ import annotations

from bridge_site.leases import database_now
from bridge_site.queue import enqueue
from orders import processing
from orders.machine import is_anything_due

PROCESS = "orders.tasks.process_orders"
# Shorter than the cluster's time limit for a task; what is left gets a task anew.
ROUND_S = 180


def process_orders() -> str:
    """Do what is due for a while; asks for another round when more is."""
    processed = processing.process_orders(budget_s=ROUND_S)
    # A peer that is away is left alone until the next sweep.
    if not processed.unreachable and is_anything_due(now=database_now()):
        enqueue(PROCESS, cluster="orders")
    return processed.summary


def sweep_orders() -> str:
    """Free what dead workers held and see to it that due work is done."""
    if not processing.sweep_orders():
        return "nothing due"
    enqueue(PROCESS, cluster="orders")
    return "work is due"


def follow_supplier() -> str:
    """Read what became of our orders at Al-Style."""
    return processing.follow_supplier()
