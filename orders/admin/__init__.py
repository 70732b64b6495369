"""The orders' pages."""

from __future__ import annotations

from orders.admin import findings, journals, orders, purchases, sku_mappings

__all__ = ["findings", "journals", "orders", "purchases", "sku_mappings"]
