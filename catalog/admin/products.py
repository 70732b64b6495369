"""Products: the supplier's figures, staff's decisions, how the price came about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import (
    ORDER_VAR,
    PAGE_VAR,
    SEARCH_VAR,
    ChangeList,
)
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import figure, grouped, money, stock_text, two_lines, when
from backoffice.pages import (
    LOGGED_SINGLY,
    Button,
    GenericForm,
    ListPaginator,
    StaffAdmin,
    go_back,
    log_objects,
    report,
)
from catalog.admin.filters import BranchFilter, PresenceFilter, QuarantineFilter
from catalog.admin.searching import MOST, Matches, find_matches
from catalog.admin.stories import tell_story
from catalog.admin.trees import read_tree
from catalog.models import Product, ProductQuerySet
from catalog.pricing import floor_missed
from catalog.repricing import decide_unsaved, explain_price, release_prices
from plumbing.clocks import now_to_show
from plumbing.leases import database_now
from plumbing.queue import enqueue

BUILD_TASK = "feeds.tasks.build_feed"
# By this name a page posts the price that it showed.
SEEN_PRICE = "seen-price"
PRICE = re.compile("[0-9]{1,10}")
# What an address may hold that leaves out none of the goods that were found.
SEARCH_ALONE = {SEARCH_VAR, ORDER_VAR, PAGE_VAR}

SUPPLIER_FIELDS = (
    "article",
    "part_number",
    "name",
    "full_name",
    "brand",
    "category",
    "barcode",
    "show_cost",
    "show_retail",
    "show_rrp",
    "show_stock",
    "multiplicity",
    "show_first_seen",
    "show_last_seen",
    "gone_at",
)

CATALOGUE_FILTERS: tuple[Any, ...] = (
    QuarantineFilter,
    BranchFilter,
    "is_published",
    PresenceFilter,
)


def _seen(shown: Mapping[int, object]) -> dict[int, int]:
    """Take the prices that a page posted along; those it did not show are left out."""
    texts = {pk: str(price) for pk, price in shown.items()}
    return {pk: int(text) for pk, text in texts.items() if PRICE.fullmatch(text)}


class ProductForm(GenericForm[Product]):
    class Meta:
        help_texts = {
            "sku": _(
                "What Kaspi knows the offer by. Another SKU makes another offer; "
                "the former goes off sale."
            ),
            "price_override_kzt": _("Sold at this price instead of the rules'."),
            "price_override_until": _("Then the rules' price again. Blank: for good."),
            "min_price_kzt": _("The price never goes below this."),
            "safety_stock": _("So many units of the supplier's stock are not offered."),
            "preorder_days": _("Blank: as the point of sale has it."),
            "note": _("For colleagues; nobody else sees it."),
            "shelf": _("A shelf or place; the packer's list is sorted by it."),
        }
        error_messages = {
            "preorder_days": {
                "min_value": _("From 1 to 30 days, or blank."),
                "max_value": _("From 1 to 30 days, or blank."),
            },
        }

    def clean_sku(self) -> str:
        sku = str(self.cleaned_data["sku"]).strip()
        other = Product.objects.filter(sku=sku).exclude(pk=self.instance.pk).first()
        if other is not None:
            text = gettext("This SKU belongs to another product already: %(product)s.")
            raise ValidationError(text % {"product": other})
        return sku

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        until = data.get("price_override_until")
        is_new = "price_override_until" in self.changed_data
        if is_new and until and until <= database_now():
            text = gettext("This moment has passed already.")
            self.add_error("price_override_until", ValidationError(text))
        return data

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        # The instance has the typed values now.
        if not self.errors and Product.PRICED_FIELDS.intersection(self.changed_data):
            name = "price_override_kzt"
            if name not in self.changed_data:
                name = "min_price_kzt"
            if text := too_low(self.instance):
                self.add_error(name, ValidationError(text))


def too_low(product: Product) -> str:
    """Say that a fixed price, not saved yet, is below its floor; else ""."""
    floor = floor_missed(decide_unsaved(product))
    if floor is None:
        return ""
    words = gettext(
        "Below the floor of %(floor)s ₸: at this price the product would go off sale. "
        "Raise it, or lower the least margin of the rule."
    )
    return words % {"floor": grouped(floor)}


class GoodsList(ChangeList):
    """A list of many goods: no long texts, and categories are read for all at once."""

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: Any = None
    ) -> QuerySet[Product]:
        goods: QuerySet[Product] = super().get_queryset(request, exclude_parameters)
        return goods.select_related(None).defer("full_name", "note")


class ProductAdmin(StaffAdmin[Product]):
    """Products of the supplier; rows come and go with the imports."""

    form = ProductForm
    paginator = ListPaginator
    search_fields = ("article",)
    search_help_text = _("Article, SKU, part number, barcode or words of the name")
    actions: Sequence[str] = ("release_prices",)
    readonly_fields = SUPPLIER_FIELDS
    fieldsets = (
        (
            _("Our decisions"),
            {
                "fields": (
                    "is_published",
                    "sku",
                    "price_override_kzt",
                    "price_override_until",
                    "min_price_kzt",
                    "safety_stock",
                    "preorder_days",
                    "sells_singly",
                    "shelf",
                    "note",
                )
            },
        ),
        (
            _("From Al-Style"),
            # The class is dressed in static/bridge/admin/forms.css.
            {"fields": SUPPLIER_FIELDS, "classes": ["in-columns"]},
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Product | None = None
    ) -> bool:
        # A product that the supplier dropped is marked as gone.
        return False

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.publish_product")

    def has_release_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("catalog.release_product")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Product | None = None
    ) -> tuple[str, ...]:
        if self.has_publish_permission(request):
            return self.readonly_fields
        return ("is_published", *self.readonly_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        return super().get_queryset(request).select_related("category")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return GoodsList

    def decorate(self, request: HttpRequest, rows: Sequence[Product]) -> None:
        # A join would have to sort the categories along with all products.
        tree = read_tree(request)
        for row in rows:
            if row.category_id is not None:
                row.category = tree[row.category_id]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Product], search_term: str
    ) -> tuple[QuerySet[Product], bool]:
        if not search_term.strip():
            return queryset, False
        matches = find_matches(search_term, most=MOST)
        request.matches = matches  # type: ignore[attr-defined]
        return queryset.filter(matches.chosen), False

    def get_paginator(
        self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kw: Any
    ) -> Paginator[Product]:
        pages = super().get_paginator(request, queryset, per_page, *args, **kw)
        matches: Matches | None = getattr(request, "matches", None)
        if matches is not None and isinstance(pages, ListPaginator):
            pages.most = MOST
            if request.GET.keys() <= SEARCH_ALONE:
                pages.known, pages.is_cut = len(matches.pks), matches.are_many
        return pages

    def get_urls(self) -> list[URLPattern]:
        release = path(
            "<int:pk>/release/",
            self.admin_site.admin_view(self.release_one),
            name="release_product",
        )
        return [release, *super().get_urls()]

    def object_buttons(self, request: HttpRequest, obj: Product) -> list[Button]:
        if not obj.is_releasable or not self.has_release_permission(request):
            return []
        label = gettext("The price is right: release it")
        url = reverse("admin:release_product", args=[obj.pk])
        url += "?" + urlencode({SEEN_PRICE: obj.price_kzt or ""})
        return [Button(label=label, url=url, is_main=True)]

    def release_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.require(request, "catalog.release_product")
        get_object_or_404(Product, pk=pk)
        self._release(request, _seen({pk: request.GET.get(SEEN_PRICE)}), chosen=1)
        return go_back(request)

    def panels(self, request: HttpRequest, obj: Product) -> dict[str, Any]:
        return {
            "price_lines": explain_price(obj),
            "price_is_outdated": not obj.priced_with,
            **tell_story(obj, now=now_to_show()),
        }

    @admin.display(description=_("dealer price"), ordering="cost_kzt")
    def cost_money(self, obj: Product) -> SafeString:
        return figure(obj.cost_kzt)

    @admin.display(description=_("retail"), ordering="retail_kzt")
    def retail_money(self, obj: Product) -> SafeString:
        return figure(obj.retail_kzt)

    @admin.display(description=_("price, ₸"), ordering="price_kzt")
    def price_money(self, obj: Product) -> SafeString:
        if obj.is_releasable:
            # What the action releases, should another import be faster.
            hidden = '{}<input type="hidden" name="{}-{}" value="{}">'
            shown = figure(obj.price_kzt)
            return format_html(hidden, shown, SEEN_PRICE, obj.pk, obj.price_kzt)
        if obj.price_override_kzt is None:
            return figure(obj.price_kzt)
        return two_lines(figure(obj.price_kzt), _("fixed by hand"))

    @admin.display(description=_("stock"), ordering="stock")
    def stock_count(self, obj: Product) -> SafeString:
        shown = stock_text(obj.stock, is_lower_bound=obj.stock_is_lower_bound)
        tone = "num" if obj.stock else "num faint"
        return format_html('<span class="{}">{}</span>', tone, shown)

    # Django makes a cell's CSS class of this name: field-show_name in admin/phones.css.
    @admin.display(description=_("product"), ordering="name")
    def show_name(self, obj: Product) -> SafeString:
        return format_html('<span title="{}">{}</span>', obj.part_number, obj.name)

    @admin.display(description=_("article"), ordering="article")
    def show_article(self, obj: Product) -> SafeString:
        sku = "" if obj.sku == obj.article else f"SKU {obj.sku}"
        return two_lines(format_html('<span class="num">{}</span>', obj.article), sku)

    # By the row, not by its place in the tree: that would join and sort all goods.
    @admin.display(description=_("category"), ordering="category_id")
    def show_category(self, obj: Product) -> SafeString:
        category = obj.category
        if category is None:
            return figure(None)
        return format_html('<span title="{}">{}</span>', category.path, category.name)

    @admin.display(description=_("dealer price, ₸"))
    def show_cost(self, obj: Product) -> SafeString:
        return money(obj.cost_kzt)

    @admin.display(description=_("retail price, ₸"))
    def show_retail(self, obj: Product) -> SafeString:
        return money(obj.retail_kzt)

    @admin.display(description=_("retail price enforced"))
    def show_rrp(self, obj: Product) -> str:
        return gettext("yes") if obj.rrp_enforced else gettext("no")

    @admin.display(description=_("stock"))
    def show_stock(self, obj: Product) -> SafeString:
        return self.stock_count(obj)

    @admin.display(description=_("first seen"))
    def show_first_seen(self, obj: Product) -> SafeString:
        return when(obj.first_seen)

    @admin.display(description=_("last seen"))
    def show_last_seen(self, obj: Product) -> SafeString:
        return when(obj.last_seen)

    @admin.action(
        description=_("Release jumped prices from quarantine"), permissions=["release"]
    )
    def release_prices(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        jumped = cast("ProductQuerySet", queryset).releasable()
        prices = jumped.values_list("pk", "price_kzt")
        is_for_all = request.POST.get("select_across") == "1"
        shown = {
            # Of all pages only one was looked at.
            pk: request.POST.get(f"{SEEN_PRICE}-{pk}", price if is_for_all else None)
            for pk, price in prices
        }
        self._release(request, _seen(shown), chosen=queryset.count())

    def _release(
        self, request: HttpRequest, seen: dict[int, int], *, chosen: int
    ) -> None:
        what = gettext("Price released from quarantine")
        released = release_prices(seen)
        done = len(released)
        logged = released[: LOGGED_SINGLY + 1]
        log_objects(request, Product.objects.filter(pk__in=logged), what)
        report(request, what, done=done, skipped=chosen - done)
        if done < chosen:
            text = gettext(
                "Only jumped prices are released by hand, and only as the page showed "
                "them; see each reason."
            )
            messages.info(request, text)
        if done:
            enqueue(BUILD_TASK, cluster="imports")
