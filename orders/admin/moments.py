"""By which moments an order's page is read: Kaspi's clock, the age of the stock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backoffice.asking import Rows, ask, objects
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


def read_moments(*, now: datetime) -> Moments:
    """Ask for all of a page's moments in one query."""
    good = ImportRun.objects.good().filter(kind=ImportRun.Kind.STOCK)
    answers = ask(
        {
            "clocks": Rows(ClockApart.objects.filter(name=PEER_NAME).values()),
            "reads": Rows(good.order_by("-finished_at").values("finished_at")[:1]),
        }
    )
    reads = objects(ImportRun, answers["reads"])
    return Moments(
        now=now,
        by_kaspi=told_time(objects(ClockApart, answers["clocks"]), now=now),
        stock_read_at=reads[0].finished_at if reads else None,
    )
