"""Measure the imports against what they cannot do without.

    python bench/imports.py --goods 100000

First import: on PostgreSQL at most 3 x (`COPY` of the same rows into a scratch table +
one statement that merges it), on SQLite 2 x `executemany` of them in one transaction.
Stock reading with 1 % and 12 % of the goods changed: at most 1.5 and 2 x (parsing the
JSON + one SELECT of what is compared + one update of the same rows). Told is processor
time, PostgreSQL's with it, by the best of several rounds on both sides of a ratio.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import (
    note,
    processor_seconds_of,
    python_peak_mib_of,
    queries_of,
    throwaway_database,
)

LEAVES = 400
ROUNDS = 5
FIRST_BARS = {"sqlite": 2.0, "postgresql": 3.0}
# Of the goods changed by a reading: on a usual day, and on one of revaluation.
STOCK_BARS = {0.01: 1.5, 0.12: 2.0}


class MemoryPeer:
    """Answers as Al-Style would, from memory: no network in the measurement."""

    def __init__(self, goods: int) -> None:
        self.dice = random.Random(1)
        self.goods = [self._good(number) for number in range(1, goods + 1)]
        self.bodies: dict[str, bytes] = {}
        self.refresh()

    def refresh(self) -> None:
        """Write the answer of quantity-price anew."""
        names = ("quantity", "price1", "price2")
        answer = {
            str(good["article"]): {
                **{name: good[name] for name in names},
                "discountPrice": 0,
                "discount": 0,
                "warehouse": "panfilov",
            }
            for good in self.goods
        }
        self.bodies["quantity-price"] = json.dumps(answer).encode()

    def change_some(self, share: float) -> list[str]:
        """Change stock or price of a share of the goods; return their articles."""
        changed = self.dice.sample(self.goods, int(len(self.goods) * share))
        for good in changed:
            if self.dice.random() < 0.8:
                others = {0, 1, 7, 30, ">50", ">100"} - {good["quantity"]}
                good["quantity"] = self.dice.choice(sorted(others, key=str))
            else:
                good["price1"] += self.dice.randint(1, 50)
        self.refresh()
        return [str(good["article"]) for good in changed]

    def read(self, path: str, *, params: dict[str, Any] | None = None, **_: Any) -> Any:
        from plumbing.peers import PeerReply

        method = path.removeprefix("api/")
        name = f"{method} {(params or {}).get('offset', '')}".strip()
        if name not in self.bodies:
            # Kept for the next round: what the peer does is none of ours.
            self.bodies[name] = self._answer(method, params or {})
        body = self.bodies[name]
        return PeerReply(
            peer="memory", path=path, status_code=200, headers={}, body=body
        )

    def close(self) -> None:
        pass

    def _answer(self, method: str, params: dict[str, Any]) -> bytes:
        if method == "categories":
            leaf = [(i, 2 * i, 2 * i + 1) for i in range(1, LEAVES + 1)]
            rows = [(9999, 1, 2 * LEAVES + 2), *leaf]
            names = ("id", "left", "right")
            return json.dumps(
                [{"name": f"C{r[0]}", **dict(zip(names, r, strict=True))} for r in rows]
            ).encode()
        if method == "date":
            return b'{"date": "01.01.2026 00:00:00"}'
        offset = int(params["offset"])
        page = self.goods[offset : offset + 250]
        pagination = {"totalCount": len(self.goods), "offset": offset, "limit": 250}
        return json.dumps({"elements": page, "pagination": pagination}).encode()

    def _good(self, number: int) -> dict[str, Any]:
        cost = self.dice.randint(100, 400_000)
        return {
            "article": number,
            "article_pn": f"PN-{number:06d}",
            "name": f"Мышь проводная Zeta модель {number}",
            "full_name": f"Мышь, Zeta, модель {number}, USB, 1200 dpi, цвет чёрный",
            "category": number % LEAVES + 1,
            "sort": 0,
            "price1": cost,
            "price2": cost * 13 // 10,
            "quantity": self.dice.choice((0, 3, 12, 40, ">50")),
            "isnew": 0,
            "brand": f"Zeta {number % 90}",
            "barcode": f"48700{number:08d}",
            "multiplicity": None,
            "rrp": number % 20 == 0,
        }


def measure_first_import(peer: MemoryPeer, *, rounds: int) -> tuple[float, float]:
    """Return seconds of importing and of the bare writing."""
    from catalog.importing import import_catalogue

    client = _client(peer)
    seconds, bare = [], []

    def work() -> None:
        _done(import_catalogue(client))

    for _round in range(rounds):
        _empty()
        seconds.append(processor_seconds_of(work))
        names, rows = _stored_rows()
        _empty(products_only=True)
        bare.append(processor_seconds_of(partial(_write_bare, names, rows)))
        del rows
    _empty()
    return min(seconds), min(bare)


def measure_first_import_apart(peer: MemoryPeer) -> tuple[float, int]:
    """Return the MiB that a first import takes, and its queries."""
    from catalog.importing import import_catalogue

    client = _client(peer)
    peak = python_peak_mib_of(lambda: _done(import_catalogue(client)))
    _empty()
    queries = queries_of(lambda: _done(import_catalogue(client)))
    _empty()
    return peak, queries


def _stored_rows() -> tuple[list[str], list[tuple[Any, ...]]]:
    """Read all goods as the database has them, without their numbers."""
    from django.db import connection

    from catalog.models import Product

    names = [
        str(f.column)
        for f in Product._meta.concrete_fields
        if not (f.primary_key or f.generated)
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(names)} FROM {Product._meta.db_table}")  # noqa: S608 - our model's names
        return names, cursor.fetchall()


def _write_bare(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Write rows as fast as the database takes them."""
    from django.db import connection, transaction

    from catalog.models import Product

    table, listed = Product._meta.db_table, ", ".join(names)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            values = ", ".join(["%s"] * len(names))
            cursor.executemany(
                f"INSERT INTO {table} ({listed}) VALUES ({values})",  # noqa: S608 - our model's names
                rows,
            )
            return
        cursor.execute(
            f"CREATE TEMPORARY TABLE scratch ON COMMIT DROP AS "  # noqa: S608 - our model's names
            f"SELECT {listed} FROM {table} WITH NO DATA"
        )
        with cursor.copy(f"COPY scratch ({listed}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            f"INSERT INTO {table} ({listed}) SELECT {listed} FROM scratch "  # noqa: S608 - our model's names
            f"ON CONFLICT (article) DO UPDATE SET stock = excluded.stock"
        )


def measure_stock(peer: MemoryPeer, share: float, *, rounds: int) -> dict[str, float]:
    """Return processor seconds of reading, parsing, selecting, updating."""
    from catalog.comparing import STOCK_COLUMNS
    from catalog.importing import import_stock
    from catalog.models import Product
    from plumbing.rows import update_rows

    client = _client(peer)
    columns = (*STOCK_COLUMNS, "priced_with")
    live = Product.objects.filter(gone_at=None).order_by()
    took: dict[str, list[float]] = defaultdict(list)

    def time_of(name: str, work: Callable[[], object]) -> None:
        took[name].append(processor_seconds_of(work))

    for _round in range(rounds):
        changed = peer.change_some(share)
        time_of("parse", lambda: peer.read("api/quantity-price").json())
        select = live.values_list("pk", "article", *STOCK_COLUMNS)
        time_of("select", lambda select=select: list(select))  # type: ignore[misc]
        time_of("whole", lambda: _done(import_stock(client)))
        rows = list(live.filter(article__in=changed).values_list(*columns, "pk"))
        time_of("update", partial(_update, update_rows, columns, rows))
    return {name: min(each) for name, each in took.items()}


def _update(
    update_rows: Callable[..., None], columns: tuple[str, ...], rows: list[Any]
) -> None:
    from django.db import transaction

    from catalog.models import Product

    with transaction.atomic():
        update_rows(Product, columns, rows)


def _client(peer: MemoryPeer) -> Any:
    from catalog.alstyle.client import AlStyleClient

    return AlStyleClient(peer)  # type: ignore[arg-type]


def _done(run: Any) -> None:
    if run.status != "done":
        raise SystemExit(f"the import failed: {run.message}")


def _empty(*, products_only: bool = False) -> None:
    from catalog.models import Category, Product, ProductChange, ProductWords

    ProductChange.objects.all().delete()
    ProductWords.objects.all()._raw_delete("default")
    Product.objects.all()._raw_delete("default")
    if not products_only:
        Category.objects.all()._raw_delete("default")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goods", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="1: no memory")
    arguments = parser.parse_args()
    goods, rounds = arguments.goods, arguments.rounds
    peer = MemoryPeer(goods)
    with throwaway_database() as vendor:
        print(f"{goods} goods, {vendor}")
        from catalog.importing import import_catalogue, import_stock

        first, bare = measure_first_import(peer, rounds=min(rounds, 3))
        note("first import", size=goods, seconds=first)
        print(
            f"first import     {first:6.2f} s  = {first / bare:4.2f} x bare writing "
            f"({bare:.2f} s), bar {FIRST_BARS[vendor]:g} x; {goods / first:,.0f} "
            f"goods/s",
            flush=True,
        )
        if rounds > 1:
            peak, queries = measure_first_import_apart(peer)
            print(f"                 peak +{peak:.0f} MiB, {queries} queries")
        client = _client(peer)
        _done(import_catalogue(client))
        for share, bar in STOCK_BARS.items():
            took = measure_stock(peer, share, rounds=rounds)
            note(f"stock, {share:.0%} changed", size=goods, seconds=took["whole"])
            floor = took["parse"] + took["select"] + took["update"]
            print(
                f"stock, {share:3.0%} changed {took['whole']:6.3f} s  = "
                f"{took['whole'] / floor:4.2f} x (JSON {took['parse']:.3f} s + SELECT "
                f"{took['select']:.3f} s + update {took['update']:.3f} s), "
                f"bar {bar:g} x; {goods / took['whole']:,.0f} goods/s",
                flush=True,
            )
            if rounds == 1:
                continue
            peer.change_some(share)
            peak = python_peak_mib_of(lambda: _done(import_stock(client)))
            print(f"                 peak +{peak:.0f} MiB")


if __name__ == "__main__":
    main()
