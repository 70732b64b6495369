from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.urls import reverse
from django.utils import timezone, translation
from django_q.models import Schedule

from backoffice.examining import Check, Finding, State, examine
from bridge_site.doctor.examination import CHECKS, examine_bridge
from bridge_site.schedules import sync_schedules
from bridge_site.workers import PARTS
from catalog.models import PriceRule
from feeds.models import FeedFetch, Store
from feeds.views import _journal
from orders.models import ReadMark, SupplierAccount
from orders.models.order import Order
from plumbing.models import AdjustedSetting, Heartbeat, TimeJump
from tests.staff import build, log_in, make_import, make_product, page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def journal() -> Iterator[Callable[[], None]]:
    """Wait until the fetches so far are noted; leave the database free to go."""

    def is_written() -> None:
        _journal.submit(connections.close_all).result()

    yield is_written
    is_written()


def found(code: str, *, with_calls: bool = False) -> list[Finding]:
    """Look as the page does, and keep what was found of one check."""
    checks = [check for check in CHECKS if check.code == code]
    assert checks
    return [f for f in examine(checks) if with_calls or not checks[0].is_live]


def states(code: str, *, with_calls: bool = False) -> list[State]:
    return [finding.state for finding in found(code, with_calls=with_calls)]


def run(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("doctor", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture
def well(settings: Any, tmp_path: Any, alstyle: Any, kaspi: Any, live_server: Any):
    """Have a bridge at which nothing is amiss."""
    now = timezone.now()
    settings.FEED_DIR, settings.PUBLIC_URL = tmp_path, live_server.url
    settings.KASPI_MERCHANT_UID = "123"
    settings.FEED_USER, settings.FEED_PASSWORD = "kaspi", "a-password"
    sync_schedules(now=now)
    Schedule.objects.update(next_run=now + timedelta(minutes=1))
    for name in PARTS:
        Heartbeat.objects.create(name=name, host="srv", beaten_at=now)
    make_import()
    make_product()
    # The migration's default rule is gone where a test before emptied all tables.
    PriceRule.objects.get_or_create(product=None, category=None, brand="")
    Store.objects.create(store_id="PP1", name="Алматы")
    build()
    FeedFetch.objects.create(fetched_at=now, is_kaspi=True, status_code=200)
    ReadMark.objects.note_read(Order.NEW, now=now)
    ends = (now + timedelta(days=200)).strftime("%Y-%m-%d")
    SupplierAccount.objects.create(
        name="account",
        bin="123456789012",
        read_at=now,
        attorneys=[
            {"guid": "g", "БИН": "123456789012", "ДатаОкончания": f"{ends} 00:00:00"}
        ],
    )


def test_where_nothing_is_amiss_everything_is_found_well(well):
    findings = examine_bridge(with_calls=True)
    assert [f for f in findings if f.state != State.OK] == []
    assert {f.code for f in findings} == {check.code for check in CHECKS}
    assert run()[0] == 0


def test_a_program_reads_it_and_the_status_says_how_bad_it_is(well):
    status, told = run("--json")
    assert status == 0
    assert json.loads(told)["state"] == "ok"
    AdjustedSetting.objects.create(
        name="OBSERVE_ONLY", value="1", changed_at=timezone.now()
    )
    status, told = run("--json", "--offline")
    assert (status, json.loads(told)["state"]) == (1, "warn")
    Heartbeat.objects.filter(name="orders").delete()
    status, told = run("--offline")
    assert status == 2
    assert "FAIL Workers" in told or "FAIL Обработчики" in told


def test_offline_nobody_is_called(well, alstyle, kaspi):
    before = len(alstyle.arrivals) + len(kaspi.arrivals)
    run("--offline")
    assert len(alstyle.arrivals) + len(kaspi.arrivals) == before
    run()
    assert len(alstyle.arrivals) + len(kaspi.arrivals) == before + 2


def test_a_token_that_is_refused_is_told_without_being_shown(well, settings):
    settings.ALSTYLE_TOKEN = settings.KASPI_TOKEN = "wrong-token-77"
    told = run("--json")[1]
    assert states("alstyle", with_calls=True)[0] == State.FAIL
    assert states("kaspi", with_calls=True)[0] == State.FAIL
    assert "ALSTYLE_TOKEN" in told
    assert "wrong-token-77" not in told


def test_a_peer_that_is_away_is_given_up_soon(well, settings):
    settings.ALSTYLE_URL = settings.KASPI_URL = "http://127.0.0.1:9"
    settings.PEER_BACKOFF_S = 60
    assert State.FAIL in states("alstyle", with_calls=True)
    assert State.FAIL in states("kaspi", with_calls=True)


@pytest.mark.parametrize(
    ("apart", "state"),
    [
        (timedelta(seconds=5), State.OK),
        (timedelta(minutes=2), State.WARN),
        (timedelta(hours=-1), State.FAIL),
    ],
)
def test_the_clocks_are_compared(well, monkeypatch, apart, state):
    from plumbing.peers import PeerConnection

    real = PeerConnection._call

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        reply = real(self, *args, **kwargs)
        now = timezone.now()
        self.told_time = (format_datetime(now + apart), now)
        return reply

    monkeypatch.setattr(PeerConnection, "_call", call)
    assert states("alstyle", with_calls=True) == [State.OK, state]


def test_without_uid_and_orders_the_uid_is_asked_for(well, settings):
    settings.KASPI_MERCHANT_UID = ""
    assert State.WARN in states("kaspi", with_calls=True)


def test_the_list_is_fetched_with_its_login_and_told_from_kaspis_fetches(well, journal):
    assert states("public-list", with_calls=True) == [State.OK]
    journal()
    ours = FeedFetch.objects.tests()
    assert ours.successful().count() == 1
    assert not ours.by_kaspi().exists()


@pytest.fixture
def in_front() -> Iterator[Callable[..., str]]:
    """Put a web server before the bridge that answers as told."""
    servers = []

    def serve(status: int, **headers: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (301, {"Location": "https://elsewhere.example/"}, "redirects to https://else"),
        (401, {}, "answers 401"),
        (502, {}, "answers 502"),
        (200, {}, "another list"),
    ],
)
def test_what_stands_between_kaspi_and_the_list_is_named(
    well, settings, in_front, status, headers, said
):
    settings.PUBLIC_URL = in_front(status, **headers)
    with translation.override("en"):
        (finding,) = found("public-list", with_calls=True)
    assert finding.state == State.FAIL
    assert said in finding.text
    assert finding.advice


def test_whether_kaspi_fetches_is_told_only_where_it_can_be_known(well, settings):
    settings.FEED_USER = settings.FEED_PASSWORD = ""
    assert states("fetches") == [State.WARN]


def test_an_address_that_nobody_knows_or_reaches_is_told(well, settings):
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    assert states("public-list", with_calls=True) == [State.FAIL]
    settings.PUBLIC_URL = ""
    assert states("public-list", with_calls=True) == [State.WARN]


def test_a_list_that_anybody_may_read_in_spite_of_its_login_is_told(well, monkeypatch):
    monkeypatch.setattr("feeds.views._has_login", lambda _request: True)
    assert states("public-list", with_calls=True) == [State.OK, State.WARN]


def test_what_is_late_old_or_missing_in_the_house_is_found(well, settings):
    now = timezone.now()
    Schedule.objects.filter(name="sync-stock").update(next_run=now - timedelta(hours=1))
    Schedule.objects.filter(name="poll-orders").delete()
    assert states("schedules") == [State.FAIL, State.FAIL]
    TimeJump.objects.create(noticed_at=now, seconds=-600, host="srv")
    assert states("clock") == [State.WARN]
    settings.DISK_LOW_MB = 10**12
    assert states("disk") == [State.FAIL]
    Heartbeat.objects.update(beaten_at=now - timedelta(hours=1))
    assert states("workers") == [State.FAIL]
    settings.ALSTYLE_TOKEN = ""
    assert State.FAIL in states("settings")
    settings.STOCK_STALE_AFTER_MIN = 1
    assert states("imports") == [State.FAIL]
    FeedFetch.objects.update(fetched_at=now - timedelta(hours=2))
    assert states("fetches") == [State.FAIL]
    ReadMark.objects.update(read_until=now - timedelta(days=1))
    assert states("order-readings") == [State.FAIL]
    SupplierAccount.objects.update(attorneys=[])
    assert states("attorney") == [State.FAIL]


def test_a_stored_setting_that_cannot_be_used_is_found(well):
    AdjustedSetting.objects.create(
        name="STOCK_CAP", value="many", changed_at=timezone.now()
    )
    assert states("settings") == [State.OK, State.FAIL]


def test_a_check_that_breaks_is_a_finding_itself(settings):
    def look(check: Check) -> list[Finding]:
        raise RuntimeError(f"token {settings.ALSTYLE_TOKEN}")

    for is_live in (False, True):
        check = Check(code="x", title="X", look=look, is_live=is_live)
        (finding,) = examine([check])
        assert finding.state == State.FAIL
        assert settings.ALSTYLE_TOKEN not in finding.text


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_the_examination_is_the_owners(settings, role):
    client = log_in(settings, role)
    assert client.get(reverse("doctor")).status_code == 403
    assert client.post(reverse("doctor")).status_code == 403


def test_the_page_calls_nobody_until_its_button_is_pressed(well, settings, alstyle):
    owner = log_in(settings, "owner")
    before = len(alstyle.arrivals)
    assert "The token works" not in page(owner, reverse("doctor"))
    assert len(alstyle.arrivals) == before
    answer = owner.post(reverse("doctor")).content.decode()
    assert answer.count("The token works") == 2
    assert "gives the list in force" in answer
