"""What the overview says of the orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from backoffice.asking import Answers, ask
from backoffice.dashboard import DashboardSection, Figure, Need, draw_days, drawn_days
from backoffice.formatting import Tone, grouped, pill, when
from orders.admin.moments import time_at_kaspi
from orders.admin.situation import (
    left_text,
    shortened,
    situation_pill,
    stuck_reason,
    time_left,
    without_sums,
)
from orders.admin.tabs import BY_TIME_LEFT, OPEN, TABS, count_tabs
from orders.kaspi.words import said
from orders.models import Order, ReadMark, Step
from orders.needs import (
    ask_orders,
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
    """Everything the overview shows of the orders first."""

    tabs: Sequence[TabFigure] = ()
    pressing: Sequence[PressingOrder] = ()
    stuck: Sequence[StuckStep] = ()
    # How many orders the steps above and those not shown belong to.
    waiting: str = ""
    money: Sequence[Figure] = ()


def read_orders(
    *,
    now: datetime,
    is_selling: bool = False,
    sees_money: bool = True,
    answers: Answers | None = None,
) -> OrdersOverview:
    """Read what the overview shows of the orders first.

    `is_selling`: the price list has goods on sale, so orders should come.
    `sees_money`: else what the orders bring is left out.
    """
    answers = ask(ask_orders()) if answers is None else answers
    there = time_at_kaspi(answers, now=now)
    counts = count_tabs()
    short, recent = count_short(now=now)
    # As a condition object: the type checker knows no annotated names.
    # By the column that sorts them, or PostgreSQL walks through the ended ones, too.
    waiting = Order.objects.filter(OPEN).with_due().filter(Q(("due__isnull", False)))
    pressing = list(waiting.defer("problem", "note").order_by(*BY_TIME_LEFT)[:SHOWN])
    stuck = Step.objects.stuck().select_related("order").order_by("pk")
    days = read_days(now=now)
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
                left=time_left(order.due_at, now=there),
                situation=situation_pill(order),
            )
            for order in pressing
        ],
        stuck=[
            StuckStep(
                code=step.order.code,
                url=order_url(step.order_id),
                reason=shortened(
                    stuck_reason(step)
                    if sees_money
                    else without_sums(stuck_reason(step))
                ),
                since=when(step.finished_at or step.not_before, now=now),
            )
            for step in stuck.defer("sent", "answered", "parameters")[:SHOWN]
        ],
        waiting=grouped(counts["person"]),
        needs=[
            *_needs_of_orders(counts, pressing, now=there),
            *needs_of_readings(answers, now=now),
            *(needs_of_silence(answers, now=now) if is_selling else ()),
            *_needs_of_findings(answers["findings"]),
            *needs_of_purchases(answers, now=now),
            *needs_of_attorney(answers, now=now),
            *needs_of_share(short, recent),
        ],
        money=_money(days) if sees_money else (),
        figures=[
            Figure(
                label=_("cancelled as out of stock, 30 days"),
                value=f"{percent(short, recent)} %",
                url=tab_url("ended"),
            )
        ],
        charts=_charts(days, sees_money=sees_money),
    )


def read_order_readings(*, now: datetime) -> list[SectionRead]:
    """Read when each of Kaspi's sections was read, for the overview's fold."""
    return [_section_read(m, now=now) for m in ReadMark.objects.order_by("state")]


def _section_read(mark: ReadMark, *, now: datetime) -> SectionRead:
    if mark.is_late(now=now):
        shown = pill(_("late"), Tone.BAD)
    elif mark.error:
        shown = pill(_("failed"), Tone.WARN)
    else:
        shown = pill(_("read"), Tone.GOOD)
    return SectionRead(
        state=said(mark.state),
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
        url = tab_url("person")
        yield Need(tone=Tone.BAD, text=text, url=url, number=number, is_listed=True)
    near = timedelta(minutes=settings.DEADLINE_NEAR_MIN)
    for order in pressing:
        due = order.due_at
        if due is not None and due < now:
            text = _("Order %(code)s is overdue") % {"code": order.code}
            yield _deadline(order, Tone.BAD, text)
        elif due is not None and due < now + near:
            text = _("Order %(code)s is due in %(left)s")
            figures = {"code": order.code, "left": left_text(due - now)}
            yield _deadline(order, Tone.WARN, text % figures)


def _deadline(order: Order, tone: Tone, text: str) -> Need:
    return Need(tone=tone, text=text, url=order_url(order.pk), is_listed=True)


def _needs_of_findings(number: int) -> Iterator[Need]:
    if number:
        text = ngettext(
            "%(n)s contradiction was found: look what is wrong",
            "%(n)s contradictions were found: look what is wrong",
            number,
        )
        text %= {"n": grouped(number)}
        url = reverse("admin:orders_finding_changelist")
        yield Need(tone=Tone.BAD, text=text, url=url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The orders made on a day of Almaty, and what those not called off bring."""

    begins: datetime
    orders: int
    revenue_kzt: int


def read_days(*, now: datetime) -> list[Day]:
    """Add up orders and revenue by the day they were made, today's last.

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
        Day(
            begins=day,
            orders=totals[f"orders{place}"],
            revenue_kzt=totals[f"revenue{place}"] or 0,
        )
        for place, day in enumerate(days)
    ]


def _money(days: Sequence[Day]) -> list[Figure]:
    """Compare today's orders and turnover with yesterday's, and with the week's."""
    today, yesterday = days[-1], days[-2]
    week = days[-8:-1]
    usual = sum(day.revenue_kzt for day in week) // len(week)
    return [
        Figure(
            label=_("orders today"),
            value=grouped(today.orders),
            url=_days_url(today.begins, today.begins),
        ),
        Figure(
            label=_("turnover today"),
            value=_tenge(today.revenue_kzt),
            url=_days_url(today.begins, today.begins),
        ),
        Figure(
            label=_("turnover yesterday"),
            value=_tenge(yesterday.revenue_kzt),
            url=_days_url(yesterday.begins, yesterday.begins),
        ),
        Figure(
            label=_("a day, on average of the 7 before"),
            value=_tenge(usual),
            url=_days_url(week[0].begins, week[-1].begins),
        ),
    ]


def _tenge(value: int) -> str:
    return f"{grouped(value)}\u00a0₸"


def _days_url(first: datetime, last: datetime) -> str:
    """Give the list of the orders made from one day to another."""
    query = {
        "tab": "all",
        "created_at__gte": first.isoformat(sep=" "),
        "created_at__lt": (last + timedelta(days=1)).isoformat(sep=" "),
    }
    return f"{reverse('admin:orders_order_changelist')}?{urlencode(query)}"


def _charts(days: Sequence[Day], *, sees_money: bool) -> list[SafeString]:
    """Draw orders and revenue by day; called off ones bring none."""
    begins = [day.begins for day in days]
    orders, revenue = [d.orders for d in days], [d.revenue_kzt for d in days]
    charts = [draw_days(orders, days=begins, title=_("Orders by day"))]
    if sees_money:
        charts.append(draw_days(revenue, days=begins, title=_("Revenue by day, ₸")))
    return charts
