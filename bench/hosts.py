"""Run three hosts on one PostgreSQL; cut one off, kill one, suspend one.

    python bench/hosts.py --orders 150
    python bench/hosts.py --suspended-s 600      as long as it is asked for

Each host is the whole bridge, `manage.py bridge`, with its own folder, name and cable
to the database; both peers are the sandbox's, and buyers order all the while. Whichever
host does the orders' work at the moment is struck: first its cable falls silent and is
cut, then it is killed, then suspended in whatever it does and woken up again. All waits
are those of life, unless --scale makes them shorter. Judged by the peers' own books: 0
bought twice, 0 lost, each order accepted once; and the list is fetched from every host
each second. Exits with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.several.cable import Cable
from bench.several.trees import Readers, Tree
from bench.soak import LAG_S, Soak, carry_out, what_is_open
from bench.soaking.buyers import Buyers
from bench.soaking.judging import Report
from sandbox import wait_until
from sandbox.audit import StockWatch

Cluster = Literal["orders", "imports"]

NAMES = ("north", "south", "west")
# In life: between two blows; silent for as long as nobody is told, then refused.
CALM_S, SILENT_S, CUT_S = 45.0, 60.0, 60.0
# The least of each when life is short.
LEAST_S = 3.0
# Longer than a lease lasts.
TAKEN_OVER_WITHIN_S = 240.0
SETTLES_WITHIN_S = 900.0
FETCH_EVERY_S = 2.0
# What the schedules ask for by the minute, when minutes are too long: by the second.
RECURRING: dict[tuple[str, Cluster], float] = {
    ("orders.tasks.poll_orders", "orders"): 2.0,
    ("orders.tasks.refresh_orders", "orders"): 4.0,
    ("orders.tasks.sweep_orders", "orders"): 2.0,
    ("orders.tasks.reconcile", "orders"): 5.0,
    ("catalog.tasks.sync_stock", "imports"): 8.0,
    ("feeds.tasks.build_feed", "imports"): 4.0,
    ("orders.tasks.follow_supplier", "imports"): 6.0,
}
MOST_QUEUED = 12
TICK_S = 0.1
WORK = "dispatch-alstyle"


@dataclass
class Blow:
    """What was done to a host, and what became of the work."""

    what: str
    host: str
    at: float
    taken_by: str = ""
    taken_after_s: float = 0.0


@dataclass
class Course:
    """The run's clock, and who is turned with it."""

    turn: Callable[[float], None]
    began: float = field(default_factory=time.monotonic)

    def go_on(
        self, seconds: float, *, until: Callable[[], bool] = lambda: False
    ) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            self.turn(time.monotonic() - self.began)
            time.sleep(TICK_S)


class Recurring:
    """Asks for what recurs as the schedules do, only more often."""

    def __init__(self) -> None:
        self._next_s: dict[tuple[str, Cluster], float] = dict.fromkeys(RECURRING, 0.0)

    def turn(self, now_s: float) -> None:
        from django_q.models import OrmQ

        from plumbing.queue import enqueue

        due = [task for task, at in self._next_s.items() if now_s >= at]
        for func, cluster in due:
            self._next_s[func, cluster] = now_s + RECURRING[func, cluster]
            if OrmQ.objects.filter(key=cluster).count() < MOST_QUEUED:
                enqueue(func, cluster=cluster)


class Hosts(Soak):
    """One run, from an empty database to the table."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        super().__init__(options, directory)
        self.trees: list[Tree] = []
        self.blows: list[Blow] = []

    def run(self, database_url: str) -> Report:
        # What this program does by hand is done on the first host.
        os.environ["HOST_NAME"] = NAMES[0]
        self._settle_environment(database_url)
        os.environ["DJANGO_SETTINGS_MODULE"] = "bench.several.settings"
        with self.supplier, self.kaspi, contextlib.ExitStack() as stack:
            self._open_shop()
            from django.core.management import call_command

            call_command("sync_schedules", verbosity=0)
            for name in NAMES[: self.options.hosts]:
                cable = Cable(database_url)
                stack.callback(cable.close)
                is_first = name == NAMES[0]
                folder = self.directory / ("var" if is_first else name)
                tree = Tree(name, os.environ, folder, cable)
                stack.callback(tree.stop)
                self.trees.append(tree)
            for tree in self.trees:
                tree.start()
            for tree in self.trees:
                tree.await_site()
            os.environ["LISTEN"] = self.trees[-1].listen
            self._list_goods()
            readers = Readers(self.trees)
            readers.start()
            stack.callback(readers.stop)
            self._strike()
            is_one = wait_until(readers.agree, timeout_s=30)
            self.report.promise("hosts that give out another list", int(not is_one))
            readers.stop()
            self._say_lists(readers)
            self._judge()
        return self.report

    def _list_goods(self) -> None:
        self.watch = StockWatch(self.supplier, self.kaspi, lag_s=LAG_S)
        self._point_kaspi()
        if not wait_until(lambda: bool(self._fetched()), timeout_s=60):
            raise SystemExit(f"no price list: {self.kaspi.fetches[-1:]}")

    def _point_kaspi(self) -> None:
        """Let Kaspi fetch from a host that answers, as a balancer before them does."""
        tree = self.dice.choice([t for t in self.trees if t.is_expected_to_answer])
        self.kaspi.set_feed(f"http://{tree.listen}/kaspi_price_list.xml")

    def _strike(self) -> None:
        options = self.options
        self.calm_s, self.silent_s, self.cut_s = (
            max(seconds / options.scale, LEAST_S)
            for seconds in (CALM_S, SILENT_S, CUT_S)
        )
        blows = [(name, getattr(self, f"_{name}")) for name in options.blows.split(",")]
        over_s = self.calm_s * (len(blows) + 1) + self.silent_s + self.cut_s
        over_s += options.suspended_s
        buyers = Buyers(self.kaspi, count=options.orders, over_s=over_s, dice=self.dice)
        fetched_at = [0.0]
        recurring = Recurring() if options.scale > 1 else None

        def turn(now_s: float) -> None:
            buyers.turn(now_s)
            self.porter.turn()
            if recurring is not None:
                recurring.turn(now_s)
            if now_s - fetched_at[0] > FETCH_EVERY_S:
                fetched_at[0] = now_s
                self._point_kaspi()
                with contextlib.suppress(Exception):
                    self.kaspi.fetch_now()

        course = Course(turn)
        if not wait_until(lambda: bool(self._worker()), timeout_s=120):
            raise SystemExit("no host took up the work")
        for name, strike in blows:
            course.go_on(self.calm_s)
            strike(course, self._blow(name))
        course.go_on(self.calm_s)
        began = time.monotonic()
        self.supplier.change_settings(statuses_move=False)
        self.kaspi.change_settings(states_move=False)
        open_ends = ["not looked"]
        while open_ends and time.monotonic() - began < SETTLES_WITHIN_S:
            course.go_on(2.0)
            open_ends = what_is_open(self.kaspi, told=set(), observe_only=False)
        self.report.promise("things that did not come to an end", open_ends)
        took_s = round(time.monotonic() - began)
        self.report.say("seconds until all was settled", took_s)
        self.report.say("orders made by buyers", len(self.kaspi.orders))

    def _cut(self, course: Course, tree: Tree) -> None:
        tree.cable.fall_silent()
        self._see_who_takes_over(course)
        course.go_on(self.silent_s)
        tree.cable.cut()
        course.go_on(self.cut_s)
        tree.cable.mend()

    def _killed(self, course: Course, tree: Tree) -> None:
        tree.kill()
        self._see_who_takes_over(course)

    def _suspended(self, course: Course, tree: Tree) -> None:
        tree.suspend()
        at = time.monotonic()
        self._see_who_takes_over(course)
        course.go_on(self.options.suspended_s - (time.monotonic() - at))
        tree.resume()
        tree.await_site()

    def _blow(self, what: str) -> Tree:
        """Choose the host that works at the orders just now."""
        name = self._worker()
        tree = next(t for t in self.trees if t.name == name)
        self.blows.append(Blow(what=what, host=name, at=time.monotonic()))
        return tree

    def _worker(self) -> str:
        """Name the host that has the lease of the orders' work."""
        from django.db import connection

        from plumbing.models import Lease

        owner = Lease.objects.filter(name=WORK).values_list("owner", flat=True).first()
        connection.close()
        return str(owner or "").split(":")[0]

    def _see_who_takes_over(self, course: Course) -> None:
        blow = self.blows[-1]
        course.go_on(
            TAKEN_OVER_WITHIN_S, until=lambda: self._worker() not in ("", blow.host)
        )
        blow.taken_by = self._worker()
        blow.taken_after_s = time.monotonic() - blow.at
        is_taken = blow.taken_by not in ("", blow.host)
        self.report.promise(
            f"work of the host that was {blow.what}, taken over by nobody",
            0 if is_taken else 1,
        )
        self.report.say(
            f"  {blow.host} {blow.what}: seconds until {blow.taken_by} went on",
            round(blow.taken_after_s),
        )

    def _say_lists(self, readers: Readers) -> None:
        self.report.say("fetches of the list from living hosts", readers.fetches)
        self.report.promise("fetches that failed", readers.failures)
        self.report.say("slowest fetch, s", f"{readers.slowest_s:.2f}")
        self.report.say("lists given out", len(readers.first))
        living = {tree.name for tree in self.trees if tree.is_expected_to_answer}
        self.report.say(
            "longest until all hosts gave a list out, s", f"{readers.lag_s(living):.1f}"
        )
        for tree in self.trees:
            if tree.name in living:
                megabytes = round(tree.memory_bytes() / 1_000_000)
                self.report.say(f"  memory of {tree.name}, MB", megabytes)
        from plumbing.models import Epoch

        self.report.promise(
            "writes withheld by the guard",
            Epoch.objects.exclude(guarded_for="").count(),
        )


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--orders", type=int, default=150)
    add("--seed", type=int, default=1)
    add("--suspended-s", type=float, default=150.0)
    add("--blows", default="cut,killed,suspended", help="which, in which order")
    add("--scale", type=float, default=1.0, help="how much shorter than life")
    add("--hosts", type=int, default=len(NAMES), choices=(2, 3))
    add("--database-url", default="", help="a server to make the database on")
    add("--json", type=Path, metavar="FILE", help="write the table there, too")
    add("--keep", action="store_true", help="keep the directory with the logs")
    options = parser.parse_args(argv)
    options.postgresql = not options.database_url
    options.personality, options.friendly = None, []
    options.long_ids = options.observe_only = options.trust_lists = False
    return options


def main() -> int:
    return carry_out(parse(), Hosts, name="hosts")


if __name__ == "__main__":
    raise SystemExit(main())
