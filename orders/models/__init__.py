"""Orders of Kaspi's buyers, what is held for them, and what was asked of the peers."""

from __future__ import annotations

from orders.models.order import (
    Buyer,
    MasterProduct,
    Order,
    OrderLine,
    ReadMark,
    Waybill,
)
from orders.models.step import OrderEvent, Step
from orders.models.supply import (
    CartState,
    Reservation,
    ReservationLine,
    SupplierAccount,
    SupplierOrder,
    merged_quantities,
    supplied_quantity,
)

__all__ = [
    "Buyer",
    "CartState",
    "MasterProduct",
    "Order",
    "OrderEvent",
    "OrderLine",
    "ReadMark",
    "Reservation",
    "ReservationLine",
    "Step",
    "SupplierAccount",
    "SupplierOrder",
    "Waybill",
    "merged_quantities",
    "supplied_quantity",
]
