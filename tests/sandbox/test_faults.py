from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import pytest
import requests

from sandbox import AlStyleServer, Control


@pytest.fixture
def get(supplier, http):
    def call(method="elements-pagination", timeout=5, allow_redirects=True, **params):
        return http.get(
            f"{supplier.url}/api/{method}",
            params={"access-token": supplier.token} | params,
            timeout=timeout,
            allow_redirects=allow_redirects,
        )

    return call


def articles(answer):
    return [row["article"] for row in answer.json()["elements"]]


@pytest.mark.parametrize("code", [401, 403, 429, 500, 502, 503])
def test_status_fault_strikes_once_then_is_gone(get, supplier, code):
    supplier.faults.add("status", "date", times=1, code=code)

    assert get("categories").status_code == 200
    assert get("date").status_code == code
    assert get("date").status_code == 200
    assert supplier.faults.active() == []


def test_status_fault_carries_a_body_and_retry_after(get, supplier):
    supplier.faults.add("status", code=503, body={"e": 1}, retry_after=2)
    answer = get("date")
    assert (answer.json(), answer.headers["Retry-After"]) == ({"e": 1}, "2")


@pytest.mark.parametrize(
    ("variant", "status"), [("403", 403), ("429", 429), ("200", 200)]
)
def test_throttle_fault_answers_the_interval(get, supplier, variant, status):
    supplier.faults.add("throttle", variant=variant, interval=7)
    answer = get("date")
    assert answer.status_code == status
    assert answer.json()["interval"] == 7


def test_stall_says_nothing_and_ends_with_the_server(http):
    with AlStyleServer(interval_s=0) as peer:
        peer.faults.add("stall", seconds=60)
        url = f"{peer.url}/api/date?access-token={peer.token}"
        with pytest.raises(requests.exceptions.ReadTimeout):
            http.get(url, timeout=0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert not peer.arrivals[0].worked


def test_stall_may_answer_late(get, supplier):
    supplier.faults.add("stall", seconds=0.2, after_work=True, answer=True)
    began = time.monotonic()
    assert get("date").status_code == 200
    assert time.monotonic() - began >= 0.2


def test_stalled_call_does_not_hold_up_the_others(get, supplier):
    supplier.faults.add("stall", "date", seconds=60)
    with pytest.raises(requests.exceptions.ReadTimeout):
        get("date", timeout=0.1)
    assert get("categories").status_code == 200


def test_dropped_connections_differ_in_whether_the_work_was_done(get, supplier):
    supplier.faults.add("drop_before_work", "date", times=1)
    supplier.faults.add("drop_after_work", "categories", times=1)
    for method in ("date", "categories"):
        with pytest.raises(requests.exceptions.ConnectionError):
            get(method)
    assert [(a.method, a.worked, a.status) for a in supplier.arrivals] == [
        ("date", False, 0),
        ("categories", True, 0),
    ]


def test_html_comes_with_200(get, supplier):
    supplier.faults.add("html")
    answer = get("date")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<html>")


def test_truncated_json_with_an_honest_length_is_a_short_body(get, supplier):
    supplier.faults.add("truncate", honest=True)
    answer = get()
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"JSON|Expecting|delimiter|Unterminated"):
        answer.json()


def test_truncated_json_with_a_full_length_breaks_the_connection(get, supplier):
    supplier.faults.add("truncate", honest=False)
    with pytest.raises(
        (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    ):
        get()


def test_redirect_points_elsewhere(get, supplier):
    supplier.faults.add("redirect", location="/api/categories")
    answer = get("date", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/api/categories")


def test_drip_sends_the_whole_answer_slowly(get, supplier):
    supplier.faults.add("drip", delay_s=0.001, chunk=4)
    assert "date" in get("date").json()


def test_garbage_does_the_work_and_lies(get, supplier):
    supplier.faults.add("garbage", body="[1,")
    assert get("date").text == "[1,"
    assert supplier.arrivals[-1].worked


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("strings", {"812": {"quantity": "3"}}),
        ("nulls", {"812": {"quantity": None}}),
        ("list", [{"812": {"quantity": 3}}]),
        ("scalar", "OK"),
        ("swapped", [["812", [["quantity", 3]]]]),
    ],
)
def test_wrong_types_bend_the_json(get, supplier, variant, expected):
    supplier.goods.clear()
    supplier.set_raw_price(812, {"quantity": 3})
    supplier.faults.add("wrong_types", variant=variant)
    assert get("quantity-price").json() == expected


def test_probability_is_seeded(http):
    def run():
        with AlStyleServer(interval_s=0, seed=3) as peer:
            peer.faults.add("status", probability=0.5)
            url = f"{peer.url}/api/date?access-token={peer.token}"
            return [http.get(url, timeout=5).status_code for _ in range(20)]

    first = run()
    assert first == run()
    assert set(first) == {200, 500}


def test_skip_lets_calls_by_and_clear_ends_a_fault(get, supplier):
    number = supplier.faults.add("status", "date,categories", skip=2)
    assert [get("date").status_code for _ in range(3)] == [200, 200, 500]
    assert get("categories").status_code == 500
    assert supplier.faults.clear(number) == 1
    assert get("date").status_code == 200


def test_several_faults_strike_one_call(get, supplier):
    supplier.faults.add("wrong_types", variant="list")
    supplier.faults.add("drip", delay_s=0, chunk=64)
    assert isinstance(get("date").json(), list)
    assert supplier.arrivals[-1].faults == ["wrong_types", "drip"]


@pytest.mark.parametrize("words", [{"kind": "nonsense"}, {"kind": "html", "colour": 1}])
def test_unknown_faults_and_options_are_refused(supplier, words):
    with pytest.raises(ValueError, match="fault"):
        supplier.faults.add(**words)


def test_goods_vanishing_in_mid_crawl_shift_the_pages(get, supplier):
    before = list(supplier.goods)
    supplier.faults.add("vanishing", times=1, skip=1, count=2)
    read = articles(get(limit=100))
    read += articles(get(limit=100, offset=100))
    assert read[:100] == before[:100]
    assert read[100:] == before[102:202]
    assert supplier.oddities.restore() == 2
    assert list(supplier.goods) == before


def test_goods_appearing_in_mid_crawl_repeat_rows_and_move_the_total(get, supplier):
    total = len(supplier.goods)
    supplier.faults.add("appearing", times=1, skip=1)
    first, second = get(limit=100), get(limit=100, offset=100)
    assert articles(first)[-1] == articles(second)[0]
    assert second.json()["pagination"]["totalCount"] == total + 1


def test_half_and_empty_catalogues(get, supplier):
    total = len(supplier.goods)
    half = supplier.faults.add("half_catalogue")
    assert get().json()["pagination"]["totalCount"] == total // 2
    assert len(get("quantity-price").json()) == total // 2
    supplier.faults.clear(half)
    supplier.faults.add("empty_catalogue")
    assert get().json()["elements"] == []
    assert get("quantity-price").json() == []


def test_shifted_and_short_pages_and_a_wrong_total(get, supplier):
    supplier.faults.add("shifted", by=3, times=2)
    first, second = articles(get(limit=50)), articles(get(limit=50, offset=50))
    assert first[-3:] == second[:3]
    supplier.faults.add("short_pages", by=5, times=1)
    supplier.faults.add("wrong_total", by=-1, times=1)
    answer = get(limit=50)
    assert len(articles(answer)) == 45
    assert answer.json()["pagination"]["totalCount"] == len(supplier.goods) - 1


def test_flapping_stock_is_zero_in_one_answer_and_back_in_another(get, supplier):
    plenty = {str(a) for a, g in supplier.goods.items() if isinstance(g.quantity, str)}
    supplier.faults.add("flapping", share=0.5)
    zeros = []
    for _ in range(2):
        answer = get("quantity-price").json()
        zeros.append({a for a in plenty if answer[a]["quantity"] == 0})
    assert zeros[0]
    assert zeros[0] != zeros[1]
    assert all(supplier.goods[int(a)].stock > 50 for a in zeros[0])


def test_control_api_does_what_the_python_api_does(get, supplier):
    control = Control(supplier.root_url)
    article = next(iter(supplier.goods))
    control.call("fault", kind="status", method="date", times=1, code=502)
    assert get("date").status_code == 502
    changed = control.call("set-good", article=article, fields={"quantity": ">60"})
    assert changed["quantity"] == ">60"
    control.call("add-good", article=99_999, fields={"name": "Новый"}, first=True)
    assert next(iter(supplier.goods)) == 99_999
    control.call("remove-good", article=99_999)
    control.call("set-raw-price", key="5", value="x")
    control.call("add-raw-row", row={"article": "x"})
    control.call("settings", elements_nested=True)
    control.call("advance", seconds=60)
    assert control.call("tick", seconds=86_400)["stock"]
    assert control.call("counters") == {"date": 1}
    assert [a["method"] for a in control.call("arrivals")] == ["date"]
    control.call("forget-arrivals")
    assert supplier.arrivals == []
    with pytest.raises(ValueError, match="no such setting"):
        control.call("settings", nonsense=1)
    with pytest.raises(ValueError, match="no control"):
        control.call("nonsense")


def test_a_request_that_was_cut_off_is_no_request(supplier):
    host, port = urlsplit(supplier.url).netloc.split(":")
    head = f"POST /cart-api/add?access-token={supplier.token} HTTP/1.1\r\nHost: a\r\n"
    for body, arrived in (("{", 0), ("{}", 1)):
        with socket.create_connection((host, int(port))) as cut:
            cut.sendall(f"{head}Content-Length: 2\r\n\r\n{body}".encode())
            cut.shutdown(socket.SHUT_WR)
            # Until the server has done with it.
            while cut.recv(4096):
                pass
        assert len(supplier.arrivals) == arrived
