from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
import traceback
import tracemalloc
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.db import transaction

from plumbing.limits import TokenClock
from plumbing.peers import (
    MAX_BODY_BYTES,
    PeerAccessRefused,
    PeerConnection,
    PeerError,
    PeerOutcomeUnknown,
    PeerProtocolError,
    PeerRefused,
    PeerThrottled,
    PeerUnavailable,
    PeerWriteWithheld,
)
from sandbox import AlStyleServer

TOKEN = "alstyle-test-token"
pytestmark = pytest.mark.django_db


@pytest.fixture
def supplier():
    with AlStyleServer(token=TOKEN, interval_s=0) as server:
        yield server
        assert server.crashes == []


@pytest.fixture
def peer(supplier):
    with make_peer(supplier.url) as made:
        yield made


def make_peer(url: str, **options: object) -> PeerConnection:
    values: dict[str, object] = {
        "name": "Al-Style",
        "base_url": url,
        "timeout_s": 0.4,
        "limiter": TokenClock(name="test", interval_s=0),
        "user_agent": "kaspi-bridge/1.0",
        "params": {"access-token": TOKEN},
        "backoff_s": 0.01,
        "longest_wait_s": 0.05,
        **options,
    }
    return PeerConnection(**values)  # type: ignore[arg-type]


def test_a_read_brings_json_with_exact_numbers(peer, supplier):
    supplier.faults.add("garbage", body='{"a": 0.1, "b": 3}', times=1)
    parsed = peer.read("/api/brands").json()
    assert str(parsed["a"]) == "0.1"
    assert parsed["b"] == 3
    assert isinstance(parsed["b"], int)


def test_an_answer_longer_than_it_may_be_is_none(peer, supplier):
    supplier.faults.add("garbage", body=f'["{"x" * 3000}"]')
    assert peer.read("/api/brands", max_bytes=4000).json()
    with pytest.raises(PeerProtocolError, match=r"0 (МиБ|MiB)"):
        peer.read("/api/brands", max_bytes=3000)


@pytest.mark.once
@pytest.mark.parametrize("part", ["{},", "[],", "1,"])
def test_a_flood_of_small_parts_is_not_read_into_memory(peer, supplier, part):
    body = "[" + part * (MAX_BODY_BYTES // len(part) - 2) + "1]"
    supplier.faults.add("garbage", body=body)
    reply = peer.read("/api/brands")
    tracemalloc.start()
    try:
        # Or it is read, and takes no more than a host can spare.
        with contextlib.suppress(PeerProtocolError):
            reply.json()
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 150 * 1024 * 1024


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("status", {"code": 500}),
        ("status", {"code": 502}),
        ("status", {"code": 503}),
        ("drop_before_work", {}),
        ("drop_after_work", {}),
        ("truncate", {"honest": False}),
        ("stall", {"seconds": 0.8}),
    ],
)
def test_a_read_is_repeated_after_a_passing_fault(peer, supplier, fault, options):
    supplier.faults.add(fault, times=1, **options)
    assert peer.read("/api/brands").json()["status"] is True
    assert len(supplier.arrivals) == 2


def test_a_read_gives_up_after_four_tries_and_names_the_peer(peer, supplier):
    supplier.faults.add("status", code=502)
    with pytest.raises(PeerUnavailable, match=r"Al-Style, /api/brands: HTTP 502"):
        peer.read("/api/brands")
    assert len(supplier.arrivals) == 4


def test_a_dripping_answer_is_cut_at_the_deadline(peer, supplier):
    supplier.faults.add("drip", delay_s=0.2, chunk=1)
    peer._retries = peer._retries.new(total=0)
    begun = time.monotonic()
    with pytest.raises(PeerUnavailable, match=r"0\.4"):
        peer.read("/api/brands")
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("body", ["1e99999999999999999999", "NaN", "[" * 100_000])
def test_json_that_no_number_or_stack_can_hold_is_a_protocol_error(
    peer, supplier, body
):
    supplier.faults.add("garbage", body=body)
    with pytest.raises(PeerProtocolError, match="JSON"):
        peer.read("/api/brands").json()


@pytest.mark.parametrize("fault", ["html", "truncate"])
def test_an_unreadable_answer_is_a_protocol_error(peer, supplier, fault):
    supplier.faults.add(fault)
    with pytest.raises(PeerProtocolError, match="JSON"):
        peer.read("/api/brands").json()


def test_a_wrong_token_is_told_at_once(supplier):
    with (
        make_peer(supplier.url, params={"access-token": "wrong-one"}) as peer,
        pytest.raises(PeerAccessRefused) as caught,
    ):
        peer.read("/api/brands")
    assert caught.value.status_code == 401
    assert len(supplier.arrivals) == 1


def test_403_that_stays_after_three_tries_is_a_refusal(supplier):
    with make_peer(supplier.url, throttled_for_s=lambda r: 0.01) as peer:
        supplier.faults.add("status", code=403)
        with pytest.raises(PeerAccessRefused):
            peer.read("/api/brands")
    assert len(supplier.arrivals) == 3


def test_429_is_waited_out(peer, supplier):
    supplier.faults.add("status", code=429, retry_after=0, times=1)
    peer._longest_wait_s = 2
    assert peer.read("/api/brands").json()["status"] is True


def test_a_longer_wait_than_ours_is_left_to_the_next_run(peer, supplier):
    supplier.faults.add("status", code=429, retry_after=3600)
    with pytest.raises(PeerThrottled):
        peer.read("/api/brands")
    assert len(supplier.arrivals) == 1


@pytest.mark.parametrize("code", [400, 404, 422])
def test_other_refusals_carry_the_peers_words(peer, supplier, code):
    supplier.faults.add("status", code=code)
    with pytest.raises(PeerRefused) as caught:
        peer.read("/api/brands")
    assert caught.value.status_code == code


# -- writes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("status", {"code": 500}),
        ("status", {"code": 502}),
        ("drop_before_work", {}),
        ("drop_after_work", {}),
        ("stall", {"seconds": 0.8}),
        ("truncate", {"honest": False}),
    ],
)
def test_a_broken_write_is_unknown_and_never_repeated(peer, supplier, fault, options):
    supplier.faults.add(fault, **options)
    with pytest.raises(PeerOutcomeUnknown):
        peer.write("GET", "/cart-api/clear")
    assert len(supplier.arrivals) == 1


def test_a_write_that_found_no_connection_was_surely_not_made():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with make_peer(url) as peer, pytest.raises(PeerUnavailable):
        peer.write("GET", "/cart-api/clear")


def test_a_throttled_write_was_surely_not_made(supplier):
    supplier.faults.add("throttle", variant="429")
    with make_peer(supplier.url) as peer, pytest.raises(PeerThrottled):
        peer.write("GET", "/cart-api/clear")


def test_observe_only_lets_reads_through_and_no_write(supplier):
    with make_peer(supplier.url, observe_only=True) as peer:
        peer.read("/api/brands")
        with pytest.raises(PeerWriteWithheld):
            peer.write("GET", "/cart-api/clear")
    assert [a.method for a in supplier.arrivals] == ["brands"]


# -- secrets -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["stall", "drop_after_work", "html", "status"])
def test_no_error_and_no_log_shows_the_token(peer, supplier, kind, caplog):
    delays: dict[str, dict[str, float]] = {
        "stall": {"seconds": 0.8},
        "status": {"code": 500},
    }
    supplier.faults.add(kind, **delays.get(kind, {}))
    with caplog.at_level(logging.DEBUG), pytest.raises(PeerError) as caught:
        peer.read("/api/brands").json()
    assert TOKEN not in repr(caught.value)
    ours = [r for r in caplog.records if not r.name.startswith("urllib3")]
    assert not [r for r in ours if TOKEN in r.getMessage()]
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_another_host_never_gets_the_token(supplier):
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", f"{supplier.url}/api/brands")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with (
            make_peer(f"http://127.0.0.1:{server.server_port}") as peer,
            pytest.raises(PeerProtocolError, match="127"),
        ):
            peer.read("/api/brands")
        thread.join()
    assert supplier.arrivals == []


# -- house rules -------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_call_inside_a_transaction_is_a_programming_error(peer, supplier):
    with pytest.raises(RuntimeError), transaction.atomic():
        peer.read("/api/brands")
    assert supplier.arrivals == []
