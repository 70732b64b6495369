"""Orders of Kaspi's buyers, what is held for them, and what was asked of the peers."""

from __future__ import annotations

from orders.models.booking import Booking
from orders.models.buyer_request import BuyerRequest
from orders.models.finding import Finding
from orders.models.order import (
    Buyer,
    MasterProduct,
    Order,
    OrderLine,
    ReadMark,
    SkuMapping,
    Waybill,
)
from orders.models.packing import ParcelCheck
from orders.models.purchase import LearnedFact, Purchase, SupplierListing
from orders.models.reason import Cause, Reason
from orders.models.step import OrderEvent, Step
from orders.models.supply import (
    Reservation,
    ReservationLine,
    SupplierAccount,
    SupplierOrder,
    merged_quantities,
    pieces_in,
    supplied_quantity,
    whole_order,
)

__all__ = [
    "Booking",
    "Buyer",
    "BuyerRequest",
    "Cause",
    "Finding",
    "LearnedFact",
    "MasterProduct",
    "Order",
    "OrderEvent",
    "OrderLine",
    "ParcelCheck",
    "Purchase",
    "ReadMark",
    "Reason",
    "Reservation",
    "ReservationLine",
    "SkuMapping",
    "Step",
    "SupplierAccount",
    "SupplierListing",
    "SupplierOrder",
    "Waybill",
    "merged_quantities",
    "pieces_in",
    "supplied_quantity",
    "whole_order",
]
