"""The report of what the shop earns: by day, product, brand, category or order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as format_date
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice.charts import Bar
from catalog.models import Category, Product
from orders.models import Order
from orders.money import periods
from orders.money.periods import Period, choose_period
from orders.money.summing import (
    GROUPS,
    SORTED_BY,
    Only,
    Sums,
    read_days,
    read_groups,
    total,
)

ROWS = 100
PRESETS: dict[str, str | Promise] = {
    periods.TODAY: gettext_lazy("today"),
    periods.YESTERDAY: gettext_lazy("yesterday"),
    periods.WEEK: gettext_lazy("7 days"),
    periods.MONTH: gettext_lazy("30 days"),
    periods.THIS_MONTH: gettext_lazy("this month"),
    periods.LAST_MONTH: gettext_lazy("last month"),
}
BY: dict[str, str | Promise] = {
    "day": gettext_lazy("by day"),
    "week": gettext_lazy("by week"),
    "month": gettext_lazy("by month"),
    "product": gettext_lazy("by product"),
    "brand": gettext_lazy("by brand"),
    "category": gettext_lazy("by category"),
    "order": gettext_lazy("by order"),
}
# Above so many days a bar is a week, above so many a month.
BARS_OF_DAYS, BARS_OF_WEEKS = 62, 400
LARGEST_NUMBER = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the reader asks for, made sense of; nonsense falls back to the usual."""

    period: Period
    by: str
    sort: str
    page: int
    only: Only

    @property
    def query(self) -> dict[str, str]:
        """The same as an address says it."""
        found = {"p": self.period.preset, "by": self.by}
        if self.period.preset == periods.CUSTOM:
            found |= {
                "from": self.period.first.isoformat(),
                "to": self.period.last.isoformat(),
            }
        if self.sort:
            found["sort"] = self.sort
        for name in ("product", "brand", "category"):
            value = getattr(self.only, name)
            if value is not None:
                found[name] = str(value)
        return found

    def link(self, **changes: str | None) -> str:
        """Give the address of the same report with something else; None = without."""
        query = {**self.query, **changes}
        pairs = {name: value for name, value in query.items() if value is not None}
        return f"?{urlencode(pairs)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One group of the report."""

    label: str
    second: str
    # The orders it is made of.
    url: str
    # The same report for this group alone; empty when it cannot be narrowed further.
    narrower: str
    sums: Sums


def wanted_of(query: Mapping[str, str], *, today: date) -> Wanted:
    by = query.get("by", "day")
    sort = query.get("sort", "")
    return Wanted(
        period=choose_period(
            query.get("p", ""),
            today=today,
            first=_day(query.get("from", "")),
            last=_day(query.get("to", "")),
        ),
        by=by if by in BY else "day",
        sort=sort if sort.lstrip("-") in SORTED_BY else "",
        page=max(_number(query.get("page", "")) or 1, 1),
        only=Only(
            product=_number(query.get("product", "")),
            brand=query.get("brand"),
            category=_number(query.get("category", "")),
        ),
    )


def rows_of(
    wanted: Wanted, days: Mapping[date, Sums], *, is_whole: bool = False
) -> tuple[list[Row], bool]:
    """Give the rows of the page, and whether there are more; `is_whole`: all."""
    if wanted.by in GROUPS:
        start = 0 if is_whole else (wanted.page - 1) * ROWS
        found = read_groups(
            wanted.by,
            wanted.period,
            wanted.only,
            sort=wanted.sort or "-revenue",
            start=start,
            limit=None if is_whole else ROWS + 1,
        )
        shown = found if is_whole else found[:ROWS]
        return list(_named(wanted, shown)), len(found) > len(shown)
    rows = [
        Row(
            label=bucket_label(first, last, by=wanted.by),
            second="",
            url=orders_url(wanted, first=first, last=last),
            narrower=wanted.link(
                p=periods.CUSTOM,
                by="product" if wanted.by == "day" else "day",
                **{"from": first.isoformat(), "to": last.isoformat()},
                sort=None,
            ),
            sums=sums,
        )
        for first, last, sums in buckets(days, wanted.period, by=wanted.by)
    ]
    rows.reverse()
    if wanted.sort:
        name = wanted.sort.lstrip("-")
        rows.sort(
            key=lambda row: int(getattr(row.sums, name)), reverse=wanted.sort[0] == "-"
        )
    return rows, False


def buckets(
    days: Mapping[date, Sums], period: Period, *, by: str
) -> Iterator[tuple[date, date, Sums]]:
    """Add the period's days up by day, week or month, quiet ones included."""
    begins = {"week": periods.week_of, "month": periods.month_of}.get(by)
    ends = {"week": periods.week_end, "month": periods.month_end}.get(by)
    found: dict[date, Sums] = {}
    for day in period.days:
        sums = found.setdefault(begins(day) if begins else day, Sums())
        if day in days:
            sums.add(days[day])
    for begin, sums in found.items():
        end = ends(begin) if ends else begin
        yield max(begin, period.first), min(end, period.last), sums


def bars(days: Mapping[date, Sums], period: Period, *, what: str) -> list[Bar]:
    """Give the bars of a chart, as wide as there is room for."""
    number = len(period.days)
    by = "day" if number <= BARS_OF_DAYS else "week"
    by = by if number <= BARS_OF_WEEKS else "month"
    return [
        Bar(label=bucket_label(first, last, by=by), value=int(getattr(sums, what)))
        for first, last, sums in buckets(days, period, by=by)
    ]


def bucket_label(first: date, last: date, *, by: str) -> str:
    if by == "month":
        return format_date(first, "F Y")
    if first == last:
        return format_date(first, "j E, D")
    return period_label(Period(first=first, last=last))


def period_label(period: Period) -> str:
    """Write the period as short as it stays clear."""
    first, last = period.first, period.last
    end = format_date(last, "j E Y")
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{end}"
    begin = format_date(first, "j E" if first.year == last.year else "j E Y")
    return f"{begin} – {end}"


def read_both(wanted: Wanted) -> tuple[dict[date, Sums], Sums, Sums]:
    """Read the period's days, its sum and that of the period before, in one query."""
    period, before = wanted.period, wanted.period.previous
    whole = Period(first=before.first, last=period.last)
    days = read_days(whole, wanted.only)
    return (
        {day: sums for day, sums in days.items() if period.has(day)},
        total(sums for day, sums in days.items() if period.has(day)),
        total(sums for day, sums in days.items() if before.has(day)),
    )


def orders_url(
    wanted: Wanted,
    *,
    first: date | None = None,
    last: date | None = None,
    more: Mapping[str, str] | None = None,
) -> str:
    """Give the list of the orders that were booked so."""
    query = {
        "tab": "all",
        "booked_from": (first or wanted.period.first).isoformat(),
        "booked_to": (last or wanted.period.last).isoformat(),
    }
    for name in ("product", "brand", "category"):
        value = getattr(wanted.only, name)
        if value is not None:
            query[f"booked_{name}"] = str(value)
    query |= more or {}
    return f"{reverse('admin:orders_order_changelist')}?{urlencode(query)}"


def only_label(only: Only) -> str:
    """Name what the report is limited to; empty when it is not."""
    parts = []
    if only.product is not None:
        product = Product.objects.filter(pk=only.product).first()
        parts.append(str(product) if product else _("product unknown to us"))
    if only.brand is not None:
        parts.append(only.brand or _("without a brand"))
    if only.category is not None:
        category = Category.objects.filter(pk=only.category).first()
        parts.append(str(category) if category else _("without a category"))
    return ", ".join(parts)


def _named(wanted: Wanted, found: list[tuple[Any, Sums]]) -> Iterator[Row]:
    """Give the groups their names, in one query."""
    keys = [key for key, _sums in found if key is not None]
    names = _names(wanted.by, keys)
    for key, sums in found:
        label, second = names.get(key, (_unnamed(wanted.by, key), ""))
        if wanted.by == "order":
            url, narrower = reverse("admin:orders_order_change", args=[key]), ""
        elif key is None and wanted.by == "product":
            url, narrower = orders_url(wanted, more={"money": "unknown"}), ""
        else:
            value = str(key) if key is not None else "0"
            url = orders_url(wanted, more={f"booked_{wanted.by}": value})
            by = "day" if wanted.by == "product" else "product"
            narrower = wanted.link(by=by, sort=None, **{wanted.by: value})
        yield Row(label=label, second=second, url=url, narrower=narrower, sums=sums)


def _names(by: str, keys: Iterable[Any]) -> dict[Any, tuple[str, str]]:
    if by == "product":
        goods = Product.objects.only("pk", "article", "name", "brand").in_bulk(
            list(keys)
        )
        return {pk: (good.name, good.article) for pk, good in goods.items()}
    if by == "category":
        branches = Category.objects.only("pk", "name", "path").in_bulk(list(keys))
        return {pk: (branch.name, branch.path) for pk, branch in branches.items()}
    if by == "order":
        orders = Order.objects.only("pk", "code", "created_at").in_bulk(list(keys))
        return {
            pk: (order.code, format_date(timezone.localtime(order.created_at), "j E Y"))
            for pk, order in orders.items()
        }
    return {key: (key, "") for key in keys if key}


def _unnamed(by: str, key: object) -> str:
    if by == "brand":
        return _("without a brand")
    if by == "category":
        return _("without a category")
    return _("product unknown to us")


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # Reckoning with the first and last day of all time overflows.
    return day if 2000 <= day.year < 2100 else None


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) < LARGEST_NUMBER else None
