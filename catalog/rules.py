"""Finds the price rule that fits a product best."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from catalog.models import Category, PriceRule

# Part of the digest: raise it when the calculation itself changes.
CALCULATION = 2


@dataclass(slots=True)
class RuleBook:
    """The rules in force, ready to be asked for many products.

    Product beats category branch (the deepest first), which beats brand, which
    beats a cost band, which beats the default; of equals the oldest rule wins.
    """

    rules: list[PriceRule]
    parents: dict[int, int | None]
    digest: str
    _by_product: dict[int, list[PriceRule]] = field(init=False)
    _by_category: dict[int, list[PriceRule]] = field(init=False)
    _anywhere: list[PriceRule] = field(init=False)
    _chains: dict[int, list[int]] = field(init=False, default_factory=dict)

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
                return rule
        return None

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
    rules = list(PriceRule.objects.active().order_by("pk"))
    tree = {}
    if any(rule.category_id for rule in rules):
        tree = Category.objects.all().parents()
    return RuleBook(rules, tree, _digest(rules, tree))


def _digest(rules: list[PriceRule], tree: dict[int, int | None]) -> str:
    """Sum up whatever prices depend on, beside the goods' own figures."""
    columns = [field.attname for field in PriceRule._meta.concrete_fields]
    rows: list[dict[str, Any]] = [
        {column: getattr(rule, column) for column in columns} for rule in rules
    ]
    inputs = [CALCULATION, settings.PRICE_JUMP_PERCENT, rows, sorted(tree.items())]
    text = json.dumps(inputs, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
