"""The price list's pages, and the products', which show what sells and why not."""

from __future__ import annotations

from feeds.admin import fetches, products, stores, versions

__all__ = ["fetches", "products", "stores", "versions"]
