"""What Kaspi says of an order, as our rows hold it; nothing here is saved or asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from catalog.models import Product
from orders.kaspi.schema import KaspiEntry, KaspiOrder
from orders.models import Buyer, Order, OrderLine
from orders.working_time import accept_deadline

STATES = (
    Order.NEW,
    Order.SIGN_REQUIRED,
    Order.PICKUP,
    Order.DELIVERY,
    Order.KASPI_DELIVERY,
    Order.ARCHIVE,
)
STATUSES = (
    Order.APPROVED,
    Order.ACCEPTED,
    Order.COMPLETED,
    Order.CANCELLED,
    Order.CANCELLING,
    Order.RETURN_REQUESTED,
    Order.RETURN_ACCEPTED,
    Order.RETURNED,
)
# Named alike here and at Kaspi's client.
SAME = (
    "state",
    "status",
    "total_kzt",
    "delivery_fee_kzt",
    "payment_mode",
    "delivery_mode",
    "is_kaspi_delivery",
    "is_express",
    "is_preorder",
    "needs_signature",
    "pickup_point",
    "cancellation_reason",
    "approved_at",
    "planned_delivery_at",
    "handed_over_at",
    "is_assembled",
    "is_back_at_warehouse",
    "waybill_number",
)
LINE_FACTS = ("name", "quantity", "price_kzt", "total_kzt", "needs_imei", "problem")
# Ours, or said better by the other changes.
UNTOLD = ("ended_at", "accept_by", "problem", "planned_delivery_at", "kaspi_id")

Products = Mapping[str, Product]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that is no longer what it was."""

    label: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.label}: {_shown(self.old)} → {_shown(self.new)}"


def order_of(seen: KaspiOrder, *, now: datetime, read_at: datetime) -> Order:
    """Make the row of a new order, unsaved."""
    order = Order(
        kaspi_id=seen.id,
        code=seen.code,
        created_at=seen.created_at or now,
        first_seen=now,
        last_seen=read_at,
    )
    for name, value in facts_of(seen, order, now=now).items():
        setattr(order, name, value)
    return order


def facts_of(seen: KaspiOrder, order: Order, *, now: datetime) -> dict[str, Any]:
    """List what the order's row should hold; what Kaspi leaves out is left alone."""
    facts = {
        name: value
        for name in SAME
        if (value := getattr(seen, name)) is not None and value != ""
    }
    facts["kaspi_id"] = seen.id
    if order.hand_over_by is None and seen.hand_over_by is not None:
        facts["hand_over_by"] = seen.hand_over_by
    state, status = seen.state or order.state, seen.status or order.status
    if status == Order.APPROVED and state != Order.SIGN_REQUIRED:
        facts["accept_by"] = accept_deadline(
            seen.approved_at or order.approved_at or order.created_at,
            is_express=facts.get("is_express", order.is_express),
        )
    if not has_ended(state, status):
        facts["ended_at"] = None
    elif order.ended_at is None:
        facts["ended_at"] = now
    return facts


def has_ended(state: str, status: str) -> bool:
    """Tell whether nothing but a return can change the order."""
    if status in Order.ENDED:
        return True
    return state == Order.ARCHIVE and status not in Order.CALLED_OFF


def line_of(order: Order, entry: KaspiEntry, *, products: Products) -> OrderLine:
    """Make the row of a line, unsaved."""
    return OrderLine(
        order=order,
        entry_id=entry.id,
        sku=entry.sku,
        product=products.get(entry.sku),
        **_line_facts(entry, product=products.get(entry.sku)),
    )


def line_changes(
    line: OrderLine, entry: KaspiEntry, *, products: Products
) -> list[Change]:
    """Set the line to what Kaspi says now and list what changed.

    A product once found stays: a SKU mapped anew must not change what was bought.
    """
    product = line.product or products.get(entry.sku or line.sku)
    facts = _line_facts(entry, product=product)
    facts["sku"] = entry.sku or line.sku
    facts["name"] = entry.name or line.name
    changes = set_facts(line, facts, label=facts["sku"] or entry.id)
    if line.product_id is None and product is not None:
        line.product = product
        changes.append(Change(label=facts["sku"], old=None, new=str(product)))
    return changes


def removal_of(line: OrderLine) -> list[Change]:
    """Set a line that Kaspi no longer has to no pieces and say so."""
    label = line.sku or line.entry_id
    return set_facts(line, {"quantity": 0, "problem": ""}, label=label)


def order_problem(seen: KaspiOrder, lines: Iterable[OrderLine], *, state: str) -> str:
    """Say in sentences what a person must look at; empty when nothing."""
    found = list(seen.problems)
    if seen.status and seen.status not in STATUSES:
        claim = _("Kaspi's status %(status)s is unknown to the bridge")
        found.append(claim % {"status": seen.status})
    if state not in STATES:
        claim = _("Kaspi's section %(state)s is unknown to the bridge")
        found.append(claim % {"state": state or "—"})
    lines = list(lines)
    if not lines and seen.entries is not None:
        found.append(_("The order has no lines at Kaspi"))
    found += [
        f"{line.sku or line.entry_id}: {line.problem}" for line in lines if line.problem
    ]
    return "\n".join(dict.fromkeys(found))


def buyer_of(seen: KaspiOrder) -> dict[str, str]:
    """List what is known of the buyer; masked and missing values are left out."""
    known = {
        "name": seen.buyer_name,
        "phone": seen.buyer_phone,
        "address": seen.buyer_address,
    }
    return {name: value for name, value in known.items() if value}


def new_buyer(order: Order, seen: KaspiOrder) -> Buyer | None:
    """Make the row of the buyer, unsaved; None when nothing is known."""
    known = buyer_of(seen)
    return Buyer(order=order, **known) if known else None


def set_facts(row: Model, facts: Mapping[str, Any], *, label: str = "") -> list[Change]:
    """Set what differs on the row, without saving, and list it."""
    changes = []
    for name, new in facts.items():
        old = getattr(row, name)
        if old == new:
            continue
        setattr(row, name, new)
        if name in UNTOLD:
            continue
        words = str(row._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
        words = f"{label}, {words}" if label else words
        changes.append(Change(label=words, old=old, new=new))
    return changes


def _line_facts(entry: KaspiEntry, *, product: Product | None) -> dict[str, Any]:
    found = list(entry.problems)
    if product is None and entry.sku:
        found.append(_("none of our products has this SKU"))
    elif product is None and not found:
        found.append(_("Kaspi does not say which product it is"))
    return {
        "name": entry.name,
        "quantity": entry.quantity,
        "price_kzt": entry.price_kzt,
        "total_kzt": entry.total_kzt,
        "needs_imei": entry.needs_imei,
        "problem": "; ".join(found),
    }


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return formats.date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT")
    return str(value)
