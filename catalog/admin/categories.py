"""The category tree, in which staff choose what is sold."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import Tone, figure, pill, two_lines
from backoffice.pages import StaffAdmin
from catalog.admin.filters import ListedFilter
from catalog.admin.trees import count_goods, indent_of
from catalog.models import Category


class CategoryAdmin(StaffAdmin[Category]):
    """Categories come from the supplier; staff choose which are sold."""

    list_display = (
        "show_tree",
        "show_sold",
        "goods_count",
        "in_stock_count",
        "supplier_id",
    )
    list_display_links = ("show_tree",)
    list_filter = ("is_published", ListedFilter)
    search_fields = ("name", "supplier_id")
    search_help_text = _("Name or Al-Style id")
    # A tree cut into pages is no tree.
    list_per_page = 2000
    list_max_show_all = 2000
    sortable_by = ()
    ordering = ("left", "pk")
    readonly_fields = (
        "name",
        "path",
        "supplier_id",
        "parent",
        "show_goods",
        "gone_at",
    )
    fields = ("is_published", *readonly_fields)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Category | None = None
    ) -> bool:
        # A category that the supplier dropped is marked as gone.
        return False

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.publish_category")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Category | None = None
    ) -> tuple[str, ...]:
        if self.has_publish_permission(request):
            return self.readonly_fields
        return ("is_published", *self.readonly_fields)

    def decorate(self, request: HttpRequest, rows: Sequence[Category]) -> None:
        goods = count_goods()
        is_searched = bool(request.GET.get("q"))
        for row in rows:
            row.goods = goods.get(row.pk)  # type: ignore[attr-defined]
            row.is_alone = is_searched  # type: ignore[attr-defined]

    # CSS: field-show_tree in admin/phones.css, tree-0 to tree-5 in admin/lists.css.
    @admin.display(description=_("category"))
    def show_tree(self, obj: Category) -> SafeString:
        if getattr(obj, "is_alone", False):
            return two_lines(obj.name, obj.path)
        indent = indent_of(obj)
        return format_html('<span class="tree tree-{}">{}</span>', indent, obj.name)

    @admin.display(description=_("sold"))
    def show_sold(self, obj: Category) -> SafeString:
        if obj.is_gone:
            return pill(_("gone"), Tone.WARN)
        if obj.is_published:
            return pill(_("sold"), Tone.GOOD)
        return pill(_("not sold"), Tone.QUIET)

    @admin.display(description=_("goods"))
    def goods_count(self, obj: Category) -> SafeString:
        goods = getattr(obj, "goods", None)
        if goods is None or not goods.listed:
            return figure(0)
        return _to_goods(obj, figure(goods.listed))

    @admin.display(description=_("in stock"))
    def in_stock_count(self, obj: Category) -> SafeString:
        goods = getattr(obj, "goods", None)
        return figure(goods.in_stock if goods else 0)

    @admin.display(description=_("goods"))
    def show_goods(self, obj: Category) -> SafeString:
        goods = count_goods().get(obj.pk)
        if goods is None:
            return figure(0)
        text = _("%(listed)s, of them in stock: %(in_stock)s")
        figures = {"listed": goods.listed, "in_stock": goods.in_stock}
        return _to_goods(obj, text % figures)


def _to_goods(category: Category, text: object) -> SafeString:
    url = reverse("admin:catalog_product_changelist")
    return format_html('<a href="{}?branch={}">{}</a>', url, category.pk, text)
