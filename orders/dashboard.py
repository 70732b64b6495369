"""What the overview says of the orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.dashboard import DashboardSection, Figure, Need, draw_days, drawn_days
from backoffice.formatting import Tone, grouped, pill, when
from orders.admin.situation import (
    left_text,
    shortened,
    situation_pill,
    stuck_reason,
    time_left,
)
from orders.admin.tabs import BY_TIME_LEFT, TABS, count_tabs
from orders.models import Finding, Order, ReadMark, Step
from orders.needs import (
    count_short,
    needs_of_attorney,
    needs_of_purchases,
    needs_of_readings,
    needs_of_share,
    needs_of_silence,
    order_url,
    percent,
    tab_url,
)
from plumbing.redaction import redact

SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TabFigure(Figure):
    """How many orders wait for the same thing, and their tab."""

    is_urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PressingOrder:
    """An order whose deadline is near."""

    code: str
    url: str
    left: SafeString
    situation: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckStep:
    """A step that waits for a person; `code` is its order's."""

    code: str
    url: str
    reason: str
    since: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionRead:
    """When a section of Kaspi's was last read."""

    state: str
    pill: SafeString
    read: SafeString
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersOverview(DashboardSection):
    """Everything the overview shows of the orders."""

    tabs: list[TabFigure]
    pressing: list[PressingOrder]
    stuck: list[StuckStep]
    readings: list[SectionRead]


def read_orders(*, now: datetime, is_selling: bool = False) -> OrdersOverview:
    """Read what the overview shows of the orders, in eleven queries.

    `is_selling`: the price list has goods on sale, so orders should come.
    """
    counts = count_tabs()
    short, recent = count_short(now=now)
    marks = list(ReadMark.objects.order_by("state"))
    # As a condition object: the type checker knows no annotated names.
    waiting = Order.objects.open().with_due().filter(Q(("due__isnull", False)))
    pressing = list(waiting.defer("problem", "note").order_by(*BY_TIME_LEFT)[:SHOWN])
    stuck = Step.objects.stuck().select_related("order").order_by("pk")
    return OrdersOverview(
        tabs=[
            TabFigure(
                label=str(tab.label),
                value=grouped(counts[tab.code]),
                url=tab_url(tab.code),
                is_urgent=tab.code == "person" and counts[tab.code] > 0,
            )
            for tab in TABS.values()
            if tab.is_counted
        ],
        pressing=[
            PressingOrder(
                code=order.code,
                url=order_url(order.pk),
                left=time_left(order.due_at, now=now),
                situation=situation_pill(order),
            )
            for order in pressing
        ],
        stuck=[
            StuckStep(
                code=step.order.code,
                url=order_url(step.order_id),
                reason=shortened(stuck_reason(step)),
                since=when(step.finished_at or step.not_before, now=now),
            )
            for step in stuck.defer("sent", "answered", "parameters")[:SHOWN]
        ],
        readings=[_section_read(mark, now=now) for mark in marks],
        needs=[
            *needs_of_readings(marks, now=now),
            *(needs_of_silence(marks, now=now) if is_selling else ()),
            *_needs_of_orders(counts, pressing, now=now),
            *_needs_of_findings(),
            *needs_of_purchases(now=now),
            *needs_of_attorney(now=now),
            *needs_of_share(short, recent),
        ],
        figures=[
            Figure(
                label=_("cancelled as out of stock, 30 days"),
                value=f"{percent(short, recent)} %",
                url=tab_url("ended"),
            )
        ],
        charts=_charts(now=now),
    )


def _section_read(mark: ReadMark, *, now: datetime) -> SectionRead:
    if mark.is_late(now=now):
        shown = pill(_("late"), Tone.BAD)
    elif mark.error:
        shown = pill(_("failed"), Tone.WARN)
    else:
        shown = pill(_("read"), Tone.GOOD)
    return SectionRead(
        state=mark.state,
        pill=shown,
        read=when(mark.read_until, now=now),
        error=redact(mark.error),
    )


def _needs_of_orders(
    counts: dict[str, int], pressing: Sequence[Order], *, now: datetime
) -> Iterator[Need]:
    if number := counts["person"]:
        text = ngettext("%(n)s order needs you", "%(n)s orders need you", number)
        text %= {"n": grouped(number)}
        yield Need(tone=Tone.BAD, text=text, url=tab_url("person"))
    near = timedelta(minutes=settings.DEADLINE_NEAR_MIN)
    for order in pressing:
        due = order.due_at
        if due is not None and due < now:
            text = _("Order %(code)s is overdue") % {"code": order.code}
            yield Need(tone=Tone.BAD, text=text, url=order_url(order.pk))
        elif due is not None and due < now + near:
            text = _("Order %(code)s is due in %(left)s")
            figures = {"code": order.code, "left": left_text(due - now)}
            yield Need(tone=Tone.WARN, text=text % figures, url=order_url(order.pk))


def _needs_of_findings() -> Iterator[Need]:
    number = Finding.objects.open().count()
    if number:
        text = ngettext(
            "%(n)s contradiction was found: look what is wrong",
            "%(n)s contradictions were found: look what is wrong",
            number,
        )
        text %= {"n": grouped(number)}
        url = reverse("admin:orders_finding_changelist")
        yield Need(tone=Tone.BAD, text=text, url=url)


def _charts(*, now: datetime) -> list[SafeString]:
    """Draw orders and revenue by the day they were made; called off ones bring none.

    By ranges: SQLite casts a moment to a day of Almaty row by row, in Python.
    """
    days = drawn_days(now=now)
    wanted: dict[str, Count | Sum] = {}
    for place, day in enumerate(days):
        its = Q(created_at__gte=day, created_at__lt=day + timedelta(days=1))
        wanted[f"orders{place}"] = Count("pk", filter=its)
        bringing = its & ~Q(status__in=Order.CALLED_OFF)
        wanted[f"revenue{place}"] = Sum("total_kzt", filter=bringing)
    lately = Order.objects.filter(created_at__gte=days[0]).order_by()
    totals = lately.aggregate(**wanted)
    return [
        draw_days(
            [totals[f"{what}{place}"] or 0 for place in range(len(days))],
            days=days,
            title=title,
        )
        for what, title in (
            ("orders", _("Orders by day")),
            ("revenue", _("Revenue by day, ₸")),
        )
    ]
