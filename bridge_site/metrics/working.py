"""The work: steps, purchases, orders, imports, the price list, jobs, the queue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, QuerySet, Sum

from alerts.models import Alert
from bridge_site.jobs import read_jobs
from bridge_site.metrics.values import Gauge, Labels, Metric
from catalog.models import ImportRun
from feeds.models import FeedBuild, FeedFetch, Listing
from feeds.needs import read_state
from orders.models import Order, Purchase, ReadMark, Step
from plumbing.models import Heartbeat
from plumbing.queue import count_waiting

LATELY = timedelta(days=1)


def read_work(*, now: datetime) -> Iterator[Metric]:
    """Read all of it from the database, in one query for each metric or two."""
    yield from _steps(now)
    yield from _purchases(now)
    yield from _orders(now)
    yield from _price_list(now)
    yield from _machinery(now)


def _age_s(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else (now - moment).total_seconds()


def _one(name: str, help_: str, value: float | None) -> Gauge:
    """A metric without labels; without a value it is not told at all."""
    return Gauge(name=name, help=help_, values={} if value is None else {(): value})


def _steps(now: datetime) -> Iterator[Metric]:
    names = ("peer", "kind", "status")
    waiting = (Step.Status.PENDING, Step.Status.IN_FLIGHT, Step.Status.UNKNOWN)
    counts: dict[Labels, float] = {}
    ages: dict[Labels, float] = {}
    # Two questions, each with an index of its own.
    for statuses in (waiting, Step.STUCK):
        steps = Step.objects.filter(status__in=statuses).order_by()
        grouped = steps.values_list(*names).annotate(Count("pk"), Min("created_at"))
        for *labels, count, oldest in grouped:
            counts[tuple(labels)] = count
            ages[tuple(labels)] = (now - oldest).total_seconds()
    yield Gauge(
        name="bridge_steps",
        help="Steps that are not over, by peer, kind and status.",
        labels=names,
        values=counts,
    )
    yield Gauge(
        name="bridge_step_age_seconds",
        help="Age of the oldest such step.",
        labels=names,
        values=ages,
    )


def _purchases(now: datetime) -> Iterator[Metric]:
    unsettled = Purchase.objects.unsettled().order_by().values_list("status")
    rows = list(unsettled.annotate(Count("pk"), Min("created_at")))
    yield Gauge(
        name="bridge_purchases_unsettled",
        help="Purchases of which it is not known yet what became of them.",
        labels=("status",),
        values={(status,): count for status, count, _oldest in rows},
    )
    yield Gauge(
        name="bridge_purchase_age_seconds",
        help="Age of the oldest such purchase.",
        labels=("status",),
        values={
            (status,): (now - oldest).total_seconds() for status, _count, oldest in rows
        },
    )


def _orders(now: datetime) -> Iterator[Metric]:
    new = Order.objects.awaiting_accept().aggregate(Count("pk"), Min("accept_by"))
    yield _one(
        "bridge_orders_awaiting_accept",
        "Orders that must be accepted.",
        new["pk__count"],
    )
    due = new["accept_by__min"]
    yield _one(
        "bridge_order_accept_seconds_left",
        "Least time left to accept one of them; negative = too late.",
        None if due is None else (due - now).total_seconds(),
    )
    yield Gauge(
        name="bridge_orders_read_age_seconds",
        help="Seconds since a section of Kaspi's orders was read whole.",
        labels=("state",),
        values={
            (mark.state,): (now - mark.read_until).total_seconds()
            for mark in ReadMark.objects.whole()
        },
    )
    good = ImportRun.objects.good().order_by().values_list("kind")
    yield Gauge(
        name="bridge_import_age_seconds",
        help="Seconds since an import from Al-Style came to a good end.",
        labels=("kind",),
        values={
            (kind,): (now - last).total_seconds()
            for kind, last in good.annotate(Max("finished_at"))
            if last is not None
        },
    )


def _price_list(now: datetime) -> Iterator[Metric]:
    builds = FeedBuild.objects.filter(started_at__gt=now - LATELY)
    yield Gauge(
        name="bridge_feed_builds",
        help="Builds of the price list within a day, by outcome.",
        labels=("outcome",),
        values=_counted(builds, "status"),
    )
    fetches = FeedFetch.objects.filter(
        is_kaspi__in=(True, False), fetched_at__gt=now - LATELY
    )
    grouped = fetches.order_by().values_list("is_kaspi", "status_code")
    yield Gauge(
        name="bridge_feed_fetches",
        help="Fetches of the price list within a day, by who and answer.",
        labels=("by", "status"),
        values={
            ("kaspi" if is_kaspi else "others", str(status)): times
            for is_kaspi, status, times in grouped.annotate(Sum("times"))
        },
    )
    state = read_state()
    good = (FeedBuild.Status.ACTIVE, FeedBuild.Status.UNCHANGED)
    checked = max(
        (b.started_at for b in state.builds if b.status in good), default=None
    )
    live = state.active
    yield _one(
        "bridge_feed_age_seconds",
        "Seconds since the live price list was last found to be right.",
        _age_s(checked or (live.started_at if live else None), now),
    )
    yield _one(
        "bridge_feed_published_age_seconds",
        "Seconds since the live price list was published.",
        _age_s(live.published_at if live else None, now),
    )
    yield _one(
        "bridge_feed_fetch_age_seconds",
        "Seconds since Kaspi fetched it; anybody, where Kaspi cannot be told.",
        _age_s(state.last_fetch.fetched_at if state.last_fetch else None, now),
    )
    yield _one(
        "bridge_feed_offers_on_sale",
        "Offers on sale in the live price list.",
        Listing.objects.on_sale().count(),
    )


def _machinery(now: datetime) -> Iterator[Metric]:
    queued = count_waiting() or {}
    yield Gauge(
        name="bridge_queue_tasks",
        help="Tasks that wait in a cluster's queue or are being done.",
        labels=("cluster",),
        values={(name,): number for name, number in queued.items()},
    )
    jobs = read_jobs()
    ages = {(job.name,): job.age_s(now=now) for job in jobs}
    yield Gauge(
        name="bridge_job_age_seconds",
        help="Seconds since a recurring job last came to a good end.",
        labels=("job",),
        values={labels: age for labels, age in ages.items() if age is not None},
    )
    yield Gauge(
        name="bridge_job_late_seconds",
        help="Seconds for which a recurring job has been due.",
        labels=("job",),
        values={(job.name,): job.late_s(now=now) for job in jobs},
    )
    yield Gauge(
        name="bridge_beat_age_seconds",
        help="Seconds since a part last showed that it works.",
        labels=("part",),
        values={
            (beat.name,): (now - beat.beaten_at).total_seconds()
            for beat in Heartbeat.objects.all()
        },
    )
    yield Gauge(
        name="bridge_alerts_open",
        help="What needs a person, by kind.",
        labels=("kind",),
        values=_counted(Alert.objects.filter(closed_at=None), "kind"),
    )


def _counted(rows: QuerySet[Any], name: str) -> dict[Labels, float]:
    grouped = rows.order_by().values_list(name).annotate(Count("pk"))
    return {(str(value),): count for value, count in grouped}
