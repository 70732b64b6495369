from __future__ import annotations

import logging

import pytest

from catalog.alstyle.client import open_client, slow_down_s
from plumbing.peers import (
    PeerAccessRefused,
    PeerError,
    PeerProtocolError,
    PeerRefused,
    PeerReply,
)

pytestmark = pytest.mark.django_db


def test_each_method_reads_its_answer(alstyle, supplier_client):
    client = supplier_client
    assert client.date().count(":") == 2
    assert len(client.categories().rows) > 20
    assert client.elements_page(offset=0).total == len(alstyle.goods)
    assert len(client.quantity_price().rows) == len(alstyle.goods)
    assert client.user_data().attorneys[0]["Номер"]
    methods = [arrival.method for arrival in alstyle.arrivals]
    assert len(methods) == 5, "one method, one request"


def test_a_long_stock_list_is_read_a_part_at_a_time(
    alstyle, supplier_client, monkeypatch
):
    whole = supplier_client.quantity_price()
    monkeypatch.setattr("plumbing.json_parts.PART_BYTES", 1000)
    assert supplier_client.quantity_price() == whole
    broken = '{"1": {}, "2": <br>PHP Notice</br>' + ', "3": {}' * 1000 + "}"
    alstyle.faults.add("garbage", body=broken, times=1)
    with pytest.raises(PeerProtocolError, match="PHP Notice"):
        supplier_client.quantity_price()


def test_a_page_brings_no_more_than_the_supplier_allows(alstyle, supplier_client):
    page = supplier_client.elements_page(offset=0)
    assert len(page.elements.rows) == 250 < page.total
    rest = supplier_client.elements_page(offset=250)
    assert len(rest.elements.rows) == page.total - 250


def test_empty_maps_come_as_arrays(alstyle, supplier_client):
    alstyle.user_data.change("empty")
    assert supplier_client.user_data().bin == ""


@pytest.mark.parametrize("variant", ["403", "429", "200"])
def test_slow_down_is_heeded_in_each_of_its_forms(alstyle, supplier_client, variant):
    alstyle.faults.add("throttle", variant=variant, interval=0.01, times=2)
    assert supplier_client.categories()
    assert len(alstyle.arrivals) == 3


def test_a_403_that_stays_means_that_access_is_refused(alstyle, supplier_client):
    alstyle.faults.add("throttle", variant="403", interval=0.01)
    with pytest.raises(PeerAccessRefused):
        supplier_client.categories()
    assert len(alstyle.arrivals) == 3


def test_a_bad_token_is_not_tried_again(alstyle, settings):
    settings.ALSTYLE_TOKEN = "some-other-token"
    with open_client() as client, pytest.raises(PeerAccessRefused):
        client.categories()
    assert len(alstyle.arrivals) == 1


def test_a_refusal_in_a_good_answer_carries_the_suppliers_words(
    alstyle, supplier_client
):
    body = '{"success": false, "message": "Метод закрыт"}'
    alstyle.faults.add("garbage", body=body)
    with pytest.raises(PeerRefused, match="Метод закрыт"):
        supplier_client.quantity_price()


@pytest.mark.parametrize("code", [500, 502, 503])
def test_an_outage_is_ridden_out(alstyle, supplier_client, code):
    alstyle.faults.add("status", code=code, times=2)
    assert supplier_client.categories().rows


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("html", {}),
        ("truncate", {}),
        ("garbage", {"body": ""}),
        ("garbage", {"body": '"text"'}),
        ("garbage", {"body": "[" * 100_000}),
        ("garbage", {"body": '{"elements": NaN}'}),
        ("wrong_types", {"variant": "nulls"}),
        ("wrong_types", {"variant": "scalar"}),
        ("wrong_types", {"variant": "swapped"}),
        ("wrong_types", {"variant": "list"}),
    ],
)
def test_an_answer_of_another_shape_is_a_protocol_error(
    alstyle, supplier_client, kind, options
):
    alstyle.faults.add(kind, **options)
    with pytest.raises(PeerProtocolError, match=r"^Al-Style"):
        supplier_client.elements_page(offset=0)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"code": 401}),
        ("status", {"code": 404, "body": "echo: access-token=alstyle-test-token"}),
        ("throttle", {"variant": "403", "interval": 0.01}),
        ("status", {"code": 502}),
        ("drop_before_work", {}),
        ("stall", {"seconds": 2}),
        ("garbage", {"body": '"alstyle-test-token"'}),
        ("html", {"text": "<p>GET /api/brands?access-token=alstyle-test-token</p>"}),
    ],
)
def test_the_token_is_in_no_error_and_no_log_line(
    alstyle, settings, caplog, kind, options
):
    settings.ALSTYLE_TIMEOUT_S = 0.2
    alstyle.faults.add(kind, **options)
    caplog.set_level(logging.DEBUG)
    with open_client() as client, pytest.raises(PeerError) as caught:
        client.categories()
    chain = [caught.value, caught.value.__cause__]
    told = " ".join(map(repr, chain)) + caplog.text
    assert settings.ALSTYLE_TOKEN not in told
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("status", "body", "seconds"),
    [
        (403, b'{"success": false, "interval": 7}', 7),
        (403, b"<html>", 5),
        (429, b"", 5),
        (200, b'{"success": false, "interval": "5"}', 5),
        (200, b'{"success": false, "interval": {}}', 5),
        (200, b'{"success": true, "interval": 5}', None),
        (200, b'{"success": false}', None),
        (200, b'["interval"]', 5),
        (500, b'{"success": false, "interval": 5}', None),
    ],
)
def test_slow_down_is_told_from_other_answers(status, body, seconds):
    reply = PeerReply(
        peer="Al-Style", path="/", status_code=status, headers={}, body=body
    )
    assert slow_down_s(reply) == seconds
