"""Measure what taking in many orders at once costs.

    python bench/intake.py --orders 1000

Bars: ⌈n/100⌉ list pages per section for n new orders, as many again to see them all
accepted, and at most 3 queries for an order taken in. Processor time of taking them in:
at most 4 x (parsing the same JSON + `bulk_create` of the same rows of every table).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import note, processor_seconds_of, throwaway_database
from sandbox import KaspiServer

GOODS = 200
QUERIES_BAR, FLOOR_BAR = 3.0, 4.0
PAGE = 100
# Processor seconds of each reading.
took: list[float] = []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--interval-s", default="0", help="pause between two calls")
    count = parser.parse_args()
    with throwaway_database() as vendor:
        print(f"{count.orders} orders on {vendor}, {count.interval_s} s between calls")
        measure(count.orders, interval_s=float(count.interval_s))


def measure(count: int, *, interval_s: float) -> None:
    from django.conf import settings
    from django.utils import translation

    translation.activate("en")
    store_goods()
    with KaspiServer(token=settings.KASPI_TOKEN) as kaspi:
        kaspi.change_settings(states_move=False)
        settings.KASPI_URL, settings.KASPI_INTERVAL_S = kaspi.url, interval_s
        made = [
            kaspi.new_order(
                [{"sku": str(1 + (number + place) % GOODS)} for place in range(2)]
            )
            for number in range(count)
        ]
        with kept_bodies() as bodies:
            read("poll, all new", kaspi, count, bar=math.ceil(count / PAGE) + 1)
        tell_floor(bodies)
        note("orders taken in", size=count, seconds=took[-1])
        read("poll again", kaspi, count, bar=math.ceil(count / PAGE) + 1)
        for order in made:
            kaspi.set_order(
                order.code, state="KASPI_DELIVERY", status="ACCEPTED_BY_MERCHANT"
            )
        pages = math.ceil(count / PAGE) + 2
        read("refresh, all accepted", kaspi, count, bar=pages, refresh=True)
        read("refresh again", kaspi, count, bar=pages, refresh=True)


def read(
    name: str, kaspi: KaspiServer, count: int, *, bar: int, refresh: bool = False
) -> None:
    from django.db import connection

    from orders.kaspi.client import open_client
    from orders.reading.polling import poll_orders
    from orders.reading.refreshing import refresh_orders
    from plumbing.leases import database_now

    kaspi.forget_arrivals()
    said: list[str] = []

    def work() -> None:
        with open_client() as client:
            reading = refresh_orders if refresh else poll_orders
            said.append(reading(client, now=database_now()).summary)

    # Django's own log of queries forgets all but the last 9 000.
    queries = 0

    def count_query(execute: Callable[..., Any], *asked: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*asked)

    with connection.execute_wrapper(count_query):
        took.append(processor_seconds_of(work))
    calls = len(kaspi.arrivals)
    # Each order that has changed since is planned anew: only taking in has a bar.
    allowed = "" if refresh else f" (bar {QUERIES_BAR:.0f})"
    print(
        f"  {name:22} {calls:4} calls (bar {bar}), {queries / count:5.2f} queries an "
        f"order{allowed}, {took[-1]:6.2f} s: {said[0]}"
    )


@contextmanager
def kept_bodies() -> Iterator[list[bytes]]:
    """Keep what the peer's answers held that were parsed in the block."""
    from plumbing.peers import PeerReply

    bodies: list[bytes] = []
    parse = PeerReply.json

    def keep(reply: PeerReply) -> Any:
        bodies.append(reply.body)
        return parse(reply)

    PeerReply.json = keep  # type: ignore[method-assign, assignment]
    try:
        yield bodies
    finally:
        PeerReply.json = parse  # type: ignore[method-assign]


def tell_floor(bodies: list[bytes]) -> None:
    """Compare the last reading with what it cannot do without."""
    from django.apps import apps
    from django.db import transaction

    stored = {
        model: list(model._base_manager.all())
        for model in apps.get_app_config("orders").get_models()
    }

    def write() -> None:
        with transaction.atomic():
            for model, rows in stored.items():
                model._base_manager.bulk_create(rows)

    parsing = processor_seconds_of(
        lambda: [json.loads(body, parse_float=Decimal) for body in bodies]
    )
    with transaction.atomic():
        for model in reversed(stored):
            model._base_manager.all()._raw_delete("default")
        # Only looked at: what was taken in stays.
        writing = processor_seconds_of(write)
        transaction.set_rollback(True)
    floor = parsing + writing
    print(
        f"  {'':22} {took[-1] / floor:.2f} x (JSON {parsing:.2f} s + "
        f"{sum(map(len, stored.values()))} rows {writing:.2f} s), bar {FLOOR_BAR:.0f} x"
    )


def store_goods() -> None:
    from django.utils import timezone

    from catalog.models import Product

    now = timezone.now()
    Product.objects.bulk_create(
        Product(
            article=str(number),
            sku=str(number),
            name=f"Товар {number}",
            first_seen=now,
            last_seen=now,
        )
        for number in range(1, GOODS + 1)
    )


if __name__ == "__main__":
    main()
