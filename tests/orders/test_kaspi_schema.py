from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.kaspi import schema
from orders.kaspi.schema import (
    UnreadableAnswer,
    parse_entries,
    parse_error_title,
    parse_one_order,
    parse_orders_page,
)
from orders.models import Buyer, Order, OrderLine

ENTRY: dict[str, Any] = {
    "type": "orderentries",
    "id": "NzAzMjE0NTg4IyMw",
    "attributes": {
        "unitType": "PIECES",
        "quantity": 2,
        "basePrice": 15990.0,
        "totalPrice": 31980.0,
        "weight": 0.0,
        "entryNumber": 0,
        "isImeiRequired": False,
        "offer": {"code": "70311", "name": "Чайник Пример 1.7 л белый"},
    },
    "relationships": {
        "product": {"data": {"type": "masterproducts", "id": "MTA0NDE3OTA1"}}
    },
}
ATTRIBUTES: dict[str, Any] = {
    "code": "703214588",
    "totalPrice": 31980.0,
    "paymentMode": "PREPAID",
    "creationDate": 1773122561000,
    "approvedByBankDate": 1773122585000,
    "plannedDeliveryDate": 1773414000000,
    "deliveryCostForSeller": 1099.0,
    "isKaspiDelivery": True,
    "deliveryMode": "DELIVERY_REGIONAL_TODOOR",
    "preOrder": False,
    "signatureRequired": False,
    "pickupPointId": "QazDemo_PP1",
    "state": "NEW",
    "status": "APPROVED_BY_BANK",
    "assembled": False,
    "kaspiDelivery": {
        "waybill": None,
        "waybillNumber": None,
        "courierTransmissionDate": None,
        "courierTransmissionPlanningDate": 1773216000000,
        "express": False,
        "returnedToWarehouse": False,
    },
    "customer": {
        "id": "NzAwMDAwMDAwMQ",
        "name": None,
        "cellPhone": "7000000001",
        "firstName": "Тест",
        "lastName": "П",
    },
    "deliveryAddress": {"formattedAddress": "Алматы, Примерная улица, 10"},
}


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"


def as_kaspi_sends(value: Any) -> Any:
    """Turn floats into exact decimals, as the peer seam does."""
    return json.loads(json.dumps(value), parse_float=Decimal)


def answer(attributes=None, entry=None, *, links=True, included=True, **row):
    resource: dict[str, Any] = {
        "type": "orders",
        "id": "NzAzMjE0NTg4",
        "attributes": {**ATTRIBUTES, **(attributes or {})},
        "relationships": {"entries": {"links": {"related": "/v2/orders/x/entries"}}},
        **row,
    }
    if links:
        ids = [{"type": "orderentries", "id": ENTRY["id"]}]
        resource["relationships"]["entries"]["data"] = ids
    line = {**ENTRY, "attributes": {**ENTRY["attributes"], **(entry or {})}}
    whole = {"data": [resource], "meta": {"pageCount": 1, "totalCount": 1}}
    return as_kaspi_sends(whole | ({"included": [line]} if included else {}))


def order_of(*args, **kwargs):
    (order,) = parse_orders_page(answer(*args, **kwargs)).orders
    return order


def entry_of(**attributes):
    return order_of(entry=attributes).entries[0]


def test_the_contracts_example_is_read_whole():
    order = order_of()
    assert (order.id, order.code) == ("NzAzMjE0NTg4", "703214588")
    assert order.created_at == datetime.fromtimestamp(1773122561, timezone.utc)
    assert order.hand_over_by == datetime.fromtimestamp(1773216000, timezone.utc)
    assert (order.total_kzt, order.delivery_fee_kzt) == (31980, 1099)
    assert order.is_kaspi_delivery is True
    assert order.is_express is False
    assert (order.buyer_name, order.buyer_phone) == ("Тест П", "7000000001")
    assert order.buyer_address == "Алматы, Примерная улица, 10"
    (entry,) = order.entries
    assert (entry.sku, entry.quantity, entry.total_kzt) == ("70311", 2, 31980)
    assert entry.masterproduct_id == "MTA0NDE3OTA1"
    assert (order.problems, order.remarks, entry.problems) == ((), (), ())


def test_a_repr_shows_nothing_of_the_buyer():
    shown = repr(order_of())
    assert "7000000001" not in shown
    assert "Тест" not in shown
    assert "Примерная" not in shown


@pytest.mark.parametrize("gap", ["missing", "null"])
def test_only_id_and_code_are_needed(gap):
    left_out = [name for name in ATTRIBUTES if name != "code"]
    raw = answer(dict.fromkeys(left_out))
    if gap == "missing":
        for name in left_out:
            del raw["data"][0]["attributes"][name]
    (order,) = parse_orders_page(raw).orders
    assert order.code == "703214588"
    assert order.is_assembled is None
    assert (order.state, order.total_kzt, order.created_at) == ("", None, None)
    assert order.problems == ()


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"id": ""},
        {"id": "x\x00"},
        {"id": "x" * 81},
        {"id": ["a"]},
        {"attributes": None},
        {"attributes": {"code": None}},
        {"attributes": {"code": "7" * 41}},
        {"attributes": []},
    ],
)
def test_a_row_without_id_or_code_is_a_bad_row_and_the_rest_is_read(broken):
    raw: dict[str, Any] = answer()
    raw["data"].append({**raw["data"][0], **broken})
    page = parse_orders_page(raw)
    assert len(page.orders) == 1
    (bad,) = page.bad_rows
    assert bad.reason
    assert page.row_count == 2


@pytest.mark.parametrize("row", [None, 5, "x", [], {}])
def test_a_row_that_is_no_order_is_a_bad_row(row):
    page = parse_orders_page({"data": [row], "meta": {}})
    assert len(page.bad_rows) == 1


@pytest.mark.parametrize(
    "raw", [None, [], "x", 5, {}, {"data": None}, {"data": {}}, {"unexpected": 1}]
)
def test_an_answer_that_is_no_list_is_never_taken_for_an_empty_one(raw):
    with pytest.raises(UnreadableAnswer):
        parse_orders_page(raw)


def test_an_empty_list_is_empty():
    assert parse_orders_page({"data": []}).row_count == 0
    nothing = {"data": None, "meta": {"totalCount": 0}}
    assert parse_orders_page(nothing).row_count == 0


def test_unknown_words_are_kept_as_they_are():
    order = order_of({"state": "ON_THE_MOON", "status": "EATEN_BY_DOG"})
    assert (order.state, order.status) == ("ON_THE_MOON", "EATEN_BY_DOG")


@pytest.mark.parametrize("phone", ["+0(000)-000-00-00", None, "", "0000000000", "—"])
def test_a_masked_phone_is_none(phone):
    assert order_of({"customer": {"cellPhone": phone}}).buyer_phone == ""


@pytest.mark.parametrize("phone", ["+7 (700) 000-00-01", "87000000001", 7000000001])
def test_a_phone_is_kept_as_its_ten_digits(phone):
    assert order_of({"customer": {"cellPhone": phone}}).buyer_phone == "7000000001"


# -- money and moments -------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "whole", "remarks"),
    [
        (31980, 31980, 0),
        (31980.0, 31980, 0),
        ("31980", 31980, 0),
        (31980.49, 31980, 1),
        (31980.5, 31981, 1),
        (0, 0, 0),
        (None, None, 0),
    ],
)
def test_totals_become_whole_tenge(value, whole, remarks):
    order = order_of({"totalPrice": value})
    assert order.total_kzt == whole
    assert len(order.remarks) == remarks
    assert order.problems == ()


@pytest.mark.parametrize("value", [-1, "abc", [], True, 10**12, "1e999"])
def test_a_total_that_is_no_sum_needs_a_person(value):
    order = order_of({"totalPrice": value})
    assert order.total_kzt is None
    assert "totalPrice" in order.problems[0]


def test_a_negative_price_needs_a_person():
    entry = entry_of(basePrice=-15990.0)
    assert entry.price_kzt is None
    assert "basePrice" in entry.problems[0]


@pytest.mark.parametrize("value", [0, -5, "soon", 10**18, True, {}, 1773122561])
def test_a_moment_that_is_none_is_left_out(value):
    order = order_of({"creationDate": value})
    assert order.created_at is None
    assert order.remarks


# -- lines -------------------------------------------------------------------------


def test_lines_are_unknown_without_the_ids_or_with_one_that_is_missing():
    assert order_of(links=False).entries is None
    assert order_of(included=False).entries is None
    raw = answer()
    raw["data"][0] = {**raw["data"][0], "relationships": None}
    assert parse_orders_page(raw).orders[0].entries is None
    raw = answer()
    raw["data"][0]["relationships"]["entries"]["data"].append({"id": "elsewhere"})
    assert parse_orders_page(raw).orders[0].entries is None
    raw["data"][0]["relationships"]["entries"]["data"] = []
    assert parse_orders_page(raw).orders[0].entries is None


@pytest.mark.parametrize("value", [0, -3, 1.5, "abc", None, True, [], 10**12])
def test_a_quantity_that_is_not_whole_pieces_needs_a_person(value):
    entry = entry_of(quantity=value)
    assert entry.quantity is None
    assert "quantity" in entry.problems[0]


@pytest.mark.parametrize("value", [2, 2.0, "2"])
def test_a_whole_quantity_is_read_however_it_is_written(value):
    assert entry_of(quantity=value).quantity == 2


@pytest.mark.parametrize("unit", ["MEASURABLE", "MEASURABLE_PIECES"])
def test_weighed_goods_need_a_person(unit):
    entry = entry_of(unitType=unit, quantity=1.25)
    assert entry.quantity is None
    assert unit in entry.problems[0]


def test_a_line_without_an_offer_keeps_the_way_to_its_card():
    entry = entry_of(offer=None)
    assert (entry.sku, entry.masterproduct_id) == ("", "MTA0NDE3OTA1")


@pytest.mark.parametrize(
    "attributes",
    [
        {"isImeiRequired": True},
        {"offer": {"code": "1", "isImeiRequired": True}},
    ],
)
def test_imei_is_asked_for_in_either_place(attributes):
    assert entry_of(**attributes).needs_imei is True


def test_a_line_that_comes_twice_counts_once():
    assert len(parse_entries({"data": [ENTRY, ENTRY]})) == 1


@pytest.mark.parametrize("row", [None, {}, {"id": "", "attributes": None}, 5])
def test_a_line_without_an_id_is_kept_and_needs_a_person(row):
    first, second = parse_entries({"data": [row, ENTRY]})
    assert first.problems
    assert first.id
    assert second.sku == "70311"


# -- the rest ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ({"errors": [{"title": "No."}, {"title": "Nor that."}]}, "No."),
        ({"errors": [{"detail": "Because."}]}, "Because."),
        ({"errors": {"title": "Single."}}, "Single."),
        ({"errors": []}, ""),
        ({"errors": None}, ""),
        ({"errors": ["x"]}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_first_error_title_is_found(raw, title):
    assert parse_error_title(raw) == title


@pytest.mark.parametrize(
    ("length", "model", "column"),
    [
        ("ID_LENGTH", Order, "kaspi_id"),
        ("CODE_LENGTH", Order, "code"),
        ("WORD_LENGTH", Order, "state"),
        ("WORD_LENGTH", Order, "status"),
        ("WORD_LENGTH", Order, "delivery_mode"),
        ("MODE_LENGTH", Order, "payment_mode"),
        ("POINT_LENGTH", Order, "pickup_point"),
        ("REASON_LENGTH", Order, "cancellation_reason"),
        ("WAYBILL_LENGTH", Order, "waybill_number"),
        ("ENTRY_ID_LENGTH", OrderLine, "entry_id"),
        ("SKU_LENGTH", OrderLine, "sku"),
        ("NAME_LENGTH", OrderLine, "name"),
        ("BUYER_NAME_LENGTH", Buyer, "name"),
    ],
)
def test_lengths_are_the_columns(length, model, column):
    assert getattr(schema, length) == model._meta.get_field(column).max_length


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*ATTRIBUTES, *ENTRY["attributes"], "id", "data", "title"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


# Its tables of characters are made at the first draw.
patient = settings(
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    ],
    deadline=None,
)


@patient
@given(
    attributes=st.dictionaries(st.sampled_from([*ATTRIBUTES]), JSON, max_size=6),
    entry=st.dictionaries(st.sampled_from([*ENTRY["attributes"]]), JSON, max_size=6),
)
def test_no_value_of_any_attribute_stops_a_reading(attributes, entry):
    raw = answer()
    raw["data"][0]["attributes"] |= attributes | {"code": "703214588"}
    raw["included"][0]["attributes"] |= entry
    (order,) = parse_orders_page(raw).orders
    assert order.total_kzt is None or type(order.total_kzt) is int
    (line,) = order.entries or ()
    assert line.quantity is None or line.quantity >= 1
    assert line.quantity is not None or line.problems


@patient
@given(JSON)
def test_an_answer_is_read_or_refused_and_never_crashes(raw):
    for parse in (parse_orders_page, parse_one_order, parse_entries):
        try:
            parse(raw)
        except UnreadableAnswer as error:
            assert str(error)


def test_a_list_of_millions_is_refused_before_a_row_of_it_is_read():
    """Each row becomes an object many times its size: 16 MiB of zeros took 1.6 GiB."""
    many = [0] * (schema.MOST_ROWS + 1)
    for parse in (schema.parse_orders_page, schema.parse_entries):
        with pytest.raises(schema.UnreadableAnswer, match="more rows"):
            parse({"data": many, "meta": {"totalCount": len(many)}})
    assert len(schema.parse_orders_page({"data": many[1:]}).bad_rows) == len(many) - 1
