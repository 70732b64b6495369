"""The price list's pages, and those whose changes show their effect on it first."""

from __future__ import annotations

from feeds.admin import (
    categories,
    commissions,
    fetches,
    products,
    proposals,
    rules,
    stores,
    versions,
)

__all__ = [
    "categories",
    "commissions",
    "fetches",
    "products",
    "proposals",
    "rules",
    "stores",
    "versions",
]
