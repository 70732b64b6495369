"""Soak the orders: exactly once under fire, judged by both peers' own books.

    python bench/soak.py --orders 200 --seed 1
    python bench/soak.py --postgresql            a throw-away PostgreSQL server
    python bench/soak.py --observe-only          not one write may reach either side
    python bench/soak.py --personality 7         another supplier, another Kaspi

Both peers drop 10 % of their answers after doing the work, fail 10 % of the calls,
throttle and stall; the workers of two machines are killed every few seconds; a
manager's rows come into the cart and go. Then the fire is put out, the workers come to
an end, and the promises are counted. Exits with 1 when one was broken.

With --personality SEED both peers are what `sandbox.personalities` makes of the seed
(0 = friendly), delays are --scale times shorter than life, here and in the bridge, a
manager comes at any moment, for the same goods too, and Kaspi cuts lines. What nobody
can be sure of may be left to a person; the share is told, and nothing may wait unseen.
A person who is told for long that somebody's goods are in the cart empties it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Set
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.soaking.buyers import KASPI_LIFE, SUPPLIER_LIFE, Buyers
from bench.soaking.certainty import judge_certainty
from bench.soaking.fire import (
    Cutter,
    Manager,
    Operator,
    Porter,
    Workers,
    lose_submits,
    put_out,
    set_fire,
)
from bench.soaking.ground import (
    MERCHANT_ID,
    ROOT,
    SCALE,
    Process,
    empty_database,
    environment,
    server_url,
)
from bench.soaking.judging import (
    Report,
    judge_books,
    judge_bridge,
    judge_goods,
    judge_silence,
    judge_words,
)
from bench.soaking.waits import Waits
from sandbox import AlStyleServer, KaspiServer, wait_until
from sandbox.alstyle.invented import invented_shop
from sandbox.audit import StockWatch
from sandbox.personalities import personality

if TYPE_CHECKING:
    from orders.models import Purchase

GOODS = 90
# Each third good is scarce, so that buyers meet at the last piece.
SCARCE_EVERY = 3
INTERVAL_S = 0.03
FETCH_EVERY_S = 2.0
# How old an honest price list may be here; an hour in earnest.
LAG_S = 40.0
KILL_EVERY_S = (1.5, 4.5)
MANAGER_EVERY_S = (6.0, 12.0)
MANAGER_STAYS_S = 1.5
MERGE_EVERY_ROWS = 3
CUT_EVERY_S = (3.0, 6.0)
# In life: how often a manager comes, and how long his row stays.
MANAGER_LIFE_S = {"manager_every_s": 300.0, "manager_stays_s": 90.0}
# Until a reconciler has told of what waits too long; more on a loaded machine.
SLACK_S = 25.0
LOOK_EVERY_S = 1.0
TICK_S = 0.05
SECONDS_PER_ORDER = 0.5
CALM_S = 20.0
SETTLES_WITHIN_S = 400.0


class Soak:
    """One run, from an empty database to the table."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self.options, self.directory = options, directory
        self.dice = random.Random(options.seed)
        alstyle = {"stock_falls": "shipping", "long_order_ids": options.long_ids}
        kaspi = dict(KASPI_LIFE)
        self.waits: Waits | None = None
        if options.personality is not None:
            chosen = personality(options.personality).but_friendly(*options.friendly)
            alstyle = chosen.alstyle_in(options.scale)
            alstyle |= {n: s / options.scale for n, s in MANAGER_LIFE_S.items()}
            kaspi |= chosen.kaspi_in(options.scale)
            self.waits = Waits(scale=options.scale, slack_s=SLACK_S)
        self.supplier = AlStyleServer(
            interval_s=0,
            seed=options.seed,
            shop=invented_shop(seed=options.seed, count=GOODS),
            life=SUPPLIER_LIFE,
            **alstyle,
        )
        self.kaspi = KaspiServer(merchant_id=MERCHANT_ID, seed=options.seed, **kaspi)
        self.kaspi.settings.hang_s = 2.0
        self.cutter = Cutter(self.kaspi, dice=self.dice)
        self.operator = Operator(self.supplier, scale=options.scale)
        self.porter = Porter(self.supplier, self.kaspi)
        self.watch: StockWatch | None = None
        self.report = Report()
        self._looks_at_s = 0.0

    def run(self, database_url: str) -> Report:
        self._settle_environment(database_url)
        with self.supplier, self.kaspi:
            self._open_shop()
            web = Process(
                "manage.py",
                "bridge_part",
                "web",
                "--exit-with-parent",
                log=self.directory / "web.log",
            )
            nursery = Process(
                "-m",
                "bench.soaking.worker",
                talks=True,
                log=self.directory / "workers.log",
            )
            try:
                self._list_goods()
                self._burn(Workers(nursery.tell))
            finally:
                nursery.stop()
                web.stop()
            self._judge()
        return self.report

    def _settle_environment(self, database_url: str) -> None:
        settings = environment(
            self.directory,
            database_url=database_url,
            alstyle_url=self.supplier.url,
            kaspi_url=self.kaspi.url,
            interval_s=INTERVAL_S,
            observe_only=self.options.observe_only,
            scale=self.options.scale,
            trusts_lists=self.options.trust_lists,
            merchant_uid=self.kaspi.settings.merchant_uid,
        )
        os.environ.update(settings)
        self.supplier.token = settings["ALSTYLE_TOKEN"]
        self.kaspi.token = settings["KASPI_TOKEN"]
        import django

        django.setup()

    def _open_shop(self) -> None:
        """Bring an empty database to a published price list."""
        from django.core.management import CommandError, call_command

        from bridge_site.roles import set_staff
        from catalog.models import Category
        from feeds.models import Store
        from plumbing import epoch

        for number, good in enumerate(self.supplier.goods.values()):
            if good.stock:
                good.stock = 1 + number % 4 if number % SCARCE_EVERY == 0 else 60
        call_command("migrate", verbosity=0)
        with contextlib.redirect_stdout(sys.stderr):
            call_command("sync_roles")
            epoch.begin()
            set_staff("viewer", role="viewer")
            Store.objects.create(store_id="PP1", name="Алматы")
            call_command("sync_catalog")
            # A quarter is not sold: the manager's rows are of these.
            for category in Category.objects.order_by("pk"):
                if category.pk % 4:
                    Category.objects.filter(pk=category.pk).update(is_published=True)
            call_command("sync_stock")
            call_command("build_feed")
            # What is accepted already when the first reading comes is left to people.
            for command in ("poll_orders", "refresh_orders"):
                # One section may be refused, as some personalities do.
                with contextlib.suppress(CommandError):
                    call_command(command)

    def _list_goods(self) -> None:
        self.watch = StockWatch(self.supplier, self.kaspi, lag_s=LAG_S)
        address = os.environ["LISTEN"]
        self.kaspi.set_feed(f"http://{address}/kaspi_price_list.xml")
        if not wait_until(lambda: bool(self._fetched()), timeout_s=60):
            raise SystemExit(f"no price list: {self.kaspi.fetches[-1:]}")
        self.kaspi.every(FETCH_EVERY_S, self.kaspi.fetch_now)

    def _fetched(self) -> int:
        time.sleep(0.2)
        return self.kaspi.fetch_now().on_sale

    def _burn(self, workers: Workers) -> None:
        """Let it burn, put it out, wait until nothing is left to do."""
        over_s = self.options.minutes * 60
        buyers = Buyers(
            self.kaspi, count=self.options.orders, over_s=over_s * 0.85, dice=self.dice
        )
        manager = Manager(self.supplier, self.kaspi, dice=self.dice)
        unrest = Unrest(
            workers,
            manager,
            cutter=self.cutter if self.waits is not None else None,
            dice=self.dice,
        )
        workers.start_all()
        set_fire(self.supplier, self.kaspi)
        if self.waits is not None:
            lose_submits(self.supplier)
        began = time.monotonic()
        while (now_s := time.monotonic() - began) < over_s:
            buyers.turn(now_s)
            unrest.turn(now_s)
            self._turn_people()
            self._look(now_s)
            time.sleep(TICK_S)
        struck = put_out(self.supplier, self.kaspi)
        took_s = self._wait_for_quiet()
        workers.kill_all()
        self._say(workers, manager, struck)
        self.report.say("seconds of fire", round(over_s))
        self.report.say("seconds until all was settled", round(took_s))

    def _turn_people(self) -> None:
        self.porter.turn()
        if self.waits is not None:
            self.operator.turn()

    def _look(self, now_s: float) -> None:
        if self.waits is not None and now_s >= self._looks_at_s:
            self.waits.turn()
            self._looks_at_s = now_s + LOOK_EVERY_S

    def _wait_for_quiet(self) -> float:
        """Let parcels come home, stop the clocks of life, wait for the workers."""
        began = time.monotonic()
        while time.monotonic() - began < self.options.calm_s:
            self._turn_people()
            time.sleep(TICK_S)
        self.supplier.change_settings(statuses_move=False)
        self.kaspi.change_settings(states_move=False)
        longest_s, told = SETTLES_WITHIN_S, set[str]()
        if self.waits is not None:
            longest_s = self.waits.longest.total_seconds() + SLACK_S
        while time.monotonic() - began < longest_s:
            self._turn_people()
            if self.waits is not None:
                self.waits.turn()
                told = set(self.waits.told)
            open_ends = what_is_open(
                self.kaspi, told=told, observe_only=self.options.observe_only
            )
            if not open_ends:
                return time.monotonic() - began
            time.sleep(1)
        self.report.promise("things that did not come to an end", open_ends)
        return time.monotonic() - began

    def _say(self, workers: Workers, manager: Manager, struck: dict[str, int]) -> None:
        say = self.report.say
        say("orders made by buyers", len(self.kaspi.orders))
        say("calls: Al-Style, Kaspi", f"{_calls(self.supplier)} {_calls(self.kaspi)}")
        for kind, number in sorted(struck.items()):
            say(f"  faults: {kind}", number)
        say("workers killed", workers.kills)
        say("manager's rows in the cart", manager.rows)
        say("supplier orders merged by its staff", manager.merges)
        say("the cart emptied by a person who was told", self.operator.times)

    @property
    def _peers(self) -> tuple[AlStyleServer, KaspiServer]:
        return self.supplier, self.kaspi

    def _judge(self) -> None:
        self._process_all()
        for name, peer in (("alstyle", self.supplier), ("kaspi", self.kaspi)):
            book = json.dumps(peer.book(), ensure_ascii=False, indent=1)
            (self.directory / f"{name}.json").write_text(book, encoding="utf-8")
        if self.options.observe_only:
            judge_silence(self.report, *self._peers)
        elif self.waits is not None:
            self.waits.turn()
            judge_certainty(
                self.report, *self._peers, self.waits, cut=self.cutter.codes
            )
        elif self.watch is not None:
            judge_books(self.report, *self._peers)
        if self.watch is not None and not self.options.observe_only:
            judge_goods(self.report, *self._peers, self.watch)
        judge_bridge(self.report, self.kaspi)
        judge_words(self.report, self.kaspi, self.directory)

    def _process_all(self) -> None:
        """As an operator does after an outage: nothing may come of it here."""
        with (self.directory / "commands.log").open("wb") as log:
            subprocess.run(
                [sys.executable, "manage.py", "process_orders", "--all"],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                check=True,
                timeout=120,
            )


class Unrest:
    """What happens at moments of its own: kills, the manager, merged orders."""

    def __init__(
        self,
        workers: Workers,
        manager: Manager,
        *,
        cutter: Cutter | None,
        dice: random.Random,
    ) -> None:
        self._workers, self._manager, self._dice = workers, manager, dice
        self._cutter = cutter
        self._next_cut_s = dice.uniform(*CUT_EVERY_S)
        self._next_kill_s = dice.uniform(*KILL_EVERY_S)
        self._next_row_s = dice.uniform(*MANAGER_EVERY_S)
        self._row_goes_s: float | None = None

    def turn(self, now_s: float) -> None:
        if now_s >= self._next_kill_s:
            self._workers.kill_one(self._dice)
            self._next_kill_s = now_s + self._dice.uniform(*KILL_EVERY_S)
        if self._cutter is not None:
            self._cut(self._cutter, now_s)
            return
        if self._row_goes_s is not None and now_s >= self._row_goes_s:
            self._manager.leave()
            self._row_goes_s = None
        if now_s >= self._next_row_s and self._manager.come():
            self._row_goes_s = now_s + MANAGER_STAYS_S
            self._next_row_s = now_s + self._dice.uniform(*MANAGER_EVERY_S)
            if self._manager.rows % MERGE_EVERY_ROWS == 0:
                self._manager.merge_two()

    def _cut(self, cutter: Cutter, now_s: float) -> None:
        """With a personality the manager comes and goes by himself."""
        if now_s < self._next_cut_s:
            return
        self._next_cut_s = now_s + self._dice.uniform(*CUT_EVERY_S)
        cutter.cut_one()
        if len(cutter.codes) % MERGE_EVERY_ROWS == 0:
            self._manager.merge_two()


def what_is_open(
    kaspi: KaspiServer, *, told: Set[str], observe_only: bool
) -> list[str]:
    """List what the bridge has still to do, or to learn from Kaspi.

    What belongs to orders of which a person was `told` may stay as it is.
    """
    from django.utils import timezone

    from orders.models import Order, Purchase, Reservation, Step

    pending = Step.Status.PENDING
    steps = Step.objects.filter(
        status__in=(pending, Step.Status.IN_FLIGHT, Step.Status.UNKNOWN)
    )
    if observe_only:
        # What is withheld comes up again in an hour.
        later = timezone.now() + timedelta(minutes=10)
        steps = steps.exclude(status=pending, not_before__gt=later)
    steps = steps.exclude(order__code__in=told)
    releasing = Reservation.objects.filter(status=Reservation.Status.RELEASING)
    known = dict(Order.objects.values_list("code", "status"))
    found = [f"{s.kind} {s.status} of {s.order_id}: {s.last_error}" for s in steps]
    found += [f"releasing {pk}" for pk in releasing.values_list("order_id", flat=True)]
    # Whether just our goods were ordered is told by the order, which is read by and by.
    found += [f"order of purchase {p} was not read" for p in _unread(Purchase, told)]
    for code, order in kaspi.orders.items():
        # Called off between two readings: nobody had to do anything.
        is_gone = code not in known and order.status == "CANCELLED"
        if known.get(code) != order.status and not is_gone:
            found.append(f"{code} is {order.status}, not {known.get(code)}")
    return found


def _unread(purchases: type[Purchase], told: Set[str]) -> list[Purchase]:
    return [p for p in purchases.objects.unverified() if not p.codes & told]


def _calls(peer: AlStyleServer | KaspiServer) -> int:
    return sum(peer.counters().values())


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--orders", type=int, default=200)
    add("--seed", type=int, default=1)
    add("--minutes", type=float, default=0.0, help="of fire; default: by the orders")
    add("--database-url", default="", help="a server to make the database on")
    add("--postgresql", action="store_true", help="start a throw-away server")
    add("--observe-only", action="store_true", help="not one write may leave")
    add("--personality", type=int, metavar="SEED", help="what both peers are like")
    add("--friendly", action="append", default=[], metavar="SWITCH", help="but for it")
    add("--trust-lists", action="store_true", help="a bridge that must be caught")
    add("--scale", type=float, default=SCALE, help="how much faster than life")
    add("--json", type=Path, metavar="FILE", help="write the table there, too")
    add("--long-ids", action="store_true", help="orders are listed by other numbers")
    add("--short", action="store_true", help="less fire, less calm: for the tests")
    add("--keep", action="store_true", help="keep the directory with the logs")
    options = parser.parse_args(argv)
    least_s = 12 if options.short else 20
    if options.minutes <= 0:
        options.minutes = max(options.orders * SECONDS_PER_ORDER, least_s) / 60
    is_short = options.observe_only or options.short
    options.calm_s = 3.0 if is_short else CALM_S
    return options


def carry_out(options: argparse.Namespace, soak: type[Soak], *, name: str) -> int:
    """Run it in a directory and on a database of its own; returns the exit code."""
    with contextlib.ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix=f"bridge-{name}-"))
        if not options.keep:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        server = stack.enter_context(
            server_url(options.database_url, postgresql=options.postgresql)
        )
        url = stack.enter_context(empty_database(server, directory))
        kind = "PostgreSQL" if url.startswith("postgres") else "SQLite"
        print(f"{options.orders} orders, seed {options.seed}, {kind}", flush=True)
        report = soak(options, directory).run(url)
        from django.db import connections

        connections.close_all()
        print(report.shown())
        if options.json is not None:
            options.json.write_text(report.as_json(), encoding="utf-8")
        if options.keep:
            print(f"logs: {directory}")
    return 0 if report.is_kept else 1


def main() -> int:
    return carry_out(parse(), Soak, name="soak")


if __name__ == "__main__":
    raise SystemExit(main())
