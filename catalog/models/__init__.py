"""Al-Style's categories and goods as stored here, with what staff decide about them."""

from __future__ import annotations

from catalog.models.base import (
    HIGHEST_PRICE_KZT,
    SKU,
    Bare,
    beyond_any_price,
    kept_history,
)
from catalog.models.category import Category
from catalog.models.commission_rate import CommissionRate
from catalog.models.importing import ImportRun, ProductChange
from catalog.models.price_rule import PriceRule
from catalog.models.product import Product, ProductQuerySet, ProductWords

__all__ = [
    "HIGHEST_PRICE_KZT",
    "SKU",
    "Bare",
    "Category",
    "CommissionRate",
    "ImportRun",
    "PriceRule",
    "Product",
    "ProductChange",
    "ProductQuerySet",
    "ProductWords",
    "beyond_any_price",
    "kept_history",
]
