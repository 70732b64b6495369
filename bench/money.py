"""The profit report and the list of orders at full size: queries and time to answer.

    python bench/money.py --goods 100000 --orders 50000

On SQLite, or beside DATABASE_URL's. A year of orders in all states; each page is asked
for through Django's own client five times, and the quickest counts: other work on the
machine makes a page slower, never quicker. On SQLite the processor's time counts, which
is all there is; beside PostgreSQL the clock's. Exits with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import queries_of, seconds_of, throwaway_database

if TYPE_CHECKING:
    from django.test import Client

QUERIES, MILLISECONDS = 12, 300
BATCH = 5_000
REPORT, ORDERS = "orders/booking/", "orders/order/"
PAGES = (
    *(f"{REPORT}?p=30&by={by}" for by in ("day", "product", "brand", "category")),
    f"{REPORT}?p=30&by=order",
    f"{REPORT}?p=this_month&by=week",
    f"{REPORT}?p=custom&from=2020-01-01&to=2030-01-01&by=month",
    f"{REPORT}?p=custom&from={{year_ago}}&to={{today}}&by=product",
    f"{REPORT}?p=custom&from={{year_ago}}&to={{today}}&by=category&sort=-profit",
    ORDERS,
    f"{ORDERS}?tab=all&money=below",
    f"{ORDERS}?tab=open&money=below",
    f"{ORDERS}?tab=all&booked_from={{month_ago}}&booked_to={{today}}",
)


def fill(*, goods: int, orders: int, now: datetime) -> None:
    """Store goods and a year of orders with their lines."""
    from catalog.models import Category, CommissionRate, Product
    from orders.models import Order, OrderLine, Reservation, SupplierOrder

    dice = random.Random(7)
    branches = Category.objects.bulk_create(
        Category(supplier_id=str(n), name=f"Ветка {n}", path=f"Товары / Ветка {n}")
        for n in range(500)
    )
    CommissionRate.objects.create(
        category=branches[3], percent=9, holds_from=now.date() - timedelta(days=99)
    )
    products: list[Product] = []
    for start in range(0, goods, BATCH):
        products += Product.objects.bulk_create(
            Product(
                article=str(n),
                sku=str(n),
                name=f"Товар {n}",
                brand=f"Марка {n % 300}",
                category=dice.choice(branches),
                cost_kzt=dice.choice([None, *range(500, 90_000, 997)]),
                first_seen=now,
                last_seen=now,
            )
            for n in range(start, min(start + BATCH, goods))
        )
    for start in range(0, orders, BATCH):
        numbers = range(start, min(start + BATCH, orders))
        made = Order.objects.bulk_create(_order(n, dice, now=now) for n in numbers)
        lines = []
        for order in made:
            for place in range(dice.choice((1, 1, 1, 2, 3))):
                product = dice.choice(products)
                lines.append(
                    OrderLine(
                        order=order,
                        entry_id=str(place),
                        sku=product.sku,
                        product=product,
                        quantity=1,
                        price_kzt=int((product.cost_kzt or 5_000) * dice.uniform(1, 2)),
                    )
                )
        OrderLine.objects.bulk_create(lines)
        supplied = SupplierOrder.objects.bulk_create(
            SupplierOrder(supplier_order_id=f"9{order.code}", placed_at=now)
            for order in made
        )
        Reservation.objects.bulk_create(
            Reservation(
                order=order,
                supplier_order=one,
                status="shipped" if order.ended_at else "held",
                created_at=now,
                counts=False,
            )
            for order, one in zip(made, supplied, strict=True)
        )


def _order(number: int, dice: random.Random, *, now: datetime) -> Any:
    from orders.models import Order

    created = now - timedelta(minutes=dice.randrange(0, 365 * 24 * 60))
    is_old = now - created > timedelta(days=5)
    status = dice.choices(
        (Order.COMPLETED, Order.CANCELLED, Order.RETURNED), (90, 7, 3)
    )[0]
    return Order(
        kaspi_id=f"id{number}",
        code=str(700_000_000 + number),
        state=Order.ARCHIVE if is_old else Order.KASPI_DELIVERY,
        status=status if is_old else Order.ACCEPTED,
        created_at=created,
        first_seen=created,
        last_seen=now,
        ended_at=created + timedelta(days=3) if is_old else None,
        delivery_fee_kzt=dice.choice((None, 0, 1_099)),
        is_kaspi_delivery=True,
    )


def measure(client: Client, address: str, *, kind: str) -> tuple[int, float]:
    def ask() -> None:
        answer = client.get(f"/admin/{address}")
        assert answer.status_code == 200, (address, answer.status_code)

    ask()
    clock = time.process_time if kind == "sqlite" else time.perf_counter
    took = []
    for _ in range(5):
        began = clock()
        ask()
        took.append(clock() - began)
    return queries_of(ask), min(took) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goods", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=50_000)
    options = parser.parse_args()
    with throwaway_database() as kind:
        from django.contrib.auth.models import User
        from django.db import connection
        from django.test import Client
        from django.utils import timezone

        from orders.money.recounting import recount_money

        now = timezone.now()
        fill(goods=options.goods, orders=options.orders, now=now)
        print(f"{kind}: {options.goods} goods, {options.orders} orders")
        took = seconds_of(lambda: print(recount_money(now=now).summary))
        print(f"booked in {took:.1f} s")
        took = seconds_of(lambda: print(recount_money(now=now).summary))
        print(f"counted anew, nothing differing, in {took:.1f} s")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        today = timezone.localdate(now)
        days = {
            "today": today,
            "month_ago": today - timedelta(days=30),
            "year_ago": today - timedelta(days=365),
        }
        is_missed = False
        for page in PAGES:
            address = page.format(**days)
            queries, ms = measure(client, address, kind=kind)
            missed = queries > QUERIES or ms > MILLISECONDS
            is_missed |= missed
            print(f"{queries:3} queries {ms:6.0f} ms  {address}{' MISSED' * missed}")
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
