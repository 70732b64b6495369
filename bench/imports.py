"""Measure the imports against what they cannot do without.

    python bench/imports.py --goods 100000

First import: at most 2 x `bulk_create` of the same rows. Stock refresh with 1 % of
the goods changed: at most 2 x (parsing the JSON + one SELECT of what is compared).
The best of several rounds counts, on both sides of a ratio.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import (
    python_peak_mib_of,
    queries_of,
    seconds_of,
    throwaway_database,
)

LEAVES = 400
ROUNDS = 9
CHANGED_SHARE = 0.01
BAR = 2.0


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

    def change_some(self) -> None:
        """Change stock or price of one good in a hundred."""
        for good in self.dice.sample(self.goods, int(len(self.goods) * CHANGED_SHARE)):
            if self.dice.random() < 0.8:
                others = {0, 1, 7, 30, ">50", ">100"} - {good["quantity"]}
                good["quantity"] = self.dice.choice(sorted(others, key=str))
            else:
                good["price1"] += self.dice.randint(1, 50)
        self.refresh()

    def read(self, path: str, *, params: dict[str, Any] | None = None, **_: Any) -> Any:
        from plumbing.peers import PeerReply

        method = path.removeprefix("api/")
        body = self.bodies.get(method) or self._answer(method, params or {})
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


def measure_first_import(peer: MemoryPeer) -> tuple[float, float, float, int]:
    """Return seconds of importing, of bulk_create; MiB and queries of importing."""
    from django.db import transaction

    from catalog.importing import import_catalogue
    from catalog.models import Product

    client = _client(peer)
    seconds, bare, peaks, queries = [], [], [], 0
    for number in range(3):
        _empty()
        seconds.append(seconds_of(lambda: _done(import_catalogue(client))))
        rows = list(Product.objects.all())
        for row in rows:
            row.pk = None
        _empty(products_only=True)

        def create(rows: list[Any] = rows) -> None:
            with transaction.atomic():
                Product.objects.bulk_create(rows)

        bare.append(seconds_of(create))
        del rows
        if number == 0:
            _empty()
            peaks.append(python_peak_mib_of(lambda: _done(import_catalogue(client))))
            _empty()
            queries = queries_of(lambda: _done(import_catalogue(client)))
    return min(seconds), min(bare), max(peaks), queries


def measure_stock(peer: MemoryPeer) -> tuple[float, float, float, float, int]:
    """Return seconds of refreshing, parsing, selecting; MiB and queries."""
    from catalog.comparing import STOCK_COLUMNS
    from catalog.importing import import_stock
    from catalog.models import Product

    client = _client(peer)
    columns = ("pk", "article", *STOCK_COLUMNS)
    live = Product.objects.filter(gone_at=None).order_by()
    refreshing, parsing, selecting = [], [], []
    for _round in range(ROUNDS):
        peer.change_some()
        parsing.append(seconds_of(lambda: peer.read("api/quantity-price").json()))
        selecting.append(seconds_of(lambda: list(live.values_list(*columns))))
        refreshing.append(seconds_of(lambda: _done(import_stock(client))))
    peer.change_some()
    peak = python_peak_mib_of(lambda: _done(import_stock(client)))
    peer.change_some()
    queries = queries_of(lambda: _done(import_stock(client)))
    best = map(min, (refreshing, parsing, selecting))
    return (*best, peak, queries)  # type: ignore[return-value]


def _client(peer: MemoryPeer) -> Any:
    from catalog.alstyle.client import AlStyleClient

    return AlStyleClient(peer)  # type: ignore[arg-type]


def _done(run: Any) -> None:
    if run.status != "done":
        raise SystemExit(f"the import failed: {run.message}")


def _empty(*, products_only: bool = False) -> None:
    from catalog.models import Category, Product, ProductChange

    ProductChange.objects.all().delete()
    Product.objects.all()._raw_delete("default")
    if not products_only:
        Category.objects.all()._raw_delete("default")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goods", type=int, default=100_000)
    goods = parser.parse_args().goods
    peer = MemoryPeer(goods)
    with throwaway_database() as vendor:
        print(f"{goods} goods, {vendor}")
        from catalog.importing import import_catalogue

        first, bare, peak, queries = measure_first_import(peer)
        print(
            f"first import    {first:6.2f} s  = {first / bare:4.2f} x bulk_create "
            f"({bare:.2f} s), bar {BAR:.0f} x; {goods / first:,.0f} goods/s, "
            f"peak +{peak:.0f} MiB, {queries} queries"
        )
        _empty()
        _done(import_catalogue(_client(peer)))
        whole, parse, select, peak, queries = measure_stock(peer)
        print(
            f"stock refresh   {whole:6.3f} s  = {whole / (parse + select):4.2f} x "
            f"(JSON {parse:.3f} s + SELECT {select:.3f} s), bar {BAR:.0f} x; "
            f"{goods / whole:,.0f} goods/s, peak +{peak:.0f} MiB, {queries} queries"
        )


if __name__ == "__main__":
    main()
