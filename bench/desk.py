"""Measure the pages that staff open all day: overview, search box, lists and journals.

    python bench/desk.py --goods 1000000 --orders 500000

`--keep DIRECTORY` fills the database once; run again, it is only migrated. `--only
TEXT` measures the pages whose names hold the text.

Bars: 12 queries and 300 ms of the processors, PostgreSQL's included, for a page,
whatever is looked for. The best of several rounds counts, after one that warms the
database up.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.filling import fill_table
from bench.measuring import (
    note,
    processor_seconds,
    queries_of,
    seconds_of,
    throwaway_database,
)

ROUNDS = 3
QUERIES_BAR, MILLISECONDS_BAR = 12, 300
OPEN_SHARE, STUCK_SHARE = 0.01, 0.002
BRANCHES = 400
KINDS = ("Мышь", "Клавиатура", "Монитор", "Кабель", "Чайник", "Колонка", "Сумка")
MAKERS = ("Zeta", "Orion", "Lumen", "Kvant", "Delta")
NAMES = ("Асель", "Айгерим", "Ерлан", "Данияр", "Мария", "Тимур", "Жанна", "Олег")
FAMILIES = ("Иванова", "Ахметов", "Ким", "Сериков", "Петренко", "Жумабаева")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goods", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--keep", default="", metavar="DIRECTORY")
    parser.add_argument("--only", default="", metavar="TEXT")
    count = parser.parse_args()
    # What workers of a parallel query do would not be counted.
    os.environ["PGOPTIONS"] = "-c max_parallel_workers_per_gather=0"
    with throwaway_database(kept_in=count.keep) as vendor:
        print(f"{count.goods} goods, {count.orders} orders with buyers, on {vendor}")
        from catalog.models import Product

        if not Product.objects.exists():
            seconds = seconds_of(lambda: store(count.goods, count.orders))
            print(f"stored in {seconds:.0f} s", flush=True)
        measure(count.goods, count.orders, rounds=count.rounds, only=count.only)


def store(goods: int, orders: int) -> None:
    from django.db import connection
    from django.utils import timezone

    from catalog.models import Category, Product, ProductChange
    from catalog.writing import add_words
    from feeds.models import Listing
    from orders.models import Buyer, Order, OrderLine, Step

    dice, now = random.Random(1), timezone.now()
    fill_table(
        Category,
        ("id", "supplier_id", "name", "path", "left", "right", "level", "is_published"),
        (
            (
                n,
                str(n),
                f"Ветка {n}",
                f"Товары / Ветка {n}",
                2 * n,
                2 * n + 1,
                1,
                n % 2 == 0,
            )
            for n in range(1, BRANCHES + 1)
        ),
    )
    fill_table(
        Product,
        (
            *("id", "article", "sku", "part_number", "barcode", "name", "category_id"),
            *("brand", "cost_kzt", "retail_kzt", "stock", "price_kzt", "quarantine"),
            *("priced_with", "first_seen", "last_seen"),
        ),
        (
            (
                number + 1,
                str(100_000 + number),
                f"K{100_000 + number}",
                f"{dice.choice('ABCDEF')}{dice.randrange(10**6):06}",
                str(4_600_000_000_000 + number),
                _name(number, dice),
                number % BRANCHES + 1,
                MAKERS[number % len(MAKERS)],
                (cost := dice.randrange(800, 900_000)),
                cost * 13 // 10,
                dice.randrange(50),
                cost * 12 // 10,
                "jump" if number % 500 == 0 else "",
                "0" * 16,
                now,
                now,
            )
            for number in range(goods)
        ),
    )
    add_words()
    fill_table(
        Listing,
        ("sku", "product_id", "stock_count", "price_kzt", "first_listed_at"),
        (
            (f"K{100_000 + number}", number + 1, 5, 1000 + number, now)
            for number in range(1, goods, 2)
        ),
    )
    fill_table(
        ProductChange,
        ("product_id", "field", "old", "new", "changed_at"),
        (
            (
                number + 1,
                "stock",
                number % 9,
                number % 7,
                now - timedelta(seconds=number),
            )
            for number in range(goods)
        ),
    )
    fill_table(Order, ORDER_COLUMNS, _orders(orders, now=now))
    fill_table(
        OrderLine,
        ("order_id", "entry_id", "sku", "name", "product_id", "quantity", "price_kzt"),
        (
            (
                number + 1,
                f"{number + 1}##0",
                f"K{100_000 + number % goods}",
                f"{KINDS[number % len(KINDS)]} M-{number}",
                number % goods + 1,
                1,
                9990,
            )
            for number in range(orders)
        ),
    )
    fill_table(
        Buyer,
        ("order_id", "name", "phone"),
        (
            (
                number + 1,
                f"{dice.choice(NAMES)} {dice.choice(FAMILIES)}",
                f"701{number + 1:07}",
            )
            # Older ones are forgotten.
            for number in range(orders * 9 // 10, orders)
        ),
    )
    stuck = max(int(orders * STUCK_SHARE), 1)
    fill_table(
        Step,
        (
            *("order_id", "kind", "peer", "status", "not_before", "created_at"),
            "last_error",
        ),
        (
            (
                orders - number,
                Step.Kind.RESERVE.value,
                Step.Peer.ALSTYLE.value,
                Step.Status.NEEDS_PERSON.value,
                now,
                now,
                "Нет у поставщика",
            )
            for number in range(stuck)
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _name(number, dice):
    colour = dice.choice(("чёрный", "белый", "синий"))
    return (
        f"{dice.choice(KINDS)} {dice.choice(MAKERS)} M-{number}, {colour}, "
        f"{number % 97} см"
    )


ORDER_COLUMNS = (
    *("id", "kaspi_id", "code", "state", "status", "total_kzt", "waybill_number"),
    *("created_at", "accept_by", "first_seen", "last_seen", "ended_at"),
)


def _orders(orders, *, now):
    from orders.models import Order

    for number in range(orders):
        # A year of orders; the newest are still open.
        at = now - timedelta(days=365) * (orders - number) / orders
        is_open = number >= orders * (1 - OPEN_SHARE)
        yield (
            number + 1,
            f"id{number}",
            str(700_000_000 + number * 7),
            Order.NEW if is_open else Order.ARCHIVE,
            Order.APPROVED if is_open else Order.COMPLETED,
            9990,
            f"KSP{number}",
            at,
            at + timedelta(hours=3),
            at,
            at,
            None if is_open else at + timedelta(days=3),
        )


def measure(goods: int, orders: int, *, rounds: int, only: str = "") -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(_owner(User))
    pages: dict[str, Callable[[], object]] = {
        "overview, refreshed": lambda: client.get("/admin/", headers={"X-Part": "1"}),
    }
    middle = str(700_000_000 + (orders // 2) * 7)
    texts = {
        "code": middle,
        "last 4 digits": middle[-4:],
        "phone": f"+7 701 {orders - orders // 50:07}",
        "buyer's name": "Асель Иванова",
        "name nobody has": "Клеопатра",
        "article": str(100_000 + goods // 2),
        "word of a name": "чайник",
        "two words": "чайник zeta",
        "model": f"M-{goods // 3}",
        "word of no name": "телескоп",
        "other keyboard": "xfqybr",
        "waybill": f"KSP{orders // 3}",
    }
    for name, text in texts.items():
        pages[f"search: {name}"] = partial(_search, client, text)
    lists = {
        name: url
        for name, url in _lists().items()
        if client.get(url).status_code == 200
    }
    for name, url in {**_pages(goods, orders), **lists}.items():
        pages[name] = partial(_get, client, url)
    for text in ("article", "word of a name", "two words", "model", "word of no name"):
        query = urlencode({"q": texts[text]})
        pages[f"goods: {text}"] = partial(_get, client, f"{GOODS}?{query}")
    for text in ("code", "last 4 digits", "waybill", "word of no name"):
        query = urlencode({"q": texts[text]})
        pages[f"orders: {text}"] = partial(_get, client, f"{ORDERS}?{query}")
    missed = 0
    pages = {name: work for name, work in pages.items() if only in name}
    for name, work in pages.items():
        took, is_held = report(name, work, rounds=rounds)
        missed += not is_held
        if name in TOLD:
            note(f"page: {name}", size=goods, seconds=took / 1000)
    print(f"{len(pages)} pages, {missed} over the bar")


# Drawn by `bench/growth.py`.
TOLD = ("overview", "search: code", "search: word of no name", "list: product")
GOODS, ORDERS = "/admin/catalog/product/", "/admin/orders/order/"


def _pages(goods, orders):
    """Name the pages that are opened most, and every way to cut or sort the lists."""
    from backoffice.pages import COUNTED

    pages = {
        "overview": "/admin/",
        "overview's fold": "/admin/overview/health/",
        "a product": f"{GOODS}{goods // 2}/change/",
        "an order": f"{ORDERS}{orders // 2}/change/",
        "an open order": f"{ORDERS}{orders}/change/",
        "the last page of goods": f"{GOODS}?p={min(goods, COUNTED) // 50}",
        "hand-over": "/admin/orders/handover/",
        "picking list": "/admin/orders/handover/picking/",
    }
    cuts = {
        GOODS: [
            *(f"presence={value}" for value in ("in_stock", "sold_out", "gone")),
            *(f"quarantine={value}" for value in ("any", "jump", "no_cost")),
            *(f"sale={value}" for value in ("on_sale", "gone", "not_published")),
            *(f"sale={value}" for value in ("bad_sku", "no_price", "out_of_stock")),
            *(f"is_published__exact={value}" for value in ("yes", "no", "category")),
            *("branch=7", "branch=7&presence=in_stock&o=-4"),
            *(f"o={sign}{number}" for number in range(1, 10) for sign in ("", "-")),
        ],
        ORDERS: [
            *(f"tab={tab}" for tab in ("person", "accept", "reserve", "assemble")),
            *(f"tab={tab}" for tab in ("hand_over", "transit", "returns", "ended")),
            *("tab=all", "is_express__exact=1", "tab=all&money=below"),
            *(
                f"tab=all&o={sign}{number}"
                for number in (1, 4, 5)
                for sign in ("", "-")
            ),
        ],
    }
    names = {GOODS: "goods", ORDERS: "orders"}
    for url, queries in cuts.items():
        pages |= {f"{names[url]}: {query}": f"{url}?{query}" for query in queries}
    return pages


def _lists():
    """Name every list of the admin."""
    from django.contrib import admin
    from django.urls import NoReverseMatch, reverse

    found = {}
    for model in admin.site._registry:
        meta = model._meta
        try:
            url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        except NoReverseMatch:
            continue
        found[f"list: {meta.model_name}"] = url
    return found


def _get(client, url):
    answer = client.get(url)
    assert answer.status_code in (200, 302), f"{url}: {answer.status_code}"


def _owner(users):
    from bridge_site.roles import set_staff, sync_roles

    sync_roles()
    set_staff("owner", role="owner", password="a-long-password")
    return users.objects.get(username="owner")


def _search(client, text):
    """Search as a browser does; each of the two answers is a page of its own."""
    answer = client.post("/admin/search/", {"q": text})
    assert answer.status_code == 302, answer.status_code


def report(name, work, *, rounds) -> tuple[float, bool]:
    # A process asks once in its life what the types of content are.
    work()
    queries = queries_of(work)
    measured = []
    for _round in range(rounds):
        gc.collect()
        began, since = processor_seconds(), time.perf_counter()
        work()
        waited = time.perf_counter() - since
        measured.append((1000 * (processor_seconds() - began), 1000 * waited))
    worked, waited = min(measured)
    held = queries <= QUERIES_BAR and worked <= MILLISECONDS_BAR
    print(
        f"{name:36} {queries:3} queries {worked:7.0f} ms (by the clock {waited:.0f})"
        f"{'' if held else '   OVER THE BAR'}",
        flush=True,
    )
    return worked, held


if __name__ == "__main__":
    main()
