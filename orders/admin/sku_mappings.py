"""Which products unknown SKUs were said to be: a list that can be put right."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import when
from backoffice.pages import ReadOnlyAdmin
from orders.models import SkuMapping


@admin.register(SkuMapping)
class SkuMappingAdmin(ReadOnlyAdmin[SkuMapping]):
    list_display = ("sku", "show_product", "show_noted", "noted_by")
    list_select_related = ("product",)
    search_fields = ("sku", "product__article")
    search_help_text = _("SKU or article")
    fields = ("sku", "show_product", "show_noted", "noted_by")
    readonly_fields = fields

    def has_delete_permission(
        self, request: HttpRequest, obj: SkuMapping | None = None
    ) -> bool:
        # Whoever may say what a SKU is may take it back.
        return request.user.has_perm("orders.reserve_order")

    @admin.display(description=_("product"))
    def show_product(self, obj: SkuMapping) -> SafeString:
        url = reverse("admin:catalog_product_change", args=[obj.product_id])
        return format_html('<a href="{}">{}</a>', url, obj.product)

    @admin.display(description=_("noted"), ordering="noted_at")
    def show_noted(self, obj: SkuMapping) -> SafeString:
        return when(obj.noted_at)
