"""Whether products are on sale, and why not: in words, and as database conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from django.db.models import Exists, F, OuterRef, Q
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import Tone, pill, two_lines
from catalog.models import Product
from feeds.models import Listing
from feeds.offers import ProductRow, Reason, Terms, decide_offer, read_terms
from plumbing.clocks import now_to_show

# For the narrow columns of lists.
SHORT = {
    Reason.GONE: _("gone from the catalogue"),
    Reason.NOT_PUBLISHED: _("not chosen"),
    Reason.BAD_SKU: _("unusable SKU"),
    Reason.BAD_NAME: _("no name"),
    Reason.NO_PRICE: _("no price"),
    Reason.STALE: _("stock is out of date"),
    Reason.OUT_OF_STOCK: _("out of stock"),
    Reason.MULTIPLES: _("in multiples only"),
    Reason.BELOW_LEAST: _("too few"),
    Reason.REMAPPED: _("another SKU now"),
}
# These want somebody's attention; the others are how things are.
TONES = {
    Reason.BAD_SKU: Tone.BAD,
    Reason.BAD_NAME: Tone.BAD,
    Reason.NO_PRICE: Tone.WARN,
    Reason.STALE: Tone.BAD,
    Reason.MULTIPLES: Tone.INFO,
}
# Names are stripped when they are read.
HAS_NAME = ~Q(name="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """How a product stands: in the live list, and by the next one."""

    listing: Listing | None
    units: int
    reason: Reason | None

    @property
    def is_on_sale(self) -> bool:
        return self.listing is not None and self.listing.is_available


def terms_of(request: HttpRequest) -> Terms:
    """Read what decides about all products, once for a page."""
    if not hasattr(request, "sale_terms"):
        request.sale_terms = read_terms(now=now_to_show())  # type: ignore[attr-defined]
    return cast("Terms", request.sale_terms)  # type: ignore[attr-defined]


def as_row(product: Product) -> ProductRow:
    """Give the product as the decision about offers takes it."""
    return ProductRow(
        pk=product.pk,
        sku=product.sku,
        name=product.name,
        brand=product.brand,
        is_gone=product.is_gone,
        is_published=product.is_published,
        category_id=product.category_id,
        price_kzt=product.price_kzt,
        quarantine=product.quarantine,
        stock=product.stock,
        is_lower_bound=product.stock_is_lower_bound,
        multiplicity=product.multiplicity,
        sells_singly=product.sells_singly,
        safety_stock=product.safety_stock,
        preorder_days=product.preorder_days,
        was_available=None,
        listed_stock=0,
        listed_price_kzt=0,
        is_expired=None,
    )


def look_at(products: Sequence[Product], terms: Terms) -> dict[int, Sale]:
    """Tell of each product how it stands, with one query for all."""
    listed = Listing.objects.filter(product__in=[product.pk for product in products])
    by_sku = {listing.sku: listing for listing in listed}
    sales = {}
    for product in products:
        units, reason = decide_offer(as_row(product), terms)
        sales[product.pk] = Sale(
            listing=by_sku.get(product.sku),
            units=units,
            reason=Reason(reason) if reason else None,
        )
    return sales


def sale_pill(product: Product, sale: Sale) -> SafeString:
    """Show in one label how a product stands."""
    if sale.reason is None:
        if sale.is_on_sale:
            return pill(_("on sale"), Tone.GOOD)
        return pill(_("with the next list"), Tone.INFO)
    why = reason_text(product, sale.reason)
    tone = TONES.get(sale.reason, Tone.QUIET)
    if sale.listing is not None and sale.is_on_sale:
        is_withheld = sale.listing.withheld_since is not None
        label = _("stays on sale for now") if is_withheld else _("goes off sale")
        return two_lines(pill(label, Tone.WARN), why)
    return pill(why, tone, hint=sale.reason.label)


def reason_text(product: Product, reason: Reason) -> str | Promise:
    """Say shortly why it is not on sale; the quarantine's reason where that is it."""
    if reason == Reason.NO_PRICE and product.quarantine:
        return product.get_quarantine_display()
    return SHORT[reason]


def on_sale(*, are_many: bool = False) -> Q:
    """Find products that the live list offers; an SKU is listed once.

    Few are found from the list; where they are many, SQLite would sort them all for a
    page: they are met soon by going through the goods.
    """
    if not are_many:
        return Q(listings__is_available=True, listings__sku=F("sku"))
    offered = Listing.objects.on_sale().filter(product=OuterRef("pk"))
    return Q(Exists(offered.filter(sku=OuterRef("sku"))))


def kept_off_by(reason: Reason, terms: Terms) -> Q:
    """Find the products that `decide_offer` keeps off sale for this reason.

    Goods with open reservations are looked at one by one: their stock is not the row's.
    """
    passed = ORDER[: ORDER.index(reason)] if reason in ORDER else ()
    condition = _own_condition(reason, terms)
    for earlier in passed:
        condition &= _passes(earlier, terms)
    if not terms.reserved:
        return condition
    reserved = Product.objects.filter(pk__in=list(terms.reserved))
    also = [p.pk for p in reserved if decide_offer(as_row(p), terms)[1] == reason]
    return (condition & ~Q(pk__in=list(terms.reserved))) | Q(pk__in=also)


# In the order in which `decide_offer` asks.
ORDER = (
    Reason.GONE,
    Reason.NOT_PUBLISHED,
    Reason.BAD_SKU,
    Reason.BAD_NAME,
    Reason.NO_PRICE,
    Reason.STALE,
    Reason.OUT_OF_STOCK,
    Reason.MULTIPLES,
    Reason.BELOW_LEAST,
)


def _passes(reason: Reason, terms: Terms) -> Q:
    published = Q(is_published=Product.Publish.YES)
    by_category = Q(is_published=Product.Publish.CATEGORY)
    in_sold_branch = Q(category_id__in=terms.published_categories)
    free = Q(stock__gt=F("safety_stock"))
    whole = Q(multiplicity=None) | Q(multiplicity__lte=1)
    least = max(terms.least, 1)
    enough = Q(stock__gte=F("safety_stock") + least)
    enough_packs = Q(stock__gte=F("safety_stock") + F("multiplicity") * least)
    return {
        Reason.GONE: Q(gone_at=None),
        Reason.NOT_PUBLISHED: published | (by_category & in_sold_branch),
        Reason.BAD_SKU: Q(is_sku_usable=True),
        Reason.BAD_NAME: HAS_NAME,
        Reason.NO_PRICE: Q(price_kzt__gt=0, quarantine=""),
        Reason.STALE: Q(pk=None) if terms.is_stale else Q(),
        Reason.OUT_OF_STOCK: free,
        Reason.MULTIPLES: whole | Q(sells_singly=True),
        Reason.BELOW_LEAST: (whole & enough) | (~whole & enough_packs),
    }[reason]


def _own_condition(reason: Reason, terms: Terms) -> Q:
    """Say that the reason applies. Not by `~`, which nulls would slip through."""
    by_category = Q(is_published=Product.Publish.CATEGORY)
    sold = terms.published_categories
    unsold = Q(category=None) | ~Q(category_id__in=sold)
    if reason == Reason.NOT_PUBLISHED:
        return Q(is_published=Product.Publish.NO) | (by_category & unsold)
    if reason == Reason.NO_PRICE:
        # By an index each; together they would make the database read all goods.
        goods = Product.objects.order_by().values("pk")
        unpriced, quarantined = (
            goods.filter(price_kzt=None),
            goods.exclude(quarantine=""),
        )
        return Q(pk__in=unpriced.union(quarantined))
    if reason == Reason.STALE:
        return Q() if terms.is_stale else Q(pk=None)
    if reason == Reason.GONE:
        return Q(gone_at__isnull=False)
    if reason == Reason.BAD_SKU:
        return Q(is_sku_usable=False)
    if reason not in ORDER:
        return Q(pk=None)
    return ~_passes(reason, terms)
