"""The list of orders: its columns and its search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from backoffice.exporting import ExportedList
from backoffice.formatting import Tone, absolute, figure, grouped, pill, two_lines
from backoffice.pages import Button, ListPaginator
from backoffice.searching import Sought
from backoffice.spreadsheets import Sheet
from orders.admin.money_filters import BookedFilter, EarnsFilter, read_earnings
from orders.admin.order_sheet import order_sheet
from orders.admin.search import numbered
from orders.admin.situation import (
    reservation_pill,
    sees_money,
    shortened,
    situation_pill,
    stuck_reason,
    time_left,
    without_sums,
)
from orders.admin.tabs import BY_TIME_LEFT, TabFilter
from orders.models import Order, OrderLine, Reason, Reservation, Step
from orders.plan.deadlines import due_now
from plumbing.clocks import now_to_show
from plumbing.redaction import redact

NAME_SHOWN = 50
NOT_LISTED = (
    "approved_at",
    "deadline_warned_at",
    "delivery_mode",
    "first_seen",
    "kaspi_id",
    "last_seen",
    "note",
    "payment_mode",
    "pickup_point",
    "problem",
    "waybill_number",
)


class TimeLeftList(ChangeList):
    """A list that knows its own order; Django would name the model's."""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Order]:
        # Only what the columns show: the rows are sorted as a whole.
        orders: QuerySet[Order] = super().get_queryset(request, exclude_parameters)
        return orders.select_related(None).defer(*NOT_LISTED)

    def _get_default_ordering(self) -> Any:
        return BY_TIME_LEFT


class OrderListAdmin(ExportedList[Order]):
    paginator = ListPaginator
    # static/bridge/orders.css sizes the columns by these names: .field-show_left …
    list_display = (
        "show_code",
        "show_left",
        "show_goods",
        "total_money",
        "show_situation",
        "show_reservation",
        "show_stuck",
    )
    list_display_links = ("show_code",)
    list_filter = (TabFilter, EarnsFilter, "is_express", "created_at", BookedFilter)
    search_fields = ("code",)
    search_help_text = _("Order code, SKU, article, waybill, number at Al-Style")
    change_list_template = "admin/orders/order/change_list.html"

    def page_buttons(self, request: HttpRequest) -> list[Button]:
        url = reverse("hand_over")
        button = Button(label=gettext("Hand-over today"), url=url, asks_first=True)
        return [button, *super().page_buttons(request)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Order | None = None
    ) -> bool:
        return False

    def sheet_of(self, request: HttpRequest, rows: QuerySet[Order]) -> Sheet:
        return order_sheet(rows)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return Order.objects.with_due().select_related("buyer")

    def get_ordering(self, request: HttpRequest) -> Any:
        return BY_TIME_LEFT

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return TimeLeftList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        if search_term.strip():
            # By numbers: parts of texts would be looked for in every row.
            queryset = queryset.filter(numbered(Sought(search_term)))
        return queryset, False

    def decorate(self, request: HttpRequest, rows: Sequence[Order]) -> None:
        """Read what the page shows of its orders in five queries."""
        now = now_to_show()
        by_kaspi = due_now(now=now)
        pks = [row.pk for row in rows]
        lines, stuck = defaultdict(list), defaultdict(list)
        for line in OrderLine.objects.filter(order__in=pks).order_by("pk"):
            lines[line.order_id].append(line)
        waiting = Step.objects.stuck().filter(order__in=pks)
        for step in waiting.order_by("pk").defer("sent", "answered", "parameters"):
            stuck[step.order_id].append(step)
        reservations: dict[int, Reservation] = {}
        # An open one counts more than any closed one, which comes first.
        for one in Reservation.objects.filter(order__in=pks).order_by("pk"):
            known = reservations.get(one.order_id)
            if known is None or known.status not in Reservation.OPEN:
                reservations[one.order_id] = one
        is_told = sees_money(request)
        earned = read_earnings(pks) if is_told else {}
        for row in rows:
            row.is_told = is_told  # type: ignore[attr-defined]
            row.shown_earned = earned.get(row.pk)  # type: ignore[attr-defined]
            row.shown_now = now  # type: ignore[attr-defined]
            row.shown_due_now = by_kaspi  # type: ignore[attr-defined]
            row.shown_lines = lines[row.pk]  # type: ignore[attr-defined]
            row.shown_stuck = stuck[row.pk]  # type: ignore[attr-defined]
            row.shown_reservation = reservations.get(row.pk)  # type: ignore[attr-defined]

    @admin.display(description=_("order, created"), ordering="created_at")
    def show_code(self, obj: Any) -> SafeString:
        created = absolute(obj.created_at, now=obj.shown_now)
        return two_lines(format_html('<span class="num">{}</span>', obj.code), created)

    @admin.display(description=_("time left"), ordering="due")
    def show_left(self, obj: Any) -> SafeString:
        return time_left(obj.due_at, now=obj.shown_due_now)

    @admin.display(description=_("goods"))
    def show_goods(self, obj: Any) -> SafeString:
        lines: list[OrderLine] = obj.shown_lines
        if not lines:
            return figure(None)
        first = lines[0]
        name = first.name or first.sku or "—"
        if len(name) > NAME_SHOWN:
            name = f"{name[: NAME_SHOWN - 1]}…"
        # The figure stays with its sign.
        shown = f"{name} ×\u00a0{grouped(first.quantity)}"
        more = len(lines) - 1
        text = ngettext("and %(n)d more line", "and %(n)d more lines", more)
        return two_lines(shown, text % {"n": more} if more else "")

    @admin.display(description=_("total, ₸"), ordering="total_kzt")
    def total_money(self, obj: Any) -> SafeString:
        earned, is_below = obj.shown_earned or (None, False)
        if earned is None or not is_below:
            return figure(obj.total_kzt)
        text = gettext("loss %(sum)s") if earned < 0 else gettext("earns %(sum)s")
        shown = pill(
            text % {"sum": grouped(abs(earned))},
            Tone.BAD if earned < 0 else Tone.WARN,
            hint=gettext("under the least margin"),
        )
        return two_lines(figure(obj.total_kzt), shown)

    @admin.display(description=_("status"), ordering="status")
    def show_situation(self, obj: Order) -> SafeString:
        marks = ((obj.is_express, _("express")), (obj.is_preorder, _("pre-order")))
        said = ", ".join(str(text) for is_so, text in marks if is_so)
        return two_lines(situation_pill(obj), said)

    @admin.display(description=_("goods at Al-Style"))
    def show_reservation(self, obj: Any) -> SafeString:
        return reservation_pill(obj.shown_reservation)

    @admin.display(description=_("what is stuck"), empty_value="")
    def show_stuck(self, obj: Any) -> SafeString:
        steps: list[Step] = obj.shown_stuck
        if not steps:
            return SafeString("")
        more = len(steps) - 1
        rest = gettext("and %(n)d more") % {"n": more} if more else ""
        first = steps[0]
        said, detail = stuck_reason(first), redact(first.last_error)
        if not obj.is_told:
            said, detail = without_sums(said), without_sums(detail)
        if first.stuck_for == Reason.OTHER:
            shown = format_html(
                '<span class="stuck" title="{}">{}</span>', said, shortened(said)
            )
            return two_lines(shown, rest)
        label = first.stuck_for.label
        shown = format_html('<span class="stuck" title="{}">{}</span>', said, label)
        return two_lines(shown, "; ".join(filter(None, [shortened(detail), rest])))
