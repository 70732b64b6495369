"""PostgreSQL goes away for a while under a running bridge, and comes back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from launch.ports import free_port
from launch.postgres import Server
from launch.programs import find_postgresql
from sandbox import AlStyleServer, KaspiServer
from tests.conftest import REQUIRE_ALL

pytestmark = [pytest.mark.slow, pytest.mark.once]
ROOT = Path(__file__).resolve().parents[2]
# Longer by hand: AWAY_S=300.
AWAY_S = float(os.environ.get("AWAY_S", "8"))
BEATS = (
    "SELECT count(*) FROM bridge_site_heartbeat WHERE name = ANY(%s) AND beaten_at > %s"
)
LEASES = "SELECT name, until FROM bridge_site_lease WHERE name LIKE 'dispatch-%'"
# A cluster beats every two minutes, by a schedule that is looked at twice a minute.
BEAT_WITHIN_S = 180
PASSWORD = "a-long-password"


@pytest.fixture
def server() -> Iterator[tuple[Server, str]]:
    programs = find_postgresql()
    if programs is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)("no PostgreSQL was found")
    with tempfile.TemporaryDirectory(prefix="bridge-away-") as folder:
        running = Server(programs=programs, folder=Path(folder))
        try:
            yield running, running.start()
        finally:
            running.stop()


@pytest.fixture
def environment(server, tmp_path, settings) -> Iterator[dict[str, str]]:
    with AlStyleServer(interval_s=0) as supplier, KaspiServer() as kaspi:
        yield {
            **os.environ,
            # Without the collected static files.
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE_URL": server[1],
            "TEST_VAR_DIR": str(tmp_path / "var"),
            "ALSTYLE_URL": supplier.url,
            "KASPI_URL": kaspi.url,
            "LISTEN": f"127.0.0.1:{free_port()}",
        }


def manage(environment: dict[str, str], *command: str, given: str = "") -> None:
    subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment,
        input=given,
        text=True,
        check=True,
    )


def wait_for(claim: Callable[[], Any], *, timeout_s: float = 90) -> Any:
    until = time.monotonic() + timeout_s
    while True:
        with suppress(requests.RequestException, psycopg.Error):
            if found := claim():
                return found
        assert time.monotonic() < until, "it did not come to pass in time"
        time.sleep(0.2)


class Rows:
    """What stands in the database, asked past the bridge."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(question, values or None).fetchall()

    def beats_since(self, moment: Any, *names: str) -> bool:
        ((count,),) = self.ask(BEATS, list(names), moment)
        return bool(count == len(names))

    def now(self) -> Any:
        ((now,),) = self.ask("SELECT now()")
        return now


def sign_in(site: str) -> requests.Session:
    browser = requests.Session()
    browser.trust_env = False
    assert try_to_sign_in(site, browser).ok
    return browser


def try_to_sign_in(
    site: str, browser: requests.Session | None = None
) -> requests.Response:
    browser = browser or requests.Session()
    browser.trust_env = False
    address = f"{site}/admin/login/"
    page = browser.get(address, timeout=20).text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token
    form = {"username": "olga", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
    return browser.post(address, {**form, "next": "/admin/"}, timeout=30)


def build(browser: requests.Session, site: str) -> requests.Response:
    """Press a button that writes: "Build the price list now"."""
    token = browser.cookies["csrftoken"]
    address = f"{site}/admin/feeds/feedbuild/build/"
    headers = {"X-CSRFToken": token, "Referer": site}
    return browser.post(address, headers=headers, timeout=30)


def let_write(rows: Rows, is_allowed: bool) -> None:
    with psycopg.connect(rows.url, autocommit=True) as connection:
        value = "off" if is_allowed else "on"
        change = f"ALTER SYSTEM SET default_transaction_read_only = {value}"
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(change.encode())
        connection.execute("SELECT pg_reload_conf()")


def cannot_write(rows: Rows) -> bool:
    return rows.ask("SHOW default_transaction_read_only") == [("on",)]


def test_everything_goes_on_by_itself_once_the_database_is_back(server, environment):
    postgresql, url = server
    rows, site = Rows(url), f"http://{environment['LISTEN']}"
    manage(environment, "migrate", "-v0")
    manage(environment, "sync_schedules")
    made = (
        "from bridge_site.roles import *; sync_roles(); "
        f"set_staff('olga', role='operator', password='{PASSWORD}')"
    )
    manage(environment, "shell", "-v0", given=made)
    live = Path(environment["TEST_VAR_DIR"]) / "feed" / "kaspi_price_list.xml"
    live.parent.mkdir(parents=True, exist_ok=True)
    live.write_text("<whole/>", encoding="utf-8")
    bridge = subprocess.Popen(
        [sys.executable, "manage.py", "bridge", "--exit-with-parent"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
    )
    try:
        wait_for(lambda: requests.get(f"{site}/healthz", timeout=5).ok)
        clusters = ("orders", "imports")
        wait_for(
            lambda: rows.beats_since("2020-01-01", *clusters), timeout_s=BEAT_WITHIN_S
        )
        leases = dict(wait_for(lambda: rows.ask(LEASES)))
        assert set(leases) == {"dispatch-alstyle", "dispatch-kaspi"}
        browser = sign_in(site)

        # As while a standby takes over: it can be read, and nothing be written.
        let_write(rows, False)
        wait_for(lambda: cannot_write(rows))
        assert browser.get(f"{site}/admin/", timeout=30).ok
        assert try_to_sign_in(site).ok
        refused = build(browser, site)
        assert refused.status_code == 503
        assert "пока только для чтения" in refused.text
        served = requests.get(f"{site}/kaspi_price_list.xml", timeout=10)
        assert (served.status_code, served.text) == (200, "<whole/>")
        time.sleep(min(AWAY_S, 8))
        assert bridge.poll() is None
        let_write(rows, True)
        wait_for(lambda: build(browser, site).ok)

        postgresql.stop()
        health = requests.get(f"{site}/healthz", timeout=10)
        assert (health.status_code, health.json()["web"]) == (503, True)
        page = browser.get(f"{site}/admin/", timeout=30)
        assert page.status_code == 503
        assert "База данных недоступна" in page.text
        assert int(page.headers["Retry-After"]) > 0
        served = requests.get(f"{site}/kaspi_price_list.xml", timeout=10)
        assert (served.status_code, served.text) == (200, "<whole/>")
        time.sleep(AWAY_S)

        postgresql.start_again()
        wait_for(lambda: browser.get(f"{site}/admin/", timeout=30).ok, timeout_s=20)
        back = rows.now()
        wait_for(lambda: rows.beats_since(back, *clusters), timeout_s=BEAT_WITHIN_S)
        wait_for(
            lambda: all(until > leases[name] for name, until in rows.ask(LEASES)),
            timeout_s=120,
        )
        assert bridge.poll() is None
    finally:
        assert bridge.stdin is not None
        bridge.stdin.close()
        bridge.wait(20)
