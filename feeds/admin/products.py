"""Products as staff see them: the catalogue's page with what the price list says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import absolute, grouped, money
from catalog.admin.products import CATALOGUE_FILTERS, ProductAdmin
from catalog.admin.searching import MOST, among
from catalog.explaining import explain
from catalog.models import Product
from feeds.admin.bulk import ManyProductsAdmin
from feeds.admin.editing import EditedList, ModeFilter
from feeds.admin.proposing import ProposingAdmin
from feeds.admin.sale import (
    Sale,
    as_row,
    kept_off_by,
    look_at,
    on_sale,
    sale_pill,
    terms_of,
)
from feeds.admin.tables import TableAdmin
from feeds.models import Listing, Proposal
from feeds.offers import Reason, decide_row
from plumbing.clocks import now_to_show

ON_SALE = "on_sale"
Quarantine = Product.Quarantine
ADVICE = {
    (Reason.BAD_SKU, ""): _("Give it another SKU below."),
    (Reason.NO_PRICE, ""): _("The price is worked out with the next build."),
    (Reason.NO_PRICE, Quarantine.JUMP): _(
        "Compare the price with the one before, then release it."
    ),
    (Reason.NO_PRICE, Quarantine.RISE): _(
        "It goes on sale by itself when imports have shown this price for a day; "
        "release it to sell it now."
    ),
    (Reason.NO_PRICE, Quarantine.NO_COST): _(
        "The supplier sells it on request only; ask them for a price."
    ),
    (Reason.NO_PRICE, Quarantine.NO_RULE): _(
        "Add a price rule that fits, or a default one."
    ),
    (Reason.NO_PRICE, Quarantine.PLACEHOLDER): _(
        "The supplier gives no real price; it comes back by itself when they do."
    ),
    (Reason.NO_PRICE, Quarantine.BELOW_FLOOR): _(
        "Raise the fixed price, or lower the least margin of the rule."
    ),
    (Reason.STALE, ""): _("Import the stock again; see the imports for what fails."),
    (Reason.MULTIPLES, ""): _("To sell it anyway, allow selling by the piece below."),
}


class SaleFilter(admin.SimpleListFilter):
    """Products that are on sale, or are not for one reason."""

    title = _("sale")
    parameter_name = "sale"

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[Any, Any]]:
        reasons = [r for r in Reason if r != Reason.REMAPPED]
        return [
            (ON_SALE, _("on sale now")),
            *((r.value, r.label) for r in reasons),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Product]
    ) -> QuerySet[Product]:
        value = self.value()
        if value == ON_SALE:
            some = Listing.objects.on_sale().order_by()[: MOST + 1]
            return queryset.filter(on_sale(are_many=some.count() > MOST))
        if value not in Reason.values:
            return queryset
        found = queryset.filter(kept_off_by(Reason(value), terms_of(request)))
        if value != Reason.NO_PRICE:
            return found
        # Named one by one: PostgreSQL would go through all goods for a few, to have
        # them in order.
        pks = list(found.order_by().values_list("pk", flat=True)[: MOST + 1])
        return found if len(pks) > MOST else queryset.filter(among(pks))


@admin.register(Product)
class ListedProductAdmin(
    EditedList,
    ProposingAdmin[Product],
    TableAdmin[Product],
    ManyProductsAdmin,
    ProductAdmin,
):
    table = Proposal.Table.PRODUCTS
    quiet_fields = frozenset({"note", "shelf"})
    change_form_template = "admin/catalog/product/change_form.html"
    actions = (*ManyProductsAdmin.actions, *ProductAdmin.actions)
    list_display = (
        "show_article",
        "show_name",
        "show_sale",
        "price_money",
        "stock_count",
        "cost_money",
        "retail_money",
        "brand",
        "show_category",
    )
    list_display_links = ("show_article", "show_name")
    list_filter = (SaleFilter, *CATALOGUE_FILTERS, ModeFilter)

    def decorate(self, request: HttpRequest, rows: Sequence[Product]) -> None:
        super().decorate(request, rows)
        sales = look_at(rows, terms_of(request))
        for row in rows:
            row.sale = sales[row.pk]  # type: ignore[attr-defined]

    def panels(self, request: HttpRequest, obj: Product) -> dict[str, Any]:
        decision = decide_row(as_row(obj), terms_of(request))
        sale = look_at([obj], terms_of(request))[obj.pk]
        return {
            **super().panels(request, obj),
            "sale_pill": sale_pill(obj, sale),
            "sale_lines": list(_sale_lines(obj, sale)),
            "availability_lines": explain(decision.lines),
        }

    @admin.display(description=_("sale"))
    def show_sale(self, obj: Product) -> SafeString:
        return sale_pill(obj, obj.sale)  # type: ignore[attr-defined]


def _sale_lines(product: Product, sale: Sale) -> Iterator[object]:
    """Tell where the product stands and what to do about it."""
    listing = sale.listing
    if listing is None:
        yield _("It does not stand in the live price list.")
    elif listing.is_available:
        yield format_html(
            gettext("The live price list offers it: {}, {} units."),
            money(listing.price_kzt),
            grouped(listing.stock_count),
        )
    else:
        yield format_html(
            gettext("It stands in the live price list as not available, since {}."),
            absolute(listing.withdrawn_at, now=now_to_show())
            if listing.withdrawn_at
            else "—",
        )
    if sale.reason is None:
        yield _("The next list offers %(units)s units.") % {
            "units": grouped(sale.units)
        }
        return
    yield _("Why not: %(reason)s.") % {"reason": sale.reason.label}
    if advice := _advice(product, sale.reason):
        yield advice


def _advice(product: Product, reason: Reason) -> object:
    """Say what would put the product on sale, if that is in our hands."""
    if reason == Reason.NOT_PUBLISHED:
        if product.is_published == Product.Publish.NO or product.category is None:
            return _("To sell it, set “sell” to “yes” below.")
        url = reverse("admin:catalog_category_change", args=[product.category.pk])
        return format_html(
            gettext("Its category is not sold: {}. Or set “sell” to “yes” below."),
            format_html('<a href="{}">{}</a>', url, product.category.name),
        )
    return ADVICE.get((reason, product.quarantine)) or ADVICE.get((reason, ""))
