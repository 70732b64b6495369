"""What the overview says of the orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.charts import Bar, draw_bars
from backoffice.dashboard import DashboardSection, Need
from backoffice.formatting import Tone, ago, grouped, pill, when
from orders.admin.situation import shortened, situation_pill, stuck_reason, time_left
from orders.admin.tabs import BY_TIME_LEFT, TABS, count_tabs
from orders.models import Order, ReadMark, Step
from plumbing.redaction import redact

DAYS_DRAWN = 14
SHOWN = 8
# Kaspi's new orders are read every 5 minutes, open ones every 15.
POLL_LATE = timedelta(minutes=15)
REFRESH_LATE = timedelta(minutes=45)
POLLED = (Order.NEW, Order.SIGN_REQUIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkCount:
    """How many orders wait for the same thing, and their list."""

    label: str
    number: str
    url: str
    is_urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressing:
    """An order whose deadline is near."""

    code: str
    url: str
    left: SafeString
    situation: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A step that waits for a person."""

    code: str
    url: str
    reason: str
    since: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """When a section of Kaspi's was last read."""

    state: str
    pill: SafeString
    read: SafeString
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersOverview(DashboardSection):
    """Everything the overview shows of the orders."""

    works: list[WorkCount]
    pressing: list[Pressing]
    stuck: list[Stuck]
    readings: list[Reading]


def read_orders(*, now: datetime) -> OrdersOverview:
    """Read what the overview shows of the orders, in five queries."""
    counts = count_tabs()
    marks = list(ReadMark.objects.order_by("state"))
    pressing = _pressing()
    return OrdersOverview(
        works=_works(counts),
        pressing=[_shown(order, now=now) for order in pressing],
        stuck=_stuck(now=now),
        readings=[_reading(mark, now=now) for mark in marks],
        needs=[
            *_needs_of_readings(marks, now=now),
            *_needs_of_orders(counts, pressing, now=now),
        ],
        charts=_charts(now=now),
    )


def _list_url(tab: str) -> str:
    return f"{reverse('admin:orders_order_changelist')}?tab={tab}"


def _order_url(pk: int) -> str:
    return reverse("admin:orders_order_change", args=[pk])


def _works(counts: dict[str, int]) -> list[WorkCount]:
    return [
        WorkCount(
            label=str(tab.label),
            number=grouped(counts[tab.code]),
            url=_list_url(tab.code),
            is_urgent=tab.code == "person" and counts[tab.code] > 0,
        )
        for tab in TABS.values()
        if tab.is_counted
    ]


def _pressing() -> list[Order]:
    # As a condition object: the type checker knows no annotated names.
    has_deadline = Q(("due__isnull", False))
    waiting = Order.objects.open().with_due().filter(has_deadline)
    return list(waiting.defer("problem", "note").order_by(*BY_TIME_LEFT)[:SHOWN])


def _shown(order: Order, *, now: datetime) -> Pressing:
    return Pressing(
        code=order.code,
        url=_order_url(order.pk),
        left=time_left(order.due_at, now=now),
        situation=situation_pill(order),
    )


def _stuck(*, now: datetime) -> list[Stuck]:
    steps = Step.objects.filter(status__in=Step.STUCK).select_related("order")
    light = steps.defer("sent", "answered", "parameters").order_by("pk")
    return [
        Stuck(
            code=step.order.code,
            url=_order_url(step.order_id),
            reason=shortened(stuck_reason(step)),
            since=when(step.finished_at or step.not_before, now=now),
        )
        for step in light[:SHOWN]
    ]


def is_late(mark: ReadMark, *, now: datetime) -> bool:
    """Tell whether a section was not read to its end for too long."""
    limit = POLL_LATE if mark.state in POLLED else REFRESH_LATE
    return now - mark.read_until > limit


def _reading(mark: ReadMark, *, now: datetime) -> Reading:
    if is_late(mark, now=now):
        shown = pill(_("late"), Tone.BAD)
    elif mark.error:
        shown = pill(_("failed"), Tone.WARN)
    else:
        shown = pill(_("read"), Tone.GOOD)
    return Reading(
        state=mark.state,
        pill=shown,
        read=when(mark.read_until, now=now),
        error=redact(mark.error),
    )


def _needs_of_readings(marks: Sequence[ReadMark], *, now: datetime) -> list[Need]:
    url = reverse("admin:orders_readmark_changelist")
    needs = []
    for mark in marks:
        if is_late(mark, now=now):
            text = _("Orders were last read %(since)s (%(state)s): %(error)s")
            figures = {
                "since": ago(mark.read_until, now=now),
                "state": mark.state,
                "error": shortened(redact(mark.error)) or _("no answer yet"),
            }
            tone = Tone.BAD if mark.state == Order.NEW else Tone.WARN
            needs.append(Need(tone=tone, text=text % figures, url=url))
    return needs


def _needs_of_orders(
    counts: dict[str, int], pressing: Sequence[Order], *, now: datetime
) -> list[Need]:
    needs = []
    if number := counts["person"]:
        text = ngettext("%(n)s order needs you", "%(n)s orders need you", number)
        text %= {"n": grouped(number)}
        needs.append(Need(tone=Tone.BAD, text=text, url=_list_url("person")))
    overdue = [o for o in pressing if (due := o.due_at) is not None and due < now]
    for order in overdue:
        text = _("Order %(code)s is overdue") % {"code": order.code}
        needs.append(Need(tone=Tone.BAD, text=text, url=_order_url(order.pk)))
    return needs


def _charts(*, now: datetime) -> list[SafeString]:
    """Draw orders and revenue by the day they were made."""
    local = timezone.localtime(now)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight - timedelta(days=back) for back in reversed(range(DAYS_DRAWN))]
    totals = _by_day(days)
    bars = [
        [
            Bar(label=format_date(day, "j E"), value=totals[f"{what}{place}"] or 0)
            for place, day in enumerate(days)
        ]
        for what in ("orders", "revenue")
    ]
    return [
        draw_bars(bars[0], title=_("Orders by day")),
        draw_bars(bars[1], title=_("Revenue by day, ₸")),
    ]


def _by_day(days: Sequence[datetime]) -> dict[str, int | None]:
    """Add up orders and revenue of each day.

    By ranges: SQLite casts a moment to a day of Almaty row by row, in Python.
    """
    wanted: dict[str, Count | Sum] = {}
    for place, day in enumerate(days):
        its = Q(created_at__gte=day, created_at__lt=day + timedelta(days=1))
        wanted[f"orders{place}"] = Count("pk", filter=its)
        wanted[f"revenue{place}"] = Sum("total_kzt", filter=its)
    lately = Order.objects.filter(created_at__gte=days[0]).order_by()
    return lately.aggregate(**wanted)
