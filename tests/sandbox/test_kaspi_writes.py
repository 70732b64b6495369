from __future__ import annotations

import pytest
import requests

from sandbox.kaspi.life import working_deadline
from tests.sandbox.kaspiclient import Merchant, title

LINE = [{"sku": "70311", "quantity": 2, "price": 1000.0}]
WEIGHED = [{"sku": "812", "quantity": 3, "unit_type": "MEASURABLE", "weight": 900.0}]
HOUR, DAY = 3600, 86_400


@pytest.fixture
def merchant(kaspi, http):
    kaspi.settings.waybill_after_s = 0
    return Merchant(kaspi, http)


def accepted(kaspi, merchant, **options):
    order = kaspi.new_order(LINE, **options)
    assert merchant.accept(order).status_code == 200
    return order


def state_of(merchant, order):
    attributes = merchant.attributes(order.code)
    return attributes["state"], attributes["status"]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("kaspi", "KASPI_DELIVERY"),
        ("postomat", "KASPI_DELIVERY"),
        ("pickup", "PICKUP"),
        ("delivery", "DELIVERY"),
    ],
)
def test_accept_moves_the_order_to_its_section(kaspi, merchant, kind, state):
    order = kaspi.new_order(LINE, kind=kind)
    answer = merchant.accept(order)
    assert answer.json()["data"]["attributes"] == {
        "code": order.code,
        "status": "ACCEPTED_BY_MERCHANT",
    }
    assert state_of(merchant, order) == (state, "ACCEPTED_BY_MERCHANT")
    attributes = merchant.attributes(order.code)
    assert attributes["isKaspiDelivery"] is (state == "KASPI_DELIVERY")


def test_second_accept_is_refused_and_both_are_in_the_books(kaspi, merchant):
    order = accepted(kaspi, merchant)
    answer = merchant.accept(order)
    assert answer.status_code == 400
    assert title(answer)
    assert [write.ok for write in order.writes] == [True, False]
    assert kaspi.book()[0]["accepted"] == 1


def test_unsigned_credit_cannot_be_accepted_until_it_is_signed(kaspi, merchant):
    order = kaspi.new_order(LINE, credit=True)
    attributes = merchant.attributes(order.code)
    assert attributes["state"] == "SIGN_REQUIRED"
    assert attributes["signatureRequired"] is True
    assert merchant.accept(order).status_code == 400
    kaspi.clock.advance(601)
    assert merchant.accept(order).status_code == 200


def test_credit_may_be_rejected(kaspi, merchant):
    order = kaspi.new_order(LINE, credit=True, fate="unsigned")
    kaspi.clock.advance(601)
    assert state_of(merchant, order) == ("ARCHIVE", "CANCELLED")
    assert merchant.attributes(order.code)["cancellationReason"] == "RFO_REJECTED"


def test_dropped_answer_hides_an_accepted_order(kaspi, merchant):
    order = kaspi.new_order(LINE)
    kaspi.faults.add("drop_after_work", "accept", times=1)
    with pytest.raises(requests.ConnectionError):
        merchant.accept(order)
    assert state_of(merchant, order)[1] == "ACCEPTED_BY_MERCHANT"


def test_reads_lag_behind_writes_when_told(kaspi, merchant):
    kaspi.settings.write_lag_s = 30
    order = accepted(kaspi, merchant)
    assert state_of(merchant, order) == ("NEW", "APPROVED_BY_BANK")
    kaspi.clock.advance(31)
    assert state_of(merchant, order)[1] == "ACCEPTED_BY_MERCHANT"


@pytest.mark.parametrize(("express", "limit_s"), [(False, 3 * HOUR), (True, HOUR)])
def test_missed_deadline_cancels_as_out_of_stock(kaspi, merchant, express, limit_s):
    order = kaspi.new_order(LINE, express=express)
    kaspi.clock.advance(limit_s - 60)
    assert state_of(merchant, order)[0] == "NEW"
    kaspi.clock.advance(120)
    assert state_of(merchant, order) == ("ARCHIVE", "CANCELLED")
    reason = merchant.attributes(order.code)["cancellationReason"]
    assert reason == "MERCHANT_OUT_OF_STOCK"
    assert order.missed == ["accept"]
    assert merchant.accept(order).status_code == 400
    book = kaspi.book()
    assert [page["code"] for page in book if page["reason"] == reason] == [order.code]


def test_deadline_counts_working_hours_in_almaty():
    evening = 1_773_147_600  # 2026-03-10 18:00 in Almaty
    due = working_deadline(evening, 3 * HOUR, 9, 19)
    assert due == evening + HOUR + 14 * HOUR + 2 * HOUR
    assert working_deadline(evening, 3 * HOUR, 0, 24) == evening + 3 * HOUR


def test_assemble_makes_a_waybill_that_shows_later(kaspi, merchant):
    kaspi.settings.waybill_after_s = 10
    order = accepted(kaspi, merchant)
    answer = merchant.write(order, "ASSEMBLE", numberOfSpace="2")
    assert answer.json()["data"]["attributes"]["status"] in ("ASSEMBLE", "ASSEMBLED")
    attributes = merchant.attributes(order.code)
    assert attributes["assembled"] is True
    assert attributes["kaspiDelivery"]["waybill"] is None
    kaspi.clock.advance(11)
    delivery = merchant.attributes(order.code)["kaspiDelivery"]
    assert delivery["waybillNumber"].isdigit()
    pdf = merchant.send("GET", delivery["waybill"], headers={"Accept": "*/*"})
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF")
    assert pdf.content.rstrip().endswith(b"%%EOF")
    assert pdf.content.count(b"/Type /Page ") == 2


def test_waybill_link_is_signed_anew_and_dies_with_the_parcel(kaspi, merchant):
    order = accepted(kaspi, merchant)
    merchant.write(order, "ASSEMBLE", numberOfSpace="1")
    first, second = (
        merchant.attributes(order.code)["kaspiDelivery"]["waybill"] for _ in "12"
    )
    assert first != second
    for link in (first, second):
        assert merchant.send("GET", link).content.startswith(b"%PDF")
    assert merchant.send("GET", first[:-4] + "0000").text.startswith("<html>")
    kaspi.settings.waybill_link_ttl_s = -1
    assert merchant.send("GET", first).text.startswith("<html>")
    kaspi.settings.waybill_link_ttl_s = 60
    kaspi.happen(order.code, "hand-over")
    assert merchant.send("GET", second).text.startswith("<html>")


def test_waybill_needs_the_token(kaspi, merchant):
    order = accepted(kaspi, merchant)
    merchant.write(order, "ASSEMBLE", numberOfSpace="1")
    link = merchant.attributes(order.code)["kaspiDelivery"]["waybill"]
    answer = merchant.send("GET", link, headers={"X-Auth-Token": "wrong"})
    assert answer.status_code == 401


def test_repeated_assemble_makes_a_second_waybill(kaspi, merchant):
    order = accepted(kaspi, merchant)
    numbers = []
    for _ in range(2):
        merchant.write(order, "ASSEMBLE", numberOfSpace="1")
        delivery = merchant.attributes(order.code)["kaspiDelivery"]
        numbers.append(delivery["waybillNumber"])
    assert numbers[0] != numbers[1]
    assert kaspi.book()[0]["assembled_times"] == 2


@pytest.mark.parametrize("places", [1, None, "", "0", "two"])
def test_places_must_be_a_string_of_a_number(kaspi, merchant, places):
    order = accepted(kaspi, merchant)
    assert merchant.write(order, "ASSEMBLE", numberOfSpace=places).status_code == 400


def test_assemble_is_forbidden_before_accept_and_after_hand_over(kaspi, merchant):
    order = kaspi.new_order(LINE)
    assert merchant.write(order, "ASSEMBLE", numberOfSpace="1").status_code == 400
    merchant.accept(order)
    kaspi.happen(order.code, "hand-over")
    assert merchant.write(order, "ASSEMBLE", numberOfSpace="1").status_code == 400


def test_parcel_is_handed_over_carried_and_delivered(kaspi, merchant):
    order = accepted(kaspi, merchant)
    planned = order.handover_deadline
    merchant.write(order, "ASSEMBLE", numberOfSpace="1")
    kaspi.clock.advance(4 * HOUR + 60)
    delivery = merchant.attributes(order.code)["kaspiDelivery"]
    assert delivery["courierTransmissionDate"]
    fact = delivery["courierTransmissionPlanningDate"]
    assert fact == delivery["courierTransmissionDate"] != int(planned * 1000)
    kaspi.clock.advance(2 * DAY)
    assert state_of(merchant, order) == ("ARCHIVE", "COMPLETED")


def test_order_cancelled_in_transit_comes_back_and_is_fetched(kaspi, merchant):
    order = accepted(kaspi, merchant, fate="cancelled_in_transit")
    merchant.write(order, "ASSEMBLE", numberOfSpace="1")
    assert merchant.write(order, "ARRIVED_BACKWARD").status_code == 400
    kaspi.clock.advance(4 * HOUR + DAY + 60)
    assert state_of(merchant, order) == ("KASPI_DELIVERY", "CANCELLING")
    assert not merchant.attributes(order.code)["kaspiDelivery"]["returnedToWarehouse"]
    kaspi.clock.advance(DAY)
    assert merchant.attributes(order.code)["kaspiDelivery"]["returnedToWarehouse"]
    assert merchant.write(order, "ARRIVED_BACKWARD").status_code == 200
    assert state_of(merchant, order) == ("ARCHIVE", "CANCELLED")


def test_buyer_returns_a_delivered_order(kaspi, merchant):
    order = accepted(kaspi, merchant, fate="returned")
    merchant.write(order, "ASSEMBLE", numberOfSpace="1")
    kaspi.clock.advance(4 * HOUR + 5 * DAY + 60)
    assert state_of(merchant, order)[1] == "KASPI_DELIVERY_RETURN_REQUESTED"
    assert merchant.write(order, "ARRIVED_BACKWARD").status_code == 200
    assert state_of(merchant, order) == ("ARCHIVE", "RETURNED")


@pytest.mark.parametrize("fate", ["buyer_cancels_new", "buyer_cancels"])
def test_buyer_cancels_before_the_parcel_leaves(kaspi, merchant, fate):
    order = kaspi.new_order(LINE, fate=fate)
    if fate == "buyer_cancels":
        merchant.accept(order)
    kaspi.clock.advance(1000)
    assert state_of(merchant, order) == ("ARCHIVE", "CANCELLED")
    reason = merchant.attributes(order.code)["cancellationReason"]
    assert reason == "BUYER_CANCELLATION_HIMSELF"


def test_completion_takes_two_steps_with_the_buyers_code(kaspi, merchant):
    order = kaspi.new_order(LINE, kind="pickup")

    def complete(**headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return merchant.write(order, "COMPLETED", headers=named)

    assert title(complete()) == "Order is not may complete allowed"
    merchant.accept(order)
    bad_code = (
        "Security code is not valid. And the order cannot be completed without it"
    )
    sent = {"X_Send_Code": "true"}
    assert title(complete(**sent, X_Security_Code="1234")) == bad_code
    assert complete(**sent, X_Security_Code="").status_code == 200
    assert title(complete(**sent, X_Security_Code="wrong")) == bad_code
    # The code alone is not enough: the guide has X-Send-Code in both calls.
    assert title(complete(X_Security_Code=order.security_code)) == bad_code
    answer = complete(**sent, X_Security_Code=order.security_code)
    assert answer.status_code == 200
    assert state_of(merchant, order) == ("ARCHIVE", "COMPLETED")
    assert title(complete(X_Security_Code="1")) == (
        "Order already has been completed, so it can't be completed again."
    )


def test_cancelled_or_carried_orders_cannot_be_completed(kaspi, merchant):
    gone = accepted(kaspi, merchant, kind="pickup")
    kaspi.happen(gone.code, "buyer-cancel")
    answer = merchant.write(gone, "COMPLETED")
    assert title(answer) == "Order is cancelled, so it can't be completed."
    carried = accepted(kaspi, merchant)
    answer = merchant.write(carried, "COMPLETED")
    assert title(answer) == "Order is not may complete allowed"


def test_pickup_nobody_fetches_is_cancelled(kaspi, merchant):
    order = accepted(kaspi, merchant, kind="pickup")
    kaspi.clock.advance(3 * DAY + 60)
    reason = merchant.attributes(order.code)["cancellationReason"]
    assert reason == "TIMEOUT_BUYER_PICKUP"


def test_cancel_keeps_reason_and_comment(kaspi, merchant):
    order = accepted(kaspi, merchant)
    answer = merchant.write(
        order,
        "CANCELLED",
        cancellationReason="MERCHANT_OUT_OF_STOCK",
        cancellationComment="нет на складе",
    )
    assert answer.status_code == 200
    assert state_of(merchant, order) == ("ARCHIVE", "CANCELLED")
    assert order.comment == "нет на складе"
    assert (
        merchant.write(
            order, "CANCELLED", cancellationReason="BUYER_NOT_REACHABLE"
        ).status_code
        == 400
    )


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"cancellationReason": "NO_WISH"},
        {
            "cancellationReason": "BUYER_NOT_REACHABLE",
            "cancellationComment": "x" * 1001,
        },
    ],
)
def test_cancel_without_a_good_reason_is_refused(kaspi, merchant, attributes):
    order = accepted(kaspi, merchant)
    assert merchant.write(order, "CANCELLED", **attributes).status_code == 400


def test_cancel_is_too_late_once_handed_over_and_may_be_unwelcome(kaspi, merchant):
    order = accepted(kaspi, merchant)
    kaspi.settings.refuse_buyer_cancellation = True
    reason = {"cancellationReason": "BUYER_CANCELLATION_BY_MERCHANT"}
    assert merchant.write(order, "CANCELLED", **reason).status_code == 400
    kaspi.settings.refuse_buyer_cancellation = False
    kaspi.happen(order.code, "hand-over")
    assert merchant.write(order, "CANCELLED", **reason).status_code == 400


def test_preorder_waits_for_arrival_or_is_cancelled(kaspi, merchant):
    order = accepted(kaspi, merchant, preorder_days=5)
    late = accepted(kaspi, merchant, preorder_days=5)
    assert merchant.attributes(order.code)["preOrder"] is True
    kaspi.settings.arrived_404 = True
    assert merchant.write(order, "ARRIVED").status_code == 404
    kaspi.settings.arrived_404 = False
    assert merchant.write(order, "ARRIVED").status_code == 200
    kaspi.clock.advance(5 * DAY + 60)
    assert state_of(merchant, order)[1] == "ACCEPTED_BY_MERCHANT"
    assert state_of(merchant, late) == ("ARCHIVE", "CANCELLED")
    assert late.missed == ["arrive"]


def test_arrived_is_for_preorders_only(kaspi, merchant):
    order = accepted(kaspi, merchant)
    assert merchant.write(order, "ARRIVED").status_code == 400


def test_order_accepted_by_kaspi_itself_needs_no_accept(kaspi, merchant):
    order = kaspi.new_order(LINE, accepted=True)
    assert state_of(merchant, order) == ("KASPI_DELIVERY", "ACCEPTED_BY_MERCHANT")
    assert kaspi.book()[0]["accepted"] == 0


def entry_cancel(merchant, order, remained):
    line = merchant.entries(order)[0]["id"]
    data = {
        "type": "orderEntryCancelOperation",
        "attributes": {
            "remainedQuantity": remained,
            "reason": "MERCHANT_OUT_OF_STOCK",
            "notes": "",
        },
        "relationships": {"entry": {"data": {"type": "orderentries", "id": line}}},
    }
    path = "v2/orderEntryCancelOperation"
    return merchant.send("POST", path, json={"data": data})


def test_part_of_a_line_is_removed(kaspi, merchant):
    order = accepted(kaspi, merchant)
    answer = entry_cancel(merchant, order, 1)
    assert answer.json()["data"]["attributes"]["status"] == "SUCCESSFULL"
    assert merchant.entries(order)[0]["attributes"]["quantity"] == 1
    assert merchant.attributes(order.code)["totalPrice"] == 1000.0
    assert entry_cancel(merchant, order, 1).status_code == 400
    kaspi.settings.entry_cancel_lag_s = 5
    answer = entry_cancel(merchant, order, 0)
    assert answer.json()["data"]["attributes"]["status"] == "INPROGRESS"
    assert state_of(merchant, order) == ("ARCHIVE", "CANCELLED")


def test_weighed_lines_are_reduced_by_a_bare_array(kaspi, merchant):
    order = kaspi.new_order(WEIGHED, accepted=True)
    row = {
        "entry": {"id": merchant.entries(order)[0]["id"]},
        "remainedQuantity": 2,
        "remainedWeight": 700,
        "reason": "PRODUCT_UNDERWEIGHT",
        "notes": "Недовес",
    }
    path = f"orderPartialCancel/{order.id}"
    bad = [{**row, "entry": {}}, {**row, "remainedWeight": None}, {**row, "reason": ""}]
    for refused in bad:
        assert merchant.send("PUT", path, json=[refused]).status_code == 400
    answer = merchant.send("PUT", path, json=[row])
    assert answer.json() == {"orderCancelEntries": [row], "status": "SUCCESSFUL"}
    assert kaspi.arrivals[-1].method == "partial-cancel"
    attributes = merchant.entries(order)[0]["attributes"]
    assert (attributes["quantity"], attributes["weight"]) == (2, 700)
    assert merchant.send("PUT", path, json=[row]).status_code == 400
    row |= {"remainedWeight": 0}
    assert merchant.send("PUT", path, json=[row]).status_code == 200
    assert state_of(merchant, order) == ("ARCHIVE", "CANCELLED")


def test_each_piece_has_its_imei(kaspi, merchant):
    order = accepted(kaspi, merchant)
    line = merchant.entries(order)[0]["id"]

    def note(*items):
        data = {
            "type": "orderEntryImeiOperation",
            "attributes": {"items": list(items)},
            "relationships": {"entry": {"data": {"type": "orderentries", "id": line}}},
        }
        return merchant.send("POST", "v2/orderEntryImeiOperation", json={"data": data})

    one, two = {"imei": ["1"]}, {"imei": ["2", "3"]}
    for bad in ([one], [one, {"imei": []}], [one, {"imei": "2"}], [one, two, one]):
        assert note(*bad).status_code == 400
    assert note(one, two).status_code == 200
    assert order.imei == [{"items": [one, two]}]


def test_writes_need_the_right_type_id_code_and_content_type(kaspi, merchant):
    order = kaspi.new_order(LINE)
    assert merchant.write(order, "TELEPORTED").status_code == 400
    assert merchant.write(order, "ACCEPTED_BY_MERCHANT", code="1").status_code == 400
    other = {"data": {"type": "orders", "id": "nobody", "attributes": {}}}
    assert merchant.send("POST", "v2/orders", json=other).status_code == 404
    assert merchant.send("POST", "v2/orders", data=b"[").status_code == 400
    headers = {"Content-Type": "application/json"}
    answer = merchant.write(order, "ACCEPTED_BY_MERCHANT", headers=headers)
    assert answer.status_code == 415
    assert state_of(merchant, order)[0] == "NEW"


def test_life_can_be_hurried_without_moving_deadlines(kaspi, merchant):
    kaspi.settings.life_speed = 3600
    order = accepted(kaspi, merchant)
    merchant.write(order, "ASSEMBLE", numberOfSpace="1")
    kaspi.clock.advance(60)
    assert state_of(merchant, order) == ("ARCHIVE", "COMPLETED")
