"""Measure what clocks do that are set or stand still, to a whole bridge that runs.

    python bench/clocks.py
    python bench/clocks.py --postgresql      on a throw-away server

Real: the embedded bridge's processes and both peers over HTTP, whose clock is right.
The bridge's own is set in each of its processes: a day ahead, right again, a day
behind, right again; then back while an order is being bought whose answer is lost, and
ahead while another is. Then all of them are stopped for two minutes, as by a computer
that sleeps, in the middle of a purchase. On SQLite the bridge's clock is the
database's; on PostgreSQL, whose clock stays right, this is a host whose clock differs.

At each stage orders come: how long until they are bought and accepted, whether the
supplier's clock is kept, what goods are on sale, and what the overview says. Exits with
1 when an order was bought twice or not at all, when the supplier was called too soon,
or when a wrong clock was not told or a right one was called wrong.
"""

from __future__ import annotations

import argparse
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.embedded import Bridge, embedded_bridge, sign_in
from bench.soaking.ground import empty_database, server_url
from bench.soaking.judging import Report
from sandbox import AlStyleServer, KaspiServer
from sandbox.audit import audit

# Runs in each of the bridge's processes before anything else. Of clocks it moves only
# the one that can be set; libfaketime moves `sleep` along with it.
SETTING = """
import os, pathlib, threading, time
import time_machine

file, touch = os.environ["BENCH_CLOCK"], pathlib.Path.touch
sleep = time.sleep
travels = []

def watch():
    # Also in a child that inherits what was set.
    offset = None
    while True:
        with open(file) as opened:
            wanted = float(opened.read())
        if wanted != offset:
            while travels:
                travels.pop().stop()
            if wanted:
                travels.append(time_machine.travel(time.time() + wanted, tick=True))
                travels[-1].start()
            offset = wanted
        sleep(0.02)

def touched(path, *args, **kwargs):
    # Files are dated by the same clock.
    touch(path, *args, **kwargs)
    os.utime(path, (time.time(), time.time()))

def begin():
    threading.Thread(target=watch, daemon=True).start()

pathlib.Path.touch = touched
os.register_at_fork(after_in_child=begin)
begin()
"""
DAY_S = 86_400
INTERVAL_S = 1.0
# What the clocks of both sides may be apart by when gaps are measured.
JITTER_S = 0.05
ORDERS = 3
# Prices at which a buyer pays for everything: nobody is asked about a loss.
COST_KZT, PRICE_KZT = 400, 4000.0
# A poll each minute, looked for each half minute; a lost answer is looked for longer.
SERVED_WITHIN_S, SETTLED_WITHIN_S, TOLD_WITHIN_S = 180.0, 420.0, 150.0
SUSPENDED_S = 120.0
# How long the supplier takes for the order that is under way when the clock is set.
UNDER_WAY_S = 20.0
ALERTS = "SELECT subject, text FROM alerts_alert WHERE kind = 'clock'"
ALERTS += " AND closed_at IS NULL"
PARTS = "SELECT part, since FROM bridge_site_hostpart ORDER BY part"
PARTS_RUN = 4
JUMPS = "SELECT id, seconds FROM bridge_site_timejump ORDER BY id"
APART = "SELECT name, seconds FROM bridge_site_clockapart ORDER BY name"


class Clock:
    """The bridge's clock; the peers' is right."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / "offset"
        (folder / "sitecustomize.py").write_text(SETTING, "utf-8")
        self.set(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self._folder), "BENCH_CLOCK": str(self._file)}

    def set(self, offset_s: int) -> None:
        whole = self._file.with_suffix(".new")
        whole.write_text(str(offset_s), encoding="ascii")
        whole.replace(self._file)
        self.offset_s = offset_s


class OnSale:
    """Watches how many goods the live list offers."""

    def __init__(self, folder: Path) -> None:
        self._file = next(Path(folder).rglob("feed/*.xml"))
        self.least = self.most = self.look()

    def look(self) -> int:
        return self._file.read_bytes().count(b'available="yes"')

    def note(self) -> None:
        now = self.look()
        self.least, self.most = min(self.least, now), max(self.most, now)

    def begin(self) -> None:
        self.least = self.most = self.look()


class Trial:
    """One bridge, and what is asked of it at each stage."""

    def __init__(
        self, bridge: Bridge, database_url: str, clock: Clock, report: Report
    ) -> None:
        self.bridge, self.clock, self.report = bridge, clock, report
        self._database_url = database_url
        self.codes: list[str] = []
        self.on_sale = OnSale(bridge.folder)
        self.begun = self._parts()
        goods = bridge.supplier.goods.values()
        self.goods = [g for g in goods if g.price1 > 1 and not g.multiplicity]

    def stage(
        self,
        words: str,
        change: Callable[[], None],
        *,
        within_s: float = SERVED_WITHIN_S,
    ) -> None:
        """Change the clock, let orders come, see what is done and told."""
        print(f"{words}:", flush=True)
        before = self.clock.offset_s
        known = self._told_jumps()
        self.on_sale.begin()
        stocks = len(self.bridge.supplier.calls("quantity-price"))
        change()
        began = time.monotonic()
        codes = [self._order() for _order in range(ORDERS)]
        served_s = self._until(lambda: self._are_served(codes), within_s, began)
        self.report.say(f"{words}: 3 orders accepted after, s", _rounded(served_s))
        if served_s is None:
            self.report.promise(f"{words}: not accepted", codes)
        if self.clock.offset_s != before and not self._database_url.startswith("post"):
            told_s = self._until(
                lambda: bool(self._told_jumps() - known), TOLD_WITHIN_S, began
            )
            self.report.say(f"{words}: told that it was set after, s", _rounded(told_s))
            self.report.promise(f"{words}: not told", int(told_s is None))
        self._judge_what_is_told(words, began)
        self._until(lambda: self._stocks_since(stocks) > 0, TOLD_WITHIN_S, began)
        self.report.promise(
            f"{words}: no stock read", int(not self._stocks_since(stocks))
        )
        least = f"{self.on_sale.least} of {self.on_sale.most}"
        self.report.say(f"{words}: least goods on sale meanwhile", least)
        print(f"   jumps {self.ask(JUMPS)}, apart {self.ask(APART)}", flush=True)

    def under_way(self, change: Callable[[], None]) -> Callable[[], None]:
        """Make a change that comes while an order is bought whose answer is lost."""

        def run() -> None:
            supplier = self.bridge.supplier
            sent = len(supplier.calls("submit"))
            supplier.faults.add(
                "stall", "submit", times=1, seconds=UNDER_WAY_S, after_work=True
            )
            code = self._order()
            is_sent = self._until(
                lambda: len(supplier.calls("submit")) > sent, SERVED_WITHIN_S
            )
            self.report.promise("an order not bought at all", int(is_sent is None))
            print(f"   {code} is being bought", flush=True)
            change()

        return run

    def suspend(self) -> None:
        """Stop every process of the bridge, as a computer that sleeps does."""
        root = psutil.Process(self.bridge.pid)
        family = [root, *root.children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGSTOP)
        time.sleep(SUSPENDED_S)
        for process in family:
            process.send_signal(signal.SIGCONT)

    def judge(self) -> None:
        """Compare both peers' books and the supplier's clock."""
        report, supplier = self.report, self.bridge.supplier
        self._until(lambda: self._are_served(self.codes), SETTLED_WITHIN_S)
        found = audit(supplier.book(), self.bridge.kaspi.book())
        report.say("orders, in all", found.orders)
        report.say("with exactly one living supplier order", found.served_once)
        report.promise("with none", found.unserved)
        report.promise("bought twice", found.served_twice)
        report.promise("supplier orders of nobody", found.owned_by_nobody)
        report.promise("accepted without a supplier order", found.accepted_unserved)
        late = [code for code in self.codes if not self._are_served([code])]
        report.promise("never accepted", late)
        report.promise("writes refused by Kaspi", found.writes_refused)
        times = [call.at for call in supplier.arrivals]
        gaps = [b - a for a, b in pairwise(times)]
        soon = [f"{gap:.2f} s" for gap in gaps if gap < INTERVAL_S - JITTER_S]
        report.say("calls to the supplier", len(times))
        report.promise("of them sooner than its interval", soon)
        now = self._parts()
        again = [name for name in now if now[name] != self.begun.get(name)]
        report.say("parts started again", ", ".join(again) or 0)

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Look into the bridge's database, past the bridge."""
        if self._database_url.startswith("postgres"):
            import psycopg

            with psycopg.connect(self._database_url) as connection:
                return connection.execute(question.encode()).fetchall()
        path = self._database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=20)) as database:
            return database.execute(question).fetchall()

    def _judge_what_is_told(self, words: str, began: float) -> None:
        """A clock that is wrong is on the overview; one that is right is not."""
        is_wrong = self.clock.offset_s != 0
        told_s = self._until(
            lambda: bool(self._told_apart()) == is_wrong, TOLD_WITHIN_S, began
        )
        what = "told whose it differs from" if is_wrong else "nothing more told of it"
        self.report.say(f"{words}: {what} after, s", _rounded(told_s))
        self.report.promise(f"{words}: untrue, or not told", int(told_s is None))
        texts = [" ".join(text.split()) for text in self._told_apart()]
        page = self._overview()
        unsaid = [text for text in texts if text not in page]
        self.report.promise(f"{words}: told, and not on the overview", unsaid)
        for text in texts:
            print(f"   {text}", flush=True)

    def _told_jumps(self) -> set[int]:
        return {int(about) for about, _text in self.ask(ALERTS) if about.isdigit()}

    def _told_apart(self) -> list[str]:
        return [text for about, text in self.ask(ALERTS) if not about.isdigit()]

    def _overview(self) -> str:
        with requests.Session() as browser:
            sign_in(browser, self.bridge.site, username="owner")
            page = browser.get(f"{self.bridge.site}/admin/", timeout=30)
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page.text)))

    def _stocks_since(self, number: int) -> int:
        return len(self.bridge.supplier.calls("quantity-price")) - number

    def _order(self) -> str:
        good = self.goods[len(self.codes) % len(self.goods)]
        line = {"sku": str(good.article), "price": PRICE_KZT}
        self.codes.append(self.bridge.kaspi.new_order([line]).code)
        return self.codes[-1]

    def _are_served(self, codes: list[str]) -> bool:
        known = {order["code"]: order for order in self.bridge.kaspi.book()}
        return all(known[code]["accepted"] for code in codes)

    def _until(
        self, claim: Callable[[], bool], seconds: float, began: float | None = None
    ) -> float | None:
        """Wait for it; return how long it took, or None when it did not come."""
        began = time.monotonic() if began is None else began
        until = began + seconds
        while not claim():
            if time.monotonic() > until:
                return None
            self.on_sale.note()
            time.sleep(0.5)
        return time.monotonic() - began

    def _parts(self) -> dict[str, Any]:
        self._until(lambda: len(self.ask(PARTS)) >= PARTS_RUN, SERVED_WITHIN_S)
        return dict(self.ask(PARTS))


def _rounded(seconds: float | None) -> int | str:
    return "never" if seconds is None else round(seconds)


def _open_shop(supplier: AlStyleServer, kaspi: KaspiServer) -> None:
    for good in supplier.goods.values():
        good.stock, good.price1 = 1000, min(good.price1, COST_KZT)
    # Named by our reference, an order whose answer was lost is known at once.
    supplier.change_settings(shows_external_id=True)
    kaspi.change_settings(states_move=False)


def measure(database_url: str) -> Report:
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(Path(folder))
        settings = {
            "LOG_LEVEL": "ERROR",
            "ALSTYLE_INTERVAL_S": str(INTERVAL_S),
            "POLL_ORDERS_EVERY_MIN": "1",
            "SYNC_STOCK_EVERY_MIN": "1",
            "REFRESH_ORDERS_EVERY_MIN": "2",
            "SUPERVISE_FIRST_PURCHASE": "0",
            "WORK_WEEK": ",".join(["0-24"] * 7),
            "DATABASE_URL": database_url,
        }
        running = embedded_bridge(None, clock.environment, _open_shop, **settings)
        with running as bridge:
            trial = Trial(bridge, database_url, clock, report)
            trial.stage("right", lambda: None)
            trial.stage("a day ahead", lambda: clock.set(DAY_S))
            trial.stage("right again", lambda: clock.set(0))
            trial.stage("a day behind", lambda: clock.set(-DAY_S))
            trial.stage("right once more", lambda: clock.set(0))
            for words, offset_s in (
                ("a day behind in a purchase", -DAY_S),
                ("right in a purchase", 0),
            ):
                setting = trial.under_way(partial(clock.set, offset_s))
                trial.stage(words, setting, within_s=SETTLED_WITHIN_S)
            asleep = trial.under_way(trial.suspend)
            trial.stage("after a sleep", asleep, within_s=SETTLED_WITHIN_S)
            trial.judge()
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgresql", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        server_url(postgresql=options.postgresql) as url,
        empty_database(url, Path(folder)) as database_url,
    ):
        report = measure(database_url)
    print(report.shown())
    return 0 if report.is_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
