"""The overview: collects what the apps tell of themselves, and puts it in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.admin.models import LogEntry
from django.http import HttpRequest

from alerts.dashboard import ask_channels, needs_of_channels
from backoffice.asking import Questions, ask
from backoffice.dashboard import (
    RECENT,
    DashboardDetails,
    DashboardSection,
    Figure,
    Need,
    StatusCard,
    linked_for,
)
from backoffice.formatting import Tone
from bridge_site.hosts import HostLine, read_host_lines
from bridge_site.workers import (
    FailedTask,
    ask_workers,
    needs_of_tasks,
    read_failed_tasks,
    read_workers,
)
from catalog.dashboard import read_catalog, read_catalog_details
from catalog.needs import ask_catalog
from feeds.dashboard import read_feeds, read_feeds_details
from feeds.needs import ask_feeds
from orders.dashboard import (
    OrdersOverview,
    SectionRead,
    read_order_readings,
    read_orders,
)
from orders.needs import ask_orders
from plumbing.leases import database_now

MOST_PRESSING_FIRST = (Tone.BAD, Tone.WARN, Tone.INFO)
# Who may see what: each part of the page by the rights to view what it tells of.
SEES_ORDERS = ("orders.view_order",)
# What is bought and what it brings: a packer sees parcels only.
SEES_MONEY = "orders.view_purchase"
SEES_GOODS = ("catalog.view_product", "catalog.view_importrun")
SEES_PRICE_LIST = ("feeds.view_feedbuild", "feeds.view_feedfetch")
SEES_WORKERS = ("bridge_site.view_heartbeat",)
SEES_CHANNELS = ("alerts.view_channel",)
# The newest rows of the staff's log among which those are found that a reader may see.
DECISIONS_READ = 5 * RECENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What the overview shows at once; `needs` without those of the orders.

    A part that the reader may not see is None or empty.
    """

    as_of: datetime
    orders: OrdersOverview | None
    needs: Sequence[Need]
    cards: Sequence[StatusCard]
    figures: Sequence[Figure]
    # Whether the fold may stay closed.
    is_healthy: bool
    sees_anything: bool
    # Goods, price list, workers or channels: else nothing but orders can need them.
    sees_bridge: bool

    @property
    def order_needs(self) -> list[Need]:
        """What the orders need besides what the lists of orders show."""
        told = self.orders.needs if self.orders else ()
        return [need for need in told if not need.is_listed]

    @property
    def count(self) -> int:
        """How many things wait for a person: what the tab's title says."""
        told = [*(self.orders.needs if self.orders else ()), *self.needs]
        return sum(need.number for need in told if need.tone is not Tone.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(DashboardDetails):
    """What stands in the overview's fold: how the machinery runs."""

    readings: Sequence[SectionRead]
    hosts: Sequence[HostLine]
    failed_tasks: Sequence[FailedTask]
    decisions: Sequence[LogEntry]


def read_overview(request: HttpRequest) -> Overview:
    """Read what the overview shows at once to whoever asks, in a few queries."""
    # The one clock that all hosts share: this one's own may be the wrong one.
    now, user = database_now(), request.user
    sees_orders = user.has_perms(SEES_ORDERS)
    sees_goods = user.has_perms(SEES_GOODS)
    sees_price_list = user.has_perms(SEES_PRICE_LIST)
    sees_workers = user.has_perms(SEES_WORKERS)
    sees_channels = user.has_perms(SEES_CHANNELS)
    questions: Questions = {
        **(ask_orders() if sees_orders else {}),
        **(ask_catalog() if sees_goods else {}),
        # Whether anything is sold tells whether orders should come.
        **(ask_feeds() if sees_price_list or sees_orders else {}),
        **(ask_workers(now=now) if sees_workers else {}),
        **(ask_channels() if sees_channels else {}),
    }
    answers = ask(questions) if questions else {}
    orders = None
    if sees_orders:
        is_selling = bool(answers["on_sale"])
        orders = read_orders(
            now=now,
            is_selling=is_selling,
            sees_money=user.has_perm(SEES_MONEY),
            answers=answers,
        )
        told = linked_for(user, _most_pressing_first(orders.needs))
        orders = replace(orders, needs=told)
    goods = feeds = workers = DashboardSection()
    tasks: list[Need] = []
    if sees_goods:
        goods = read_catalog(now=now, answers=answers)
    if sees_price_list:
        feeds = read_feeds(now=now, answers=answers)
    if sees_workers:
        workers = read_workers(now=now, answers=answers)
        tasks = needs_of_tasks(answers)
    needs = [*workers.needs, *goods.needs, *feeds.needs, *tasks]
    if sees_channels:
        needs += needs_of_channels(now=now, answers=answers)
    # As goods travel: from the supplier over the price list to Kaspi.
    cards = [*goods.cards, *feeds.cards, *workers.cards]
    good = (Tone.GOOD, Tone.QUIET)
    return Overview(
        as_of=now,
        orders=orders,
        needs=linked_for(user, _most_pressing_first(needs)),
        cards=linked_for(user, cards),
        # What is sold comes first, then what is not.
        figures=linked_for(
            user,
            [*feeds.figures, *goods.figures, *(orders.figures if orders else ())],
        ),
        is_healthy=not tasks and all(card.tone in good for card in cards),
        sees_anything=bool(questions),
        sees_bridge=any((sees_goods, sees_price_list, sees_workers, sees_channels)),
    )


def read_health(request: HttpRequest) -> Health:
    """Read what stands in the overview's fold."""
    now, user = database_now(), request.user
    goods = feeds = DashboardDetails()
    if user.has_perms(SEES_GOODS):
        goods = read_catalog_details(request, now=now)
    if user.has_perms(SEES_PRICE_LIST):
        feeds = read_feeds_details(request, now=now)
    sees_orders = user.has_perms(SEES_ORDERS)
    sees_workers = user.has_perms(SEES_WORKERS)
    return Health(
        buttons=[*goods.buttons, *feeds.buttons],
        charts=[*feeds.charts, *goods.charts],
        breakdowns=[
            replace(breakdown, shares=linked_for(user, breakdown.shares))
            for breakdown in [*feeds.breakdowns, *goods.breakdowns]
        ],
        journals=[*goods.journals, *feeds.journals],
        readings=read_order_readings(now=now) if sees_orders else [],
        hosts=read_host_lines(now=now) if sees_workers else [],
        failed_tasks=read_failed_tasks(now=now) if sees_workers else [],
        decisions=list(_decisions(request)),
    )


def _most_pressing_first(needs: Sequence[Need]) -> list[Need]:
    return sorted(needs, key=lambda need: MOST_PRESSING_FIRST.index(need.tone))


def _decisions(request: HttpRequest) -> Iterator[LogEntry]:
    """Give the staff's latest decisions about what the reader may see."""
    shown = 0
    newest = LogEntry.objects.select_related("user", "content_type")
    for entry in newest[:DECISIONS_READ]:
        about = entry.content_type
        if about is None or not request.user.has_perm(
            f"{about.app_label}.view_{about.model}"
        ):
            continue
        yield entry
        shown += 1
        if shown == RECENT:
            return
