"""Measure a burst on simulated time: 300 orders at once at the supplier's 5-s clock.

    python bench/burst.py --orders 300

Once with each order bought alone, once with the queue bought together.

Real: the bridge's code, i.e. the dispatchers' loops, the tasks of both clusters with
their schedules and queue, the token's clock, leases, claims and a database, against
the sandbox over HTTP on loopback. Simulated: time, which stands still while any thread
works, so the bridge's own work takes none; a call takes 0.4 s, one for all stocks 6 s.
A cluster is a thread that runs its tasks one after the other, as django-q's one worker
does, and a queue that fills meanwhile. Leases are renewed by real time.

Orders keep coming, one every 3 minutes, to show that they are read. Exits with 1 when a
bar is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import throwaway_database
from bench.reservations import PRICE_KZT, Bars, open_shop
from bench.simulated_bridge import Cluster, calls_take_time, start_bridge
from bench.simulated_time import SandboxClock, SimulatedTime
from sandbox import AlStyleServer, KaspiServer

CLOCK_S = 5.0
# A Tuesday, 10:00 in Almaty: the shop opens, all deadlines are at 13:00.
OPENING = datetime(2026, 3, 10, 5, 0, tzinfo=timezone.utc)
TRICKLE_EVERY_S = 180
LONGEST_S = 6 * 3600
# A poll is due every 5 minutes; the scheduler and the poll itself take their time.
POLL_BAR_MIN, STOCK_BAR_MIN = 6.0, 20.0
# What BUY_TOGETHER is, and by when the last of the burst must be reserved, minutes.
WAYS: dict[str, tuple[str, float | None]] = {
    "alone": ("off", None),
    "together": ("always", 15.0),
}
POLL, STOCK = "orders.tasks.poll_orders", "catalog.tasks.sync_stock"


def simulate(
    count: int,
    *,
    name: str,
    settings: dict[str, Any],
    bars: Bars,
    reserved_bar_min: float | None = None,
) -> None:
    """Let `count` orders come at once, work until all are accepted, print the rows."""
    from django.test import override_settings

    simulated = SimulatedTime(OPENING)
    with (
        simulated.for_the_bridge(),
        AlStyleServer(interval_s=0, clock=SandboxClock(simulated)) as supplier,
        KaspiServer(states_move=False, clock=SandboxClock(simulated)) as kaspi,
    ):
        skus = open_shop(supplier, kaspi)
        supplier.forget_arrivals()
        clocked = {"ALSTYLE_INTERVAL_S": CLOCK_S, "KASPI_INTERVAL_S": 0.2}
        began = time.perf_counter()
        with override_settings(**clocked, **settings), calls_take_time(simulated):
            clusters = run(simulated, kaspi, skus, count=count)
        print(
            f"{count} orders at once, {name}: {simulated.monotonic() / 60:.0f} min "
            f"simulated in {time.perf_counter() - began:.0f} s"
        )
        report(
            clusters,
            supplier,
            kaspi,
            bars=bars,
            over_s=simulated.monotonic(),
            reserved_bar_min=reserved_bar_min,
        )


def run(
    simulated: SimulatedTime, kaspi: KaspiServer, skus: Sequence[str], *, count: int
) -> dict[str, Cluster]:
    clusters = start_bridge(simulated)
    simulated.start(buy, simulated, kaspi, skus, count=count)
    simulated.run()
    return clusters


def buy(
    simulated: SimulatedTime, kaspi: KaspiServer, skus: Sequence[str], *, count: int
) -> None:
    """Order all at once, then one now and then; end when the queue is done."""
    from orders.models import Step

    def order(number: int) -> None:
        lines = [{"sku": skus[number % len(skus)], "price": PRICE_KZT}]
        if number % 5 == 0:
            lines.append({"sku": skus[(number + 1) % len(skus)], "price": PRICE_KZT})
        kaspi.new_order(lines)

    for number in range(count):
        order(number)
    made = count
    while simulated.monotonic() < LONGEST_S:
        simulated.sleep(TRICKLE_EVERY_S)
        accepts = Step.objects.filter(kind=Step.Kind.ACCEPT, status=Step.Status.DONE)
        # The latest one or two may not be read yet.
        if accepts.count() >= max(count, made - 2):
            break
        order(made)
        made += 1
    simulated.end()


def report(
    clusters: dict[str, Cluster],
    supplier: AlStyleServer,
    kaspi: KaspiServer,
    *,
    bars: Bars,
    over_s: float,
    reserved_bar_min: float | None,
) -> None:
    from orders.models import Order, Reservation, Step

    accepts = Step.objects.filter(kind=Step.Kind.ACCEPT, status=Step.Status.DONE)
    accepted_at = dict(accepts.values_list("order_id", "finished_at"))
    late = waiting = 0
    left_min, read_after_min = [], []
    for order in Order.objects.all():
        read_after_min.append((order.first_seen - order.created_at) / MINUTE)
        if order.pk not in accepted_at or order.accept_by is None:
            waiting += 1
            continue
        left_min.append((order.accept_by - accepted_at[order.pk]) / MINUTE)
        late += left_min[-1] < 0
    held = Reservation.objects.filter(held_at__isnull=False)
    held_at = [row.held_at for row in held if row.held_at is not None]
    # Those of the burst: more keep coming while they are bought.
    first_at = [
        row.held_at
        for row in held.select_related("order")
        if row.held_at is not None and row.order.created_at < OPENING + MINUTE
    ]
    numbers = {row.supplier_order_id for row in held}
    bought = [order for order in supplier.all_orders() if order.is_live]
    made, known = len(kaspi.book()), Order.objects.count()
    calls = supplier.arrivals
    gaps = [b.clock - a.clock for a, b in pairwise(calls)]
    buying = sum(1 for c in calls if c.method in ("add", "get", "submit"))
    bars.show("orders past their deadline", late, 0)
    bars.show("orders read and not accepted", waiting, 2)
    bars.show("orders made that were not read", made - known, 2)
    print(f"  least time left to a deadline: {min(left_min):.0f} min")
    last_min = (max(first_at) - OPENING) / MINUTE
    if reserved_bar_min is None:
        print(f"  the last of the burst was reserved after {last_min:.1f} min")
    else:
        words = "the last of the burst was reserved after"
        bars.show(words, last_min, reserved_bar_min, "min")
    bars.show("an order was read after, at most", max(read_after_min), 6, "min")
    for words, name, task, bar in (
        ("between two polls, at most", "orders", POLL, POLL_BAR_MIN),
        ("between two stock readings, at most", "imports", STOCK, STOCK_BAR_MIN),
    ):
        moments = [0.0, *clusters[name].ended[task], over_s]
        gap_min = max(b - a for a, b in pairwise(moments)) / 60
        bars.show(words, gap_min, bar, "min")
    bars.show("supplier calls per reservation", buying / max(len(held_at), 1), 4)
    too_soon = sum(gap < CLOCK_S for gap in gaps)
    bars.show("calls that came sooner than 5 s", too_soon, 0)
    bars.show("orders bought that no reservation has", len(bought) - len(numbers), 0)
    for cluster in clusters.values():
        print(f"  longest queue of “{cluster.name}”: {cluster.longest_queue}")


MINUTE = timedelta(minutes=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--way", choices=WAYS, help="only this one")
    options = parser.parse_args()
    if options.way is None:
        # Each in a process, and with a database, of its own.
        again = [sys.executable, __file__, "--orders", str(options.orders), "--way"]
        return max(subprocess.call([*again, way]) for way in WAYS)
    setting, reserved_bar_min = WAYS[options.way]
    bars = Bars()
    with throwaway_database() as vendor:
        from django.utils import translation

        translation.activate("en")
        print(vendor)
        simulate(
            options.orders,
            name=options.way,
            settings={"BUY_TOGETHER": setting},
            bars=bars,
            reserved_bar_min=reserved_bar_min,
        )
    return 0 if bars.are_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
