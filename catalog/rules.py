"""Finds the price rule that fits a product best."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings

from catalog.models import Category, PriceRule
from catalog.pricing import Rule

# Part of the digest: raise it when the calculation itself changes.
CALCULATION = 1
FIGURES = tuple(f.name for f in fields(Rule))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    """What a rule asks of a product; None and "" ask nothing."""

    rule: Rule
    product_id: int | None
    category_id: int | None
    brand: str
    cost_from: int | None
    cost_below: int | None

    def fits_cost(self, cost: int) -> bool:
        return (self.cost_from is None or cost >= self.cost_from) and (
            self.cost_below is None or cost < self.cost_below
        )


@dataclass(slots=True)
class RuleBook:
    """The rules in force, ready to be asked for many products.

    Product beats category branch (the deepest first), which beats brand, which
    beats a cost band, which beats the default; of equals the oldest rule wins.
    """

    conditions: list[_Condition]
    parents: dict[int, int | None]
    digest: str
    _by_product: dict[int, list[_Condition]] = field(init=False)
    _by_category: dict[int, list[_Condition]] = field(init=False)
    _anywhere: list[_Condition] = field(init=False)
    _chains: dict[int, list[int]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_product, self._by_category = defaultdict(list), defaultdict(list)
        self._anywhere = []
        for condition in sorted(self.conditions, key=_specificity):
            if condition.product_id is not None:
                self._by_product[condition.product_id].append(condition)
            elif condition.category_id is not None:
                self._by_category[condition.category_id].append(condition)
            else:
                self._anywhere.append(condition)

    def find(
        self, *, product_id: int, category_id: int | None, brand: str, cost: int | None
    ) -> Rule | None:
        """Give the rule that fits best, or None."""
        brand = brand.casefold()
        branch = self._branch(category_id)
        for condition in self._candidates(product_id, branch):
            if (
                condition.category_id is not None
                and condition.category_id not in branch
            ):
                continue
            if condition.brand and condition.brand != brand:
                continue
            if condition.fits_cost(cost or 0):
                return condition.rule
        return None

    def _candidates(self, product_id: int, branch: list[int]) -> Iterator[_Condition]:
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
            chain, step = [], category_id
            while step is not None and step not in chain:
                chain.append(step)
                step = self.parents.get(step)  # type: ignore[assignment]
            self._chains[category_id] = chain
        return chain


def _specificity(condition: _Condition) -> tuple[bool, bool, int]:
    has_band = condition.cost_from is not None or condition.cost_below is not None
    return (not condition.brand, not has_band, condition.rule.pk)


def load_rules() -> RuleBook:
    """Read the rules in force."""
    active = PriceRule.objects.filter(is_active=True).order_by("pk")
    rows: list[dict[str, Any]] = [dict(row) for row in active.values()]
    conditions = [
        _Condition(
            rule=Rule(**{"pk": row["id"], **{n: row[n] for n in FIGURES if n != "pk"}}),
            product_id=row["product_id"],
            category_id=row["category_id"],
            brand=row["brand"].strip().casefold(),
            cost_from=row["cost_from_kzt"],
            cost_below=row["cost_below_kzt"],
        )
        for row in rows
    ]
    parents: dict[int, int | None] = dict(
        Category.objects.values_list("pk", "parent_id")
    )
    tree = parents if any(c.category_id for c in conditions) else {}
    return RuleBook(conditions, parents, _digest(rows, tree))


def _digest(rows: list[dict[str, Any]], tree: dict[int, int | None]) -> str:
    facts = [CALCULATION, settings.PRICE_JUMP_PERCENT, rows, sorted(tree.items())]
    text = json.dumps(facts, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
