"""`run.py demo` as a newcomer runs it, from a copy of the project."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from lxml import etree

from launch.environment import child_environment
from sandbox import Control

ROOT = Path(__file__).resolve().parent.parent.parent
XSD = ROOT / "feeds" / "kaspishopping.xsd"
TREE = "BRIDGE_TEST_TREE"
NS = {"k": "kaspiShopping"}
LEFT_BEHIND = (
    ".git",
    ".venv",
    "var",
    "staticfiles",
    "__pycache__",
    ".*_cache",
    "tests",
)
pytestmark = [pytest.mark.once, pytest.mark.slow]


def wait_for(claim: Callable[[], Any], *, timeout_s: float, why: str) -> Any:
    until = time.monotonic() + timeout_s
    while not (found := claim()):
        assert time.monotonic() < until, why
        time.sleep(0.2)
    return found


class Demo:
    """A running demo and all it says."""

    def __init__(self, project: Path, *arguments: str) -> None:
        self.mark = uuid.uuid4().hex
        self.said: list[str] = []
        environment = child_environment(without_settings=True)
        environment.pop("TEST_DATABASE_URL", None)
        environment.update(BRIDGE_VENV=sys.prefix, **{TREE: self.mark})
        # Real-looking values in the shell, which must not reach the demo.
        environment.update(KASPI_TOKEN="real-kaspi-token", OUTBOUND_PROXY="http://x:1")
        self.process = subprocess.Popen(
            [sys.executable, "run.py", "demo", "--interval", "0.1", *arguments],
            cwd=project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.said.append(line)

    @property
    def text(self) -> str:
        return "".join(self.said)

    def await_start(self) -> None:
        def started() -> bool:
            assert self.process.poll() is None, self.text
            return "Ctrl-C stops everything" in self.text

        wait_for(started, timeout_s=120, why="the demo did not start")

    def address(self, label: str) -> str:
        found = re.search(rf"{label}\S*:\s+(http\S+)", self.text)
        assert found, self.text
        return found.group(1)

    def password(self) -> str:
        found = re.search(r"^ +owner +(\S+)", self.text, re.MULTILINE)
        assert found, self.text
        return found.group(1)

    def tree(self) -> list[psutil.Process]:
        """Every living process of this demo, orphans included."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.environ().get(TREE) == self.mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def interrupt(self) -> None:
        number = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT)
        self.process.send_signal(number)

    def close(self) -> None:
        for process in self.tree():
            process.kill()
        self.process.wait(10)
        self.reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh copy of the project: no database, no feed, no settings."""
    folder = tmp_path_factory.mktemp("demo") / "project"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_BEHIND))
    # Where a newcomer's real settings stand; the demo must not look at them.
    (folder / ".env").write_text("KASPI_URL=https://kaspi.example/shop/api\n")
    return folder


@pytest.fixture
def demo(project) -> Iterator[Callable[..., Demo]]:
    running: list[Demo] = []

    def start(*arguments: str) -> Demo:
        running.append(Demo(project, *arguments))
        return running[-1]

    yield start
    for each in running:
        each.close()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def offers_on_sale(feed: bytes) -> dict[str, int]:
    """Validate the list against Kaspi's schema and return sku → price."""
    root = etree.fromstring(feed)
    etree.XMLSchema(etree.parse(XSD)).assertValid(root)
    found = {}
    for offer in root.iterfind("k:offers/k:offer", NS):
        if offer.find("k:availabilities/k:availability[@available='yes']", NS) is None:
            continue
        found[offer.get("sku", "")] = int(offer.findtext("k:price", "", NS))
    return found


def test_a_newcomer_sees_the_goods_on_sale_and_stops_it_all_with_ctrl_c(demo):
    running = demo("--feed-every", "1")
    running.await_start()
    feed_url = running.address("Feed")
    on_sale = offers_on_sale(fetch(feed_url))
    assert len(on_sale) > 50

    kaspi = Control(running.address("Kaspi's view"))

    def picture() -> dict[str, int]:
        shown = kaspi.call("picture")["offers"]
        return {
            sku: offer["price"] for sku, offer in shown.items() if offer["available"]
        }

    def kaspi_shows_what_is_published() -> bool:
        shown, published = picture(), offers_on_sale(fetch(feed_url))
        return len(shown) > 50 and shown == published

    # A list may be published between the two looks, so more than one is granted.
    wait_for(kaspi_shows_what_is_published, timeout_s=60, why="Kaspi shows other goods")
    assert b"csrfmiddlewaretoken" in fetch(running.address("Admin") + "login/")
    assert "real-kaspi-token" not in running.text
    # Nothing is wrong with what nobody has set up yet.
    assert "WARNINGS" not in running.text, running.text

    another = demo()
    assert another.process.wait(60) == 1
    another.reader.join(10)
    assert "runs already at http://127.0.0.1:" in another.text
    assert "Traceback" not in another.text

    assert len(running.tree()) >= 6
    started = time.monotonic()
    running.interrupt()
    running.process.wait(15)
    assert time.monotonic() - started < 10
    assert running.tree() == []
    assert running.process.returncode == 0
    assert "Traceback" not in running.text, running.text


def ordered_at(project: Path, running: Demo) -> set[int]:
    """Give the numbers of the orders placed with the pretended supplier."""
    assert running.process.poll() is None, running.text
    addresses = json.loads((project / "var/demo/sandbox.json").read_text())
    orders = Control(addresses["alstyle_control_url"]).call("orders")
    return {order["id"] for order in orders if order["by"] == "api"}


def test_a_demo_killed_hard_leaves_no_process_and_the_next_one_goes_on(demo, project):
    killed = demo("--orders-every", "3")
    killed.await_start()
    before = wait_for(
        lambda: ordered_at(project, killed), timeout_s=150, why="nothing was ordered"
    )
    killed.process.kill()
    killed.process.wait(5)
    wait_for(
        lambda: killed.tree() == [], timeout_s=60, why="processes were left behind"
    )
    following = demo("--orders-every", "3")
    following.await_start()
    assert following.password() != killed.password()
    assert offers_on_sale(fetch(following.address("Feed")))
    assert "The sandbox goes on with" in following.text
    assert ordered_at(project, following) >= before
    more = wait_for(
        lambda: ordered_at(project, following) - before,
        timeout_s=150,
        why="nothing more was ordered",
    )
    assert min(more) > max(before)


def test_ctrl_c_while_it_is_being_prepared_stops_it_all(demo):
    running = demo("--interval", "5")
    wait_for(lambda: "Preparing" in running.text, timeout_s=60, why="no preparation")
    started = time.monotonic()
    running.interrupt()
    assert running.process.wait(15) == 0
    assert time.monotonic() - started < 10
    wait_for(lambda: running.tree() == [], timeout_s=60, why="something was left")
    running.reader.join(10)
    assert "Traceback" not in running.text, running.text


def test_a_port_asked_for_but_taken_is_named(demo, taken_port):
    running = demo("--port", str(taken_port))
    assert running.process.wait(30) == 1
    running.reader.join(10)
    assert f"Port {taken_port} is taken" in running.text


@pytest.fixture
def taken_port() -> Iterator[int]:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]
