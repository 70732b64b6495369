"""The orders' pages."""

from __future__ import annotations

from orders.admin import journals, orders, purchases

__all__ = ["journals", "orders", "purchases"]
