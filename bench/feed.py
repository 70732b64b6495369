"""Measure the price list against writing the same rows from memory.

    python bench/feed.py --offers 100000

Database to validated file: at most 3 x lxml's incremental writer alone, used as its
manual shows, and at most 150 MiB above idle (the whole process: lxml and SQLite keep
memory that Python does not see). SQLite in a temporary directory, or beside
DATABASE_URL's. Told is the median of three runs, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.filling import fill_table
from bench.measuring import (
    note,
    peak_mib_of,
    processor_seconds,
    seconds_of,
    throwaway_database,
)

BAR = 3.0
MEMORY_BAR_MIB = 150
ROUNDS = 3
NOW = datetime.fromisoformat("2026-03-10T11:00:00+05:00")


COLUMNS = (
    *("article", "sku", "name", "brand", "cost_kzt", "stock", "stock_is_lower_bound"),
    *("is_published", "price_kzt", "first_seen", "last_seen"),
)


def products(number: int) -> Iterator[tuple[Any, ...]]:
    for i in range(number):
        yield (
            f"{100_000 + i}",
            f"{100_000 + i}",
            f'Мышь Zeta ZX-{i} <беспроводная> & "тихая", 2.4 ГГц, чёрная',
            f"Zeta {i % 500}",
            1000 + i % 90_000,
            1 + i % 60,
            i % 7 == 0,
            "yes",
            1500 + i % 90_000,
            NOW,
            NOW,
        )


def fill(number: int) -> None:
    from catalog.models import ImportRun, Product
    from feeds.models import Store
    from plumbing.rows import tell_planner

    Store.objects.create(store_id="PP1")
    ImportRun.objects.create(
        kind="stock", status="done", started_at=NOW, finished_at=NOW
    )
    fill_table(Product, COLUMNS, products(number))
    # As an import does that brings so many.
    tell_planner(Product, written=number)


def change_some() -> None:
    """Sell one unit of one product in a hundred."""
    from django.db.models import F

    from catalog.models import Product

    every = Product.objects.annotate(turn=F("pk") % 100).filter(turn=0)
    Product.objects.filter(pk__in=every.values("pk"), stock__gt=1).update(
        stock=F("stock") - 1
    )


def write_plainly(path: Path, offers: list[Any]) -> None:
    """Write the rows as lxml's manual shows it: the yardstick."""
    from lxml import etree

    ns = "{kaspiShopping}"
    with (
        etree.xmlfile(str(path), encoding="utf-8") as xml,
        xml.element(f"{ns}kaspi_catalog", nsmap={None: "kaspiShopping"}, date="x"),
    ):
        with xml.element(f"{ns}company"):
            xml.write("Qaz Demo")
        with xml.element(f"{ns}merchantid"):
            xml.write("QazDemo")
        with xml.element(f"{ns}offers"):
            for offer in offers:
                with xml.element(f"{ns}offer", sku=offer.sku):
                    with xml.element(f"{ns}model"):
                        xml.write(offer.model)
                    with xml.element(f"{ns}brand"):
                        xml.write(offer.brand)
                    with (
                        xml.element(f"{ns}availabilities"),
                        xml.element(
                            f"{ns}availability",
                            available="yes",
                            storeId="PP1",
                            stockCount=str(offer.units),
                        ),
                    ):
                        pass
                    with xml.element(f"{ns}price"):
                        xml.write(str(offer.price_kzt))


def _offers() -> Any:
    from feeds.comparing import ListDifferences
    from feeds.offers import read_terms, stream_offers

    return stream_offers(
        now=NOW, terms=read_terms(now=NOW), differences=ListDifferences()
    )


def measure_yardstick(path: Path) -> dict[str, float]:
    offers = list(_offers())
    return timed(lambda: write_plainly(path, offers))


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Measure by the wall's clock, and what of it the processor worked."""
    began = processor_seconds()
    return {"seconds": seconds_of(work), "cpu": processor_seconds() - began}


def measure_draft(path: Path) -> dict[str, float]:
    from feeds.drafting import Draft, check_draft, read_points, write_draft
    from feeds.validating import streaming_schema

    read_points()  # Connects: the connection's cache is not the build's memory.
    streaming_schema()
    draft = Draft(path=path)
    parts: dict[str, float] = {}

    def write_and_check() -> None:
        parts["writing"] = seconds_of(lambda: write_draft(draft, now=NOW))
        parts["checking"] = seconds_of(lambda: check_draft(draft))

    peak = peak_mib_of(write_and_check)
    parts["seconds"] = parts["writing"] + parts["checking"]
    parts["reading"] = seconds_of(lambda: [None for _ in _offers()])
    return {**parts, "peak": peak, "size": path.stat().st_size}


def measure_pricing(_path: Path) -> dict[str, float]:
    from catalog.repricing import reprice

    return timed(lambda: reprice(now=NOW))


def measure_reading(_path: Path) -> dict[str, float]:
    from feeds.offers import product_rows

    return timed(lambda: [None for _ in product_rows(now=NOW)])


def measure_publishing(_path: Path) -> dict[str, float]:
    from feeds.publishing import build_price_list

    measured: dict[str, float] = {}

    def publish() -> None:
        result = build_price_list(now=NOW)
        if not result.is_success:
            raise SystemExit(result.summary)

    def publish_timed() -> None:
        measured.update(timed(publish))

    measured["peak"] = peak_mib_of(publish_timed)
    return measured


def measure_again(path: Path) -> dict[str, float]:
    """Measure a build in a process that has built before, as the worker's has."""
    measure_publishing(path)
    return measure_publishing(path)


PARTS: dict[str, Callable[[Path], dict[str, float]]] = {
    "yardstick": measure_yardstick,
    "draft": measure_draft,
    "pricing": measure_pricing,
    "reading": measure_reading,
    "publishing": measure_publishing,
    "again": measure_again,
}
# The whole build over the writer, by what has changed since the last.
UNCHANGED = "nothing changed"
WHOLE_BARS = {"first list": 3.0, "1 % changed": 2.5, UNCHANGED: 1.2}


def in_child(part: str, directory: str) -> dict[str, float]:
    """Measure in a process of its own: memory starts from idle."""
    from django.db import connection

    config = connection.settings_dict
    url = f"sqlite:///{Path(str(config['NAME'])).as_posix()}"
    if connection.vendor != "sqlite":
        login = f"{config['USER']}:{config['PASSWORD']}"
        where = f"{config['HOST']}:{config['PORT']}"
        url = f"postgres://{login}@{where}/{config['NAME']}"
    connection.close()
    env = {
        **os.environ,
        "TEST_DATABASE_URL": url,
        "BENCH_DIR": directory,
    }
    command = [sys.executable, __file__, "--part", part]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def run_part(part: str) -> None:
    import django

    django.setup()
    from django.conf import settings

    directory = Path(os.environ["BENCH_DIR"])
    settings.FEED_DIR = directory / "feed"
    settings.STOCK_STALE_AFTER_MIN = 10
    print(json.dumps(PARTS[part](directory / f"{part}.xml")))


def report(name: str, directory: str, *, rounds: int) -> None:
    """Measure yardstick and draft in turn, so that both meet the same neighbours."""
    pairs = [
        (in_child("yardstick", directory), in_child("draft", directory))
        for _ in range(rounds)
    ]
    ratios = [draft["seconds"] / yard["seconds"] for yard, draft in pairs]
    ratio = sorted(ratios)[rounds // 2]
    yard, draft = pairs[ratios.index(ratio)]
    peak = max(draft["peak"] for _, draft in pairs)
    print(
        f"{name:<12} {draft['seconds']:6.2f} s = {ratio:4.2f} x the writer "
        f"({yard['seconds']:.2f} s), bar {BAR:.0f} x "
        f"(runs {', '.join(f'{other:.2f}' for other in sorted(ratios))}); "
        f"reading and writing {draft['writing']:.2f} s (reading alone "
        f"{draft['reading']:.2f} s), checking {draft['checking']:.2f} s; "
        f"peak +{peak:.0f} MiB, bar {MEMORY_BAR_MIB}; {draft['size'] / 1e6:.0f} MB",
        flush=True,
    )


def report_whole(name: str, directory: str, *, offers: int) -> None:
    """Measure a whole build: prices, list, validation, copies, listings."""
    is_unchanged = name == UNCHANGED
    kind = "reading" if is_unchanged else "yardstick"
    bar = f", bar {WHOLE_BARS[name]:.1f} x"
    yard = in_child(kind, directory)
    whole = in_child("again" if is_unchanged else "publishing", directory)
    note(f"whole list: {name}", size=offers, seconds=whole["cpu"])
    what = "the writer" if kind == "yardstick" else "reading the columns"
    print(
        f"whole: {name:<15} {whole['seconds']:6.2f} s = "
        f"{whole['seconds'] / yard['seconds']:4.2f} x {what} ({yard['seconds']:.2f} s)"
        f"{bar}; of the processor {whole['cpu']:.2f} s = "
        f"{whole['cpu'] / yard['cpu']:4.2f} x; peak +{whole['peak']:.0f} MiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offers", type=int, default=15_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        run_part(arguments.part)
        return
    with throwaway_database() as vendor, tempfile.TemporaryDirectory() as directory:
        print(f"{arguments.offers} offers, {vendor}")
        began = time.perf_counter()
        fill(arguments.offers)
        print(f"filled in {time.perf_counter() - began:.0f} s")
        offers, rounds = arguments.offers, arguments.rounds
        report("first list", directory, rounds=rounds)
        priced = in_child("pricing", directory)
        note("all prices worked out", size=offers, seconds=priced["cpu"])
        print(
            f"all prices   {priced['seconds']:6.2f} s, of the processor "
            f"{priced['cpu']:.2f} s; once, and when the rules change"
        )
        every = ["first list", *["1 % changed"] * rounds, *[UNCHANGED] * rounds]
        for name in every:
            if name == "1 % changed":
                change_some()
            report_whole(name, directory, offers=offers)
        report("later list", directory, rounds=rounds)


if __name__ == "__main__":
    main()
