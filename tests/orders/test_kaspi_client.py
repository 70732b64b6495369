from __future__ import annotations

import logging
import random
import socket
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from orders.kaspi.client import WeighedCut, open_client
from orders.kaspi.peer import parse_link
from plumbing.models import PeerSlot
from plumbing.peers import (
    PeerAccessRefused,
    PeerError,
    PeerOutcomeUnknown,
    PeerProtocolError,
    PeerRefused,
    PeerUnavailable,
    PeerWriteWithheld,
)

NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)
pytestmark = pytest.mark.django_db
BAD_LINKS = [
    "https://[bad/x?sign=1",
    "https://kaspi.kz:abc/w?sign=1",
    "https://kaspi.kz:99999/w?sign=1",
    "https://kaspi.kz@evil.example/w?sign=1",
    "https://login:word@kaspi.kz/w?sign=1",
    "https://evil.example\\.kaspi.kz/w?sign=1",
    "https://kaspi.kz\\@evil.example/w?sign=1",
    "\\\\evil.example\\w?sign=1",
    "https://kaspi .kz/w?sign=1",
    "https://kaspi..kz/w?sign=1",
    "https:///w?sign=1",
    "https://kaѕpi.kz/w?sign=1",  # a Cyrillic letter
]


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def client(kaspi, settings):
    settings.KASPI_TIMEOUT_S = 1
    settings.PEER_LONGEST_WAIT_S = 1
    with open_client() as made:
        yield made


def page_of(client, state="NEW", **options):
    values = {"ge": NOW - DAY, "le": NOW + DAY, "page": 0, **options}
    return client.orders_page(state, **values)


class EdgeServer(HTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Edge)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.location = ""


class Edge(BaseHTTPRequestHandler):
    """Answers one canned body and keeps the headers that came."""

    server: EdgeServer
    body = b'{"data": []}'

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        self.send_response(302 if self.server.location else 200)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args):
        pass


@pytest.fixture
def edge():
    with EdgeServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


# -- reading -----------------------------------------------------------------------


def test_a_page_brings_orders_with_their_lines_in_one_call(client, kaspi):
    made = kaspi.new_order([{"sku": "70311", "quantity": 2, "price": 15990.0}])
    page = page_of(client)
    assert (page.page_count, page.total_count) == (1, 1)
    (order,) = page.orders
    assert (order.id, order.code) == (made.id, made.code)
    assert [(e.sku, e.quantity, e.price_kzt) for e in order.entries] == [
        ("70311", 2, 15990)
    ]
    assert len(kaspi.arrivals) == 1


def test_a_page_can_be_narrowed_to_a_status(client, kaspi):
    kaspi.new_order([{"sku": "1"}])
    assert len(page_of(client, status="APPROVED_BY_BANK").orders) == 1
    assert page_of(client, status="CANCELLED").orders == ()


def test_an_order_is_found_by_code_and_by_id(client, kaspi):
    made = kaspi.new_order([{"sku": "70311"}])
    by_code = client.order_by_code(made.code)
    assert by_code.id == made.id
    assert len(by_code.entries) == 1
    assert client.order(made.id).code == made.code
    assert client.order_by_code("1") is None


def test_lines_are_read_by_the_orders_id(client, kaspi):
    made = kaspi.new_order([{"sku": "1"}, {"sku": "2"}])
    assert [entry.sku for entry in client.entries(made.id)] == ["1", "2"]


def test_a_sku_is_found_by_way_of_the_card(client, kaspi):
    made = kaspi.new_order([{"sku": "70311"}])
    entry_id = made.entry_id(made.entries[0])
    assert client.merchant_product(client.entry_product(entry_id)) == "70311"


@pytest.mark.parametrize(
    ("window", "title"),
    [
        ({"ge": NOW - 20 * DAY, "le": NOW}, r"Actual \[20\], max \[14\]"),
        ({"size": 101}, r"Exceeded the maximum page\[size\]"),
    ],
)
def test_a_refusal_carries_kaspis_own_title(client, window, title):
    with pytest.raises(PeerRefused, match=title) as caught:
        page_of(client, **window)
    assert caught.value.status_code == 400
    assert "{" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_told_at_once_and_never_shown(
    kaspi, settings, status, caplog
):
    kaspi.change_settings(refusal_status=status)
    settings.KASPI_TOKEN = "another-token-of-ours"
    with open_client() as client, pytest.raises(PeerAccessRefused) as caught:
        page_of(client)
    assert caught.value.status_code == status
    assert "refuses the token" in str(caught.value)
    assert "Authentication failed" in str(caught.value)
    assert "another-token-of-ours" not in str(caught.value) + caplog.text
    assert len(kaspi.arrivals) == 1


@pytest.mark.parametrize("call", ["read", "write"])
def test_a_block_in_the_network_is_not_taken_for_a_refused_token(client, kaspi, call):
    made = kaspi.new_order([{"sku": "1"}])
    kaspi.faults.add("html", code=403, text="<h1>Access denied</h1>")
    with pytest.raises(PeerAccessRefused, match="OUTBOUND_PROXY") as caught:
        page_of(client) if call == "read" else client.accept(made.id, code=made.code)
    assert "Access denied" in str(caught.value)
    assert "KASPI_TOKEN" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("status", {"code": 502}),
        ("stall", {"seconds": 3}),
        ("drop_after_work", {}),
        ("truncate", {"honest": False}),
    ],
)
def test_a_read_is_repeated_after_a_passing_fault(client, kaspi, fault, options):
    kaspi.new_order([{"sku": "1"}])
    kaspi.faults.add(fault, times=1, **options)
    assert len(page_of(client).orders) == 1


def test_429_is_waited_out(client, kaspi):
    kaspi.faults.add("status", code=429, retry_after=1, times=1)
    assert page_of(client).orders == ()
    assert len(kaspi.arrivals) == 2


@pytest.mark.parametrize("fault", ["html", "truncate"])
def test_an_unreadable_answer_shows_nothing_of_an_order(client, kaspi, fault, caplog):
    made = kaspi.new_order([{"sku": "1"}])
    kaspi.faults.add(fault)
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(PeerProtocolError, match="JSON") as caught,
    ):
        page_of(client)
    for personal in (made.buyer.phone, made.buyer.first_name):
        assert personal not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    "body",
    ['{"data": [], "n": 1e99999999999999999999}', '{"data": [NaN]}', "[" * 100_000],
)
def test_json_that_cannot_be_read_is_a_protocol_error(client, kaspi, body):
    kaspi.faults.add("garbage", body=body)
    with pytest.raises(PeerProtocolError, match="JSON"):
        page_of(client)


@pytest.mark.parametrize("body", ["[]", '"x"', '{"data": 5}', '{"data": {"a": 1}}'])
def test_an_answer_of_another_shape_is_a_protocol_error(client, kaspi, body):
    kaspi.faults.add("garbage", body=body)
    with pytest.raises(PeerProtocolError, match="Kaspi"):
        page_of(client)


def test_errors_in_an_answer_of_200_are_a_refusal(client, kaspi):
    kaspi.faults.add("garbage", body='{"errors": [{"title": "Not now."}]}')
    with pytest.raises(PeerRefused, match="Not now"):
        page_of(client)


def test_an_error_that_quotes_an_order_is_not_repeated(client, kaspi):
    body = '{"customer": {"cellPhone": "7000000001"}}'
    kaspi.faults.add("status", code=400, body=body)
    with pytest.raises(PeerRefused) as caught:
        page_of(client)
    assert "7000000001" not in str(caught.value)


def test_every_call_names_the_bridge_and_what_it_takes(edge, settings):
    settings.KASPI_URL = f"http://127.0.0.1:{edge.server_port}/shop/api"
    settings.KASPI_MERCHANT_UID = "30412007"
    with open_client() as client:
        page_of(client)
    ((path, headers),) = edge.seen
    assert path.startswith("/shop/api/v2/orders?page%5Bnumber%5D=0")
    assert headers["User-Agent"] == "kaspi-bridge/1.0"
    assert headers["X-Auth-Token"] == settings.KASPI_TOKEN
    assert headers["X-Merchant-Uid"] == "30412007"
    assert headers["Accept"] == headers["Content-Type"] == "application/vnd.api+json"


def test_without_its_uid_a_shop_may_be_shown_nothing(kaspi, settings):
    kaspi.change_settings(merchant_uid="30412007")
    made = kaspi.new_order([{"sku": "1"}])
    with open_client() as client:
        assert page_of(client).total_count == 0
        assert client.order_by_code(made.code) is None
    settings.KASPI_MERCHANT_UID = "30412007"
    with open_client() as client:
        assert page_of(client).total_count == 1


def test_the_merchant_uid_is_sent_only_when_it_is_set(edge, settings):
    settings.KASPI_URL = f"http://127.0.0.1:{edge.server_port}/shop/api"
    with open_client() as client:
        page_of(client)
    assert "X-Merchant-Uid" not in edge.seen[0][1]


@pytest.mark.django_db(transaction=True)
def test_calls_keep_kaspis_pace_and_use_its_slots(kaspi, settings):
    settings.KASPI_INTERVAL_S = 0.2
    with open_client() as client:
        for _ in range(4):
            page_of(client)
    assert min(kaspi.gaps()) >= 0.2
    assert PeerSlot.objects.count() == 4
    assert not PeerSlot.objects.filter(name__contains=settings.KASPI_TOKEN).exists()


# -- writing -----------------------------------------------------------------------


def test_each_write_reaches_kaspi_as_the_contract_has_it(client, kaspi):
    made = kaspi.new_order([{"sku": "1"}, {"sku": "2", "quantity": 3}], kind="kaspi")
    names = {"order_id": made.id, "code": made.code}
    assert client.accept(**names) == "ACCEPTED_BY_MERCHANT"
    entry_id = made.entry_id(made.entries[1])
    removed = client.remove_line(
        entry_id, remained_quantity=1, reason="MERCHANT_OUT_OF_STOCK", notes="нет"
    )
    assert removed == "SUCCESSFULL"
    assert client.assemble(**names, places=2) in ("ASSEMBLE", "ASSEMBLED")
    book = kaspi.orders[made.code]
    assert book.waybills[0].places == 2
    assert book.entries[1].quantity == 1
    comment = "н" * 1200
    client.cancel(**names, reason="BUYER_NOT_REACHABLE", comment=comment)
    assert kaspi.orders[made.code].status == "CANCELLED"
    assert kaspi.orders[made.code].comment == "н" * 1000


def test_each_piece_is_named_by_its_imei(client, kaspi):
    line = {"sku": "1", "quantity": 2, "needs_imei": True}
    made = kaspi.new_order([line], accepted=True)
    imei = (("490154203237518", "356938035643809"), ("352099001761481",))
    client.note_imei(made.entry_id(made.entries[0]), imei=imei)
    assert kaspi.orders[made.code].imei == [
        {"items": [{"imei": list(imei[0])}, {"imei": list(imei[1])}]}
    ]


def test_weight_is_taken_off_by_a_bare_list(client, kaspi):
    line = {"sku": "1", "quantity": 3, "unit_type": "MEASURABLE", "weight": 900.0}
    made = kaspi.new_order([line], accepted=True)
    cut = WeighedCut(
        entry_id=made.entry_id(made.entries[0]),
        remained_quantity=2,
        remained_weight_g=600,
        reason="PRODUCT_UNDERWEIGHT",
        notes="Недовес",
    )
    assert client.cut_weighed(made.id, cuts=[cut]) == "SUCCESSFUL"
    (entry,) = kaspi.orders[made.code].entries
    assert (entry.quantity, entry.weight) == (2, 600)
    (call,) = kaspi.calls("partial-cancel")
    assert call.path == f"/shop/api/orderPartialCancel/{made.id}"
    with pytest.raises(PeerRefused, match="remainedQuantity"):
        client.cut_weighed(made.id, cuts=[cut])


def test_a_hand_over_takes_the_buyers_code(client, kaspi):
    made = kaspi.new_order([{"sku": "1"}], kind="pickup", accepted=True)
    names = {"order_id": made.id, "code": made.code}
    client.send_code(**names)
    code = kaspi.orders[made.code].security_code
    with pytest.raises(PeerRefused, match="Security code is not valid"):
        client.complete(**names, security_code="x" + code)
    client.complete(**names, security_code=code)
    assert kaspi.orders[made.code].status == "COMPLETED"


def test_goods_arrive_and_come_back(client, kaspi):
    preorder = kaspi.new_order([{"sku": "1"}], preorder_days=5, accepted=True)
    client.arrived(preorder.id, code=preorder.code)
    assert "arrived" in kaspi.orders[preorder.code].marks
    back = kaspi.new_order([{"sku": "1"}], accepted=True)
    kaspi.happen(back.code, "cancel-in-transit")
    client.arrived_backward(back.id, code=back.code)
    assert kaspi.orders[back.code].status == "CANCELLED"


def test_a_forbidden_transition_is_refused_with_kaspis_words(client, kaspi):
    made = kaspi.new_order([{"sku": "1"}])
    client.accept(made.id, code=made.code)
    with pytest.raises(PeerRefused, match="cannot be changed"):
        client.accept(made.id, code=made.code)


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("status", {"code": 502, "after_work": True}),
        ("drop_after_work", {}),
        ("stall", {"seconds": 3, "after_work": True}),
        ("html", {"code": 200, "after_work": True}),
        ("truncate", {}),
    ],
)
def test_a_write_whose_answer_is_lost_is_unknown_and_not_repeated(
    client, kaspi, fault, options
):
    made = kaspi.new_order([{"sku": "1"}])
    kaspi.faults.add(fault, "accept", **options)
    with pytest.raises(PeerOutcomeUnknown):
        client.accept(made.id, code=made.code)
    assert len(kaspi.calls("accept")) == 1
    assert kaspi.orders[made.code].status == "ACCEPTED_BY_MERCHANT"


def test_observe_only_withholds_writes_and_reads_on(kaspi, settings):
    settings.OBSERVE_ONLY = True
    made = kaspi.new_order([{"sku": "1"}])
    with open_client() as client:
        assert client.order(made.id).code == made.code
        for write in (
            lambda: client.accept(made.id, code=made.code),
            lambda: client.assemble(made.id, code=made.code, places=1),
            lambda: client.send_code(made.id, code=made.code),
            lambda: client.cancel(made.id, code=made.code, reason="x", comment=""),
            lambda: client.remove_line("e", remained_quantity=0, reason="", notes=""),
        ):
            with pytest.raises(PeerWriteWithheld):
                write()
    assert [arrival.verb for arrival in kaspi.arrivals] == ["GET"]


# -- waybills ----------------------------------------------------------------------


@pytest.fixture
def packed(kaspi, client):
    kaspi.change_settings(waybill_after_s=0)
    made = kaspi.new_order([{"sku": "1"}], kind="kaspi", accepted=True)
    client.assemble(made.id, code=made.code, places=1)
    return made


def test_a_waybill_is_fetched_by_its_signed_link(client, packed):
    order = client.order(packed.id)
    assert order.waybill_number
    assert client.waybill_pdf(order.waybill_url).startswith(b"%PDF")


def test_a_relative_link_is_followed_on_kaspis_host(client, packed, kaspi):
    url = client.order(packed.id).waybill_url
    relative = url.removeprefix(kaspi.root_url)
    assert client.waybill_pdf(relative).startswith(b"%PDF")


def test_html_in_place_of_a_waybill_is_a_refusal_without_the_signature(
    client, packed, kaspi
):
    kaspi.change_settings(waybill_link_ttl_s=-1)
    url = client.order(packed.id).waybill_url
    with pytest.raises(PeerRefused, match="Link expired") as caught:
        client.waybill_pdf(url)
    assert "sign=" not in str(caught.value)


def test_a_link_that_is_forbidden_says_nothing_of_tokens_and_networks(
    client, packed, kaspi
):
    url = client.order(packed.id).waybill_url
    kaspi.faults.add("html", "waybill", code=403, text="<h1>Link expired</h1>")
    with pytest.raises(PeerRefused, match="Link expired") as caught:
        client.waybill_pdf(url)
    assert "OUTBOUND_PROXY" not in str(caught.value)


def test_a_failed_fetch_does_not_show_the_signature(client, packed, kaspi, caplog):
    url = client.order(packed.id).waybill_url
    kaspi.faults.add("status", "waybill", code=502)
    with pytest.raises(PeerUnavailable) as caught:
        client.waybill_pdf(url)
    assert "sign=" not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://elsewhere.example/w.pdf",
        "https://elsewhere.example/w.pdf",
        "https://kaspi.kz.evil.example/w.pdf",
        "https://notkaspi.kz/w.pdf",
        "https://evil.example/kaspi.kz",
        "https://a.kaspi.kz:9999/w.pdf",
        "http://kaspi.kz/w.pdf",
        "https://169.254.169.254/latest",
        "ftp://kaspi.kz/w",
        "//elsewhere.example/w",
    ],
)
def test_nobody_but_kaspi_is_asked_for_a_waybill(client, kaspi, url, monkeypatch):
    monkeypatch.setattr(client.peer, "read", None)
    with pytest.raises(PeerRefused, match="none of Kaspi's addresses"):
        client.waybill_pdf(url)
    assert client.peer.for_file(parse_link(url, base_url=client.peer.base_url)) is None
    assert kaspi.arrivals == []


def test_of_two_hundred_malformed_links_none_is_followed(client, kaspi, monkeypatch):
    dice = random.Random(7)
    called: list[str] = []

    def look_up(host, *_args, **_options):
        called.append(host)
        raise OSError("nobody is called in this test")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    pieces = [
        "https:",
        "//",
        "\\",
        "@",
        "evil.example",
        ".kaspi.kz",
        ":9",
        "#",
        "?",
        " ",
    ]
    for _link in range(200):
        link = "".join(dice.choices(pieces, k=dice.randint(2, 7)))
        with pytest.raises(PeerError):
            client.waybill_pdf(f"https://evil.example{link}")
    assert all(host.endswith(".kaspi.kz") for host in called)
    assert kaspi.arrivals == []


def test_the_port_counts_as_another_host(client, edge):
    with pytest.raises(PeerRefused, match="none of Kaspi's addresses"):
        client.waybill_pdf(f"http://127.0.0.1:{edge.server_port}/w.pdf")
    assert edge.seen == []


@pytest.mark.parametrize("url", BAD_LINKS)
def test_a_link_that_can_be_read_in_two_ways_is_followed_to_neither(
    client, kaspi, url, monkeypatch
):
    monkeypatch.setattr(client.peer, "read", None)
    with pytest.raises(PeerRefused, match="link") as caught:
        client.waybill_pdf(url)
    assert "sign=" not in str(caught.value)
    assert kaspi.arrivals == []


@pytest.mark.parametrize("location", ["https://[bad/x", "https://kaspi.kz:abc/"])
def test_a_redirect_to_a_malformed_link_is_a_protocol_error(client, edge, location):
    edge.location = location
    client.peer.base_url = f"http://127.0.0.1:{edge.server_port}/shop/api"
    with pytest.raises(PeerProtocolError, match="redirect"):
        page_of(client)


@pytest.mark.parametrize(
    "url", ["https://kaspi.kz/w.pdf", "https://files.kaspi.kz:443/w.pdf"]
)
def test_kaspis_other_hosts_are_asked_with_the_token(client, settings, url):
    peer = client.peer.for_file(parse_link(url, base_url=client.peer.base_url))
    headers = peer._session.headers
    assert headers["X-Auth-Token"] == settings.KASPI_TOKEN
    assert "User-Agent" in headers
    assert settings.KASPI_TOKEN not in peer.base_url
    # The client's own headers are as they were.
    assert client.peer._session.headers["X-Auth-Token"] == settings.KASPI_TOKEN


def test_no_error_of_any_call_shows_the_token(client, kaspi, settings, caplog):
    made = kaspi.new_order([{"sku": "1"}])
    kaspi.faults.add("status", code=500)
    shown = []
    for call in (
        lambda: page_of(client),
        lambda: client.order(made.id),
        lambda: client.accept(made.id, code=made.code),
    ):
        with caplog.at_level(logging.DEBUG), pytest.raises(PeerError) as caught:
            call()
        shown.append(str(caught.value))
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("urllib3")]
    assert settings.KASPI_TOKEN not in "".join([*shown, *ours])
