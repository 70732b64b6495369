"""What a version holds and how it differs from the one before, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import NOTHING, figure, grouped
from catalog.models import Product
from feeds.models import FeedBuild
from feeds.offers import Reason

KINDS = {
    "added": _("New in the list"),
    "withdrawn": _("Went off sale"),
    "withheld": _("Would go off sale and stays for now"),
    "returned": _("Back on sale"),
    "dropped": _("Left the list"),
    "price": _("Price changed"),
    "stock": _("Stock changed"),
}
WARNINGS = {
    "sku_has_dash_or_underscore": _("the SKU has a dash or an underscore"),
}
UNITS = {"price": "\u00a0₸"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A small table: a title and lines of (what, how many)."""

    title: str
    rows: list[tuple[object, SafeString]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One kind of change: the SKUs it happened to, the first ones of `total`."""

    title: str
    total: int
    # (SKU, product with a link, what changed)
    rows: list[tuple[str, str, str]]

    @property
    def is_cut(self) -> bool:
        return self.total > len(self.rows)


def count_panels(counts: Mapping[str, Any]) -> list[Panel]:
    """Tell what stands in the version and what does not."""
    if not counts:
        return []
    main: list[tuple[object, SafeString]] = [
        (label, figure(counts.get(name)))
        for name, label in (
            ("products", _("Goods looked at")),
            ("offers", _("Offers in the list")),
            ("on_sale", _("On sale")),
            ("withdrawn", _("In the list as not available")),
        )
    ]
    panels = [Panel(title=gettext("In the list"), rows=main)]
    for name, title in (
        ("left_out", gettext("Not in the list")),
        ("withdrawn_for", gettext("Not available because")),
    ):
        if rows := reason_rows(counts.get(name) or {}):
            panels.append(Panel(title=title, rows=rows))
    if warnings := counts.get("warnings"):
        rows = [(WARNINGS.get(k, k), figure(n)) for k, n in warnings.items()]
        panels.append(Panel(title=gettext("To note"), rows=rows))
    return panels


def reason_rows(numbers: Mapping[str, int]) -> list[tuple[object, SafeString]]:
    """Name the reasons, the most frequent first, each with a link to its goods."""
    url = reverse("admin:catalog_product_changelist")
    ordered = sorted(numbers.items(), key=lambda pair: -pair[1])
    return [
        (
            format_html('<a href="{}?sale={}">{}</a>', url, code, reason_label(code)),
            figure(number),
        )
        for code, number in ordered
    ]


def reason_label(code: str) -> str:
    """Name a reason; a code that is not known any more stays as it is."""
    return str(Reason(code).label) if code in Reason.values else code


def difference_tables(build: FeedBuild) -> list[Difference]:
    """Show the changes of each kind; products are looked up once for all."""
    totals = build.counts.get("changes") or {}
    named = {kind: build.diff.get(kind) or [] for kind in KINDS}
    skus = {_sku(entry) for entries in named.values() for entry in entries}
    found = Product.objects.filter(sku__in=skus).values_list("sku", "pk", "name")
    products = {sku: (pk, name) for sku, pk, name in found}
    return [
        Difference(
            title=str(title),
            total=totals.get(kind, len(named[kind])),
            rows=[_row(entry, kind, products) for entry in named[kind]],
        )
        for kind, title in KINDS.items()
        if named[kind]
    ]


def _sku(entry: Any) -> str:
    return str(entry[0] if isinstance(entry, list) else entry)


def _row(
    entry: Any, kind: str, products: Mapping[str, tuple[int, str]]
) -> tuple[str, str, str]:
    sku = _sku(entry)
    change: str = ""
    if isinstance(entry, list):
        _sku_again, old, new = entry
        change = format_html(
            '<span class="num">{} → <b>{}{}</b></span>',
            grouped(old),
            grouped(new),
            UNITS.get(kind, ""),
        )
    if sku not in products:
        return sku, NOTHING, change
    pk, name = products[sku]
    url = reverse("admin:catalog_product_change", args=[pk])
    return sku, format_html('<a href="{}">{}</a>', url, name), change
