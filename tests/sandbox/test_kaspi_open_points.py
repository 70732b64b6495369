"""What the contract leaves open at Kaspi: each point a switch."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests

from sandbox.kaspi.settings import WAYBILL_LINKS
from tests.sandbox.kaspiclient import CODE, Merchant, title

LINE = [{"sku": "70311", "quantity": 3, "price": 1000.0}]


@pytest.fixture
def merchant(kaspi, http):
    return Merchant(kaspi, http)


def test_without_the_merchants_uid_every_list_is_empty_and_fine(kaspi, merchant):
    order = kaspi.new_order(LINE)
    kaspi.settings.merchant_uid = "30412345"
    for params in ({}, {CODE: order.code}):
        answer = merchant.list(**params)
        assert answer.status_code == 200
        assert answer.json()["data"] == []
        assert answer.json()["meta"]["totalCount"] == 0
    asked = {"X-Merchant-Uid": "30412345"}
    named = merchant.send("GET", "v2/orders", headers=asked, params={CODE: order.code})
    assert named.json()["meta"]["totalCount"] == 1


@pytest.mark.parametrize("needs", [True, False])
def test_the_code_alone_may_complete(kaspi, merchant, needs):
    kaspi.settings.completing_needs_send_code = needs
    order = kaspi.new_order(LINE, kind="pickup")
    merchant.accept(order)
    merchant.write(order, "COMPLETED", {"X-Send-Code": "true", "X-Security-Code": ""})
    code = {"X-Security-Code": str(order.security_code)}
    assert merchant.write(order, "COMPLETED", code).ok is not needs


@pytest.mark.parametrize("link", sorted(set(WAYBILL_LINKS) - {"good"}))
def test_a_waybills_link_may_be_one_nobody_can_parse(kaspi, merchant, link):
    kaspi.change_settings(waybill_link=link, waybill_after_s=0)
    order = kaspi.new_order(LINE)
    merchant.accept(order)
    merchant.write(order, "ASSEMBLE", numberOfSpace="1")
    shown = merchant.attributes(order.code)["kaspiDelivery"]["waybill"]
    with pytest.raises(ValueError, match=r"(?i)port|ipv6"):
        _ = urlsplit(shown).port


def test_an_unknown_kind_of_link_is_refused(kaspi):
    with pytest.raises(ValueError, match="waybill_link is one of"):
        kaspi.change_settings(waybill_link="odd")


def test_arrived_may_not_find_the_order(kaspi, merchant):
    kaspi.settings.arrived_404 = True
    order = kaspi.new_order(LINE, preorder_days=3)
    merchant.accept(order)
    answer = merchant.write(order, "ARRIVED")
    assert (answer.status_code, title(answer)) == (404, "Order not found")


def test_kaspi_takes_pieces_of_a_line_away(kaspi, merchant):
    order = kaspi.new_order(LINE)
    kaspi.cut_line(order.code, 0, 1)
    assert merchant.entries(order)[0]["attributes"]["quantity"] == 1
    kaspi.cut_line(order.code, 0, 0)
    assert merchant.attributes(order.code)["status"] == "CANCELLED"


def test_a_lost_write_may_be_carried_out_later(kaspi, merchant):
    order = kaspi.new_order(LINE)
    kaspi.faults.add("late_work", "accept", times=1, seconds=30)
    with pytest.raises(requests.ConnectionError):
        merchant.accept(order)
    assert merchant.attributes(order.code)["status"] == "APPROVED_BY_BANK"
    kaspi.clock.advance(30)
    assert merchant.attributes(order.code)["status"] == "ACCEPTED_BY_MERCHANT"
