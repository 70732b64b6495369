"""The list is given out by another process while the site is away for an update."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import IO

import pytest

from bench.updating.served import keep_list
from bridge_site.control import CONTROL
from bridge_site.listening import take_turn
from feeds.models import FeedFetch
from launch.ports import free_port
from tests.bridge_site.test_processes import wait_for

ROOT = Path(__file__).resolve().parents[2]


def asked(url: str) -> tuple[int, str, str | None]:
    """Return status, text and what the browser is told to do."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return 200, answer.read().decode(), None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers["Refresh"]


@pytest.fixture
def in_the_background() -> Iterator[None]:
    """Start processes as a shell's script does with `&`: they ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("in_the_background")
def test_the_list_is_given_out_from_the_sites_end_to_the_next_ones_beginning(
    bridge_env, tmp_path
):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    keep_list(tmp_path / "var" / "feed")
    environment = bridge_env(
        LISTEN=f"127.0.0.1:{port}",
        **{CONTROL: str(tmp_path)},
        FEED_DIR=str(tmp_path / "var" / "feed"),
    )
    with socket.create_server(("127.0.0.1", port)) as site:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "substitute"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
        )
        # It waits for the site's end.
        wait_for((tmp_path / "ready").exists, timeout_s=60)
        assert process.poll() is None
        site.close()
    with process:
        wait_for(lambda: answers(f"{url}/healthz"), timeout_s=60)
        status, text, _again = asked(f"{url}/kaspi_price_list.xml")
        assert (status, "<kaspi_catalog" in text) == (200, True)
        status, text, again = asked(f"{url}/admin/")
        assert (status, again) == (503, "5")
        assert "<h1>Программа обновляется</h1>" in text
        # The database may be about to be taken back.
        assert FeedFetch.objects.count() == 0
        # It lets go at a word, and comes again if nobody else does. A connection that
        # is kept open ends, for nobody would answer there.
        assert process.stdin
        kept = HTTPConnection("127.0.0.1", port, timeout=20)
        kept.request("GET", "/healthz")
        assert kept.getresponse().read()
        with taken(port, process.stdin):
            assert process.poll() is None
            assert kept.sock.recv(1) == b""
        kept.close()
        wait_for(lambda: answers(f"{url}/healthz"), timeout_s=60)
        process.communicate(timeout=60)
        assert process.returncode == 0
    # The journal knows who fetched nevertheless.
    assert FeedFetch.objects.get().status_code == 200
    with socket.create_server(("127.0.0.1", port)):
        pass


def taken(port: int, to_substitute: IO[bytes]) -> socket.socket:
    """Listen in its place; it is told again, as run.py does on a busy machine."""
    for attempt in range(2000):
        if attempt % 500 == 0:
            to_substitute.write(b"let go\n")
            to_substitute.flush()
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            time.sleep(0.01)
    raise AssertionError("it does not let go")


def answers(url: str) -> bool:
    try:
        return asked(url)[0] > 0
    except OSError:
        return False


def test_the_site_says_that_it_is_ready_and_waits_for_its_turn(tmp_path, monkeypatch):
    monkeypatch.setenv(CONTROL, str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        waiting = threading.Thread(target=take_turn, args=[listen])
        waiting.start()
        wait_for((tmp_path / "ready").exists, timeout_s=60)
        assert waiting.is_alive()
    waiting.join(20)
    assert not waiting.is_alive()
