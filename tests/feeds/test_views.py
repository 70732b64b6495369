import base64
import gzip
import hashlib
import os
import re
import socket
import threading
import urllib.request
from contextlib import suppress
from datetime import datetime, timedelta
from datetime import timezone as zone
from http.client import HTTPConnection
from ipaddress import ip_network

import pytest
import time_machine
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from waitress.server import create_server

from catalog.models import Product
from feeds import fetching, files, views
from feeds.models import TEST_AGENT, FeedBuild, FeedFetch
from feeds.needs import FETCH_LATE, UNFETCHED, needs_of_fetches, read_state
from feeds.tasks import delete_old_fetches
from sandbox import wait_until
from tests.feeds.live_list import live_bytes, read_bytes
from tests.feeds.making import build, make_import, make_products, make_store

URL = "/kaspi_price_list.xml"
# Visits are summed by the hour: none shall strike between them.
HALF_PAST = datetime(2026, 11, 24, 10, 30, tzinfo=zone.utc)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_known():
    files.forget_digests()


@pytest.fixture
def published(shop):
    make_products(40)
    build()
    return FeedBuild.objects.get()


def body_of(response):
    return b"".join(response.streaming_content)


def fetch(client, method="get", **headers):
    """Fetch to the end, which is when the fetch is noted."""
    response = getattr(client, method)(URL, headers=headers)
    response.body = body_of(response)
    return response


def login(user="kaspi", password="пароль: с двоеточием"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_the_whole_list_is_served_without_a_login(published, client, feed_dir):
    response = fetch(client)
    assert response.status_code == 200
    assert response.body == live_bytes(feed_dir)
    assert len(read_bytes(response.body)) == 40
    assert response["Content-Type"] == "application/xml; charset=utf-8"
    assert response["Content-Length"] == str(len(response.body))
    assert response["ETag"] == f'"{hashlib.sha256(response.body).hexdigest()}"'
    assert response["ETag"] == f'"{published.sha256}"'
    assert response["Last-Modified"].endswith("GMT")
    assert "private" not in response["Cache-Control"]


def test_no_cookie_is_set_or_looked_at(published, client):
    response = fetch(client)
    assert not response.cookies
    assert "cookie" not in response["Vary"].lower()


def test_https_only_does_not_redirect_kaspi(published, client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert fetch(client).status_code == 200


def test_head_says_what_get_would(published, client):
    get, head = fetch(client), fetch(client, "head")
    assert (head.status_code, head.body) == (200, b"")
    for name in ("ETag", "Last-Modified", "Content-Length", "Content-Type"):
        assert head[name] == get[name]


def test_nothing_new_is_304(published, client):
    first = fetch(client)
    for headers in (
        {"if_none_match": first["ETag"]},
        {"if_none_match": "W/" + first["ETag"]},
        {"if_modified_since": first["Last-Modified"]},
    ):
        again = fetch(client, **headers)
        assert (again.status_code, again.body) == (304, b"")
        assert again["ETag"] == first["ETag"]
    newer = fetch(
        client, if_none_match='"old"', if_modified_since=first["Last-Modified"]
    )
    assert newer.status_code == 200


def test_a_new_version_has_another_etag_and_a_later_date(published, client):
    first = fetch(client)
    Product.objects.update(stock=4)
    build()
    again = fetch(
        client,
        if_none_match=first["ETag"],
        if_modified_since=first["Last-Modified"],
    )
    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]
    assert again["Last-Modified"] != first["Last-Modified"]
    by_date = fetch(client, if_modified_since=first["Last-Modified"])
    assert by_date.status_code == 200


def test_gzip_is_sent_when_asked_for(published, client, feed_dir):
    response = fetch(client, accept_encoding="gzip, deflate")
    assert response["Content-Encoding"] == "gzip"
    assert gzip.decompress(response.body) == live_bytes(feed_dir)
    assert response["Content-Length"] == str(len(response.body))
    assert response["ETag"] == f'"{published.sha256}-gzip"'
    assert "Accept-Encoding" in response["Vary"]
    plain = fetch(client, accept_encoding="gzip;q=0, identity")
    assert "Content-Encoding" not in plain
    assert "Accept-Encoding" in plain["Vary"]
    again = fetch(client, accept_encoding="gzip", if_none_match=response["ETag"])
    assert again.status_code == 304
    assert "Content-Encoding" not in again


def test_gzip_of_another_version_is_not_sent(published, client, feed_dir):
    os.utime(files.live_gzip_path(), (1, 1))
    response = fetch(client, accept_encoding="gzip")
    assert "Content-Encoding" not in response
    assert response.body == live_bytes(feed_dir)
    files.live_gzip_path().unlink()
    assert fetch(client, accept_encoding="gzip").body == live_bytes(feed_dir)


def test_nothing_published_yet_is_503_and_never_an_empty_list(shop, client):
    response = fetch(client)
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert b"kaspi_catalog" not in response.body


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_the_list_can_only_be_read(published, method):
    response = getattr(Client(enforce_csrf_checks=True), method)(URL)
    assert response.status_code == 405
    assert response["Allow"].startswith("GET, HEAD")


# --- login ----------------------------------------------------------------------------


@pytest.fixture
def guarded(settings):
    settings.FEED_USER = "kaspi"
    settings.FEED_PASSWORD = "пароль: с двоеточием"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ###",
        "Bearer " + login().split()[1],
        login(password="wrong"),
        login(user="other"),
        "Basic " + base64.b64encode(b"\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"no colon").decode(),
    ],
)
def test_a_wrong_login_is_401(published, guarded, client, authorization):
    response = fetch(client, authorization=authorization)
    assert (response.status_code, response.body) == (401, b"")
    assert response["WWW-Authenticate"].startswith("Basic ")
    assert FeedFetch.objects.get().status_code == 401


def test_the_right_login_is_let_in_and_counts_as_kaspi(published, guarded, client):
    assert fetch(client, authorization=login()).status_code == 200
    assert FeedFetch.objects.get().is_kaspi


def test_without_a_login_set_none_is_asked_for(published, client):
    assert fetch(client, authorization=login()).status_code == 200
    assert not FeedFetch.objects.get().is_kaspi


# --- journal --------------------------------------------------------------------------


@pytest.fixture
def known(settings):
    """Kaspi fetches from this very computer."""
    settings.FEED_KASPI_NETWORKS = (ip_network("127.0.0.0/8"),)


def test_each_of_kaspis_fetches_is_noted(published, client, known):
    fetch(client, user_agent="Java/1.8.0_292")
    fetch(client, "head")
    first, second = FeedFetch.objects.order_by("pk")
    assert (first.is_kaspi, first.status_code, first.times) == (True, 200, 1)
    assert (first.bytes_sent, first.build) == (published.size_bytes, published)
    assert (first.address, first.user_agent) == ("127.0.0.1", "Java/1.8.0_292")
    assert (second.is_kaspi, second.bytes_sent) == (True, 0)


def test_what_a_program_calls_itself_makes_nobody_kaspi(published, client, settings):
    settings.FEED_KASPI_NETWORKS = (ip_network("203.0.113.0/24"),)
    fetch(client, user_agent="Kaspi java Apache-HttpClient")
    assert not FeedFetch.objects.get().is_kaspi


@time_machine.travel(HALF_PAST, tick=False)
def test_five_hundred_visits_of_a_stranger_are_one_row(published, client):
    for _visit in range(500):
        fetch(client, "head")
    note = FeedFetch.objects.get()
    assert (note.is_kaspi, note.times, note.address) == (False, 500, "127.0.0.1")


@time_machine.travel(HALF_PAST, tick=False)
def test_strangers_from_everywhere_are_counted_together(published, rf):
    for number in range(fetching.MOST_ADDRESSES + 30):
        visit = views._Fetch(
            rf.get(URL, REMOTE_ADDR=f"198.51.100.{number}"), has_login=False
        )
        visit.answer(200, {})
        visit.close()
    assert FeedFetch.objects.count() == fetching.MOST_ADDRESSES + 1
    assert FeedFetch.objects.get(address=fetching.OTHERS).times == 30


def test_another_hour_is_another_row(published, client):
    fetch(client)
    FeedFetch.objects.update(fetched_at=timezone.now() - timedelta(hours=1))
    fetch(client)
    assert FeedFetch.objects.count() == 2


def test_an_odd_user_agent_is_noted_as_far_as_it_goes(published, client):
    fetch(client, user_agent="kaspi\x00\x1b[31m" + "x" * 500)
    note = FeedFetch.objects.get()
    assert re.fullmatch(r"kaspi \[31mx{190}", note.user_agent)


@pytest.mark.parametrize("status", [200, 503])
def test_a_journal_out_of_order_does_not_stop_the_serving(
    shop, client, monkeypatch, feed_dir, status, caplog
):
    if status == 200:
        make_products(3)
        build()

    def locked(**_fields):
        raise OperationalError("database is locked")

    monkeypatch.setattr(FeedFetch.objects, "create", locked)
    response = fetch(client)
    assert response.status_code == status
    assert "database is locked" in caplog.text
    if status == 200:
        assert response.body == live_bytes(feed_dir)


def test_the_fetch_is_noted_after_the_answer(published, client):
    response = client.get(URL)
    assert FeedFetch.objects.count() == 0
    body_of(response)
    assert FeedFetch.objects.count() == 1


def test_a_client_that_goes_away_is_noted_with_what_it_got(published, rf, tmp_path):
    path = tmp_path / "long.xml"
    path.write_bytes(b"x" * (views.CHUNK_BYTES * 3))
    going = views._Fetch(rf.get(URL), has_login=False)
    going.answer(200, {}, file=path.open("rb"))
    next(iter(going))
    going.close()
    note = FeedFetch.objects.get()
    assert (note.bytes_sent, note.status_code) == (views.CHUNK_BYTES, 499)


def test_a_list_that_never_arrives_whole_is_not_fetched(
    published, guarded, rf, monkeypatch
):
    """Kaspi goes on with an old one, and somebody is told."""
    monkeypatch.setattr(views, "CHUNK_BYTES", 1000)
    for _hour in range(3):
        going = views._Fetch(rf.get(URL), has_login=True)
        going.answer(200, {}, file=files.live_path().open("rb"))
        next(iter(going))
        going.close()
    late = timezone.now() + FETCH_LATE + timedelta(minutes=1)
    kinds = [need.kind for need in needs_of_fetches(read_state(), now=late)]
    assert kinds == [UNFETCHED]
    assert FeedFetch.objects.by_kaspi().count() == 3
    assert not FeedFetch.objects.successful().exists()


def test_our_own_test_is_no_fetch_by_kaspi(published, client):
    """Whoever presses "Examine" mutes no alert, where nothing tells Kaspi either."""
    fetch(client, user_agent=TEST_AGENT)
    assert read_state().last_fetch is None
    fetch(client, user_agent="Java/1.8.0_292")
    assert read_state().last_fetch == FeedFetch.objects.latest("pk")


def test_old_fetches_are_deleted(published, client, known):
    fetch(client)
    fetch(client)
    old = timezone.now() - timedelta(days=91)
    FeedFetch.objects.filter(pk=FeedFetch.objects.earliest("pk").pk).update(
        fetched_at=old
    )
    assert "1" in delete_old_fetches()
    assert FeedFetch.objects.count() == 1


# --- over real HTTP -------------------------------------------------------------------


@pytest.fixture
def server(transactional_db, fixed_prices, monkeypatch):
    """Serve by waitress, as the embedded bridge does; yields the list's address."""
    # Its threads shall not keep connections to the test's database.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    waitress = create_server(get_wsgi_application(), host="127.0.0.1", port=0)
    thread = threading.Thread(target=waitress.run)
    thread.start()
    yield f"http://127.0.0.1:{waitress.effective_port}{URL}"
    waitress.task_dispatcher.shutdown()
    # Its loop ends when the last socket is gone. Where it is awake it may end, and
    # close what wakes it, before it is woken.
    with suppress(OSError):
        waitress.trigger.pull_trigger(waitress.close)
    thread.join(10)
    assert not thread.is_alive()
    # What was still to be noted is, before the database goes.
    views._journal.submit(bool).result(20)


def test_readers_over_http_meet_whole_lists_while_versions_change(server, feed_dir):
    make_import()
    make_store()
    make_products(400)
    build()
    stop = threading.Event()
    faults: list[object] = []
    fetched: set[str] = set()

    def read():
        while not stop.is_set():
            try:
                with urllib.request.urlopen(server, timeout=10) as response:
                    data = response.read()
                if len(read_bytes(data)) != 400:
                    faults.append("offers are missing")
                sha256 = hashlib.sha256(data).hexdigest()
                if response.headers["ETag"] != f'"{sha256}"':
                    faults.append("the ETag is of another version")
                fetched.add(sha256)
            except (OSError, AssertionError, ValueError) as error:
                faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for stock in range(1, 11):
            Product.objects.update(stock=stock)
            assert build().end == "published"
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert not faults
    assert len(fetched) > 1
    assert wait_until(lambda: sum_of_fetches() >= len(fetched), timeout_s=60)


def test_head_and_304_over_http_have_no_body(server, feed_dir):
    make_import()
    make_store()
    make_products(3)
    build()
    size = len(live_bytes(feed_dir))
    # One connection for all: a body too many would be read as the next answer.
    http = HTTPConnection(server.split("/")[2], timeout=10)
    for _ in range(2):
        http.request("HEAD", URL)
        head = http.getresponse()
        assert (head.status, head.read()) == (200, b"")
        assert head.headers["Content-Length"] == str(size)
        http.request("GET", URL, headers={"If-None-Match": head.headers["ETag"]})
        same = http.getresponse()
        assert (same.status, same.read()) == (304, b"")
        http.request("GET", URL)
        assert len(http.getresponse().read()) == size
    http.close()


def test_slow_readers_hold_no_thread(server, known, feed_dir):
    """More of them than threads, and the next one is answered at once."""
    make_import()
    make_store()
    make_products(3)
    build()
    live = files.live_path()
    # Larger than what the kernel keeps for a reader.
    live.write_bytes(live.read_bytes() + b" " * (32 * 1024 * 1024))
    host, port = server.split("/")[2].split(":")
    slow = []
    for _reader in range(8):
        reader = socket.create_connection((host, int(port)), timeout=10)
        reader.sendall(f"GET {URL} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert reader.recv(16).startswith(b"HTTP/1.1 200")
        slow.append(reader)
    with urllib.request.urlopen(server, timeout=10) as response:
        assert len(response.read()) == live.stat().st_size
    for reader in slow:
        reader.close()
    # Each is noted when it has gone; a late note of an earlier test may be among them.
    assert wait_until(lambda: sum_of_fetches() >= 9, timeout_s=60)
    assert FeedFetch.objects.filter(status_code=499).count() == 8


def sum_of_fetches():
    return sum(FeedFetch.objects.values_list("times", flat=True))
