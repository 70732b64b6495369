"""The overview: collects what the apps tell of themselves, and puts it in order."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from django.utils import timezone

from backoffice.dashboard import RECENT, DashboardSection
from backoffice.formatting import Tone
from bridge_site.workers import FailedTask, read_failed_tasks, read_workers
from catalog.dashboard import read_catalog
from feeds.dashboard import read_feeds
from feeds.models import Listing
from orders.dashboard import OrdersOverview, read_orders

MOST_PRESSING_FIRST = (Tone.BAD, Tone.WARN, Tone.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview(DashboardSection):
    """Everything the overview shows."""

    orders: OrdersOverview
    failed_tasks: list[FailedTask]
    decisions: list[LogEntry]


def read_overview(request: HttpRequest) -> Overview:
    """Read what the overview shows, in a fixed number of queries."""
    now = timezone.now()
    is_selling = Listing.objects.filter(is_available=True).exists()
    orders = read_orders(now=now, is_selling=is_selling)
    workers = read_workers(now=now)
    catalog, feeds = read_catalog(request, now=now), read_feeds(request, now=now)
    failed = read_failed_tasks(now=now)
    sections = (orders, workers, catalog, feeds, failed)
    needs = [need for section in sections for need in section.needs]
    return Overview(
        needs=sorted(needs, key=lambda need: MOST_PRESSING_FIRST.index(need.tone)),
        # As goods travel: from the supplier over the price list to Kaspi.
        cards=[*catalog.cards, *feeds.cards, *workers.cards],
        buttons=[*catalog.buttons, *feeds.buttons],
        # What is sold comes first, then what is not.
        figures=[*feeds.figures, *catalog.figures, *orders.figures],
        charts=[*orders.charts, *feeds.charts, *catalog.charts],
        breakdowns=[*feeds.breakdowns, *catalog.breakdowns],
        journals=[*catalog.journals, *feeds.journals],
        orders=orders,
        failed_tasks=failed.tasks,
        decisions=list(LogEntry.objects.select_related("user")[:RECENT]),
    )
