"""Measure how long staff wait for what a change would do, and for their tables.

    python bench/before_saving.py --goods 15000 --rows 5000 --bad 50

A page that takes more than a few seconds is not looked at. Each figure is the best of
three rounds; the table is read from the file to the page, and saved.
"""

from __future__ import annotations

import argparse
import random
import sys
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import python_peak_mib_of, seconds_of, throwaway_database

ROUNDS = 3
PREVIEW_BAR_S = 3.0
TABLE_BAR_S = 30.0
BRANCHES = 40


def furnish(goods: int) -> None:
    from django.utils import timezone

    from catalog.models import Category, ImportRun, PriceRule, Product
    from feeds.models import Store
    from feeds.publishing import build_price_list

    dice, now = random.Random(1), timezone.now()
    branches = Category.objects.bulk_create(
        Category(supplier_id=str(n), name=f"C{n}", is_published=True)
        for n in range(BRANCHES)
    )
    Product.objects.bulk_create(
        Product(
            article=str(number),
            sku=str(number),
            name=f"Мышь проводная Zeta модель {number}",
            brand=f"Zeta {number % 90}",
            category=branches[number % BRANCHES],
            cost_kzt=dice.randint(500, 400_000),
            retail_kzt=0,
            stock=dice.choice((0, 3, 12, 40)),
            first_seen=now,
            last_seen=now,
        )
        for number in range(goods)
    )
    for number in range(0, BRANCHES, 2):
        PriceRule.objects.create(
            name=f"R{number}", category=branches[number], base="cost"
        )
    for kind in ImportRun.Kind.values:
        ImportRun.objects.create(
            kind=kind, status="done", started_at=now, finished_at=now
        )
    Store.objects.create(store_id="PP1")
    result = build_price_list(now=now)
    if not result.is_success:
        raise SystemExit(result.summary)


def proposed(table: str, wanted: dict[Any, Any], errors: Any = ()) -> Any:
    from django.contrib.auth.models import User
    from django.utils import timezone

    from feeds.proposals import propose

    user, _made = User.objects.get_or_create(username="bench")
    return propose(
        table=table,
        title="bench",
        author_pk=user.pk,
        wanted=wanted,
        errors=errors,
        now=timezone.now(),
    )


def best_of(work: Any) -> float:
    return min(seconds_of(work) for _ in range(ROUNDS))


def measure_previews(goods: int) -> None:
    from django.utils import timezone

    from catalog.models import Category, PriceRule, Product
    from feeds.foreseeing import foresee
    from feeds.proposals import edits_of

    default = PriceRule.objects.order_by("pk").first()
    some = list(Product.objects.order_by("pk").values_list("pk", flat=True)[:5000])
    cases: dict[str, tuple[str, dict[Any, Any]]] = {
        "the default rule, +1 %": (
            "pricerule",
            {default.pk: {"markup_percent": Decimal(21)}},
        ),
        "a rule of one branch": (
            "pricerule",
            {PriceRule.objects.order_by("-pk")[0].pk: {"markup_percent": Decimal(21)}},
        ),
        "half of the branches off sale": (
            "category",
            {
                pk: {"is_published": False}
                for pk in Category.objects.values_list("pk", flat=True)[::2]
            },
        ),
        "5 000 fixed prices": (
            "product",
            {pk: {"price_override_kzt": 900_000} for pk in some},
        ),
    }
    for name, (table, wanted) in cases.items():
        proposal = proposed(table, wanted)
        counts: dict[str, int] = {}

        def look(proposal: Any = proposal, counts: dict[str, int] = counts) -> None:
            counts.update(foresee(edits_of(proposal), now=timezone.now()).counts)

        seconds, peak = best_of(look), python_peak_mib_of(look)
        print(
            f"{name:32} {seconds:6.2f} s, bar {PREVIEW_BAR_S:.0f} s; "
            f"{counts['touched']} goods touched, peak +{peak:.0f} MiB"
        )


def measure_table(rows: int, bad: int) -> None:
    from django.utils import timezone

    from backoffice.spreadsheets import Sheet, read_xlsx, write_xlsx
    from catalog.models import Product
    from feeds.foreseeing import foresee
    from feeds.proposals import edits_of, save
    from feeds.tables import ProductTable

    goods = Product.objects.order_by("pk")[:rows]
    out = best_of(lambda: write_xlsx(ProductTable().sheet(goods)))
    sheet = ProductTable().sheet(goods)
    headers, cells = list(sheet.headers), [list(row) for row in sheet.rows]
    price, note = headers.index("Fixed price, ₸"), headers.index("Note")
    for number, row in enumerate(cells):
        row[price], row[note] = 900_000 + number, "bench"
    for row in random.Random(2).sample(cells, bad):
        row[price] = random.Random(bad).choice((1, "many", "-5"))

    content = write_xlsx(Sheet(title="T", headers=headers, rows=cells))
    found: list[Any] = []

    def take_in() -> None:
        names, read = read_xlsx(
            BytesIO(content),
            size_bytes=len(content),
            max_bytes=10 * 1024 * 1024,
            max_rows=20_000,
        )
        many = ProductTable().read(names, read)
        proposal = proposed("product", many.wanted, many.errors)
        foresee(edits_of(proposal), now=timezone.now())
        found[:] = [many, proposal]

    seconds, peak = best_of(take_in), python_peak_mib_of(take_in)
    many, proposal = found
    saving = seconds_of(lambda: save(proposal, now=timezone.now()))
    print(f"{rows} rows out: {out:.2f} s; {len(content) // 1024} KiB in:")
    print(
        f"  read, compared and shown in {seconds:.2f} s, saved in {saving:.2f} s, bar "
        f"{TABLE_BAR_S:.0f} s for both; {len(many.wanted)} wanted, "
        f"{len(many.errors)} errors, peak +{peak:.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goods", type=int, default=15_000)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--bad", type=int, default=50)
    wanted = parser.parse_args()
    with throwaway_database() as vendor:
        from django.utils import translation

        with translation.override("en"):
            furnish(wanted.goods)
            print(f"{wanted.goods} goods, {vendor}")
            measure_previews(wanted.goods)
            measure_table(wanted.rows, wanted.bad)


if __name__ == "__main__":
    main()
