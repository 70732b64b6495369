"""The distributor's goods and categories, and what tests may do to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

ON_REQUEST = 1


@dataclass(slots=True, kw_only=True)
class Category:
    id: int
    name: str
    left: int
    right: int
    level: int

    @property
    def is_leaf(self) -> bool:
        """Say whether goods may hang on it."""
        return self.right == self.left + 1


@dataclass(slots=True, kw_only=True)
class Good:
    """One article. `stock` is the true figure; `shown_above` hides what exceeds it.

    With stock > shown_above the API says ">shown_above". `quantity_as` shows any
    other JSON value in its place.
    """

    article: int
    article_pn: str = ""
    name: str = ""
    full_name: str = ""
    category: int = 0
    sort: int = 0
    price1: int = ON_REQUEST
    price2: int = 0
    stock: int = 0
    shown_above: int = 50
    quantity_as: Any = ...
    isnew: int = 0
    quantity_markdown: int = 0
    price_markdown: int = 0
    brand: str = ""
    weight: float = 0.1
    warranty: str = "12 мес."
    barcode: str = ""
    multiplicity: int | None = None
    rrp: int = 0
    discount: int = 0
    expected_weeks: int | None = None
    tnved: str = ""
    description: str = ""
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def quantity(self) -> Any:
        if self.quantity_as is not ...:
            return self.quantity_as
        if self.stock > self.shown_above:
            return f">{self.shown_above}"
        return self.stock

    def show(self, quantity: Any) -> None:
        """Set the stock so that the API shows `quantity`, sensible or not."""
        self.quantity_as = ...
        if isinstance(quantity, int) and not isinstance(quantity, bool):
            self.stock = quantity
            self.shown_above = max(self.shown_above, quantity)
            return
        if isinstance(quantity, str) and quantity[:1] == ">" and quantity[1:].isdigit():
            self.shown_above = int(quantity[1:])
            self.stock = self.shown_above * 2 + 1
            return
        self.stock, self.quantity_as = 0, quantity

    @property
    def available(self) -> int:
        return max(0, self.stock)


FIELDS = frozenset(item.name for item in fields(Good)) - {"article"} | {"quantity"}


def brand_id(name: str) -> str:
    """Return a brand's GUID, the same at every start."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.brand.sandbox"))


class Shop:
    """The goods in their stable order, the category tree, and raw oddities.

    `raw_rows` lays JSON values over the element row of an article; `extra_rows` are
    whole rows of any shape that stand behind the true ones; `raw_prices` replaces or
    adds values of quantity-price (None as the value is sent as null).
    """

    def __init__(self, goods: Iterable[Good], categories: list[Category]) -> None:
        self.goods: dict[int, Good] = {good.article: good for good in goods}
        self.categories = categories
        self.raw_rows: dict[int, dict[str, Any]] = {}
        self.extra_rows: list[Any] = []
        self.raw_prices: dict[str, Any] = {}
        self.raw_categories: list[Any] = []

    def leaves(self) -> list[Category]:
        return [category for category in self.categories if category.is_leaf]

    def within(self, category: Category) -> int:
        """Count the goods of a category and everything below it."""
        ids = {
            other.id
            for other in self.categories
            if category.left <= other.left and other.right <= category.right
        }
        return sum(1 for good in self.goods.values() if good.category in ids)

    def brands(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        for good in self.goods.values():
            counted[good.brand] = counted.get(good.brand, 0) + 1
        return counted

    def set_good(self, article: int, **changes: Any) -> Good:
        """Change a good's fields; `quantity` takes ints, ">N" and nonsense alike."""
        good = self.goods[article]
        self._apply(good, changes)
        return good

    def add_good(self, article: int, *, first: bool = False, **values: Any) -> Good:
        """Add a good, at the end of the order or at its beginning."""
        leaves = self.leaves()
        defaults: dict[str, Any] = {
            "name": f"Товар {article}",
            "full_name": f"Товар, {article}",
            "category": leaves[0].id if leaves else 0,
            "price1": 1000,
            "price2": 1500,
            "stock": 10,
        }
        good = Good(article=article)
        self._apply(good, defaults | values)
        if first:
            self.goods = {article: good} | self.goods
        else:
            self.goods[article] = good
        return good

    def remove_good(self, article: int) -> Good:
        return self.goods.pop(article)

    @staticmethod
    def _apply(good: Good, values: dict[str, Any]) -> None:
        if unknown := set(values) - FIELDS:
            raise ValueError(f"a good has no field {', '.join(sorted(unknown))}")
        for name, value in values.items():
            if name == "quantity":
                good.show(value)
                continue
            setattr(good, name, value)
            if name == "stock":
                good.quantity_as = ...
