"""Price rules, each told in words and with the goods it reaches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, ForeignKey
from django.forms import ModelChoiceField
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice.formatting import Tone, decimals, figure, grouped, pill, two_lines
from backoffice.pages import GenericChoice, StaffAdmin
from catalog.admin.trees import indent_of
from catalog.commissions import load_commissions
from catalog.models import Category, PriceRule, Product
from catalog.rules import reached_by


def describe_scope(rule: PriceRule) -> str:
    parts = []
    if rule.product is not None:
        parts.append(gettext("product %(name)s") % {"name": rule.product})
    if rule.category is not None:
        parts.append(gettext("branch “%(name)s”") % {"name": rule.category.name})
    if rule.brand:
        parts.append(gettext("brand %(name)s") % {"name": rule.brand})
    if rule.cost_from_kzt is not None:
        figures = {"cost": grouped(rule.cost_from_kzt)}
        parts.append(gettext("cost from %(cost)s ₸") % figures)
    if rule.cost_below_kzt is not None:
        figures = {"cost": grouped(rule.cost_below_kzt)}
        parts.append(gettext("cost below %(cost)s ₸") % figures)
    return ", ".join(parts) or gettext("all other goods")


def describe_price(rule: PriceRule) -> str:
    percent = decimals(rule.markup_percent)
    markup = gettext("cost + %(percent)s %%") % {"percent": percent}
    if rule.markup_kzt:
        markup += f" + {grouped(rule.markup_kzt)} ₸"
    if rule.base == PriceRule.Base.RETAIL:
        markup = gettext("retail price, else %(markup)s") % {"markup": markup}
    parts = [markup]
    if rule.delivery_kzt:
        figures = {"sum": grouped(rule.delivery_kzt)}
        parts.append(gettext("delivery %(sum)s ₸") % figures)
    if rule.commission_percent is None:
        parts.append(gettext("commission as in Kaspi's table"))
        if rule.tax_percent:
            figures = {"percent": decimals(rule.tax_percent)}
            parts.append(gettext("tax %(percent)s %%") % figures)
    elif fees := rule.fees_percent:
        figures = {"percent": decimals(fees)}
        parts.append(gettext("commission and tax %(percent)s %%") % figures)
    figures = {"percent": decimals(rule.least_margin_percent)}
    parts.append(gettext("at least cost + %(percent)s %%") % figures)
    parts.append(_describe_rounding(rule))
    return "; ".join(parts)


def _describe_rounding(rule: PriceRule) -> str:
    figures = {"step": grouped(rule.round_to_kzt), "ending": rule.ending_kzt}
    if rule.ending_kzt:
        return gettext("rounded up to %(step)s ₸ with %(ending)s at the end") % figures
    return gettext("rounded up to %(step)s ₸") % figures


def reach_of(rules: Sequence[PriceRule]) -> dict[int, int]:
    """Count, all at once, the live goods that meet each rule's conditions.

    A more specific rule may still win some of them.
    """
    if not rules:
        return {}
    counts = {
        f"rule_{rule.pk}": Count("pk", filter=reach)
        for rule, reach in zip(rules, reached_by(rules), strict=True)
    }
    found = Product.objects.present().order_by().aggregate(**counts)
    return {rule.pk: found[f"rule_{rule.pk}"] for rule in rules}


class IndentedChoice(GenericChoice[Category]):
    def label_from_instance(self, obj: Category) -> str:
        return "\u2003" * indent_of(obj) + obj.name


class PriceRuleAdmin(StaffAdmin[PriceRule]):
    add_title = _("New price rule")
    delete_title = _("Delete the price rule “%(name)s”?")
    list_display = (
        "show_name",
        "show_scope",
        "show_price",
        "reach_count",
        "show_state",
    )
    list_display_links = ("show_name",)
    list_filter = ("is_active", "base")
    list_select_related = ("product", "category")
    search_fields = ("name", "brand")
    autocomplete_fields = ("product",)
    save_as = True
    readonly_fields = ("show_summary",)
    fieldsets = (
        (None, {"fields": ("name", "is_active", "show_summary")}),
        (
            _("Which goods"),
            {
                "description": _(
                    "The most specific rule wins: product, then the deepest branch, "
                    "brand, cost band, and last the rule without conditions. "
                    "Of equals the oldest wins."
                ),
                "fields": (
                    "product",
                    "category",
                    "brand",
                    "cost_from_kzt",
                    "cost_below_kzt",
                ),
            },
        ),
        (
            _("Price"),
            {"fields": ("base", "markup_percent", "markup_kzt", "delivery_kzt")},
        ),
        (
            _("Commission, tax and least margin"),
            {
                "description": _(
                    "Added on top, so that what is left after commission and tax "
                    "covers the cost, the markup and the delivery. Left empty, the "
                    "commission is the one in the table “Kaspi's commissions”; a "
                    "figure of the rule's own forms prices only: what an order earns "
                    "goes by the table."
                ),
                "fields": (
                    "commission_percent",
                    "tax_percent",
                    "least_margin_percent",
                ),
            },
        ),
        (
            _("Rounding"),
            {
                "description": _(
                    "Always up. Step 100 and ending 90 give 90, 190, 290…"
                ),
                "fields": ("round_to_kzt", "ending_kzt"),
            },
        ),
    )

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelChoiceField[Any] | None:
        if db_field.name == "category":
            present = Category.objects.present().order_by("left", "pk")
            kwargs |= {"form_class": IndentedChoice, "queryset": present}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def decorate(self, request: HttpRequest, rows: Sequence[PriceRule]) -> None:
        _attach_reach(rows)
        _attach_low_commission(rows)

    # CSS knows the columns by these methods' names: field-show_… in admin/phones.css.
    @admin.display(description=_("name"), ordering="name")
    def show_name(self, obj: PriceRule) -> str:
        return obj.name

    @admin.display(description=_("which goods"))
    def show_scope(self, obj: PriceRule) -> str:
        return describe_scope(obj)

    @admin.display(description=_("price"))
    def show_price(self, obj: PriceRule) -> SafeString:
        return two_lines(describe_price(obj), getattr(obj, "low_commission", ""))

    @admin.display(description=_("goods"))
    def reach_count(self, obj: PriceRule) -> SafeString:
        return figure(getattr(obj, "reach", None))

    @admin.display(description=_("in force"), ordering="is_active")
    def show_state(self, obj: PriceRule) -> SafeString:
        if obj.is_active:
            return pill(_("in force"), Tone.GOOD)
        return pill(_("switched off"), Tone.QUIET)

    @admin.display(description=_("in words"))
    def show_summary(self, obj: PriceRule) -> SafeString:
        if obj._state.adding:
            return format_html("{}", _("appears after the first saving"))
        _attach_reach([obj])
        text = f"{describe_scope(obj)} — {describe_price(obj)}"
        goods = _("Goods that meet the conditions: %(number)s") % {
            "number": grouped(getattr(obj, "reach", 0))
        }
        if obj.category_id is None:
            return two_lines(text, goods)
        url = reverse("admin:catalog_product_changelist")
        link = format_html('<a href="{}?branch={}">{}</a>', url, obj.category_id, goods)
        return two_lines(text, link)


def _attach_low_commission(rules: Sequence[PriceRule]) -> None:
    """Say where prices are made with less than Kaspi's table says it takes."""
    if all(rule.commission_percent is None for rule in rules):
        return
    known, today = load_commissions(), timezone.localdate()
    for rule in rules:
        own = rule.commission_percent
        category = rule.category_id
        if own is None or (category is None and rule.product is not None):
            category = rule.product.category_id if rule.product else category
        table = known.percent_of(category_id=category, on=today)
        if own is not None and table is not None and own < table:
            text = gettext("Kaspi takes %(percent)s %%: prices are too low by the rest")
            words = text % {"percent": decimals(table)}
            rule.low_commission = pill(words, Tone.WARN)  # type: ignore[attr-defined]


def _attach_reach(rules: Iterable[PriceRule]) -> None:
    rules = list(rules)
    reach = reach_of(rules)
    for rule in rules:
        rule.reach = reach[rule.pk]  # type: ignore[attr-defined]
