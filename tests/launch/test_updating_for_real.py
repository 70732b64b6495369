"""`run.py update` with the whole bridge at work against the pretended peers."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest

from launch.environment import child_environment
from launch.ports import free_port
from sandbox import AlStyleServer, KaspiServer
from tests.launch.published import Published, copy_of_the_project

LIST = '<?xml version="1.0" encoding="utf-8"?>\n<kaspi_catalog/>\n'
MIGRATION = """from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("feeds", "{}")]
"""
DYING = """

def run_dispatchers(**_options: object) -> None:
    raise SystemExit(3)
"""
pytestmark = [pytest.mark.once, pytest.mark.slow]


class Served:
    """`run.py serve` of the clone, all it says, and how long the list was away."""

    def __init__(self, project: Published, environment: dict[str, str], url: str):
        self.project, self.environment, self.url = project, environment, url
        self.log = (project.home.parent / "serve.log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "run.py", "serve"],
            cwd=project.home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.is_over = threading.Event()
        self.longest_gap_s = 0.0
        self.asking = threading.Thread(target=self._ask_on, daemon=True)

    @property
    def said(self) -> str:
        return (self.project.home.parent / "serve.log").read_text("utf-8", "replace")

    def asked(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            error.close()
            return f"{error.code}"
        except OSError:
            return None

    def await_site(self) -> None:
        until = time.monotonic() + 120
        while self.asked("/healthz") is None:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.2)
        self.asking.start()

    def _ask_on(self) -> None:
        heard_at = time.monotonic()
        while not self.is_over.wait(0.1):
            if self.asked("/kaspi_price_list.xml") is not None:
                now = time.monotonic()
                self.longest_gap_s = max(self.longest_gap_s, now - heard_at)
                heard_at = now

    def update(self) -> subprocess.CompletedProcess[str]:
        return self.project.run("update", "--watch", "2", environment=self.environment)

    def migrations_of_feeds(self) -> list[str]:
        file = self.project.home / "var" / "bridge.sqlite3"
        with closing(sqlite3.connect(file, timeout=30)) as database:
            found = database.execute(
                "SELECT name FROM django_migrations WHERE app = 'feeds' ORDER BY name"
            )
            return [name for (name,) in found]

    def close(self) -> None:
        self.is_over.set()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                child.kill()
            self.process.kill()
            self.process.wait()
        self.log.close()


@pytest.fixture
def published(tmp_path) -> Published:
    project = Published(tmp_path)
    copy_of_the_project(project.source)
    project.publish_first()
    return project


@pytest.fixture
def served(published) -> Iterator[Served]:
    port = free_port()
    with AlStyleServer(interval_s=0) as alstyle, KaspiServer() as kaspi:
        settings = {
            "SECRET_KEY": "updates-are-tested-" + "0123456789abcdef" * 4,
            "HTTPS_ONLY": "0",
            "LISTEN": f"127.0.0.1:{port}",
            "ALSTYLE_URL": alstyle.url,
            "ALSTYLE_TOKEN": alstyle.token,
            "ALSTYLE_INTERVAL_S": "0",
            "KASPI_URL": kaspi.url,
            "KASPI_TOKEN": kaspi.token,
            "KASPI_MERCHANT_ID": "QazDemo",
            "KASPI_COMPANY": "Qaz Demo",
            "SUPERVISE_FIRST_PURCHASE": "0",
            "DISK_LOW_MB": "0",
        }
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (published.home / ".env").write_text("".join(lines))
        feed = published.home / "var" / "feed"
        feed.mkdir(parents=True)
        (feed / "kaspi_price_list.xml").write_text(LIST)
        environment = {
            **child_environment(without_settings=True),
            "BRIDGE_VENV": sys.prefix,
        }
        environment.pop("DJANGO_SETTINGS_MODULE")
        served = Served(published, environment, f"http://127.0.0.1:{port}")
        try:
            served.await_site()
            yield served
        finally:
            served.close()


def test_a_good_update_runs_and_one_whose_worker_dies_is_taken_back(published, served):
    before = served.asked("/healthz")
    last = sorted((published.source / "feeds" / "migrations").glob("0*.py"))[-1].stem
    published.add("CHANGELOG.md", "- Everything is better.\n")
    published.add("feeds/migrations/9998_new.py", MIGRATION.format(last))
    revision = published.publish("Be better.")
    done = served.update()
    assert done.returncode == 0, done.stdout + served.said
    assert "- Everything is better." in done.stdout
    assert revision[:12] in str(served.asked("/healthz"))
    assert served.asked("/healthz") != before
    assert served.migrations_of_feeds()[-1] == "9998_new"
    print(f"\nThe list was away for {served.longest_gap_s:.1f} s")
    served.longest_gap_s = 0
    published.add("feeds/migrations/9999_newer.py", MIGRATION.format("9998_new"))
    published.add("bridge_site/parts.py", DYING)
    published.publish("Be worse.")
    done = served.update()
    assert done.returncode == 1
    assert "dispatch ended by itself" in done.stdout, done.stdout + served.said
    assert published.pointer == revision[:12]
    assert revision[:12] in str(served.asked("/healthz"))
    assert served.migrations_of_feeds()[-1] == "9998_new"
    print(f"With the way back, for {served.longest_gap_s:.1f} s")
