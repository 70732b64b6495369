"""The orders' pages."""

from __future__ import annotations

from orders.admin import earnings, findings, journals, orders, purchases, sku_mappings

__all__ = ["earnings", "findings", "journals", "orders", "purchases", "sku_mappings"]
