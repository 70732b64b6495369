"""Pages and logins never take the threads that answer the price list."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bridge_site.gate import Gate

pytestmark = pytest.mark.once
LIST, PAGE, LOGIN = "/kaspi_price_list.xml", "/admin/", "/admin/login/"
STYLE = "/static/bridge/fault.css"


class Busy:
    """An application in which each request stays until it is let go."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, environ, start_response):
        self.inside.release()
        assert self.go.wait(20)
        start_response("200 OK", [])
        return [b"served"]


@pytest.fixture
def busy():
    application = Busy()
    yield application
    application.go.set()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as threads:
        yield threads


def ask(gate, path, method="GET", address="203.0.113.1", **more):
    """Ask as a server does; gives the status."""
    said: list[str] = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "REMOTE_ADDR": address}
    environ |= more
    b"".join(gate(environ, lambda status, _headers: said.append(status)))
    return said[0]


def wait_inside(busy, number):
    for _one in range(number):
        assert busy.inside.acquire(timeout=20)


def test_when_pages_take_all_they_may_the_list_is_answered(busy, pool):
    gate = Gate(busy, threads=7)
    pages = [pool.submit(ask, gate, PAGE) for _page in range(4)]
    wait_inside(busy, 4)
    assert ask(gate, PAGE).startswith("503")
    # And so are the files of pages that are being opened.
    fetches = [pool.submit(ask, gate, path) for path in (LIST, STYLE)]
    wait_inside(busy, 2)
    busy.go.set()
    assert {fetch.result(20) for fetch in fetches} == {"200 OK"}
    assert {page.result(20) for page in pages} == {"200 OK"}
    assert ask(gate, PAGE) == "200 OK"


def test_a_silent_database_holds_one_thread_of_each_watcher(busy, pool):
    gate = Gate(busy, threads=8)
    watchers = [pool.submit(ask, gate, path) for path in ("/healthz", "/metrics")]
    wait_inside(busy, 2)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert ask(gate, path).startswith("503")
    fetch = pool.submit(ask, gate, LIST)
    wait_inside(busy, 1)
    busy.go.set()
    assert {each.result(20) for each in (*watchers, fetch)} == {"200 OK"}
    assert ask(gate, "/healthz") == "200 OK"


def test_logins_leave_room_for_pages(busy, pool):
    gate = Gate(busy, threads=8)
    logins = [pool.submit(ask, gate, LOGIN, "POST", f"203.0.113.{n}") for n in (1, 2)]
    wait_inside(busy, 2)
    assert ask(gate, LOGIN, "POST", "203.0.113.3").startswith("503")
    page = pool.submit(ask, gate, LOGIN)
    wait_inside(busy, 1)
    busy.go.set()
    assert page.result(20) == "200 OK"
    assert [login.result(20) for login in logins] == ["200 OK", "200 OK"]


def test_whoever_floods_the_logins_keeps_nobody_else_out(busy, pool):
    gate = Gate(busy, threads=8)
    flood = pool.submit(ask, gate, LOGIN, "POST", "203.0.113.66")
    wait_inside(busy, 1)
    assert ask(gate, LOGIN, "POST", "203.0.113.66").startswith("503")
    worker = pool.submit(ask, gate, LOGIN, "POST", "198.51.100.7")
    wait_inside(busy, 1)
    busy.go.set()
    assert {flood.result(20), worker.result(20)} == {"200 OK"}
    assert ask(gate, LOGIN, "POST", "203.0.113.66") == "200 OK"


def test_behind_a_web_server_its_word_tells_one_caller_from_another(busy, pool):
    gate = Gate(busy, threads=8)

    def post(address, neighbour="127.0.0.1"):
        return ask(gate, LOGIN, "POST", neighbour, HTTP_X_FORWARDED_FOR=address)

    flood = pool.submit(post, "203.0.113.66")
    wait_inside(busy, 1)
    assert post("203.0.113.66").startswith("503")
    # Whoever is not trusted says what he likes.
    assert post("198.51.100.7", "203.0.113.66").startswith("503")
    worker = pool.submit(post, "198.51.100.7")
    wait_inside(busy, 1)
    busy.go.set()
    assert {flood.result(20), worker.result(20)} == {"200 OK"}


def test_a_request_that_fails_gives_its_place_back():
    def broken(environ, start_response):
        raise RuntimeError("broken")

    gate = Gate(broken, threads=4)
    for _request in range(3):
        with pytest.raises(RuntimeError):
            ask(gate, PAGE)
