"""Replay a supplier's year: what the price list made of it, what people had to do.

    python bench/year.py --goods 500 --days 365

Real: imports, prices, quarantine, merged lists, builds with all their checks, on a
database (SQLite, or beside DATABASE_URL's). Of our own making: the supplier's history
(`bench/history.py`), with the shares that real ones have, and its bad days. Left out:
the wire, the queue (what is queued is done at once), and the imports between those of
an hour. A person looks at what the overview asks of him at 10 and at 16.

After every import Kaspi fetches the list, which is held against the supplier's own
books. Exits with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import throwaway_database

if TYPE_CHECKING:
    from bench.history import Supplier, Year
    from catalog.models import ImportRun

READ_CATALOGUE_AT, SLIP_AT, PERSON_COMES_AT = 3, 11, (10, 16)
REAL_GOODS = 15_000
CONFIRM = "feeds.tasks.confirm_withdrawals"
CONFIRMED_AFTER = timedelta(seconds=30)
BARS = (
    "lists refused",
    "true drops withheld",
    "more offered than there is",
    "sold at a loss",
)


@dataclass(slots=True)
class Replay:
    """The bridge with its supplier, the person who looks after it, and the count."""

    supplier: Supplier
    counts: Counter[str] = field(default_factory=Counter)
    acting_days: set[int] = field(default_factory=set)
    # By the last import that was stored.
    stocks: dict[str, int] = field(default_factory=dict)
    true_costs: dict[str, int] = field(default_factory=dict)
    # How to undo what somebody did by mistake.
    mistakes: list[Callable[[], object]] = field(default_factory=list)

    def import_stock(self, now: datetime) -> None:
        from catalog.importing import import_stock

        self._note(import_stock(self.supplier, now=now))

    def import_catalogue(self, now: datetime) -> None:
        from catalog.importing import import_catalogue

        self._note(import_catalogue(self.supplier, now=now))

    def _note(self, run: ImportRun) -> None:
        from catalog.models import Product

        self.counts["imports done" if run.is_done else "imports refused"] += 1
        if run.is_done:
            self.stocks = dict(Product.objects.values_list("article", "stock"))
            goods = self.supplier.goods.items()
            self.true_costs = {str(article): good.cost for article, good in goods}

    def build(self, now: datetime) -> None:
        """Build, and do at once what the build queues."""
        from django_q.models import OrmQ

        from catalog.models import Product
        from feeds.publishing import build_price_list

        OrmQ.objects.all().delete()
        risen = list(Product.objects.risen().values_list("pk", flat=True))
        result = build_price_list(now=now)
        released = Product.objects.filter(pk__in=risen, quarantine="")
        self.counts["rises let through"] += released.count()
        self.counts["lists built"] += 1
        if not result.is_success:
            self.counts["lists refused"] += 1
            print(f"{now:%d.%m %H:%M} {result.summary}", flush=True)
        if result.counts.get("withheld") or result.counts.get("unconfirmed"):
            self.counts["lists merged"] += 1
        if any(task.func() == CONFIRM for task in OrmQ.objects.all()):
            self.counts["second imports"] += 1
            self.import_stock(now + CONFIRMED_AFTER)
            self.build(now + 2 * CONFIRMED_AFTER)

    def judge(self) -> None:
        """Let Kaspi fetch the list, and hold it against the supplier's books."""
        from catalog.models import PriceRule
        from feeds.models import Listing

        rule = PriceRule.objects.active().first()
        margin = 1 + rule.least_margin_percent / 100 if rule else 1
        self.counts["fetches"] += 1
        offers = Listing.objects.on_sale().values_list(
            "product__article", "stock_count", "price_kzt"
        )
        for article, units, price in offers:
            stock = self.stocks.get(article, 0)
            self.counts["offers on sale"] += 1
            self.counts["true drops withheld"] += not stock
            self.counts["more offered than there is"] += 0 < stock < units
            self.counts["sold at a loss"] += (
                price < self.true_costs.get(article, 0) * margin
            )

    def person_looks(self, now: datetime, *, day: int) -> None:
        """Do what the overview asks for: nothing else brings a person here."""
        from catalog.models import Product
        from catalog.repricing import release_prices
        from feeds.models import FeedBuild

        fell = Product.objects.quarantined().filter(quarantine=Product.Quarantine.JUMP)
        figures = fell.values_list("pk", "article", "cost_kzt", "price_kzt")
        right = {
            pk: price or 0
            for pk, article, cost, price in figures
            if cost == self.true_costs[article]
        }
        last = FeedBuild.objects.order_by("-started_at", "-pk").first()
        undo = bool(self.mistakes) and last is not None and last.withholds
        if right or undo:
            self.acting_days.add(day)
        self.counts["falls released"] += len(release_prices(right))
        if undo:
            self.mistakes.pop()()
            self.counts["mistakes undone"] += 1
            self.build(now)

    def slip(self, number: int) -> None:
        """Take a rule out of force, or half of the branches out of sale, by mistake."""
        from catalog.models import Category, PriceRule

        rows: Any = PriceRule.objects.active()
        column = "is_active"
        if number % 2:
            rows, column = Category.objects.filter(left__lte=10), "is_published"
        pks = list(rows.values_list("pk", flat=True))
        mine = rows.model.objects.filter(pk__in=pks)
        mine.update(**{column: False})
        self.mistakes.append(lambda: mine.update(**{column: True}))


def replay_year(*, goods: int, days: int, seed: int) -> tuple[Replay, Year]:
    from bench.history import BEGINNING, Supplier, Year
    from catalog.importing import delete_old_changes
    from catalog.models import Category
    from feeds.models import Store

    supplier = Supplier(goods=goods, seed=seed)
    replay, year = Replay(supplier), Year(supplier=supplier, days=days)
    Store.objects.create(store_id="PP1")
    replay.import_catalogue(BEGINNING - timedelta(hours=1))
    Category.objects.update(is_published=True)
    # One in each quarter, on a morning between two looks.
    slips = {round(days / 4 * (number + 0.5)): number for number in range(4)}
    for now in year.hours():
        day = (now - BEGINNING).days
        if now.hour == READ_CATALOGUE_AT:
            replay.import_catalogue(now - timedelta(minutes=10))
            delete_old_changes(now=now)
        if now.hour == SLIP_AT and day in slips:
            replay.slip(slips[day])
        replay.import_stock(now)
        replay.build(now)
        replay.judge()
        if now.hour in PERSON_COMES_AT:
            replay.person_looks(now + timedelta(minutes=10), day=day)
    return replay, year


def report(
    counts: Counter[str], happened: Mapping[str, int], *, goods: int, days: int
) -> bool:
    told = ", ".join(f"{number} {what}" for what, number in happened.items())
    print(f"the year     {told}")
    print(
        f"imports      {counts['imports done']} done, {counts['imports refused']} "
        f"refused or failed; {counts['second imports']} were asked for a second word"
    )
    on_sale = counts["offers on sale"] / counts["fetches"]
    print(
        f"price lists  {counts['lists built']} built, {counts['lists merged']} of them "
        f"merged; {on_sale:.0f} goods on sale at a fetch"
    )
    falls, undone = counts["falls released"], counts["mistakes undone"]
    print(
        f"human acts   {(falls + undone) / days:.2f} a day: {falls} falls released "
        f"({falls / days * REAL_GOODS / goods:.1f} a day at {REAL_GOODS} goods), "
        f"{undone} mistakes of ours undone; {counts['rises let through']} rises needed "
        "nobody"
    )
    for bar in BARS:
        print(f"{'MISS' if counts[bar] else 'ok':<5}{bar}: {counts[bar]}, bar 0")
    return not any(counts[bar] for bar in BARS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goods", type=int, default=500)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    goods, days, seed = options.goods, options.days, options.seed
    with throwaway_database() as vendor, tempfile.TemporaryDirectory() as directory:
        from django.conf import settings

        # What the bad days make it say is not what is measured.
        logging.disable(logging.WARNING)
        settings.FEED_DIR = Path(directory) / "feed"
        # The imports of this year are up to three hours apart, not ten minutes.
        settings.STOCK_STALE_AFTER_MIN = 300
        began = time.perf_counter()
        replay, year = replay_year(goods=goods, days=days, seed=seed)
        took_s = time.perf_counter() - began
        print(f"{days} days, {goods} goods, {vendor}, seed {seed}: {took_s:.0f} s")
        is_good = report(replay.counts, year.happened, goods=goods, days=days)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
