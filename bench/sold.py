"""From an order taken in to a price list that shows less, in the whole bridge.

    python bench/sold.py [--goods 15000] [--orders 30]

The embedded bridge on SQLite with so many goods on sale; the peers answer at once, so
that what is measured is ours. Orders come one by one at moments by chance, among the
readings of stock that go on as ever; each takes one piece of a good. Measured is the
time from the order's row in the database to the file that Kaspi would fetch. How soon
an order is read is another matter: that is `POLL_ORDERS_EVERY_MIN`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.embedded import Bridge, embedded_bridge

BAR_S = 10.0
GIVEN_UP_S = 120.0
LONGEST_PAUSE_S = 8.0
LOOK_EVERY_S = 0.02
OFFERED = re.compile(r'sku="([^"]+)"'), re.compile(r'stockCount="(\d+)"')


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--goods", type=int, default=15_000)
    options.add_argument("--orders", type=int, default=30)
    asked = options.parse_args()
    with TemporaryDirectory() as folder:
        catalogue = Path(folder) / "goods.jsonl"
        catalogue.write_text("\n".join(map(good, range(asked.goods))), "utf-8")
        with embedded_bridge(
            catalogue,
            SYNC_STOCK_EVERY_MIN="1",
            SUPERVISE_FIRST_PURCHASE="0",
            KASPI_INTERVAL_S="0",
            ALSTYLE_INTERVAL_S="0",
        ) as bridge:
            os.environ.update(bridge.environment)
            import django

            django.setup()
            took = measure(bridge, orders=asked.orders)
    print_histogram(took)
    middle = statistics.median(took)
    print(f"median {middle:.1f} s (bar {BAR_S:g} s), longest {max(took):.1f} s")
    return int(middle > BAR_S)


def measure(bridge: Bridge, *, orders: int) -> list[float]:
    """Let orders come; return the seconds each took to be seen in the list."""
    from orders.models import Order
    from plumbing.queue import enqueue

    live, dice = bridge.folder / "feed" / "kaspi_price_list.xml", random.Random(1)
    before = offered(live)
    print(f"{len(before)} goods on sale")
    skus = dice.sample([sku for sku, stock in before.items() if stock > 1], orders)
    took = []
    for sku in skus:
        time.sleep(dice.uniform(0, LONGEST_PAUSE_S))
        before = offered(live)
        order = bridge.kaspi.new_order([{"sku": sku, "quantity": 1}])
        enqueue("orders.tasks.poll_orders", cluster="orders")
        known = Order.objects.filter(code=order.code)
        wait_until(known.exists, what=f"order {order.code}")
        began, seen_at = time.monotonic(), 0.0

        def shows_less(sku: str = sku, was: int = before[sku]) -> bool:
            nonlocal seen_at
            changed_at = live.stat().st_mtime
            if changed_at == seen_at:
                return False
            seen_at = changed_at
            return offered(live).get(sku, 0) < was

        wait_until(shows_less, what=f"{sku} in the list")
        took.append(time.monotonic() - began)
    return took


def offered(live: Path) -> dict[str, int]:
    """Read of each offer how much the list shows; nothing of what is off sale."""
    found = {}
    for offer in live.read_text("utf-8").split("<offer ")[1:]:
        sku, stock = (pattern.search(offer) for pattern in OFFERED)
        if sku and stock:
            found[sku[1]] = int(stock[1])
    return found


def wait_until(claim: Callable[[], bool], *, what: str) -> None:
    until = time.monotonic() + GIVEN_UP_S
    while not claim():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(LOOK_EVERY_S)


def print_histogram(took: list[float]) -> None:
    counted = Counter(int(each) for each in took)
    for second in range(max(counted) + 1):
        print(f"{second:3}–{second + 1:<3} s {'█' * counted[second]} {counted[second]}")


def good(number: int) -> str:
    row = {
        "article_pn": f"PN-{number:06d}",
        "name": f"Мышь Zeta модель {number}",
        "brand": f"Zeta {number % 90}",
        "price2": 5000 + number,
        "quantity": 20 + number % 30,
    }
    return json.dumps(row, ensure_ascii=False)


if __name__ == "__main__":
    raise SystemExit(main())
