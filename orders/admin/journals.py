"""What staff look at beside the orders: steps, reservations, orders at Al-Style."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import Tone, figure, pill, two_lines, when
from backoffice.pages import ReadOnlyAdmin
from orders.admin.panels import supplied_lines, supplier_link
from orders.admin.situation import (
    reservation_pill,
    shortened,
    step_pill,
    stuck_reason,
    supplier_pill,
)
from orders.kaspi.words import said
from orders.models import Order, ParcelCheck, ReadMark, Reservation, Step, SupplierOrder
from plumbing.redaction import redact


def order_link(order: Order) -> SafeString:
    url = reverse("admin:orders_order_change", args=[order.pk])
    return format_html('<a class="num" href="{}">{}</a>', url, order.code)


class StuckFilter(admin.SimpleListFilter):
    title = _("waiting for")
    parameter_name = "stuck"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        return [("yes", _("a person")), ("due", _("the bridge"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Step]
    ) -> QuerySet[Step]:
        if self.value() == "yes":
            return queryset.filter(status__in=Step.STUCK)
        if self.value() == "due":
            waiting = queryset.filter(status__in=Step.OPEN)
            return waiting.exclude(status__in=Step.STUCK)
        return queryset


@admin.register(Step)
class StepAdmin(ReadOnlyAdmin[Step]):
    list_display = (
        "show_order",
        "show_kind",
        "show_status",
        "attempts_count",
        "show_reason",
        "show_when",
    )
    list_display_links = None
    list_filter = (StuckFilter, "kind", "status")
    list_select_related = ("order",)
    search_fields = ("order__code",)
    search_help_text = _("Order code")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Step]:
        return super().get_queryset(request).defer("sent", "answered", "parameters")

    @admin.display(description=_("order"), ordering="order__code")
    def show_order(self, obj: Step) -> SafeString:
        return order_link(obj.order)

    @admin.display(description=_("step"), ordering="kind")
    def show_kind(self, obj: Step) -> SafeString:
        return two_lines(obj.get_kind_display(), obj.get_peer_display())

    @admin.display(description=_("status"), ordering="status")
    def show_status(self, obj: Step) -> SafeString:
        return step_pill(obj)

    @admin.display(description=_("attempts"), ordering="attempts")
    def attempts_count(self, obj: Step) -> SafeString:
        return figure(obj.attempts)

    # CSS knows the column by this name: field-show_reason in admin/phones.css.
    @admin.display(description=_("reason"))
    def show_reason(self, obj: Step) -> SafeString:
        said = stuck_reason(obj) if obj.last_error else ""
        return format_html('<span title="{}">{}</span>', said, shortened(said))

    @admin.display(description=_("finished or next"), ordering="not_before")
    def show_when(self, obj: Step) -> SafeString:
        return when(obj.finished_at or obj.not_before)


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin[Reservation]):
    list_display = (
        "show_order",
        "show_status",
        "show_supplier_order",
        "show_goods",
        "cost_money",
        "show_counts",
        "show_created",
        "show_closed",
    )
    list_display_links = None
    list_filter = ("status", "counts", "created_at")
    list_select_related = ("order", "supplier_order")
    # As they came; by moment, the whole table would be sorted for each page.
    ordering = ("-pk",)
    search_fields = ("order__code", "supplier_order__supplier_order_id")
    search_help_text = _("Order code or number at Al-Style")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reservation]:
        return super().get_queryset(request).prefetch_related("lines__product")

    @admin.display(description=_("order"), ordering="order__code")
    def show_order(self, obj: Reservation) -> SafeString:
        return order_link(obj.order)

    @admin.display(description=_("status"), ordering="status")
    def show_status(self, obj: Reservation) -> SafeString:
        return reservation_pill(obj)

    @admin.display(description=_("order at Al-Style"))
    def show_supplier_order(self, obj: Reservation) -> SafeString:
        if obj.supplier_order is None:
            return figure(None)
        return supplier_link(obj.supplier_order)

    @admin.display(description=_("counts against the stock"), ordering="counts")
    def show_counts(self, obj: Reservation) -> str:
        return gettext("yes") if obj.counts else gettext("no")

    @admin.display(description=_("goods"))
    def show_goods(self, obj: Reservation) -> SafeString:
        rows = ((line.product.article, line.quantity) for line in obj.lines.all())
        return format_html_join(", ", '<span class="num">{} × {}</span>', rows)

    @admin.display(description=_("cost, ₸"), ordering="cost_kzt")
    def cost_money(self, obj: Reservation) -> SafeString:
        return figure(obj.cost_kzt)

    @admin.display(description=_("created"), ordering="created_at")
    def show_created(self, obj: Reservation) -> SafeString:
        return when(obj.created_at)

    @admin.display(description=_("closed"), ordering="closed_at")
    def show_closed(self, obj: Reservation) -> SafeString:
        return when(obj.closed_at)


@admin.register(SupplierOrder)
class SupplierOrderAdmin(ReadOnlyAdmin[SupplierOrder]):
    list_display = (
        "supplier_order_id",
        "show_status",
        "sum_money",
        "show_for",
        "show_placed",
        "show_read",
    )
    list_filter = ("status", "placed_at")
    ordering = ("-pk",)
    search_fields = ("supplier_order_id", "listed_id", "reservations__order__code")
    search_help_text = _("Number at Al-Style or order code")
    fields = (
        "supplier_order_id",
        "listed_id",
        "show_status",
        "sum_money",
        "show_for",
        "show_lines",
        "merged_into",
        "show_placed",
        "show_read",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[SupplierOrder]:
        return super().get_queryset(request).prefetch_related("reservations__order")

    @admin.display(description=_("status"), ordering="status")
    def show_status(self, obj: SupplierOrder) -> SafeString:
        return supplier_pill(obj)

    @admin.display(description=_("sum, ₸"), ordering="sum_kzt")
    def sum_money(self, obj: SupplierOrder) -> SafeString:
        return figure(obj.sum_kzt)

    @admin.display(description=_("orders"))
    def show_for(self, obj: SupplierOrder) -> SafeString:
        links = ((order_link(r.order),) for r in obj.reservations.all())
        return format_html_join(", ", "{}", links)

    @admin.display(description=_("lines"))
    def show_lines(self, obj: SupplierOrder) -> SafeString:
        rows = format_html_join(
            "", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", supplied_lines(obj)
        )
        return format_html('<table class="plain">{}</table>', rows) if rows else rows

    @admin.display(description=_("placed"), ordering="placed_at")
    def show_placed(self, obj: SupplierOrder) -> SafeString:
        return when(obj.placed_at)

    @admin.display(description=_("last read"), ordering="read_at")
    def show_read(self, obj: SupplierOrder) -> SafeString:
        return when(obj.read_at)


@admin.register(ReadMark)
class ReadMarkAdmin(ReadOnlyAdmin[ReadMark]):
    list_display = ("show_state", "show_result", "show_read", "show_error")
    list_display_links = None
    ordering = ("state",)

    @admin.display(description=_("section"), ordering="state")
    def show_state(self, obj: ReadMark) -> SafeString:
        return format_html("<b>{}</b>", said(obj.state))

    @admin.display(description=_("last reading"))
    def show_result(self, obj: ReadMark) -> SafeString:
        if obj.failed_at is not None:
            return pill(_("failed"), Tone.BAD)
        if obj.error:
            return pill(_("not whole"), Tone.WARN)
        return pill(_("done"), Tone.GOOD)

    @admin.display(description=_("read until"), ordering="read_until")
    def show_read(self, obj: ReadMark) -> SafeString:
        return when(obj.read_until)

    @admin.display(description=_("error"))
    def show_error(self, obj: ReadMark) -> SafeString:
        if not obj.error:
            return SafeString("")
        return two_lines(redact(obj.error), obj.failed_at and when(obj.failed_at))


@admin.register(ParcelCheck)
class ParcelCheckAdmin(ReadOnlyAdmin[ParcelCheck]):
    list_display = (
        "show_order",
        "show_state",
        "label",
        "checked_by",
        "show_begun",
        "show_finished",
    )
    list_display_links = None
    list_filter = ("started_at",)
    list_select_related = ("order",)
    search_fields = ("order__code", "label", "checked_by")
    search_help_text = _("Order code, label or who checked it")
    ordering = ("-pk",)

    @admin.display(description=_("order"), ordering="order__code")
    def show_order(self, obj: ParcelCheck) -> SafeString:
        return order_link(obj.order)

    @admin.display(description=_("status"), ordering="finished_at")
    def show_state(self, obj: ParcelCheck) -> SafeString:
        is_open = obj.finished_at is None
        return pill(
            _("being checked") if is_open else _("checked"),
            Tone.INFO if is_open else Tone.GOOD,
        )

    @admin.display(description=_("all found"), ordering="finished_at")
    def show_finished(self, obj: ParcelCheck) -> SafeString:
        return when(obj.finished_at)

    @admin.display(description=_("begun"), ordering="started_at")
    def show_begun(self, obj: ParcelCheck) -> SafeString:
        return when(obj.started_at)
