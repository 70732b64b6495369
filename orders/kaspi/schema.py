"""Kaspi's orders as frozen values; a row that cannot be read never ends a reading."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from orders.kaspi.fields import (
    Json,
    Notes,
    as_flag,
    as_moment,
    as_object,
    as_text,
    read_address,
    read_id,
    read_phone,
    read_quantity,
    read_tenge,
)

# The stored columns' lengths; a test holds them against the models.
ID_LENGTH = 80
CODE_LENGTH = 40
WORD_LENGTH = 60
MODE_LENGTH = 40
POINT_LENGTH = 120
REASON_LENGTH = 120
WAYBILL_LENGTH = 80
ENTRY_ID_LENGTH = 120
SKU_LENGTH = 80
NAME_LENGTH = 500
CATEGORY_LENGTH = 200
BUYER_NAME_LENGTH = 200
# A page holds a hundred orders, an order a few lines. Each row becomes an object many
# times its size, so an answer of millions would take the host's memory.
MOST_ROWS = 2_000


class UnreadableAnswer(ValueError):
    """A whole answer has not the shape the contract gives it."""


class RowRejected(ValueError):
    """One order cannot even be named; the rest of the answer can be used."""

    def __init__(self, reason: str, *, key: str) -> None:
        super().__init__(reason)
        self.key, self.reason = key, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row without id or code; `key` is what there is of them."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KaspiEntry:
    """One line. `problems` say why it cannot be reserved as it stands."""

    id: str
    sku: str
    name: str
    quantity: int | None
    price_kzt: int | None
    total_kzt: int | None
    needs_imei: bool
    masterproduct_id: str
    category: str = ""
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KaspiOrder:
    """One order. `entries` None = the answer did not hold them.

    None and empty text = not said. `problems` need a person, `remarks` are only worth
    writing down. `waybill_url` is signed anew at every reading.
    """

    id: str
    code: str
    state: str
    status: str
    created_at: datetime | None
    approved_at: datetime | None
    planned_delivery_at: datetime | None
    hand_over_by: datetime | None
    handed_over_at: datetime | None
    total_kzt: int | None
    delivery_fee_kzt: int | None
    payment_mode: str
    delivery_mode: str
    is_kaspi_delivery: bool | None
    is_express: bool | None
    is_preorder: bool | None
    needs_signature: bool | None
    is_assembled: bool | None
    is_back_at_warehouse: bool | None
    pickup_point: str
    cancellation_reason: str
    waybill_number: str
    waybill_url: str = field(repr=False)
    buyer_name: str = field(repr=False)
    buyer_phone: str = field(repr=False)
    buyer_address: str = field(repr=False)
    entries: tuple[KaspiEntry, ...] | None = None
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def with_entries(self, entries: tuple[KaspiEntry, ...]) -> KaspiOrder:
        """Give the same order with its lines."""
        return replace(self, entries=entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersPage:
    """One page of a list; `row_count` includes the bad rows."""

    orders: tuple[KaspiOrder, ...]
    bad_rows: tuple[BadRow, ...]
    page_count: int | None
    total_count: int | None

    @property
    def row_count(self) -> int:
        """Count the rows of the page, readable or not."""
        return len(self.orders) + len(self.bad_rows)


def parse_orders_page(raw: Any) -> OrdersPage:
    """Read a list of orders; raises `UnreadableAnswer` when it is none."""
    answer = _answer(raw)
    rows = answer.get("data")
    meta = as_object(answer.get("meta"))
    if rows is None and _count(meta.get("totalCount")) == 0:
        rows = []
    if not isinstance(rows, list):
        raise UnreadableAnswer(_("the list of orders is not a list"))
    if len(rows) > MOST_ROWS:
        raise UnreadableAnswer(_("the list has more rows than a page can hold"))
    included = _included(answer.get("included"))
    orders, bad_rows = [], []
    for row in rows:
        try:
            orders.append(parse_order(row, included=included))
        except RowRejected as error:
            bad_rows.append(BadRow(key=error.key, reason=error.reason))
        except Exception as error:
            # What nobody thought of: one row must not take the others with it.
            code = as_object(as_object(row).get("attributes")).get("code")
            key = as_text(code, limit=CODE_LENGTH)
            bad_rows.append(BadRow(key=key, reason=type(error).__name__))
    return OrdersPage(
        orders=tuple(orders),
        bad_rows=tuple(bad_rows),
        page_count=_count(meta.get("pageCount")),
        total_count=_count(meta.get("totalCount")),
    )


def parse_one_order(raw: Any) -> KaspiOrder:
    """Read the answer of one order."""
    answer = _answer(raw)
    included = _included(answer.get("included"))
    try:
        return parse_order(answer.get("data"), included=included)
    except RowRejected as error:
        raise UnreadableAnswer(error.reason) from None


def parse_entries(raw: Any) -> tuple[KaspiEntry, ...]:
    """Read an order's lines; an entry that comes twice counts once."""
    rows = _answer(raw).get("data")
    if not isinstance(rows, list):
        raise UnreadableAnswer(_("the list of lines is not a list"))
    if len(rows) > MOST_ROWS:
        raise UnreadableAnswer(_("the list has more rows than a page can hold"))
    return _entries(rows)


def parse_resource_id(raw: Any) -> str:
    """Read the id of the one resource an answer holds, or an empty text."""
    return read_id(as_object(_answer(raw).get("data")).get("id"))[:ENTRY_ID_LENGTH]


def parse_resource_code(raw: Any) -> str:
    """Read the `code` of the one resource an answer holds, or an empty text."""
    attributes = as_object(as_object(_answer(raw).get("data")).get("attributes"))
    return as_text(attributes.get("code"), limit=SKU_LENGTH)


def parse_echo(raw: Any) -> str:
    """Read the status that a write's answer echoes; it may be missing."""
    attributes = as_object(as_object(_answer(raw).get("data")).get("attributes"))
    return as_text(attributes.get("status"), limit=WORD_LENGTH)


def parse_cut_status(raw: Any) -> str:
    """Read the status that the answer to a cut by weight bears; it may be missing."""
    return as_text(_answer(raw).get("status"), limit=WORD_LENGTH)


def parse_error_title(raw: Any) -> str:
    """Read the first title of a JSON:API error, or an empty text."""
    errors = as_object(raw).get("errors")
    for error in errors if isinstance(errors, list) else [errors]:
        item = as_object(error)
        for name in ("title", "detail", "code"):
            words = as_text(item.get(name), limit=300)
            if words:
                return words
    return ""


def parse_order(raw: Any, *, included: dict[str, Json]) -> KaspiOrder:
    """Read one order; raises `RowRejected` without an id or a code."""
    row = as_object(raw)
    attributes = as_object(row.get("attributes"))
    order_id, code = _names(row, attributes)
    delivery = as_object(attributes.get("kaspiDelivery"))
    problems: Notes = []
    remarks: Notes = []
    return KaspiOrder(
        id=order_id,
        code=code,
        state=as_text(attributes.get("state"), limit=WORD_LENGTH),
        status=as_text(attributes.get("status"), limit=WORD_LENGTH),
        **_moments_of(attributes, delivery, remarks=remarks),
        total_kzt=read_tenge(
            attributes, "totalPrice", problems=problems, remarks=remarks
        ),
        # Not worth stopping an order for: a person is only told.
        delivery_fee_kzt=read_tenge(
            attributes, "deliveryCostForSeller", problems=remarks, remarks=remarks
        ),
        payment_mode=as_text(attributes.get("paymentMode"), limit=MODE_LENGTH),
        delivery_mode=as_text(attributes.get("deliveryMode"), limit=WORD_LENGTH),
        is_kaspi_delivery=as_flag(attributes.get("isKaspiDelivery")),
        is_express=as_flag(delivery.get("express")),
        is_preorder=as_flag(attributes.get("preOrder")),
        needs_signature=as_flag(attributes.get("signatureRequired")),
        is_assembled=as_flag(attributes.get("assembled")),
        is_back_at_warehouse=as_flag(delivery.get("returnedToWarehouse")),
        pickup_point=as_text(attributes.get("pickupPointId"), limit=POINT_LENGTH),
        cancellation_reason=as_text(
            attributes.get("cancellationReason"), limit=REASON_LENGTH
        ),
        waybill_number=as_text(delivery.get("waybillNumber"), limit=WAYBILL_LENGTH),
        waybill_url=as_text(delivery.get("waybill"), limit=2000),
        **_buyer_of(attributes),
        entries=_entries_of(row, included),
        problems=tuple(problems),
        remarks=tuple(remarks),
    )


def parse_entry(raw: Any, *, number: int) -> KaspiEntry:
    """Read one line; `number` names it when Kaspi does not."""
    row = as_object(raw)
    attributes = as_object(row.get("attributes"))
    offer = as_object(attributes.get("offer"))
    product = as_object(as_object(row.get("relationships")).get("product"))
    problems: Notes = []
    remarks: Notes = []
    entry_id = read_id(row.get("id"))
    if not entry_id or len(entry_id) > ENTRY_ID_LENGTH:
        entry_id = f"№{number}"
        problems.append(_("the line has no id at Kaspi"))
    return KaspiEntry(
        id=entry_id,
        sku=as_text(offer.get("code"), limit=SKU_LENGTH),
        name=as_text(offer.get("name"), limit=NAME_LENGTH),
        quantity=read_quantity(attributes, problems=problems),
        price_kzt=read_tenge(
            attributes, "basePrice", problems=problems, remarks=remarks
        ),
        total_kzt=read_tenge(
            attributes, "totalPrice", problems=problems, remarks=remarks
        ),
        needs_imei=bool(
            as_flag(attributes.get("isImeiRequired"))
            or as_flag(offer.get("isImeiRequired"))
        ),
        masterproduct_id=read_id(as_object(product.get("data")).get("id"))[
            :ENTRY_ID_LENGTH
        ],
        category=as_text(
            as_object(attributes.get("category")).get("title"), limit=CATEGORY_LENGTH
        ),
        problems=tuple(problems),
        remarks=tuple(remarks),
    )


def _answer(raw: Any) -> Json:
    if not isinstance(raw, dict):
        raise UnreadableAnswer(_("the answer is not an object"))
    return raw


def _names(row: Json, attributes: Json) -> tuple[str, str]:
    order_id = read_id(row.get("id"))
    code = as_text(attributes.get("code"), limit=CODE_LENGTH + 1)
    for name, value, longest in (
        ("id", order_id, ID_LENGTH),
        ("code", code, CODE_LENGTH),
    ):
        if not value or len(value) > longest:
            claim = _("an order without a readable %(name)s")
            key = (code if name == "id" else order_id)[:ID_LENGTH]
            raise RowRejected(claim % {"name": name}, key=key)
    return order_id, code


def _included(raw: Any) -> dict[str, Json]:
    rows = raw if isinstance(raw, list) else []
    return {
        read_id(row.get("id")): row
        for row in rows
        if isinstance(row, dict) and row.get("type") == "orderentries"
    }


def _entries_of(row: Json, included: dict[str, Json]) -> tuple[KaspiEntry, ...] | None:
    """Join an order with the included lines; None when any of them is missing."""
    relation = as_object(as_object(row.get("relationships")).get("entries"))
    links = relation.get("data")
    if not isinstance(links, list) or len(links) > MOST_ROWS:
        return None
    ids = [read_id(as_object(link).get("id")) for link in links]
    # No line at all is too strange to be believed without asking for them.
    if not ids or any(entry_id not in included for entry_id in ids):
        return None
    return _entries([included[entry_id] for entry_id in ids])


def _entries(rows: list[Any]) -> tuple[KaspiEntry, ...]:
    entries: dict[str, KaspiEntry] = {}
    for number, row in enumerate(rows):
        entry = parse_entry(row, number=number)
        entries.setdefault(entry.id, entry)
    return tuple(entries.values())


def _moments_of(attributes: Json, delivery: Json, *, remarks: Notes) -> dict[str, Any]:
    created_at = as_moment(attributes.get("creationDate"))
    if created_at is None:
        remarks.append(_("creationDate is missing or unreadable"))
    return {
        "created_at": created_at,
        "approved_at": as_moment(attributes.get("approvedByBankDate")),
        "planned_delivery_at": as_moment(attributes.get("plannedDeliveryDate")),
        "hand_over_by": as_moment(delivery.get("courierTransmissionPlanningDate")),
        "handed_over_at": as_moment(delivery.get("courierTransmissionDate")),
    }


def _buyer_of(attributes: Json) -> dict[str, Any]:
    customer = as_object(attributes.get("customer"))
    whole = as_text(customer.get("name"), limit=BUYER_NAME_LENGTH)
    parts = [
        as_text(customer.get(name), limit=BUYER_NAME_LENGTH)
        for name in ("firstName", "lastName")
    ]
    name = whole or " ".join(part for part in parts if part)
    return {
        "buyer_name": name[:BUYER_NAME_LENGTH],
        "buyer_phone": read_phone(customer.get("cellPhone")),
        "buyer_address": read_address(attributes.get("deliveryAddress")),
    }


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
