from __future__ import annotations

import base64

import pytest

from sandbox import KaspiServer, wait_until
from sandbox.kaspi.pricelist import PriceListRefused, read_price_list
from tests.sandbox.feedhost import FeedHost, offer, price_list


@pytest.fixture
def host():
    with FeedHost(offer(), offer("812", "Лампа & подставка", stock=40)) as server:
        yield server


def test_good_list_becomes_the_picture(kaspi, host):
    kaspi.set_feed(host.url)
    fetch = kaspi.fetch_now()

    assert (fetch.outcome, fetch.status, fetch.offers) == ("loaded", 200, 2)
    assert fetch.on_sale == fetch.added == 2
    found = kaspi.picture["812"]
    assert (found.model, found.price, found.stock) == ("Лампа & подставка", 15990, 40)
    assert found.available
    assert "Kaspi" in host.requests[0].header("User-Agent")


def test_unchanged_list_is_asked_for_by_etag(kaspi, host):
    kaspi.set_feed(host.url)
    host.reply.headers["ETag"] = '"abc"'
    assert [kaspi.fetch_now().outcome for _ in range(2)] == ["loaded", "unchanged"]
    assert host.requests[1].header("If-None-Match") == '"abc"'
    assert len(kaspi.picture) == 2


def test_refused_list_is_asked_for_again_in_full(kaspi, host):
    kaspi.set_feed(host.url)
    host.serve_bytes(b"<html>", ETag='"bad"')
    assert [kaspi.fetch_now().outcome for _ in range(2)] == ["refused", "refused"]


def test_basic_auth_is_sent_when_set(kaspi, host):
    kaspi.set_feed(host.url, "kaspi", "pass:word")
    kaspi.fetch_now()
    sent = host.requests[0].header("Authorization").removeprefix("Basic ")
    assert base64.b64decode(sent) == b"kaspi:pass:word"


def test_missing_offer_is_withdrawn_and_comes_back(kaspi, host):
    kaspi.set_feed(host.url)
    kaspi.fetch_now()
    host.serve_offers(offer())
    assert kaspi.fetch_now().withdrawn == 1
    assert set(kaspi.picture) == {"70311"}
    assert set(kaspi.reader.withdrawn) == {"812"}
    host.serve_offers(offer(), offer("812"))
    kaspi.fetch_now()
    assert not kaspi.reader.withdrawn


@pytest.mark.parametrize(
    ("spoil", "outcome"),
    [
        (lambda host: host.serve_bytes(b"", status=503), "failed"),
        (lambda host: host.serve_bytes(b"", status=302, Location="/x"), "failed"),
        (lambda host: host.serve_bytes(b"<html>"), "refused"),
        (lambda host: host.serve_bytes(b""), "refused"),
        (lambda host: host.serve_offers(), "refused"),
        (lambda host: host.serve_bytes(price_list([offer()])[:-40]), "refused"),
        (lambda host: host.serve_bytes(price_list([offer()], "Other")), "refused"),
    ],
)
def test_bad_fetch_keeps_the_last_list_and_records_why(kaspi, host, spoil, outcome):
    kaspi.set_feed(host.url)
    kaspi.fetch_now()
    spoil(host)
    fetch = kaspi.fetch_now()

    assert fetch.outcome == outcome
    assert fetch.errors
    assert set(kaspi.picture) == {"70311", "812"}


def test_unreachable_host_is_a_failed_fetch(kaspi):
    with FeedHost(offer()) as gone:
        kaspi.set_feed(gone.url)
    assert kaspi.fetch_now().outcome == "failed"


@pytest.mark.parametrize(
    "bad",
    [
        [offer("")],
        [offer("1"), offer("1")],
        [offer("артикул")],
        [offer("x" * 21)],
        [offer("a b")],
        [offer(price=0)],
        [offer(price="1.5")],
        [offer(price=-1)],
        [offer(stock=-1)],
        [offer(model="")],
        [offer(model="  ")],
        [offer(preorder=31)],
        [offer(preorder=0)],
        [offer(store="")],
        [offer().replace("<brand>", "<colour>x</colour><brand>")],
        [offer().replace("<price>15990</price>", "")],
        [],
    ],
)
def test_broken_offer_refuses_the_whole_file(bad):
    with pytest.raises(PriceListRefused) as refused:
        read_price_list(price_list([offer("good"), *bad] if bad else []))
    assert refused.value.reasons


def test_dashes_in_a_sku_are_a_warning_only():
    found = read_price_list(price_list([offer("A_1-b")]))
    assert found.warnings
    assert "A_1-b" in found.offers


def test_city_prices_preorder_and_several_points_are_understood():
    text = offer(preorder=5).replace(
        "<price>15990</price>",
        '<cityprices><cityprice cityId="750000000">9490</cityprice>'
        '<cityprice cityId="710000000">8990</cityprice></cityprices>',
    )
    text = text.replace(
        "</availabilities>",
        '<availability available="no" storeId="PP2" stockCount="3"/></availabilities>',
    )
    found = read_price_list(price_list([text])).offers["70311"]

    assert (found.price, found.stock, found.preorder_days) == (8990, 14, 5)
    assert found.city_prices["750000000"] == 9490


def test_unavailable_offer_stays_in_the_picture_unsold(kaspi, host):
    host.serve_offers(offer(stock=0), offer("812"))
    kaspi.set_feed(host.url)
    assert kaspi.fetch_now().on_sale == 1
    assert not kaspi.picture["70311"].available


def test_timer_fetches_by_itself(host):
    with KaspiServer(feed_url=host.url, feed_every_s=0.05) as peer:
        assert wait_until(lambda: len(peer.fetches) >= 2)


def test_page_shows_offers_fetches_and_errors(kaspi, host, http):
    kaspi.set_feed(host.url)
    kaspi.fetch_now()
    host.serve_offers(offer("<script>"))
    kaspi.fetch_now()
    answer = http.get(kaspi.page_url, timeout=5)

    assert answer.status_code == 200
    assert "Мышь Zeta ZX-118B" in answer.text
    assert "Лампа &amp; подставка" in answer.text
    assert "отклонён" in answer.text
    assert "<script>" not in answer.text
    assert "viewport" in answer.text


def test_default_agents_get_no_answer_at_all(kaspi, http):
    with pytest.raises(OSError, match=r"[Tt]imed out"):
        http.get(f"{kaspi.url}/v2/orders", timeout=0.2)
    assert kaspi.arrivals[0].verdict == "ignored"


def test_call_without_accept_gets_an_html_404(kaspi, http):
    headers = {"User-Agent": "kaspi-bridge/1.0", "Accept": None}
    answer = http.get(f"{kaspi.url}/v2/orders", headers=headers, timeout=5)
    assert answer.status_code == 404
    assert "html" in answer.headers["Content-Type"]


@pytest.mark.parametrize("status", [401, 403])
def test_bad_token_is_refused(kaspi, http, status):
    kaspi.settings.refusal_status = status
    headers = {"User-Agent": "kaspi-bridge/1.0", "X-Auth-Token": "wrong"}
    answer = http.get(f"{kaspi.url}/v2/orders", headers=headers, timeout=5)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["title"]
