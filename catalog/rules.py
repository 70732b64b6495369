"""Finds the price rule that fits a product best."""

from __future__ import annotations

import copy
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from catalog.commissions import CommissionBook, load_commissions
from catalog.models import Category, PriceRule, Product

# Part of the digest: raise it when the calculation itself changes.
CALCULATION = 4


@dataclass(slots=True)
class RuleBook:
    """The rules in force, ready to be asked for many products.

    Product beats category branch (the deepest first), which beats brand, which
    beats a cost band, which beats the default; of equals the oldest rule wins. A rule
    without a commission of its own is given with Kaspi's of `today`.
    """

    rules: list[PriceRule]
    parents: dict[int, int | None]
    digest: str
    commissions: CommissionBook
    today: date
    _by_product: dict[int, list[PriceRule]] = field(init=False)
    _by_category: dict[int, list[PriceRule]] = field(init=False)
    _anywhere: list[PriceRule] = field(init=False)
    _chains: dict[int, list[int]] = field(init=False, default_factory=dict)
    _percents: dict[int | None, Decimal | None] = field(
        init=False, default_factory=dict
    )
    _filled: dict[tuple[int, Decimal], PriceRule] = field(
        init=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        self._by_product, self._by_category = defaultdict(list), defaultdict(list)
        self._anywhere = []
        for rule in sorted(self.rules, key=lambda rule: rule.specificity):
            if rule.product_id is not None:
                self._by_product[rule.product_id].append(rule)
            elif rule.category_id is not None:
                self._by_category[rule.category_id].append(rule)
            else:
                self._anywhere.append(rule)

    def find(
        self, *, product_id: int, category_id: int | None, brand: str, cost: int | None
    ) -> PriceRule | None:
        """Give the rule that fits best, or None."""
        branch = self._branch(category_id)
        for rule in self._candidates(product_id, branch):
            # A rule for a product may name a branch besides.
            is_in_branch = rule.category_id is None or rule.category_id in branch
            if is_in_branch and rule.fits(brand=brand, cost_kzt=cost):
                return self._with_commission(rule, category_id)
        return None

    def _with_commission(self, rule: PriceRule, category_id: int | None) -> PriceRule:
        if rule.commission_percent is not None:
            return rule
        if category_id not in self._percents:
            # Kaspi's own category is known of orders only.
            self._percents[category_id] = self.commissions.percent_of(
                category_id=category_id, on=self.today
            )
        percent = self._percents[category_id]
        if percent is None:
            return rule
        filled = self._filled.get((rule.pk, percent))
        if filled is None:
            filled = copy.copy(rule)
            filled.commission_percent = percent
            self._filled[rule.pk, percent] = filled
        return filled

    def _candidates(self, product_id: int, branch: list[int]) -> Iterator[PriceRule]:
        yield from self._by_product.get(product_id, ())
        for category_id in branch:
            yield from self._by_category.get(category_id, ())
        yield from self._anywhere

    def _branch(self, category_id: int | None) -> list[int]:
        """List the category and what encloses it, the deepest first."""
        if category_id is None:
            return []
        chain = self._chains.get(category_id)
        if chain is None:
            chain, above = [], category_id
            while above is not None and above not in chain:
                chain.append(above)
                above = self.parents.get(above)  # type: ignore[assignment]
            self._chains[category_id] = chain
        return chain


def load_rules() -> RuleBook:
    return make_book(PriceRule.objects.active().order_by("pk"), load_commissions())


def make_book(rules: Iterable[PriceRule], commissions: CommissionBook) -> RuleBook:
    """Make a book of rules in force, saved or not; each needs a primary key."""
    rules, today = list(rules), timezone.localdate()
    tree = commissions.parents
    if not tree and any(rule.category_id for rule in rules):
        tree = Category.objects.all().parents()
    digest = _digest(rules, tree, commissions.in_force(on=today))
    return RuleBook(rules, tree, digest, commissions, today)


def reached_by(rules: Iterable[PriceRule]) -> list[Q]:
    """Find the goods that meet each rule's conditions; another may fit them better."""
    rules = list(rules)
    spellings = _spellings(rules)
    return [_reach(rule) & rule.matched_by(spellings) for rule in rules]


def _reach(rule: PriceRule) -> Q:
    reach = Q(pk__isnull=False)
    if rule.product_id is not None:
        reach &= Q(pk=rule.product_id)
    if rule.category_id is not None:
        reach &= Q(category_id__in=with_branches([rule.category_id]))
    return reach


def _spellings(rules: list[PriceRule]) -> dict[str, list[str]]:
    """Give how goods write the rules' brands, by `PriceRule.brand_key`."""
    found: dict[str, list[str]] = {r.brand_key: [] for r in rules if r.brand_key}
    if found:
        brands = Product.objects.order_by().values_list("brand", flat=True)
        for brand in brands.distinct():
            if (key := brand.casefold()) in found:
                found[key].append(brand)
    return found


def with_branches(
    pks: Iterable[int], *, parents: Mapping[int, int | None] | None = None
) -> set[int]:
    """Give the categories and everything below them.

    By parents, not by the nested intervals: those of categories that are gone are
    out of date.
    """
    children: dict[int | None, list[int]] = defaultdict(list)
    for pk, parent in (parents or Category.objects.all().parents()).items():
        children[parent].append(pk)
    found: set[int] = set()
    waiting = list(pks)
    while waiting:
        pk = waiting.pop()
        if pk not in found:
            found.add(pk)
            waiting += children[pk]
    return found


def _digest(
    rules: list[PriceRule], tree: dict[int, int | None], commissions: list[Any]
) -> str:
    """Sum up whatever prices depend on, beside the goods' own figures."""
    columns = [field.attname for field in PriceRule._meta.concrete_fields]
    rows: list[dict[str, Any]] = [
        {column: getattr(rule, column) for column in columns} for rule in rules
    ]
    limit = settings.PRICE_JUMP_PERCENT
    inputs = [CALCULATION, limit, rows, sorted(tree.items()), commissions]
    text = json.dumps(inputs, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
