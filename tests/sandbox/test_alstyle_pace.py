from __future__ import annotations

import time

import pytest

from sandbox import AlStyleServer


def call(http, peer, method="date", token=None):
    token = peer.token if token is None else token
    return http.get(f"{peer.url}/api/{method}?access-token={token}", timeout=5)


def test_second_call_within_the_interval_is_refused_with_it(http):
    with AlStyleServer(interval_s=30) as peer:
        assert call(http, peer).status_code == 200
        answer = call(http, peer)

    assert answer.status_code == 403
    assert answer.json() == {
        "success": False,
        "message": "Too many requests",
        "interval": 30,
    }
    assert [arrival.verdict for arrival in peer.arrivals] == ["ok", "too-fast"]


@pytest.mark.parametrize(
    ("variant", "status"), [("403", 403), ("429", 429), ("200", 200)]
)
def test_slow_down_has_three_forms(http, variant, status):
    with AlStyleServer(interval_s=30, interval_variant=variant) as peer:
        call(http, peer)
        answer = call(http, peer)
    assert answer.status_code == status
    assert answer.json()["interval"] == 30


def test_refused_calls_do_not_push_the_interval_unless_told(http):
    with AlStyleServer(interval_s=0.3) as peer:
        call(http, peer)
        time.sleep(0.2)
        assert call(http, peer).status_code == 403
        time.sleep(0.15)
        assert call(http, peer).status_code == 200
        peer.settings.refused_calls_count = True
        time.sleep(0.2)
        assert call(http, peer).status_code == 403
        time.sleep(0.2)
        assert call(http, peer).status_code == 403


def test_bad_token_is_401_and_costs_no_interval(http):
    with AlStyleServer(interval_s=30) as peer:
        assert call(http, peer, token="wrong").status_code == 401
        assert call(http, peer).status_code == 200
        assert peer.arrivals[0].verdict == "bad-token"
        assert "access-token" not in peer.arrivals[0].query


def test_gaps_are_measured_on_arrival(http):
    with AlStyleServer(interval_s=0) as peer:
        call(http, peer)
        time.sleep(0.1)
        call(http, peer)
        assert peer.gaps()[0] >= 0.1
        assert peer.counters() == {"date": 2}
        assert [a.method for a in peer.calls("date")] == ["date", "date"]
