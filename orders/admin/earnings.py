"""The page of the profit report, and its table as a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from backoffice.charts import draw_bars
from backoffice.formatting import figure, gain, grouped, money, percents
from backoffice.pages import Button, ReadOnlyAdmin
from backoffice.spreadsheets import Sheet, xlsx_response
from catalog.commissions import commission_warning
from orders.admin import report
from orders.admin.report import BY, PRESETS, Row, Wanted
from orders.models import Booking
from orders.money.summing import (
    GROUPS,
    SORTED_BY,
    Sums,
    read_called_off,
    read_open,
)
from plumbing.queue import enqueue


@admin.register(Booking)
class BookingAdmin(ReadOnlyAdmin[Booking]):
    """The report stands where the list of the rows would."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.report), name="orders_booking_changelist"),
            path("xlsx/", wrap(self.table), name="orders_booking_xlsx"),
            path("recount/", wrap(self.recount), name="orders_booking_recount"),
        ]

    def report(self, request: HttpRequest) -> HttpResponse:
        self._refuse_others(request)
        if request.method == "POST":
            # Where a list would take actions there are none.
            raise PermissionDenied
        wanted = report.wanted_of(request.GET, today=timezone.localdate())
        context = {
            **self.admin_site.each_context(request),
            "title": _("Profit"),
            "opts": self.opts,
            "page_buttons": self._buttons(request),
            "xlsx_url": f"{reverse('admin:orders_booking_xlsx')}{wanted.link()}",
            **_page(wanted),
        }
        return TemplateResponse(request, "admin/orders/booking/report.html", context)

    def table(self, request: HttpRequest) -> HttpResponse:
        """Give the whole report as XLSX."""
        self._refuse_others(request)
        wanted = report.wanted_of(request.GET, today=timezone.localdate())
        days, sums, _before = report.read_both(wanted)
        rows, _has_more = report.rows_of(wanted, days, is_whole=True)
        headers = [
            str(BY[wanted.by]),
            "",
            _("orders"),
            _("returns"),
            _("pieces"),
            _("revenue, ₸"),
            _("of which returns, ₸"),
            _("cost, ₸"),
            _("commission, ₸"),
            _("tax, ₸"),
            _("delivery, ₸"),
            _("profit, ₸"),
            _("margin, %"),
            _("revenue of unknown cost, ₸"),
        ]
        whole = Row(label=_("in all"), second="", url="", narrower="", sums=sums)
        period = wanted.period
        name = f"profit-{period.first}-{period.last}-by-{wanted.by}.xlsx"
        return xlsx_response(
            name,
            Sheet(
                title=_("Profit"),
                headers=headers,
                rows=(_cells(row) for row in [*rows, whole]),
            ),
            Sheet(
                title=_("How it is counted"),
                headers=[report.period_label(period)],
                rows=[[line] for line in [commission_warning(), *how_it_is_counted()]],
            ),
        )

    def recount(self, request: HttpRequest) -> HttpResponse:
        self.require(request, "catalog.check_commissionrate")
        enqueue("orders.tasks.recount_money", cluster="imports")
        messages.success(request, _("All orders are being counted anew."))
        return redirect("admin:orders_booking_changelist")

    def _buttons(self, request: HttpRequest) -> list[Button]:
        if not request.user.has_perm("catalog.check_commissionrate"):
            return []
        url = reverse("admin:orders_booking_recount")
        return [Button(label=_("Count anew"), url=url)]

    def _refuse_others(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied


def how_it_is_counted() -> list[str]:
    """Say what the figures mean; `Booking` and `orders.money` hold them to it."""
    return [
        _(
            "Days and months are Almaty's. A sale counts on the day on which the order "
            "was completed: then the buyer has the goods and Kaspi pays."
        ),
        _(
            "A return counts on the day of the return, with a minus; the sale stays in "
            "its month. The commission and the goods come back, the delivery is lost."
        ),
        _(
            "An order cancelled before it was completed brings nothing. What is still "
            "open is expected and counts in no period."
        ),
        _(
            "Cost: what Al-Style's order says; where it is not known, the dealer price "
            "of the day. Without either there is no profit: such revenue stands apart."
        ),
        _(
            "Commission: by the table “Kaspi's commissions” of the day of the order. "
            "Tax: by the price rule. Delivery: what Kaspi took, else as in the rule."
        ),
    ]


def _page(wanted: Wanted) -> dict[str, Any]:
    days, sums, before = report.read_both(wanted)
    rows, has_more = report.rows_of(wanted, days)
    expected, back = read_open(wanted.only)
    period = wanted.period
    return {
        "wanted": wanted,
        "period_label": report.period_label(period),
        "before_label": report.period_label(period.previous),
        "first": period.first.isoformat(),
        "last": period.last.isoformat(),
        "presets": [
            (label, wanted.link(p=code, **_WITHOUT_DAYS), period.preset == code)
            for code, label in PRESETS.items()
        ],
        "ways": [
            (label, wanted.link(by=code, sort=None), wanted.by == code)
            for code, label in BY.items()
        ],
        "kept": [
            (name, value)
            for name, value in wanted.query.items()
            if name not in ("p", "from", "to")
        ],
        "only": report.only_label(wanted.only),
        "without_only": wanted.link(product=None, brand=None, category=None),
        "tiles": list(_tiles(sums, before)),
        "charts": [] if len(period.days) < 2 else list(_charts(wanted, days)),
        "columns": list(_headings(wanted)),
        "rows": [_shown(row) for row in rows],
        "total": _shown(
            Row(label=_("in all"), second="", url="", narrower="", sums=sums)
        ),
        "before": _shown(
            Row(
                label=report.period_label(period.previous),
                second="",
                url="",
                narrower="",
                sums=before,
            )
        ),
        "earlier_url": wanted.link(page=str(wanted.page - 1))
        if wanted.page > 1 and wanted.by in GROUPS
        else "",
        "later_url": wanted.link(page=str(wanted.page + 1)) if has_more else "",
        "warning": commission_warning(),
        "unknown": sums.unknown,
        "unknown_revenue": money(sums.unknown_revenue),
        "unknown_url": report.orders_url(wanted, more={"money": "unknown"}),
        "apart": list(_apart(expected, back, sums, read_called_off(period))),
        "how": how_it_is_counted(),
    }


_WITHOUT_DAYS: dict[str, str | None] = {"from": None, "to": None}


def _tiles(sums: Sums, before: Sums) -> Iterator[dict[str, Any]]:
    for label, value, now, then in (
        (_("revenue"), money(sums.revenue), sums.revenue, before.revenue),
        (_("profit"), gain(sums.profit), sums.profit, before.profit),
        (_("orders"), figure(sums.orders), sums.orders, before.orders),
    ):
        yield {
            "label": label,
            "value": value,
            "change": _change(now, then),
            "is_worse": now < then,
            "before": grouped(then),
        }
    yield {
        "label": _("margin"),
        "value": percents(sums.percent),
        "change": "",
        "is_worse": False,
        "before": percents(before.percent),
    }


def _change(now: int, then: int) -> str:
    """Say by how much it has grown; nothing where that says nothing."""
    if then <= 0 or now < 0 or now == then:
        return ""
    percent = round(100 * (now - then) / then)
    return f"{'+' if percent > 0 else ''}{percents(percent)}"


def _charts(wanted: Wanted, days: dict[date, Sums]) -> Iterator[Any]:
    for what, title in (("revenue", _("Revenue, ₸")), ("profit", _("Profit, ₸"))):
        yield draw_bars(report.bars(days, wanted.period, what=what), title=title)


def _headings(wanted: Wanted) -> Iterator[dict[str, Any]]:
    names = {
        "orders": _("orders"),
        "pieces": _("pieces"),
        "revenue": _("revenue"),
        "cost": _("cost"),
        "commission": _("commission"),
        "tax": _("tax"),
        "delivery": _("delivery"),
        "profit": _("profit"),
    }
    for name, label in names.items():
        sort = f"-{name}" if wanted.sort != f"-{name}" else name
        is_sorted = wanted.sort.lstrip("-") == name
        yield {
            "name": name,
            "label": label,
            "url": wanted.link(sort=sort) if name in SORTED_BY else "",
            "aria": ("descending" if wanted.sort[:1] == "-" else "ascending")
            if is_sorted
            else "",
        }


def _shown(row: Row) -> dict[str, Any]:
    sums = row.sums
    returned = grouped(sums.returned) if sums.returned else ""
    return {
        "row": row,
        "orders": figure(sums.orders),
        "pieces": figure(sums.pieces),
        "revenue": figure(sums.revenue),
        "returned": returned,
        "cost": figure(sums.cost),
        "commission": figure(sums.commission),
        "tax": figure(sums.tax),
        "delivery": figure(sums.delivery),
        "profit": gain(sums.profit, has_unit=False),
        "percent": percents(sums.percent),
        "unknown": sums.unknown,
    }


def _cells(row: Row) -> list[Any]:
    sums = row.sums
    return [
        row.label,
        row.second,
        sums.orders,
        sums.returns,
        sums.pieces,
        sums.revenue,
        sums.returned,
        sums.cost,
        sums.commission,
        sums.tax,
        sums.delivery,
        sums.profit,
        sums.percent,
        sums.unknown_revenue,
    ]


def _apart(
    expected: Sums, back: Sums, sums: Sums, called_off: tuple[int, int]
) -> Iterator[tuple[str, str, str, str]]:
    """Tell what counts in no period, and what the period's figures leave out."""
    orders = reverse("admin:orders_order_changelist")
    number, lost = called_off
    yield (
        _("Expected: open orders"),
        grouped(expected.orders),
        _("revenue %(revenue)s ₸, profit %(profit)s ₸")
        % {"revenue": grouped(expected.revenue), "profit": grouped(expected.profit)},
        f"{orders}?tab=open",
    )
    yield (
        _("On their way back: returns to come"),
        grouped(back.orders),
        _("revenue %(revenue)s ₸") % {"revenue": grouped(back.revenue)},
        f"{orders}?tab=returns",
    )
    yield (
        _("Returned in the period"),
        grouped(sums.returns),
        _("goods at %(cost)s ₸ came back to us") % {"cost": grouped(-sums.came_back)},
        "",
    )
    yield (
        _("Cancelled in the period"),
        grouped(number),
        _("worth %(sum)s ₸, not counted") % {"sum": grouped(lost)},
        "",
    )
