"""An order as Kaspi keeps it."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field
from typing import Any

KINDS = ("kaspi", "postomat", "pickup", "delivery")
FATES = (
    "fulfil",
    "unsigned",
    "buyer_cancels_new",
    "buyer_cancels",
    "cancelled_in_transit",
    "never_collected",
    "returned",
)
STATE_OF_KIND = {
    "kaspi": "KASPI_DELIVERY",
    "postomat": "KASPI_DELIVERY",
    "pickup": "PICKUP",
    "delivery": "DELIVERY",
}
APPROVED = "APPROVED_BY_BANK"
ACCEPTED = "ACCEPTED_BY_MERCHANT"
COMPLETED = "COMPLETED"
CANCELLED = "CANCELLED"
CANCELLING = "CANCELLING"
RETURN_REQUESTED = "KASPI_DELIVERY_RETURN_REQUESTED"
RETURNED = "RETURNED"
OUT_OF_STOCK = "MERCHANT_OUT_OF_STOCK"
MASKED_PHONE = "+0(000)-000-00-00"


def to_id(text: str) -> str:
    """Return an id as Kaspi writes them: base64 without padding."""
    return base64.b64encode(text.encode()).decode().rstrip("=")


def product_number(sku: str) -> str:
    """Return Kaspi's own number of a product card."""
    return str(100_000_000 + zlib.crc32(sku.encode()) % 900_000_000)


@dataclass(slots=True, kw_only=True)
class Buyer:
    first_name: str
    last_name: str
    phone: str

    @property
    def id(self) -> str:
        """Return the customer id, which encodes the phone."""
        return to_id(self.phone)


@dataclass(slots=True, kw_only=True)
class Entry:
    """One line. `raw` is laid over the attributes; `shows_product` False hides both
    ways to the SKU.
    """

    number: int
    sku: str
    name: str
    quantity: float
    price: float
    unit_type: str = "PIECES"
    weight: float = 0.0
    needs_imei: bool = False
    shows_offer: bool = True
    shows_product: bool = True
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return round(self.quantity * self.price, 2)


@dataclass(slots=True, kw_only=True)
class Waybill:
    """One waybill; each ASSEMBLE makes another."""

    number: str
    places: int
    issued: float
    ready_at: float


@dataclass(slots=True, kw_only=True)
class Write:
    """One write as it was received. `at` is monotonic, `clock` the sandbox's."""

    at: float
    clock: float
    status: str
    ok: bool
    title: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class KaspiOrder:
    """One order; times are the sandbox's clock, in seconds.

    `marks`: when it was accepted, assembled, handed, completed, cancelling, returned.
    `raw` is laid over the attributes, `omit` are attributes left out, `frozen` stops
    time for it. `missed` lists the deadlines it missed.
    """

    code: str
    entries: list[Entry]
    buyer: Buyer
    created: float
    at: float
    kind: str = "kaspi"
    fate: str = "fulfil"
    express: bool = False
    preorder_days: int | None = None
    city: str = "750000000"
    payment_mode: str = "PREPAID"
    credit_term: int | None = None
    signature_required: bool = False
    delivery_cost: float = 0.0
    fee: float = 0.0
    state: str = "NEW"
    status: str = APPROVED
    approved: float | None = None
    deadline: float = 0.0
    planned_delivery: float = 0.0
    handover_deadline: float | None = None
    assembled: bool = False
    waybills: list[Waybill] = field(default_factory=list)
    returned_to_warehouse: bool = False
    reason: str | None = None
    comment: str = ""
    security_code: str | None = None
    imei: list[Any] = field(default_factory=list)
    marks: dict[str, float] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    masked_phone: bool = False
    shows_entries: bool = True
    raw: dict[str, Any] = field(default_factory=dict)
    omit: list[str] = field(default_factory=list)
    frozen: bool = False
    stale: tuple[float, str, str, bool] | None = None

    @property
    def id(self) -> str:
        return to_id(self.code)

    @property
    def total(self) -> float:
        return round(sum(entry.total for entry in self.entries), 2)

    @property
    def is_kaspi_delivery(self) -> bool:
        return self.kind in ("kaspi", "postomat")

    @property
    def handed(self) -> bool:
        """Say whether the parcel has left the shop."""
        return "handed" in self.marks

    @property
    def ended(self) -> bool:
        """Say whether nothing but a return can happen to it any more."""
        return self.state == "ARCHIVE"

    def entry_id(self, entry: Entry) -> str:
        return to_id(f"{self.code}##{entry.number}")

    def view(self, now: float) -> tuple[str, str, bool]:
        """Return state, status and assembled as reads show them now."""
        if self.stale is not None and now < self.stale[0]:
            return self.stale[1:]
        return self.state, self.status, self.assembled

    def accepted_writes(self, status: str) -> list[Write]:
        """Return the writes of one status that were carried out."""
        return [w for w in self.writes if w.ok and w.status == status]
