"""Measure many new orders at once: calls, queries, seconds to reserved and accepted.

    python bench/reservations.py --orders 1000 --clocked 4

Supplier: 3 calls a reservation (add, get, submit), 10 s at the 5-s clock. Kaspi: a list
page per 100 orders and state, one accept per order, a page per 100 to confirm them.
Intake: at most 3 queries an order. Exits with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import queries_of, throwaway_database
from sandbox import AlStyleServer, KaspiServer

CALLS_BAR, QUERIES_BAR, SECONDS_BAR = 3.0, 3.0, 10.0
CLOCK_S = 5.0
PAGE = 100
# Each state the bridge reads costs one page even when it is empty.
STATES_POLLED, STATES_CONFIRMED = 2, 3
# The clock's answer comes a little after the moment it counts.
MARGIN_S = 0.5


class Bars:
    """Prints figures beside their bars and remembers what was missed."""

    def __init__(self) -> None:
        self.are_kept = True

    def show(self, words: str, figure: float, bar: float, unit: str = "") -> None:
        is_kept = figure <= bar
        self.are_kept &= is_kept
        mark = "" if is_kept else "  MISSED"
        print(f"  {words:<44} {figure:9.3f} {unit:<3} bar {bar:g}{mark}")


COST_KZT, PRICE_KZT = 400, 4000.0


def open_shop(supplier: AlStyleServer, kaspi: KaspiServer) -> list[str]:
    """Read the catalogue of two fresh peers; return SKUs with plenty of stock."""
    from django.conf import settings

    from catalog.alstyle.client import open_client
    from catalog.importing import import_catalogue
    from catalog.models import Product

    supplier.token, kaspi.token = settings.ALSTYLE_TOKEN, settings.KASPI_TOKEN
    settings.ALSTYLE_URL, settings.KASPI_URL = supplier.url, kaspi.url
    for good in supplier.goods.values():
        good.stock = 100_000
        # A buyer pays for any, delivery too: nobody is asked about a loss.
        good.price1 = min(good.price1, COST_KZT)
    if not Product.objects.exists():
        with open_client() as client:
            run = import_catalogue(client)
        if run.status != "done":
            raise SystemExit(f"the import failed: {run.message}")
    sound = Product.objects.filter(multiplicity=None, cost_kzt__gt=1).order_by("pk")
    return list(sound.values_list("sku", flat=True))


def empty() -> None:
    """Forget all orders and clocks."""
    from orders.models import Order, ReadMark, Reservation, SupplierOrder
    from plumbing.models import PeerClock, PeerSlot

    Reservation.objects.all().delete()
    for model in (Order, SupplierOrder, ReadMark, PeerClock, PeerSlot):
        model._default_manager.all().delete()


def order_many(kaspi: KaspiServer, skus: list[str], *, count: int) -> None:
    """Let `count` buyers order one or two goods at the same moment."""
    for number in range(count):
        lines = [{"sku": skus[number % len(skus)], "price": PRICE_KZT}]
        if number % 5 == 0:
            lines.append({"sku": skus[(number + 1) % len(skus)], "price": PRICE_KZT})
        kaspi.new_order(lines)


def take_in() -> None:
    from orders.kaspi.client import open_client
    from orders.reading.polling import poll_orders
    from plumbing.leases import database_now

    with open_client() as client:
        poll_orders(client, now=database_now()).check()


def confirm() -> None:
    from orders.kaspi.client import open_client
    from orders.reading.refreshing import refresh_orders
    from plumbing.leases import database_now

    with open_client() as client:
        refresh_orders(client, now=database_now()).check()


def do_all(*, budget_s: float) -> None:
    """Reserve and accept all that waits."""
    from orders.clients import Clients
    from orders.steps.machine import process_due

    with Clients() as clients:
        process_due(clients, budget_s=budget_s)


def measure_many(bars: Bars, *, count: int) -> None:
    """Without the supplier's clock: calls, queries and the bridge's own seconds."""
    from orders.models import Order

    with (
        AlStyleServer(interval_s=0) as supplier,
        KaspiServer(states_move=False) as kaspi,
    ):
        skus = open_shop(supplier, kaspi)
        order_many(kaspi, skus, count=count)
        supplier.forget_arrivals()
        began = time.perf_counter()
        queries = queries_of(take_in)
        intake_s = time.perf_counter() - began
        polled = kaspi.counters()
        began = time.perf_counter()
        do_all(budget_s=3600)
        work_s = time.perf_counter() - began
        kaspi_calls = Counter(kaspi.counters()) - Counter(polled)
        kaspi.forget_arrivals()
        confirm()
        confirmed = kaspi.counters()
        accepted = Order.objects.filter(status=Order.ACCEPTED).count()
        bought = sum(1 for order in supplier.all_orders() if order.is_live)
        calls = supplier.counters()
    print(f"{count} orders, no clock: {bought} reserved, {accepted} accepted")
    bars.are_kept &= bought == accepted == count
    account_calls = calls.pop("user-data", 0)
    pages = math.ceil(count / PAGE)
    bars.show("supplier calls per reservation", sum(calls.values()) / count, CALLS_BAR)
    bars.show("user-data, once a day", account_calls, 1)
    poll_bar = pages + STATES_POLLED - 1
    bars.show("Kaspi calls to take them in", sum(polled.values()), poll_bar)
    bars.show("Kaspi calls to accept them", sum(kaspi_calls.values()), count)
    confirm_bar = pages + STATES_CONFIRMED - 1
    bars.show("Kaspi calls to confirm them", sum(confirmed.values()), confirm_bar)
    bars.show("queries per order in intake", queries / count, QUERIES_BAR)
    print(f"  intake {intake_s:.2f} s, {1000 * intake_s / count:.1f} ms an order")
    print(f"  reserve + accept {1000 * work_s / count:.1f} ms an order, {work_s:.1f} s")
    _print_delays()


def measure_clocked(bars: Bars, *, count: int) -> None:
    """With the supplier's clock: seconds of each order's reservation."""
    from django.conf import settings

    settings.ALSTYLE_INTERVAL_S = CLOCK_S
    with (
        AlStyleServer(interval_s=CLOCK_S) as supplier,
        KaspiServer(states_move=False) as kaspi,
    ):
        skus = open_shop(supplier, kaspi)
        order_many(kaspi, skus, count=count)
        take_in()
        do_all(budget_s=120 + 20 * count)
        adds, submits = supplier.calls("add"), supplier.calls("submit")
        too_fast = sum(1 for a in supplier.arrivals if a.verdict == "too-fast")
        paces = [b.at - a.at for a, b in pairwise(submits)]
    spans = [b.at - a.at for a, b in zip(adds, submits, strict=True)]
    print(f"{count} orders at the {CLOCK_S:g}-s clock: {len(submits)} reserved")
    bars.are_kept &= len(submits) == count
    bar = SECONDS_BAR + MARGIN_S
    bars.show("seconds from add to submit, slowest", max(spans), bar, "s")
    bars.show(
        "seconds between reservations",
        max(paces, default=0.0),
        3 * CLOCK_S + MARGIN_S,
        "s",
    )
    bars.show("calls refused as too fast", too_fast, 0)
    _print_delays()


def _print_delays() -> None:
    """Print seconds since the order existed at Kaspi, and from reserved to accepted."""
    from orders.models import Reservation, Step

    done = Step.objects.filter(kind=Step.Kind.ACCEPT, status=Step.Status.DONE)
    accepted = dict(done.values_list("order_id", "finished_at"))
    held = Reservation.objects.filter(held_at__isnull=False).order_by("held_at")
    rows: list[tuple[Any, ...]] = list(
        held.values_list("order_id", "order__created_at", "held_at")
    )
    to_held = [(at - made) / timedelta(seconds=1) for _pk, made, at in rows]
    to_accept = [(accepted[pk] - at) / timedelta(seconds=1) for pk, _m, at in rows]
    print(
        f"  exists at Kaspi to reserved: first {to_held[0]:.2f} s, "
        f"median {statistics.median(to_held):.2f} s, last {to_held[-1]:.2f} s"
    )
    print(
        f"  reserved to accepted: median {statistics.median(to_accept):.3f} s, "
        f"most {max(to_accept):.3f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--clocked", type=int, default=4, help="at the 5-s clock")
    options = parser.parse_args()
    bars = Bars()
    with throwaway_database() as vendor:
        print(vendor)
        measure_many(bars, count=options.orders)
        if options.clocked:
            empty()
            measure_clocked(bars, count=options.clocked)
    return 0 if bars.are_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
