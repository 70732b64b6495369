"""Shows what a change would do: figures, lines of reasons, rows, a table to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import NOTHING, Tone, figure, grouped, pill
from backoffice.histories import readable
from backoffice.spreadsheets import Sheet
from catalog.models import Product
from feeds.admin.sale import SHORT
from feeds.dividing import PointsForesight
from feeds.foreseeing import Effect, Foresight, Side
from feeds.models import Proposal
from feeds.offers import Reason
from feeds.proposals import MODELS

STEEP_PERCENT = 15
FIGURES = (
    ("dearer", _("dearer"), Tone.INFO),
    ("cheaper", _("cheaper"), Tone.WARN),
    ("on_sale", _("onto sale"), Tone.GOOD),
    ("off_sale", _("off sale"), Tone.BAD),
    ("quarantined", _("into quarantine"), Tone.BAD),
    ("stock", _("another stock"), Tone.QUIET),
)
BASIS_TEXTS = {
    "markup": _("priced by the markup"),
    "retail": _("priced at the supplier's retail price: the markup does not matter"),
    "rrp": _("held at the enforced retail price: the markup does not matter"),
    "raised_to_floor": _("held at the floor: a smaller markup changes nothing"),
    "override": _("fixed by hand: rules do not matter"),
    "no_price": _("without a price from the supplier"),
    "other_rule": _("meet the conditions, but another rule fits better"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A product of the table; the key chooses it."""

    key: str
    product: SafeString
    cost: SafeString
    price: SafeString
    change: SafeString
    margin: SafeString
    sale: SafeString
    # What is changed by hand: (field, was, will be).
    fields: Sequence[tuple[str, str, str]] = ()


def figures_of(found: Foresight) -> list[tuple[str, object, str]]:
    """Count what would happen: (number, words, tone)."""
    return [
        (grouped(number), label, tone.value if number else "quiet")
        for name, label, tone in FIGURES
        if (number := found.counts.get(name, 0))
    ]


def basis_lines(found: Foresight, proposal: Proposal) -> list[tuple[str, object]]:
    """Tell what a rule's goods are priced by: why it changes nothing, or little."""
    if proposal.table != Proposal.Table.RULES:
        return []
    return [
        (grouped(found.bases[code]), text)
        for code, text in BASIS_TEXTS.items()
        if found.bases[code]
    ]


def steepest(found: Foresight) -> Iterator[tuple[object, SafeString]]:
    """Name the greatest fall and the greatest rise."""
    for effect, words in (
        (found.steepest_fall, _("greatest fall")),
        (found.steepest_rise, _("greatest rise")),
    ):
        if effect is not None:
            yield words, _change(effect)


def number_of_rows(found: Foresight, proposal: Proposal) -> int:
    if proposal.table != Proposal.Table.PRODUCTS:
        return len(found.effects)
    return len({str(e.pk) for e in found.effects} | set(proposal.changes))


def effect_rows(found: Foresight, proposal: Proposal, *, limit: int) -> list[Row]:
    """Make the first rows of the table: the gravest, then what buyers do not see."""
    by_hand = {}
    if proposal.table == Proposal.Table.PRODUCTS and len(proposal.changes) > 1:
        by_hand = proposal.changes
    rows = [
        row_of(effect, changed_fields(proposal, by_hand.get(str(effect.pk))))
        for effect in found.effects[:limit]
    ]
    if proposal.table != Proposal.Table.PRODUCTS or len(rows) == limit:
        return rows
    shown = {str(effect.pk) for effect in found.effects}
    rest = [int(key) for key in proposal.changes if key not in shown]
    quiet = Product.objects.filter(pk__in=rest[: limit - len(rows)]).order_by("pk")
    for product in quiet:
        fields = changed_fields(proposal, by_hand.get(str(product.pk)))
        rows.append(_quiet_row(product, fields))
    return rows


def changed_fields(
    proposal: Proposal, fields: Mapping[str, Any] | None
) -> list[tuple[str, str, str]]:
    """Name the fields of one object that change, with both values."""
    by_name = {f.name: f for f in MODELS[proposal.table]._meta.concrete_fields}
    lines = []
    for name, (was, will) in (fields or {}).items():
        field = by_name[name]
        old = NOTHING if was is None else readable(field, field.to_python(was))
        new = readable(field, field.to_python(will))
        if old != new:
            lines.append((str(capfirst(field.verbose_name)), old, new))
    return lines


def row_of(effect: Effect, fields: Sequence[tuple[str, str, str]] = ()) -> Row:
    before, after = effect.before, effect.after
    return Row(
        key=str(effect.pk),
        product=_link(effect.pk, effect.sku, effect.name),
        cost=figure(effect.cost_kzt),
        price=_was_is(before.price_kzt, after.price_kzt),
        change=_change(effect),
        margin=_margin(effect),
        sale=_sale(effect),
        fields=fields,
    )


def _quiet_row(product: Product, fields: Sequence[tuple[str, str, str]]) -> Row:
    return Row(
        key=str(product.pk),
        product=_link(product.pk, product.sku, product.name),
        cost=figure(product.cost_kzt),
        price=figure(product.price_kzt),
        change=figure(None),
        margin=figure(None),
        sale=pill(_("buyers see no difference"), Tone.QUIET),
        fields=fields,
    )


def _link(pk: int, sku: str, name: str) -> SafeString:
    url = reverse("admin:catalog_product_change", args=[pk])
    return format_html(
        '<a href="{}">{}</a><span class="second num">{}</span>', url, name, sku
    )


def _was_is(old: int | None, new: int | None) -> SafeString:
    if old == new:
        return figure(new)
    return format_html(
        '<span class="num"><span class="was">{}</span> → <b>{}</b></span>',
        grouped(old),
        grouped(new),
    )


def _change(effect: Effect) -> SafeString:
    percent = effect.percent
    if not percent:
        return figure(None)
    tone = ""
    if percent < 0:
        tone = "fall steep" if percent <= -STEEP_PERCENT else "fall"
    elif percent >= STEEP_PERCENT:
        tone = "rise steep"
    return format_html('<span class="num {}">{}</span>', tone, percent_text(percent))


def percent_text(percent: float) -> str:
    """Write "−12,5 %" as the active language does, with a real minus."""
    sign = "−" if percent < 0 else "+"
    digits = 0 if abs(percent) >= 100 else 1
    return f"{sign}{number_format(abs(percent), digits)}\u00a0%"


def _margin(effect: Effect) -> SafeString:
    earns, percent = effect.after.earns_kzt, effect.margin_percent
    if earns is None or percent is None:
        return figure(None)
    tone = "num fall steep" if earns < 0 else "num"
    return format_html(
        '<span class="{}">{}\u00a0₸<span class="second">{}</span></span>',
        tone,
        grouped(earns),
        percent_text(percent),
    )


def _sale(effect: Effect) -> SafeString:
    after = effect.after
    if effect.goes_off_sale:
        return format_html(
            '{}<span class="second">{}</span>',
            pill(_("goes off sale"), Tone.BAD),
            why_not(after),
        )
    if effect.goes_on_sale:
        return pill(_("goes on sale"), Tone.GOOD)
    if after.units:
        if after.units != effect.before.units:
            return format_html(
                "{} {}",
                pill(_("on sale"), Tone.GOOD),
                _was_is(effect.before.units, after.units),
            )
        return pill(_("on sale"), Tone.GOOD)
    return pill(why_not(after), Tone.QUIET)


def why_not(side: Side) -> object:
    """Say why it is not on sale; the quarantine's reason where that is it."""
    if side.reason == Reason.NO_PRICE and side.quarantine:
        return Product.Quarantine(side.quarantine).label
    return SHORT[Reason(side.reason)]


def point_rows(found: PointsForesight) -> Iterator[dict[str, object]]:
    """Make a row of each point: what it offers and what a good costs there."""
    for effect in found.effects:
        before, after = effect.before, effect.after
        if before is None:
            state = pill(_("comes into the list"), Tone.GOOD)
        elif after is None:
            state = pill(_("leaves the list"), Tone.BAD)
        elif effect.becomes_empty:
            state = pill(_("offers nothing"), Tone.BAD)
        else:
            state = None
        yield {
            "store": effect.store,
            "goods": _was_is(
                before.shelf.goods if before else None,
                after.shelf.goods if after else None,
            ),
            "units": _was_is(
                before.shelf.units if before else None,
                after.shelf.units if after else None,
            ),
            "price": _was_is(
                before.price_kzt if before else None,
                after.price_kzt if after else None,
            ),
            "state": state,
        }


def effect_sheet(found: Foresight) -> Sheet:
    """Lay all products that would change into a sheet."""
    return Sheet(
        title=gettext("What changes"),
        headers=[
            gettext("SKU"),
            gettext("product"),
            gettext("dealer price, ₸"),
            gettext("price was, ₸"),
            gettext("price will be, ₸"),
            gettext("change, %"),
            gettext("earns, ₸"),
            gettext("units were"),
            gettext("units will be"),
            gettext("why off sale"),
        ],
        rows=(
            [
                e.sku,
                e.name,
                e.cost_kzt,
                e.before.price_kzt,
                e.after.price_kzt,
                None if e.percent is None else round(e.percent, 1),
                e.after.earns_kzt,
                e.before.units,
                e.after.units,
                str(why_not(e.after)) if e.after.reason else "",
            ]
            for e in found.effects
        ),
    )


def error_sheet(errors: Sequence[Sequence[Any]]) -> Sheet:
    """Lay the rows that cannot be saved into a sheet."""
    headers = [gettext("row"), gettext("which"), gettext("what is wrong")]
    return Sheet(title=gettext("Rows with errors"), headers=headers, rows=errors)
