"""`run.py update` with the whole bridge at work against the pretended peers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.updating.published import Published, copy_of_the_project
from bench.updating.served import Served, keep_list
from launch.environment import child_environment
from launch.ports import free_port
from sandbox import AlStyleServer, KaspiServer

MIGRATION = """from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("feeds", "{}")]
"""
DYING = """

def run_dispatchers(**_options: object) -> None:
    raise SystemExit(3)
"""
pytestmark = [pytest.mark.once, pytest.mark.slow, pytest.mark.long]


class Updated(Served):
    """The bridge, and the database beside it."""

    lists_for_each_page = 5

    def update(self) -> subprocess.CompletedProcess[str]:
        return self.project.run("update", "--watch", "2", environment=self.environment)

    def migrations_of_feeds(self) -> list[str]:
        file = self.project.home / "var" / "bridge.sqlite3"
        with closing(sqlite3.connect(file, timeout=30)) as database:
            found = database.execute(
                "SELECT name FROM django_migrations WHERE app = 'feeds' ORDER BY name"
            )
            return [name for (name,) in found]


@pytest.fixture
def published(tmp_path) -> Published:
    project = Published(tmp_path)
    copy_of_the_project(project.source)
    project.publish_first()
    return project


@pytest.fixture
def served(published) -> Iterator[Updated]:
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
        keep_list(published.home / "var" / "feed")
        environment = {
            **child_environment(without_settings=True),
            "BRIDGE_VENV": sys.prefix,
        }
        environment.pop("DJANGO_SETTINGS_MODULE")
        # A first start compares both sides' books, which counts as something sent.
        begin = "from plumbing import epoch; epoch.begin()"
        for command in (("migrate", "-v", "0"), ("shell", "-c", begin)):
            done = published.run("manage", *command, environment=environment)
            assert done.returncode == 0, done.stdout
        served = Updated(published, environment, f"http://127.0.0.1:{port}")
        try:
            served.start()
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
    told_away(served)
    published.add("feeds/migrations/9999_newer.py", MIGRATION.format("9998_new"))
    published.add("bridge_site/parts.py", DYING)
    published.publish("Be worse.")
    done = served.update()
    assert done.returncode == 1
    assert "dispatch ended by itself" in done.stdout, done.stdout + served.said
    assert published.pointer == revision[:12]
    assert revision[:12] in str(served.asked("/healthz"))
    assert served.migrations_of_feeds()[-1] == "9998_new"
    told_away(served)


def told_away(served: Served) -> None:
    """The list is given out while the site is away."""
    served.await_heard()
    print(f"\naway: list {served.longest_gap_s:.2f} s, site {served.site_gap_s:.1f} s")
    assert 0 < served.longest_gap_s < served.site_gap_s / 2
    served.longest_gap_s = served.site_gap_s = 0.0
