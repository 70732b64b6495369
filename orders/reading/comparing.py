"""Compares an order with what Kaspi says of it; nothing here is saved or asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from catalog.models import Product
from orders.kaspi.schema import KaspiEntry, KaspiOrder
from orders.kaspi.words import said
from orders.models import Buyer, Order, OrderLine
from orders.working_time import accept_deadline, collect_deadline

# Named alike in our row and in Kaspi's client.
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
# Ours, or said better by the other changes.
UNTOLD = (
    *("ended_at", "accept_by", "arrive_by", "collect_by", "fetch_by"),
    *("problem", "planned_delivery_at", "kaspi_id", "kaspi_category"),
    *("absent_since", "absent_readings"),
)
# Said in the staff's language.
KASPIS_WORDS = (
    *("state", "status", "payment_mode", "delivery_mode"),
    "cancellation_reason",
)
# Kaspi's: what is not fetched in time is disposed of, what does not arrive cancelled.
FETCH_WITHIN = timedelta(days=30)
LONGEST_PREORDER = timedelta(days=30)

Products = Mapping[str, Product]
Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What our rows must be set to for them to say what Kaspi says.

    `order`, `lines` and `buyer` hold only values that differ; `new_lines` are unsaved.
    False when nothing differs.
    """

    order: Values
    lines: list[tuple[OrderLine, Values]]
    new_lines: list[OrderLine]
    buyer: Values

    def __bool__(self) -> bool:
        return bool(self.order or self.lines or self.new_lines or self.buyer)

    @property
    def concerns_goods(self) -> bool:
        """Tell whether what is to be reserved may be another now."""
        return bool(self.lines or self.new_lines)


def compare(
    order: Order,
    lines: Iterable[OrderLine],
    buyer: Buyer | None,
    seen: KaspiOrder,
    *,
    products: Products,
    now: datetime,
) -> Difference:
    """Compare the rows of an order with what was seen; what Kaspi leaves out is kept.

    A new order is compared as an empty row: everything differs.
    """
    lines = list(lines)
    changed, new = _compare_lines(order, lines, seen, products=products)
    values = _order_values(seen, order, now=now)
    state = values.get("state", order.state)
    values["problem"] = _problem(
        seen, [*_as_changed(lines, changed), *_told(new)], state
    )
    return Difference(
        order=_differing(order, values),
        lines=changed,
        new_lines=new,
        buyer=_buyer_values(order, buyer, seen),
    )


def _differing(row: Model, values: Values) -> Values:
    return {name: new for name, new in values.items() if getattr(row, name) != new}


def _order_values(seen: KaspiOrder, order: Order, *, now: datetime) -> Values:
    values: Values = {
        name: value
        for name in SAME
        if (value := getattr(seen, name)) is not None and value != ""
    }
    values["kaspi_id"] = seen.id
    values["absent_since"], values["absent_readings"] = None, 0
    if order.hand_over_by is None and seen.hand_over_by is not None:
        values["hand_over_by"] = seen.hand_over_by
    after = _after(order, seen)
    if after.awaits_accept:
        values["accept_by"] = accept_deadline(
            seen.approved_at or order.approved_at or order.created_at,
            is_express=values.get("is_express", order.is_express),
        )
    values |= _deadlines(order, values, after, now=now)
    if not after.has_ended:
        values["ended_at"] = None
    elif order.ended_at is None:
        values["ended_at"] = now
    return values


def _deadlines(order: Order, values: Values, after: Order, *, now: datetime) -> Values:
    """Work out the deadlines that Kaspi does not name; the first seeing counts."""
    known: Values = {}
    is_accepted = after.status == Order.ACCEPTED
    is_here = after.state == Order.PICKUP and not after.awaits_arrival
    if order.collect_by is None and is_accepted and is_here:
        known["collect_by"] = collect_deadline(now)
    if order.fetch_by is None and after.comes_back:
        known["fetch_by"] = now + FETCH_WITHIN
    if values.get("is_preorder", order.is_preorder):
        named = (
            values.get(name, getattr(order, name))
            for name in ("hand_over_by", "planned_delivery_at")
        )
        latest = order.created_at + LONGEST_PREORDER
        known["arrive_by"] = min([latest, *filter(None, named)])
    return known


def _after(order: Order, seen: KaspiOrder) -> Order:
    """Give an order as far on as this one will be; a rule asks it."""
    flags = {
        name: getattr(order, name) if (told := getattr(seen, name)) is None else told
        for name in ("is_preorder", "is_assembled")
    }
    return Order(
        state=seen.state or order.state,
        status=seen.status or order.status,
        arrived_at=order.arrived_at,
        **flags,
    )


def _compare_lines(
    order: Order, lines: list[OrderLine], seen: KaspiOrder, *, products: Products
) -> tuple[list[tuple[OrderLine, Values]], list[OrderLine]]:
    # An answer without any line is a gap in it, not an order emptied.
    if not seen.entries:
        return [], []
    entries = {entry.id: entry for entry in seen.entries}
    changed = []
    for line in lines:
        entry = entries.pop(line.entry_id, None)
        if entry is None:
            values: Values = {"quantity": 0, "problem": ""}
        else:
            # A product once found stays: a SKU mapped anew must not change what was
            # bought.
            product = line.product or products.get(entry.sku or line.sku)
            values = _line_values(entry, product=product)
            values["sku"] = entry.sku or line.sku
            values["name"] = entry.name or line.name
            values["kaspi_category"] = entry.category or line.kaspi_category
            values["product"] = product
        if differing := _differing(line, values):
            changed.append((line, differing))
    new = []
    for entry in entries.values():
        product = products.get(entry.sku)
        values = _line_values(entry, product=product)
        new.append(
            OrderLine(
                order=order, entry_id=entry.id, sku=entry.sku, product=product, **values
            )
        )
    return changed, new


def _line_values(entry: KaspiEntry, *, product: Product | None) -> Values:
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
        "kaspi_category": entry.category,
        "problem": "; ".join(found),
    }


def _buyer_values(order: Order, buyer: Buyer | None, seen: KaspiOrder) -> Values:
    """Masked and missing values are left out; after the end the data are let rest.

    What was erased on request is not taken in again, whatever becomes of the order.
    """
    known = {
        "name": seen.buyer_name,
        "phone": seen.buyer_phone,
        "address": seen.buyer_address,
    }
    known = {name: value for name, value in known.items() if value}
    # A new order is taken in with its buyer, ended or not.
    is_new = order.pk is None
    is_over = not is_new and _after(order, seen).has_ended
    if is_over or order.buyer_erased_at is not None:
        return {}
    return known if buyer is None else _differing(buyer, known)


def _as_changed(
    lines: Iterable[OrderLine], changed: Iterable[tuple[OrderLine, Values]]
) -> Iterator[tuple[str, str]]:
    """Give name and problem of each line as they will be."""
    values_of = {id(line): values for line, values in changed}
    for line in lines:
        values = values_of.get(id(line), {})
        sku = values.get("sku", line.sku)
        yield sku or line.entry_id, values.get("problem", line.problem)


def _told(lines: Iterable[OrderLine]) -> Iterator[tuple[str, str]]:
    for line in lines:
        yield line.sku or line.entry_id, line.problem


def _problem(
    seen: KaspiOrder, problems_of_lines: list[tuple[str, str]], state: str
) -> str:
    """Say in sentences what a person must look at; empty when nothing."""
    found = list(seen.problems)
    if seen.status and seen.status not in Order.STATUSES:
        claim = _("Kaspi's status %(status)s is unknown to the bridge")
        found.append(claim % {"status": seen.status})
    if state not in Order.STATES:
        claim = _("Kaspi's section %(state)s is unknown to the bridge")
        found.append(claim % {"state": state or "—"})
    if not problems_of_lines and seen.entries is not None:
        found.append(_("The order has no lines at Kaspi"))
    found += [f"{name}: {problem}" for name, problem in problems_of_lines if problem]
    return "\n".join(dict.fromkeys(found))


def describe(difference: Difference, order: Order, *, had_buyer: bool) -> str:
    """Say for the order's events what changed; call before the rows are set.

    Of the buyer it is only said that something changed.
    """
    told = [*_described(order, difference.order)]
    for line, values in difference.lines:
        label = values.get("sku", line.sku) or line.entry_id
        told += _described(line, values, label=label)
    told += [f"{_('new line')}: — → {line}" for line in difference.new_lines]
    if difference.buyer:
        words, old = _("buyer's data"), "***" if had_buyer else "—"
        told.append(f"{words}: {old} → ***")
    return "; ".join(told)


def _described(row: Model, values: Values, *, label: str = "") -> Iterator[str]:
    for name, new in values.items():
        if name in UNTOLD:
            continue
        old = getattr(row, name)
        if name == "product":
            yield f"{label}: {_shown(old)} → {_shown(new)}"
            continue
        words = str(row._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
        words = f"{label}, {words}" if label else words
        say = said if name in KASPIS_WORDS else _shown
        yield f"{words}: {say(old) or '—'} → {say(new) or '—'}"


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, datetime):
        return formats.date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT")
    return str(value)
