"""The orders' pages."""

from __future__ import annotations

from orders.admin import findings, journals, orders, purchases

__all__ = ["findings", "journals", "orders", "purchases"]
