"""The price list's pages, and those whose changes show their effect on it first."""

from __future__ import annotations

from feeds.admin import (
    categories,
    fetches,
    products,
    proposals,
    rules,
    stores,
    versions,
)

__all__ = [
    "categories",
    "fetches",
    "products",
    "proposals",
    "rules",
    "stores",
    "versions",
]
