"""Measure a day without either peer, on simulated time: what is lost, what is told.

    python bench/away.py --hours 24

Two and a half hours all is well. Then both peers do what they are asked and their
answers are lost for ten minutes; for the rest of the day they break connections, answer
503 and show a page of maintenance, while buyers go on ordering. Then they are back, and
nobody does anything. Real: the bridge's code, i.e. both clusters' tasks, the
dispatchers and the watch, and both peers over HTTP. Simulated: time.

Judged by both peers' own books. Exits with 1 when anything was lost or bought twice,
when it is not all back by itself, or when what staff were told meanwhile was not so.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.measuring import throwaway_database
from bench.reservations import PRICE_KZT, open_shop
from bench.simulated_bridge import calls_take_time, start_bridge
from bench.simulated_time import SandboxClock, SimulatedTime
from bench.soaking.judging import Report, judge_books
from sandbox import AlStyleServer, KaspiServer

# A Tuesday, 10:00 in Almaty: the shop opens.
OPENING = datetime(2026, 3, 10, 5, 0, tzinfo=timezone.utc)
MIN_S, HOUR_S = 60.0, 3600.0
WELL_S, LOST_S, AFTER_S = 2.5 * HOUR_S, 10 * MIN_S, 6 * HOUR_S
ORDER_EVERY_S, ORDER_WHILE_LOST_EVERY_S, LOOK_EVERY_S = 20 * MIN_S, 2 * MIN_S, 5 * MIN_S
# How a peer is away, one after the other, each for a third of the time.
AWAY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("drop_before_work", {}),
    ("status", {"code": 503}),
    ("html", {"code": 200}),
)
DAILY = ("sync-catalog", "reconcile-with-peers", "recount-money")
# When it must have been told, and be over again.
# A catalogue that the night did not bring is asked for each hour.
TOLD_WITHIN_MIN, OVER_WITHIN_MIN = 60.0, 75.0
# What is told when a peer is away, and when figures are too old.
AWAY_KINDS = {"supplier-down", "import-failed", "import-incomplete", "orders-unread"}
STALE_KINDS = {"stock-old"}
STALE_AFTER_S = 2 * HOUR_S


@dataclass
class Day:
    """What happens, and what was seen of it."""

    simulated: SimulatedTime
    supplier: AlStyleServer
    kaspi: KaspiServer
    skus: list[str]
    away_s: float
    made: int = 0
    made_while_away: list[str] = field(default_factory=list)
    # When the last good offer went off sale, and when goods were on sale again.
    off_sale_at: float | None = None
    on_sale_at: float | None = None
    sold_stale: int = 0
    cards: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def away_at(self) -> float:
        return WELL_S

    @property
    def back_at(self) -> float:
        return WELL_S + self.away_s

    def live(self) -> None:
        """Let the day pass."""
        steps = self._what_happens()
        next_step = next(steps, None)
        next_order, next_look = 0.0, 0.0
        while (now := self.simulated.monotonic()) < self.back_at + AFTER_S:
            while next_step is not None and next_step <= now:
                next_step = next(steps, None)
            if now >= next_order:
                self._order()
                is_lost = self.away_at <= now < self.away_at + LOST_S
                next_order = now + (
                    ORDER_WHILE_LOST_EVERY_S if is_lost else ORDER_EVERY_S
                )
            if now >= next_look:
                self._look(now)
                next_look = now + LOOK_EVERY_S
            self.simulated.sleep(MIN_S)
        self.simulated.end()

    def _what_happens(self) -> Iterator[float]:
        """Yield when the next thing happens; do it when asked for the one after."""
        yield self.away_at
        self._be_away("drop_after_work", {})
        length = (self.away_s - LOST_S) / len(AWAY)
        for number, (kind, options) in enumerate(AWAY):
            yield self.away_at + LOST_S + number * length
            self._be_away(kind, options)
        yield self.back_at
        for peer in (self.supplier, self.kaspi):
            peer.faults.clear()

    def _be_away(self, kind: str, options: dict[str, Any]) -> None:
        for peer in (self.supplier, self.kaspi):
            peer.faults.clear()
            peer.faults.add(kind, **options)

    def _order(self) -> None:
        sku = self.skus[self.made % len(self.skus)]
        order = self.kaspi.new_order([{"sku": sku, "price": PRICE_KZT}])
        self.made += 1
        if self.away_at <= self.simulated.monotonic() < self.back_at:
            self.made_while_away.append(order.code)

    def _look(self, now: float) -> None:
        from feeds.models import Listing

        on_sale = Listing.objects.on_sale().count()
        if self.away_at < now < self.back_at:
            if not on_sale and self.off_sale_at is None:
                self.off_sale_at = now
            # The list follows within a build.
            if now > self.away_at + STALE_AFTER_S + 25 * MIN_S:
                self.sold_stale = max(self.sold_stale, on_sale)
        elif now > self.back_at and on_sale and self.on_sale_at is None:
            self.on_sale_at = now
        self._note_cards(now)

    def _note_cards(self, now: float) -> None:
        """Note what the overview says of each part whenever it says another thing."""
        from django.contrib.auth.models import User
        from django.test import RequestFactory

        from bridge_site.dashboard import read_overview

        request = RequestFactory().get("/admin/")
        request.user = User.objects.get(username="owner")
        last = {title: state for _at, title, state in self.cards}
        for card in read_overview(request).cards:
            state = f"{card.state} ({card.tone.value})"
            if last.get(str(card.title)) != state:
                self.cards.append((now, str(card.title), state))


def judge(day: Day, report: Report) -> None:
    """Compare the books, the rows and what was told with what was so."""
    from django.db.models import Max

    from alerts.models import Alert
    from orders.models import Order, Step

    codes = {order["code"] for order in day.kaspi.book()}
    known = dict(Order.objects.values_list("code", "status"))
    gone = day.made_while_away
    report.say("orders made", day.made)
    report.say("of them while the peers were away", len(gone))
    accepted = Step.objects.filter(kind=Step.Kind.ACCEPT, order__code__in=gone)
    last = accepted.aggregate(last=Max("finished_at"))["last"]
    report.say(
        "the last of these accepted after they were back, minutes",
        "never" if last is None else round((_second(last) - day.back_at) / MIN_S),
    )
    report.promise("orders the bridge has not read", sorted(codes - known.keys()))
    judge_books(report, day.supplier, day.kaspi)
    waiting = Step.objects.exclude(status__in=(*Step.TERMINAL, *Step.STUCK))
    report.promise("steps still to do", waiting.count())
    stuck = Step.objects.filter(status__in=Step.STUCK).select_related("order")
    for step in stuck:
        report.say(f"  left to a person: {step.kind}, {step.last_error[:90]}", 1)
    report.promise("offers on sale by figures too old", day.sold_stale)
    moments = {
        "off sale after, minutes": (day.off_sale_at, day.away_at),
        "on sale again after, minutes": (day.on_sale_at, day.back_at),
    }
    for words, (at, since) in moments.items():
        report.promise(f"never {words.partition(' after')[0]}", int(at is None))
        report.say(words, round((at or 0.0) - since) // 60)
    alerts = list(Alert.objects.order_by("opened_at", "pk"))
    _judge_alerts(day, report, alerts)
    for at, title, state in day.cards:
        print(f"  {_told(at)}  {title}: {state}")


def _judge_alerts(day: Day, report: Report, alerts: list[Any]) -> None:
    for alert in alerts:
        over = _told(_second(alert.closed_at)) if alert.closed_at else "open"
        text = f"{alert.kind}: {alert.text}"
        print(f"  {_told(_second(alert.opened_at))} … {over:>6}  {text[:110]}")
    untrue, late, unended = [], [], []
    for alert in alerts:
        opened, closed = _second(alert.opened_at), _second(alert.closed_at)
        if alert.kind in AWAY_KINDS | STALE_KINDS:
            begins = day.away_at
            if alert.kind in STALE_KINDS:
                begins += STALE_AFTER_S - 20 * MIN_S
            if not begins <= opened <= day.back_at + MIN_S:
                untrue.append(f"{alert.kind} at {_told(opened)}")
            if closed > day.back_at + OVER_WITHIN_MIN * MIN_S:
                unended.append(f"{alert.kind} until {_told(closed)}")
    first = {
        kind: _second(next((a.opened_at for a in alerts if a.kind == kind), None))
        for kind in ("orders-unread", "supplier-down", "stock-old")
    }
    for kind, at in first.items():
        limit = TOLD_WITHIN_MIN * MIN_S
        limit += STALE_AFTER_S if kind in STALE_KINDS else 0
        if at > day.away_at + limit:
            late.append(f"{kind} at {_told(at)}")
        report.say(f"“{kind}” told after, minutes", round((at - day.away_at) / 60))
    report.promise("told though it was not so", untrue)
    report.promise("not told in time", late)
    report.promise("told an hour and a quarter after it was over", unended)
    report.promise(
        "still told at the end, though nobody must do anything",
        [a.kind for a in alerts if not a.closed_at and a.kind in AWAY_KINDS],
    )


def _second(moment: datetime | None) -> float:
    return float("inf") if moment is None else (moment - OPENING).total_seconds()


def _told(second: float) -> str:
    if second == float("inf"):
        return "never"
    minutes = int(second // 60)
    return f"{minutes // 60:>3}:{minutes % 60:02}"


@contextmanager
def seldom_looking() -> Iterator[None]:
    """Let nobody look each second for what comes a few times an hour."""
    with (
        mock.patch("orders.dispatching.LOOK_EVERY_S", 5.0),
        mock.patch("bench.simulated_bridge.WORKER_LOOKS_EVERY_S", 5.0),
    ):
        yield


def measure(*, hours: float) -> Report:
    from django.test import override_settings

    from alerts.models import Alert
    from bridge_site.alerting import make_watch
    from bridge_site.roles import set_staff, sync_roles
    from catalog.models import Category
    from feeds.models import Store

    report = Report()
    simulated = SimulatedTime(OPENING)
    sync_roles()
    set_staff("owner", role="owner", password="bench-password")
    with (
        simulated.for_the_bridge(),
        AlStyleServer(interval_s=0, clock=SandboxClock(simulated)) as supplier,
        KaspiServer(states_move=False, clock=SandboxClock(simulated)) as kaspi,
    ):
        skus = open_shop(supplier, kaspi)
        Store.objects.create(store_id="PP1")
        Category.objects.update(is_published=True)
        day = Day(simulated, supplier, kaspi, skus, away_s=hours * HOUR_S)
        clocked = {"ALSTYLE_INTERVAL_S": 5.0, "KASPI_INTERVAL_S": 0.2}
        began = time.perf_counter()
        with override_settings(**clocked), calls_take_time(simulated), seldom_looking():
            start_bridge(simulated, daily=DAILY)
            simulated.start(make_watch().run, wait=simulated.wait)
            simulated.start(day.live)
            simulated.run()
        print(
            f"{simulated.monotonic() / HOUR_S:.1f} h simulated in "
            f"{time.perf_counter() - began:.0f} s; away from {_told(day.away_at)} "
            f"until {_told(day.back_at)}; {Alert.objects.count()} alerts"
        )
        judge(day, report)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    options = parser.parse_args()
    with throwaway_database() as vendor:
        from django.utils import translation

        translation.activate("en")
        # Hours of refusals, each with its line.
        logging.disable(logging.CRITICAL)
        print(vendor)
        report = measure(hours=options.hours)
    print(report.shown())
    return 0 if report.is_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
