"""Decides which products become offers, and streams them out of the database."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import (
    Case,
    ExpressionWrapper,
    F,
    FilteredRelation,
    Q,
    Value,
    When,
)
from django.utils.translation import gettext_lazy as _

from catalog.availability import (
    Availability,
    assess_availability,
    figures_are_stale,
    stock_read_at,
)
from catalog.explaining import Line
from catalog.models import SKU, Category, Product
from feeds.changes import Listed, ListingChanges
from feeds.city_prices import CityPrices
from feeds.comparing import ListDifferences
from feeds.digesting import Digests
from feeds.models import Listing
from orders.supply.counting import reserved_units

CHUNK = 5000
# What XML 1.0 cannot hold, with the line breaks that a one-line name should not.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")
MEMO_LIMIT = 100_000
# A column of no type is not converted by Django, which costs a call for each value; the
# decision only asks whether it is true.
RAW: models.Field[object, object] = models.Field()


class Reason(models.TextChoices):
    """Why a product is not on sale; the first that applies."""

    GONE = "gone", _("gone from the supplier's catalogue")
    NOT_PUBLISHED = "not_published", _("not chosen for sale")
    BAD_SKU = "bad_sku", _("the SKU is blank, too long or has forbidden characters")
    BAD_NAME = "bad_name", _("the name is blank")
    NO_PRICE = "no_price", _("no price, or the price is in quarantine")
    STALE = "stale", _("the stock figures are too old")
    OUT_OF_STOCK = "out_of_stock", _("out of stock")
    MULTIPLES = "multiples", _("the supplier sells it in multiples only")
    BELOW_LEAST = "below_least", _("less in stock than the least to list")
    REMAPPED = "remapped", _("the product has another SKU now")


class ProductRow(NamedTuple):
    """What the decision needs of a product, and how its SKU is listed now."""

    pk: int
    sku: str
    name: str
    brand: str
    is_gone: bool
    is_published: str
    category_id: int | None
    price_kzt: int | None
    quarantine: str
    stock: int
    is_lower_bound: bool
    multiplicity: int | None
    sells_singly: bool
    safety_stock: int
    preorder_days: int | None
    # None when the SKU does not stand in the list; then the next two mean nothing.
    was_available: bool | None
    listed_stock: int
    listed_price_kzt: int
    is_expired: bool | None

    @property
    def usable_price_kzt(self) -> int | None:
        return None if self.quarantine else self.price_kzt

    @property
    def listed(self) -> Listed:
        return self[15:]

    def once_listed(self, units: int, price_kzt: int | None) -> tuple[object, ...]:
        """Give the row as it is read when the listings have followed the new list."""
        if price_kzt is None:
            return (*self[:15], None, None, None, 0)
        return (*self[:15], units > 0, units, price_kzt, 0)


class Offer(NamedTuple):
    """One offer of the list; no units means `available="no"`."""

    sku: str
    model: str
    brand: str
    units: int
    preorder_days: int | None
    price_kzt: int
    # In the order of the list's cities, where they differ; `price_kzt` is the least.
    city_prices: tuple[int, ...] | None = None


class LeftBehind(NamedTuple):
    """A listed SKU that its product no longer has."""

    sku: str
    product_id: int
    name: str
    brand: str
    was_available: bool
    listed_stock: int
    listed_price_kzt: int
    is_expired: bool

    @property
    def listed(self) -> Listed:
        return self[4:]

    def once_listed(self, price_kzt: int) -> tuple[object, ...]:
        """Give the row as it is read when the listings have followed the new list."""
        return (*self[:4], False, 0, price_kzt, 0)


@dataclass(slots=True, kw_only=True)
class Terms:
    """What decides about every product alike, read once per build."""

    published_categories: frozenset[int]
    reserved: dict[int, int]
    cap: int
    least: int
    is_stale: bool
    # None where every city takes the price as it is.
    city_prices: CityPrices | None = None
    _memo: dict[tuple[int, bool, int | None, bool, int, int], Availability] = field(
        default_factory=dict
    )

    def availability(self, row: ProductRow) -> Availability:
        """Assess the stock; equal figures are assessed once."""
        key = (
            row.stock,
            row.is_lower_bound,
            row.multiplicity,
            row.sells_singly,
            self.reserved.get(row.pk, 0),
            row.safety_stock,
        )
        known = self._memo.get(key)
        if known is None:
            if len(self._memo) > MEMO_LIMIT:
                self._memo.clear()
            known = self._memo[key] = assess_availability(
                stock=row.stock,
                is_lower_bound=bool(row.is_lower_bound),
                multiplicity=row.multiplicity,
                sells_singly=bool(row.sells_singly),
                reserved=key[4],
                safety_stock=row.safety_stock,
                cap=self.cap,
                least=self.least,
                is_stale=self.is_stale,
            )
        return known


def read_terms(*, now: datetime, city_prices: CityPrices | None = None) -> Terms:
    """Read the terms from the settings and the database.

    Reservations are read before any stock figure: one that ends in between is then
    subtracted twice rather than not at all.
    """
    read_at = stock_read_at()
    reserved = reserved_units(read_at)
    published = Category.objects.sold().values_list("pk", flat=True)
    return Terms(
        published_categories=frozenset(published),
        reserved=reserved,
        cap=settings.STOCK_CAP,
        least=settings.LEAST_STOCK_TO_LIST,
        is_stale=figures_are_stale(read_at, now=now),
        city_prices=city_prices,
    )


def clean_text(text: str) -> str:
    """Replace what XML cannot hold and trim the ends."""
    # Most texts are printable, which Python tells ten times faster.
    if not text.isprintable():
        text = UNPRINTABLE.sub(" ", text)
    return text.strip()


def decide_offer(row: ProductRow, terms: Terms) -> tuple[int, str]:
    """Give the units to offer and "", or 0 and the `Reason`'s code."""
    if row.is_gone:
        return 0, "gone"
    if row.is_published == "category":
        is_published = row.category_id in terms.published_categories
    else:
        is_published = row.is_published == "yes"
    if not is_published:
        return 0, "not_published"
    if not SKU.fullmatch(row.sku):
        return 0, "bad_sku"
    if not clean_text(row.name):
        return 0, "bad_name"
    if not row.usable_price_kzt:
        return 0, "no_price"
    availability = terms.availability(row)
    return availability.units, availability.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDecision:
    """Whether a product is on sale now, for the people who ask why."""

    units: int
    reason: str
    # How the units came about; none when something else keeps the product off sale.
    lines: tuple[Line, ...]


def decide_row(row: ProductRow, terms: Terms) -> OfferDecision:
    """Decide on a product as a build would that reads these terms."""
    units, reason = decide_offer(row, terms)
    availability = terms.availability(row)
    is_about_stock = reason == availability.reason
    return OfferDecision(
        units=units, reason=reason, lines=availability.lines if is_about_stock else ()
    )


class Withholder(Protocol):
    """Says what stays on sale although it would go off; `Withholding` is one."""

    def price_kzt(self, row: ProductRow) -> int | None:
        """Give the price at which it stays, before the supplements of cities."""

    def units(self, row: ProductRow, terms: Terms, *, reason: str) -> tuple[int, bool]:
        """Give the units that stay on sale, and whether figures confirm them."""


def stream_offers(
    *,
    now: datetime,
    terms: Terms,
    differences: ListDifferences,
    withholder: Withholder | None = None,
    changes: ListingChanges | None = None,
    digests: Digests | None = None,
) -> Iterator[Offer]:
    """Stream the list's offers by product, then the SKUs their products left behind.

    Everything that differs from what is listed is counted in `differences`, and written
    down in `changes`; `digests` sum up what the next build must find for the same list.
    """
    left_behind = {row.sku: row for row in left_behind_rows(now=now)}
    left_over: list[tuple[object, ...]] = []
    yield from _offers_of_products(
        left_behind,
        now=now,
        terms=terms,
        differences=differences,
        withholder=withholder,
        changes=changes,
        digests=digests,
    )
    for left in left_behind.values():
        kept = _place(left.sku, left.listed, differences, units=0, reason="remapped")
        if changes is not None:
            changes.note(left.sku, left.product_id, left.listed, 0, kept)
        if kept is not None:
            left_over.append(left.once_listed(kept))
            model = clean_text(left.name) or left.sku
            yield Offer(left.sku, model, clean_text(left.brand), 0, None, kept)
    if digests is not None:
        digests.end(left_over)


def _offers_of_products(
    left_behind: dict[str, LeftBehind],
    *,
    now: datetime,
    terms: Terms,
    differences: ListDifferences,
    withholder: Withholder | None,
    changes: ListingChanges | None,
    digests: Digests | None,
) -> Iterator[Offer]:
    """Stream the offers by product; takes what they have now out of `left_behind`."""
    for row in product_rows(now=now):
        differences.products += 1
        units, reason = decide_offer(row, terms)
        listed, sku, moved = row.listed, row.sku, None
        price, by_city = row.usable_price_kzt, None
        if withholder is not None and not units:
            units, is_confirmed = withholder.units(row, terms, reason=reason)
            if units:
                differences.withhold(sku, is_confirmed=is_confirmed)
                price = withholder.price_kzt(row)
        if left_behind and (moved := left_behind.pop(sku, None)):
            # The SKU stands in the list as another product's; this one has it now.
            listed = moved.listed
        if price and terms.city_prices is not None:
            price, by_city = show_prices(terms.city_prices.at(price))
        kept = _place(
            sku,
            listed,
            differences,
            units=units,
            reason=reason,
            price_kzt=price,
        )
        if changes is not None:
            changes.note(sku, row.pk, listed, units, kept, is_moved=moved is not None)
        if digests is not None:
            digests.note(row.once_listed(units, kept))
        if kept is not None:
            # Only a product that is listed already can have a blank name.
            model = clean_text(row.name) or sku
            brand = clean_text(row.brand)
            yield Offer(sku, model, brand, units, row.preorder_days, kept, by_city)


def show_prices(prices: tuple[int, ...]) -> tuple[int, tuple[int, ...] | None]:
    """Give the least of the cities' prices, and all of them where they differ."""
    least = min(prices)
    return least, None if max(prices) == least else prices


def _place(
    sku: str,
    listed: Listed,
    differences: ListDifferences,
    *,
    units: int,
    reason: str,
    price_kzt: int | None = None,
) -> int | None:
    """Tell the price to list the SKU at, or None to leave it out; note what differs."""
    was_available, old_stock, old_price, is_expired = listed
    if was_available is None:
        if not units:
            differences.leave_out(reason)
            return None
        differences.add(sku)
    elif not units and (is_expired or reason == "bad_sku"):
        differences.drop(sku, reason, was_available=bool(was_available))
        return None
    # An offer that is not on sale needs a price too.
    price = price_kzt or old_price
    if was_available is not None:
        was = (was_available, old_stock, old_price)
        differences.compare(sku, was, units=units, price_kzt=price, reason=reason)
    if not sku.isalnum():
        differences.warn("sku_has_dash_or_underscore")
    return price


def streaming() -> AbstractContextManager[object]:
    """Let the block's rows come as they are read.

    Outside a transaction PostgreSQL would first put all of them aside, however few are
    looked at. SQLite streams anyway, and a transaction would keep others from writing.
    """
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()


def product_rows(
    *,
    now: datetime,
    pk: int | None = None,
    skus: Collection[str] | None = None,
    within: Q | None = None,
) -> Iterator[ProductRow]:
    """Stream products by pk with the listing of their SKU: all, or those named."""
    rows = product_tuples(now=now, pk=pk, skus=skus, within=within)
    return map(ProductRow._make, rows)


def product_tuples(
    *,
    now: datetime,
    pk: int | None = None,
    skus: Collection[str] | None = None,
    within: Q | None = None,
) -> Iterator[tuple[Any, ...]]:
    """Stream the same as tuples, for who only compares them."""
    own = Q(listings__sku=F("sku"))
    products = Product.objects.annotate(
        own=FilteredRelation("listings", condition=own),
    )
    if pk is not None:
        products = products.filter(pk=pk)
    if skus is not None:
        products = products.filter(sku__in=skus)
    if within is not None:
        products = products.filter(within)
    rows = products.order_by("pk").values_list(
        "pk",
        "sku",
        "name",
        "brand",
        _as_stored(Q(gone_at__isnull=False)),
        "is_published",
        "category_id",
        "price_kzt",
        "quarantine",
        "stock",
        _as_stored(F("stock_is_lower_bound")),
        "multiplicity",
        _as_stored(F("sells_singly")),
        "safety_stock",
        "preorder_days",
        _as_stored(F("own__is_available")),
        "own__stock_count",
        "own__price_kzt",
        _is_expired("own__withdrawn_at", now=now),
    )
    return rows.iterator(chunk_size=CHUNK)


def left_behind_rows(*, now: datetime) -> Iterable[LeftBehind]:
    """Read the listed SKUs that their products no longer have, by SKU."""
    rows = (
        Listing.objects.exclude(sku=F("product__sku"))
        .order_by("sku")
        .values_list(
            "sku",
            "product_id",
            "product__name",
            "product__brand",
            "is_available",
            "stock_count",
            "price_kzt",
            _is_expired("withdrawn_at", now=now),
        )
    )
    return map(LeftBehind._make, rows.iterator(chunk_size=CHUNK))


def _as_stored(condition: F | Q) -> ExpressionWrapper[F | Q]:
    return ExpressionWrapper(condition, output_field=RAW)


def _is_expired(withdrawn_at: str, *, now: datetime) -> Case:
    limit = now - timedelta(days=settings.FEED_WITHDRAWN_DAYS)
    return Case(
        When(**{f"{withdrawn_at}__lt": limit}, then=Value(1)),
        default=Value(0),
        output_field=RAW,
    )
