"""The orders' pages."""

from __future__ import annotations

from orders.admin import (
    buyer_requests,
    earnings,
    findings,
    journals,
    orders,
    purchases,
    sku_mappings,
)

__all__ = [
    "buyer_requests",
    "earnings",
    "findings",
    "journals",
    "orders",
    "purchases",
    "sku_mappings",
]
