"""Works out what a change would do to prices and offers, without saving it.

The decisions are those of repricing and of the build, asked twice: as things stand and
as they would stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.availability import stock_before_last_import
from catalog.commissions import CommissionBook
from catalog.models import Category, CommissionRate, PriceRule, Product
from catalog.pricing import PriceDecision
from catalog.repricing import PriceRow, decide_by, price_rows, rule_for
from catalog.rules import RuleBook, load_rules, make_book, reached_by, with_branches
from feeds.comparing import are_too_many
from feeds.models import Listing
from feeds.offers import ProductRow, Terms, decide_offer, product_rows, read_terms
from feeds.withholding import Withholding, price_to_keep
from plumbing.adjusting import supposing

# More keys than this are compared here rather than sent to the database.
KEYS_SENT = 10_000
# A few goods out of a small assortment are no large share.
A_FEW = 5
PRICE_FIELDS = frozenset(PriceRow._fields)
OFFER_FIELDS = frozenset(ProductRow._fields)
# Settings that prices, or the freshness of the stock, depend on.
JUMP, STALE = "PRICE_JUMP_PERCENT", "STOCK_STALE_AFTER_MIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """What would be saved: rows of rules, categories and products, or settings."""

    # The edited rules as they are and as they would be; a rule to add or to delete
    # stands on one side only. A rule to add needs a primary key here, too.
    rules_before: Sequence[PriceRule] = ()
    rules_after: Sequence[PriceRule] = ()
    # Rows of Kaspi's commission, likewise.
    rates_before: Sequence[CommissionRate] = ()
    rates_after: Sequence[CommissionRate] = ()
    # Whether categories are sold, by primary key.
    sold: Mapping[int, bool] = field(default_factory=dict)
    # Products' own fields, by primary key.
    products: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    # The owner's settings, by name: parsed values.
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changes_rules(self) -> bool:
        rules = self.rules_before or self.rules_after
        return bool(rules or self.rates_before or self.rates_after)

    @property
    def changes_prices(self) -> bool:
        if self.changes_rules or JUMP in self.settings:
            return True
        priced = Product.PRICED_FIELDS
        return any(priced & set(fields) for fields in self.products.values())

    def concerns(self) -> Q:
        """Find the goods that the edits can concern at all."""
        if self.settings:
            return Q(gone_at__isnull=True)
        found = Q(pk__in=[])
        for reach in reached_by([*self.rules_before, *self.rules_after]):
            found |= reach
        if self.sold:
            by_category = Product.Publish.CATEGORY
            found |= Q(category_id__in=list(self.sold), is_published=by_category)
        for rate in [*self.rates_before, *self.rates_after]:
            if rate.category_id is not None:
                found |= Q(category_id__in=with_branches([rate.category_id]))
            elif rate.is_for_all_others:
                return Q()
        if len(self.products) > KEYS_SENT:
            return Q()
        return found | Q(pk__in=list(self.products)) if self.products else found

    def book_after(self, book: RuleBook) -> RuleBook:
        """Give the book of rules as it would be."""
        edited = {rule.pk for rule in [*self.rules_before, *self.rules_after]}
        kept = [rule for rule in book.rules if rule.pk not in edited]
        added = [rule for rule in self.rules_after if rule.is_active]
        rules = sorted([*kept, *added], key=lambda rule: rule.pk)
        return make_book(rules, self._commissions_after(book.commissions))

    def _commissions_after(self, known: CommissionBook) -> CommissionBook:
        edited = {rate.pk for rate in [*self.rates_before, *self.rates_after]}
        if not edited:
            return known
        kept = [rate for rate in known.rates if rate.pk not in edited]
        parents = Category.objects.all().parents()
        return CommissionBook([*kept, *self.rates_after], parents)


class Side(NamedTuple):
    """How a product stands: before, or after."""

    price_kzt: int | None
    quarantine: str
    units: int
    # Why it is off sale: a `Reason`'s code.
    reason: str
    earns_kzt: int | None

    @property
    def shown(self) -> tuple[object, ...]:
        return self[:4]


class Effect(NamedTuple):
    """What the edits do to one product."""

    pk: int
    sku: str
    name: str
    cost_kzt: int | None
    before: Side
    after: Side

    @property
    def goes_off_sale(self) -> bool:
        return bool(self.before.units and not self.after.units)

    @property
    def goes_on_sale(self) -> bool:
        return bool(self.after.units and not self.before.units)

    @property
    def sells(self) -> bool:
        """Whether buyers see it: before, after or both."""
        return bool(self.before.units or self.after.units)

    @property
    def is_newly_quarantined(self) -> bool:
        return bool(self.after.quarantine) and (
            self.after.quarantine != self.before.quarantine
        )

    @property
    def percent(self) -> float | None:
        """By how many percent the price rises; None without two prices."""
        old, new = self.before.price_kzt, self.after.price_kzt
        return None if not old or not new else 100 * (new - old) / old

    @property
    def margin_percent(self) -> float | None:
        """What is left of the new price, in percent of the cost."""
        earns = self.after.earns_kzt
        return (
            None if earns is None or not self.cost_kzt else 100 * earns / self.cost_kzt
        )


@dataclass(kw_only=True)
class Foresight:
    """What the edits would do, product by product: the gravest first."""

    effects: list[Effect] = field(default_factory=list)
    # Goods that could be concerned, and what their prices would rest on: a code of
    # `BASES` for those whose rule is among the edited ones.
    looked_at: int = 0
    bases: Counter[str] = field(default_factory=Counter)
    on_sale_now: int = 0
    # Of those that would go off sale, as the price list keeps when they are too many.
    kept: int = 0
    stock_is_stale: bool = False
    # By which prices jump, as it would be.
    jump_percent: int = 0

    @cached_property
    def repriced(self) -> list[Effect]:
        """Goods that buyers see at another price."""
        return [e for e in self.effects if e.sells and e.percent]

    @cached_property
    def counts(self) -> dict[str, int]:
        found = Counter[str]()
        for effect in self.effects:
            percent = effect.percent or 0
            found["dearer"] += percent > 0
            found["cheaper"] += percent < 0
            found["off_sale"] += effect.goes_off_sale
            found["on_sale"] += effect.goes_on_sale
            found["quarantined"] += effect.is_newly_quarantined
            found["stock"] += (
                effect.before.units != effect.after.units
                and not effect.goes_off_sale
                and not effect.goes_on_sale
            )
        return {"touched": len(self.effects), **found}

    @property
    def steepest_fall(self) -> Effect | None:
        falling = [e for e in self.effects if (e.percent or 0) < 0]
        return min(falling, key=lambda e: e.percent or 0, default=None)

    @property
    def steepest_rise(self) -> Effect | None:
        rising = [e for e in self.effects if (e.percent or 0) > 0]
        return max(rising, key=lambda e: e.percent or 0, default=None)

    def warnings(self) -> list[str]:
        """Say what must not be saved by mistake; each wants to be meant."""
        return list(self._warn())

    def _warn(self) -> Iterator[str]:
        limit, jump = settings.CHANGE_WARN_PERCENT, self.jump_percent
        priced, gone = len(self.repriced), self.counts.get("off_sale", 0)
        if self._is_large(priced):
            yield _(
                "%(number)d goods on sale would get another price: more than "
                "%(limit)d %% of all that is sold."
            ) % {"number": priced, "limit": limit}
        if self._is_large(gone):
            yield _(
                "%(number)d goods would go off sale: more than %(limit)d %% of all "
                "that is sold."
            ) % {"number": gone, "limit": limit}
        if self.kept:
            yield _(
                "The price list will keep %(kept)d of them on sale for now, as it does "
                "with more than %(limit)d %% at once, until a person decides."
            ) % {"kept": self.kept, "limit": settings.FEED_MASS_WITHDRAWAL_PERCENT}
        falls = self._quarantined(Product.Quarantine.JUMP)
        if falls:
            yield ngettext(
                "%(n)d price falls by more than %(limit)d %%: its product goes off "
                "sale until a person lets it through.",
                "%(n)d prices fall by more than %(limit)d %%: their products go off "
                "sale until a person lets them through.",
                falls,
            ) % {"n": falls, "limit": jump}
        if rises := self._quarantined(Product.Quarantine.RISE):
            yield ngettext(
                "%(n)d price rises by more than %(limit)d %%: its product goes off "
                "sale for %(hours)d hours, or until a person lets it through.",
                "%(n)d prices rise by more than %(limit)d %%: their products go off "
                "sale for %(hours)d hours, or until a person lets them through.",
                rises,
            ) % {"n": rises, "limit": jump, "hours": settings.PRICE_RISE_STEADY_HOURS}
        if low := self._quarantined(Product.Quarantine.BELOW_FLOOR):
            yield ngettext(
                "%(n)d fixed price is below the floor then: its product goes off sale.",
                "%(n)d fixed prices are below the floor then: their products go off "
                "sale.",
                low,
            ) % {"n": low}

    def _is_large(self, number: int) -> bool:
        limit = self.on_sale_now * settings.CHANGE_WARN_PERCENT
        return number >= A_FEW and number * 100 > limit

    def _quarantined(self, reason: str) -> int:
        return sum(
            e.is_newly_quarantined and e.after.quarantine == reason
            for e in self.effects
        )


# The step of the explanation that gave the price, the last one first.
BASES = ("override", "raised_to_floor", "rrp", "retail", "markup")


def foresee(edits: Edits, *, now: datetime) -> Foresight:
    """Work out what the edits would change; nothing is written."""
    found = Foresight(on_sale_now=Listing.objects.on_sale().count())
    terms = read_terms(now=now)
    with supposing(edits.settings):
        terms_after = read_terms(now=now) if edits.settings else replace(terms)
        found.jump_percent = settings.PRICE_JUMP_PERCENT
    if STALE not in edits.settings:
        found.stock_is_stale = terms.is_stale
        # Figures too old would hide what goes on or off sale when they are fresh again.
        terms.is_stale = terms_after.is_stale = False
    terms_after.published_categories = (
        terms.published_categories - {pk for pk, yes in edits.sold.items() if not yes}
    ) | {pk for pk, yes in edits.sold.items() if yes}
    concerned = edits.concerns()
    rows = product_rows(now=now, within=concerned)
    pricing = _Pricing(edits)
    prices = {row.pk: row for row in price_rows(Product.objects.filter(concerned))}
    leaving: list[_Leaving] = []
    for row in rows:
        price = prices.get(row.pk)
        # A product that an import brought just now.
        if price is None:
            continue
        changed = edits.products.get(row.pk, {})
        if edits.products and not changed and len(edits.products) > KEYS_SENT:
            continue
        found.looked_at += 1
        (rule, old), (rule_after, new) = pricing.decide(price, changed)
        if pricing.is_edited(rule_after):
            found.bases[_basis(new)] += 1
        elif pricing.book is not pricing.book_after and not pricing.was_edited(rule):
            found.bases["other_rule"] += 1
        offered = {k: v for k, v in changed.items() if k in OFFER_FIELDS}
        row_after = _priced(row._replace(**offered), new)
        before = _side(_priced(row, old), old, rule, terms, cost_kzt=price.cost_kzt)
        after = _side(row_after, new, rule_after, terms_after, cost_kzt=price.cost_kzt)
        if before.shown != after.shown or "sku" in changed:
            effect = Effect(row.pk, row.sku, row.name, price.cost_kzt, before, after)
            found.effects.append(effect)
            if effect.goes_off_sale:
                priced = {k: v for k, v in changed.items() if k in PRICE_FIELDS}
                priced |= {"price_kzt": after.price_kzt, "quarantine": after.quarantine}
                kept_at = price_to_keep(price._replace(**priced), rule_after)
                leaving.append(_Leaving(row_after, after.reason, kept_at))
    found.kept = _count_kept(leaving, terms_after, on_sale_now=found.on_sale_now)
    found.effects.sort(key=_gravity)
    return found


class _Leaving(NamedTuple):
    """A product that would go off sale, and at which price it may stay."""

    row: ProductRow
    reason: str
    price_kzt: int | None


class _Pricing:
    """Decides each price by the book of today and by that of the edits."""

    def __init__(self, edits: Edits) -> None:
        self.book = self.book_after = load_rules()
        if edits.changes_rules:
            self.book_after = edits.book_after(self.book)
        self.edited = {rule.pk for rule in edits.rules_after}
        self.deleted = {rule.pk for rule in edits.rules_before} - self.edited
        self.changes_prices = edits.changes_prices
        self.settings = edits.settings

    def was_edited(self, rule: PriceRule | None) -> bool:
        """Tell whether the rule of before is among the edited ones, or is deleted."""
        return rule is not None and rule.pk in self.edited | self.deleted

    def is_edited(self, rule: PriceRule | None) -> bool:
        return rule is not None and rule.pk in self.edited

    def _is_same(self, rule: PriceRule | None, after: PriceRule | None) -> bool:
        """Tell whether both give the same price; each book fills in commissions."""
        if rule is None or after is None:
            return rule is after
        if rule.pk != after.pk or rule.pk in self.edited:
            return False
        return rule.commission_percent == after.commission_percent

    def decide(
        self, row: PriceRow, changed: Mapping[str, Any]
    ) -> Iterable[tuple[PriceRule | None, PriceDecision]]:
        rule = rule_for(row, self.book)
        before = decide_by(row, rule)
        if not self.changes_prices:
            return (rule, before), (rule, before)
        rule_after = rule
        if self.book is not self.book_after:
            rule_after = rule_for(row, self.book_after)
        priced = {k: v for k, v in changed.items() if k in PRICE_FIELDS}
        is_jump_same = JUMP not in self.settings
        if not priced and is_jump_same and self._is_same(rule, rule_after):
            return (rule, before), (rule, before)
        with supposing(self.settings):
            after = decide_by(row._replace(**priced), rule_after)
        return (rule, before), (rule_after, after)


def _priced(row: ProductRow, decision: PriceDecision) -> ProductRow:
    return row._replace(
        price_kzt=decision.price_kzt, quarantine=str(decision.quarantine)
    )


def _count_kept(leaving: Sequence[_Leaving], terms: Terms, *, on_sale_now: int) -> int:
    """Count what the build keeps on sale of the goods that would leave it."""
    # As a build counts them (`ListDifferences`).
    doubtful = [it for it in leaving if it.row.was_available and it.reason != "stale"]
    if not are_too_many(len(doubtful), before=on_sale_now):
        return 0
    withholding = Withholding(
        stock_before=stock_before_last_import(),
        prices={it.row.pk: it.price_kzt for it in doubtful if it.price_kzt is not None},
        # None of those that are on sale by themselves.
        settled=frozenset(),
    )
    kept = (withholding.units(it.row, terms, reason=it.reason) for it in doubtful)
    return sum(units > 0 for units, _is_confirmed in kept)


def _side(
    row: ProductRow,
    decision: PriceDecision,
    rule: PriceRule | None,
    terms: Terms,
    *,
    cost_kzt: int | None,
) -> Side:
    price = decision.price_kzt
    units, reason = decide_offer(row, terms)
    earns = None
    if rule is not None and price is not None and cost_kzt is not None:
        earns = rule.earns_kzt(price, cost_kzt=cost_kzt)
    return Side(price, str(decision.quarantine), units, reason, earns)


def _basis(decision: PriceDecision) -> str:
    codes = {code for code, _figures in decision.lines}
    return next((code for code in BASES if code in codes), "no_price")


def _gravity(effect: Effect) -> tuple[object, ...]:
    percent = effect.percent or 0
    return (
        not effect.sells,
        not effect.goes_off_sale,
        not effect.is_newly_quarantined,
        # The steepest first, and of equals the falls.
        -abs(percent),
        percent > 0,
        effect.pk,
    )
