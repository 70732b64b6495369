"""By which moments pages are read: Kaspi's clock, the age of the stock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backoffice.asking import Answers, Questions, Rows, ask, objects
from catalog.models import ImportRun
from orders.kaspi.client import PEER_NAME
from plumbing.clocks import told_time
from plumbing.models import ClockApart


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What is now for a page, asked for once.

    `by_kaspi` is the same moment by the clock by which deadlines run.
    """

    now: datetime
    by_kaspi: datetime
    stock_read_at: datetime | None


def ask_kaspi_clock() -> Questions:
    """Ask, among other things, how far Kaspi's clock is from the database's."""
    return {"kaspi_clock": Rows(ClockApart.objects.filter(name=PEER_NAME).values())}


def time_at_kaspi(answers: Answers, *, now: datetime) -> datetime:
    """Return the time by which deadlines run, should our clock be wrong."""
    return told_time(objects(ClockApart, answers["kaspi_clock"]), now=now)


def read_moments(*, now: datetime) -> Moments:
    """Ask for all of a page's moments in one query."""
    good = ImportRun.objects.good().filter(kind=ImportRun.Kind.STOCK)
    answers = ask(
        {
            **ask_kaspi_clock(),
            "reads": Rows(good.order_by("-finished_at").values("finished_at")[:1]),
        }
    )
    reads = objects(ImportRun, answers["reads"])
    return Moments(
        now=now,
        by_kaspi=time_at_kaspi(answers, now=now),
        stock_read_at=reads[0].finished_at if reads else None,
    )
