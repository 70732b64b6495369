"""The journal of stock and price changes."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.exporting import ExportedList
from backoffice.formatting import Tone, bulleted, grouped, pill, when
from backoffice.pages import JournalPaginator, ReadOnlyAdmin
from backoffice.spreadsheets import Sheet
from catalog.models import ProductChange

Field = ProductChange.Field
INDEXED = {"run__id__exact", "product__id__exact", "q"}
# Rows of some days of a large catalogue; all of them would take seconds to filter.
SEARCHED = 200_000
IN_TENGE = {Field.COST, Field.RETAIL, Field.PRICE}


def was_and_is(change: ProductChange) -> SafeString:
    """Show what the figure was and what it became."""
    if change.field == Field.PRESENCE:
        if change.new:
            return pill(_("came back"), Tone.GOOD)
        return pill(_("gone"), Tone.WARN)
    unit = "\u00a0₸" if change.field in IN_TENGE else ""
    old, new = change.old or 0, change.new or 0
    arrow = "↑" if new > old else "↓"
    return format_html(
        '<span class="tabular">{} → <b>{}{}</b> {}</span>',
        grouped(change.old),
        grouped(change.new),
        unit if change.new is not None else "",
        arrow,
    )


def reason_lines(change: ProductChange) -> SafeString:
    """Show the reason; a price's many lines fold away."""
    lines = change.reason.splitlines()
    if len(lines) < 2:
        return format_html("{}", change.reason)
    return format_html(
        "<details><summary>{}</summary>{}</details>", lines[-1], bulleted(lines[:-1])
    )


@admin.register(ProductChange)
class ProductChangeAdmin(ExportedList[ProductChange], ReadOnlyAdmin[ProductChange]):
    list_display = ("show_when", "show_product", "field", "show_change", "show_reason")
    list_display_links = None
    list_filter = ("field", "changed_at")
    list_select_related = ("product",)
    # The newest first, by the index on the time alone.
    ordering = ("-changed_at",)
    search_fields = ("product__article__exact", "product__sku__exact")
    search_help_text = _("Article or SKU")
    paginator = JournalPaginator

    def sheet_of(self, request: HttpRequest, rows: QuerySet[ProductChange]) -> Sheet:
        return Sheet(
            title=gettext("Changes"),
            headers=[
                gettext("when"),
                gettext("article"),
                gettext("product"),
                gettext("what"),
                gettext("was"),
                gettext("is"),
                gettext("reason"),
            ],
            rows=(
                [
                    change.changed_at,
                    change.product.article,
                    change.product.name,
                    change.get_field_display(),
                    change.old,
                    change.new,
                    change.reason,
                ]
                for change in rows
            ),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProductChange]:
        """Look at the newest rows alone, unless an index leads to the wanted ones."""
        changes = super().get_queryset(request)
        if INDEXED & set(request.GET):
            return changes
        newest = ProductChange.objects.order_by("-pk").values_list("pk", flat=True)
        return changes.filter(pk__gt=(newest.first() or 0) - SEARCHED)

    def lookup_allowed(
        self, lookup: str, value: str, request: HttpRequest | None = None
    ) -> bool:
        # The pages of imports and products link to their changes.
        return lookup in INDEXED or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description=_("when"), ordering="changed_at")
    def show_when(self, obj: ProductChange) -> SafeString:
        return when(obj.changed_at)

    # CSS: field-show_product and field-show_reason in static/bridge/admin/phones.css.
    @admin.display(description=_("product"))
    def show_product(self, obj: ProductChange) -> SafeString:
        url = reverse("admin:catalog_product_change", args=[obj.product_id])
        return format_html('<a href="{}">{}</a>', url, obj.product)

    @admin.display(description=_("change"))
    def show_change(self, obj: ProductChange) -> SafeString:
        return was_and_is(obj)

    @admin.display(description=_("reason"))
    def show_reason(self, obj: ProductChange) -> SafeString:
        return reason_lines(obj)
