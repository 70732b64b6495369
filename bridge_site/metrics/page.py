"""Answers Prometheus at /metrics, for whoever has the token.

Web, dispatchers and two clusters make the numbers, on one host or several, and a scrape
meets one web process. What lives in the database is read from it at the scrape: the
same numbers whichever process answers, with nothing kept up to date in between. Calls
to the peers, which no row tells, are added to a few rows by each process
(`plumbing.calls`). So no process has metrics of its own, no file for each of them is
left behind, and a bridge that nobody scrapes spends nothing on it: the library itself
is loaded by the first scrape, 4 MB.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bridge_site.metrics.calling import read_calls
from bridge_site.metrics.hosting import read_host
from bridge_site.metrics.values import Counter, Gauge, Histogram, Metric
from bridge_site.metrics.working import read_work
from bridge_site.revision import revision
from plumbing.leases import database_now


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with all metrics, or as if there were no such page."""
    if not _has_token(request):
        return HttpResponseNotFound()
    # Only now: whoever is not scraped does not carry the library.
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(list(read_metrics())))
    return HttpResponse(
        generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4
    )


def read_metrics() -> Iterator[Metric]:
    """Read everything; without a database what can be read without it."""
    begun = time.monotonic()
    yield Gauge(
        name="bridge_info",
        help="What runs.",
        labels=("revision", "database"),
        values={(revision(), connection.vendor): 1},
    )
    yield from read_host()
    sources = (read_calls, read_work)
    found: list[Metric] = []
    is_there = True
    try:
        now = database_now()
        for read in sources:
            found += read(now=now)
    except DatabaseError:
        is_there = False
    yield from found
    yield Gauge(
        name="bridge_database_up",
        help="Whether it answers.",
        values={(): float(is_there)},
    )
    yield Gauge(
        name="bridge_scrape_seconds",
        help="How long this took to read.",
        values={(): time.monotonic() - begun},
    )


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    token = settings.METRICS_TOKEN
    return bool(token) and constant_time_compare(given, token)


class _Collected:
    """What was read, as the library's families."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        for metric in self._found:
            if isinstance(metric, Histogram):
                histogram = HistogramMetricFamily(
                    metric.name, metric.help, labels=metric.labels
                )
                for labels, spread in metric.spreads.items():
                    histogram.add_metric(
                        labels, list(spread.steps), sum_value=spread.seconds
                    )
                yield histogram
                continue
            is_counter = isinstance(metric, Counter)
            kind = CounterMetricFamily if is_counter else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=metric.labels)
            for labels, value in metric.values.items():
                family.add_metric(labels, value)
            yield family
