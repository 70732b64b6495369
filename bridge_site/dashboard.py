"""The overview: is each part alive, what needs a person, what happened lately."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django_q.models import Failure

from backoffice.charts import Bar, draw_bars
from backoffice.formatting import duration, grouped, when
from backoffice.pages import Button
from bridge_site.liveness import (
    Part,
    fetch_part,
    price_list_part,
    read_facts,
    supplier_part,
    workers_part,
)
from bridge_site.needs import Need, find_needs, in_order
from catalog.admin.readings import reading_buttons
from catalog.admin.readings import status_pill as reading_pill
from catalog.models import ImportRun, Product
from feeds.admin.differences import reason_label
from feeds.admin.versions import build_buttons
from feeds.admin.versions import status_pill as build_pill
from feeds.models import FeedBuild, Listing
from orders.dashboard import OrderNeed, OrdersOverview, read_orders
from plumbing.redaction import redact

DAYS_DRAWN = 14
RECENT = 6
TASKS_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A large number with what it counts, and the list of what was counted."""

    label: str
    value: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many goods one reason concerns; `percent` of the largest reason."""

    label: str
    number: str
    percent: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A row of a journal: when, its state, what it says, and its page."""

    when: SafeString
    pill: SafeString
    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """A task of the queue that ended with an error."""

    when: SafeString
    name: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything the dashboard shows."""

    needs: list[Need]
    parts: list[Part]
    buttons: list[Button]
    figures: list[Figure]
    left_out: list[Share]
    held: list[Share]
    readings: list[Recent]
    builds: list[Recent]
    charts: list[SafeString]
    failed_tasks: list[FailedTask]
    decisions: list[LogEntry]
    orders: OrdersOverview


def read_overview(request: HttpRequest) -> Overview:
    """Read what the dashboard shows, in a fixed number of queries."""
    now = timezone.now()
    facts = read_facts(now=now)
    runs = recent_runs(now=now)
    held = count_held()
    failed = failed_tasks(now=now)
    orders = read_orders(now=now)
    needs = find_needs(facts, held=held, failed_tasks=len(failed), now=now)
    return Overview(
        needs=in_order([*map(_need, orders.needs), *needs]),
        parts=[
            supplier_part(facts, now=now),
            price_list_part(facts, now=now),
            fetch_part(facts, now=now),
            workers_part(facts, now=now),
        ],
        buttons=[*reading_buttons(request), *build_buttons(request)],
        figures=list(_figures(runs, held=held, now=now)),
        left_out=list(_left_out(facts.last_counted)),
        held=list(_held(held)),
        readings=[_reading(run, now=now) for run in runs[:RECENT]],
        builds=[_build(build, now=now) for build in facts.builds[:RECENT]],
        charts=[*orders.charts, draw_on_sale(now=now), draw_changes(runs, now=now)],
        failed_tasks=failed,
        decisions=list(LogEntry.objects.select_related("user")[:RECENT]),
        orders=orders,
    )


def _need(need: OrderNeed) -> Need:
    return Need(tone=need.tone, text=need.text, url=need.url)


def recent_runs(*, now: datetime) -> list[ImportRun]:
    """Read the real readings of the days that are drawn, newest first."""
    since = _midnight(now) - timedelta(days=DAYS_DRAWN - 1)
    runs = ImportRun.objects.filter(started_at__gte=since, is_dry_run=False)
    return list(runs.defer("bad_rows"))


def count_held() -> dict[str, int]:
    """Count the goods in quarantine by reason."""
    held = Product.objects.filter(gone_at=None).exclude(hold=Product.Hold.NONE)
    counted = held.order_by().values_list("hold").annotate(number=Count("pk"))
    return dict(counted.order_by("-number"))


def failed_tasks(*, now: datetime) -> list[FailedTask]:
    """Read the latest tasks that failed within a day, without secrets."""
    lately = Failure.objects.filter(stopped__gt=now - timedelta(days=1))
    return [
        FailedTask(
            when=when(task.stopped, now=now),
            name=task.func,
            error=_first_line(redact(str(task.result))),
        )
        for task in lately.order_by("-stopped")[:TASKS_SHOWN]
    ]


def draw_on_sale(*, now: datetime) -> SafeString:
    """Draw how many goods were on sale at each day's end, from the versions."""
    days = _days(now)
    builds = FeedBuild.objects.filter(published_at__isnull=False)
    versions = builds.order_by("published_at").values_list(
        "published_at", "counts__on_sale"
    )
    lately = versions.filter(published_at__gte=_midnight(now) - timedelta(DAYS_DRAWN))
    by_day = {timezone.localtime(at).date(): number for at, number in lately}
    bars, known = [], None
    for day in days:
        # A day without a new version shows what stayed live.
        known = by_day.get(day.date(), known)
        bars.append(Bar(label=_day_label(day), value=known))
    return draw_bars(bars, title=_("Products on sale by day"))


def draw_changes(runs: Iterable[ImportRun], *, now: datetime) -> SafeString:
    """Draw how many goods the readings of each day changed."""
    totals: dict[object, int] = {}
    for run in runs:
        day = timezone.localtime(run.started_at).date()
        totals[day] = totals.get(day, 0) + _changed(run)
    bars = [
        Bar(label=_day_label(day), value=totals.get(day.date(), 0))
        for day in _days(now)
    ]
    return draw_bars(bars, title=_("Stock and price changes by day"))


def _figures(
    runs: Sequence[ImportRun], *, held: dict[str, int], now: datetime
) -> Iterator[Figure]:
    products = reverse("admin:catalog_product_changelist")
    midnight = _midnight(now)
    today = sum(_changed(run) for run in runs if run.started_at >= midnight)
    on_sale = Listing.objects.filter(is_available=True).count()
    for label, value, url in (
        (_("on sale now"), on_sale, f"{products}?sale=on_sale"),
        (_("in quarantine"), sum(held.values()), f"{products}?hold=any"),
        (
            _("changed today"),
            today,
            reverse("admin:catalog_productchange_changelist"),
        ),
    ):
        yield Figure(label=label, value=grouped(value), url=url)


def _left_out(build: FeedBuild | None) -> Iterator[Share]:
    if build is None:
        return
    numbers: dict[str, int] = {}
    for part in ("left_out", "withdrawn_for"):
        for code, number in (build.counts.get(part) or {}).items():
            numbers[code] = numbers.get(code, 0) + number
    url = reverse("admin:catalog_product_changelist")
    top = max(numbers.values(), default=0)
    for code, number in sorted(numbers.items(), key=lambda pair: -pair[1]):
        yield Share(
            label=reason_label(code),
            number=grouped(number),
            percent=round(100 * number / top) if top else 0,
            url=f"{url}?sale={code}",
        )


def _held(held: dict[str, int]) -> Iterator[Share]:
    url = reverse("admin:catalog_product_changelist")
    top = max(held.values(), default=0)
    for code, number in held.items():
        yield Share(
            label=str(Product.Hold(code).label),
            number=grouped(number),
            percent=round(100 * number / top),
            url=f"{url}?hold={code}",
        )


def _reading(run: ImportRun, *, now: datetime) -> Recent:
    took = duration(run.started_at, run.finished_at)
    said = redact(run.message) or "…"
    return Recent(
        when=when(run.started_at, now=now),
        pill=reading_pill(run),
        text=f"{run.get_kind_display()}, {took}: {said}",
        url=reverse("admin:catalog_importrun_change", args=[run.pk]),
    )


def _build(build: FeedBuild, *, now: datetime) -> Recent:
    text = f"{build}"
    if build.counts:
        text += ": " + _("%(on_sale)s of %(offers)s offers on sale") % {
            "on_sale": grouped(build.counts.get("on_sale")),
            "offers": grouped(build.counts.get("offers")),
        }
    if build.reason:
        text += f"; {redact(build.reason)}"
    return Recent(
        when=when(build.started_at, now=now),
        pill=build_pill(build),
        text=text,
        url=reverse("admin:feeds_feedbuild_change", args=[build.pk]),
    )


def _changed(run: ImportRun) -> int:
    if run.status != ImportRun.Status.DONE:
        return 0
    return sum(run.counts.get(name, 0) for name in ("changed", "new", "gone"))


def _first_line(text: str) -> str:
    """Give the part of a traceback or message that says most."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[0][:300] if lines else ""


def _midnight(now: datetime) -> datetime:
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)


def _days(now: datetime) -> list[datetime]:
    last = _midnight(now)
    return [last - timedelta(days=back) for back in reversed(range(DAYS_DRAWN))]


def _day_label(day: datetime) -> str:
    return format_date(day, "j E")
