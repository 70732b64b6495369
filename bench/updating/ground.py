"""Where updates are tried: the project, the bridge, the shop, one folder of them."""

from __future__ import annotations

import os
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.soaking.ground import environment
from bench.updating.published import Published, copy_of_the_project, git
from bench.updating.served import LIST_PATH, Served
from bench.updating.shop import INTERVAL_S, Shop
from launch.environment import child_environment

WATCHED_S = "2"
UPDATES_WITHIN_S = 900.0
LOOK_EVERY_S = 0.005
# Some last for a few milliseconds only.
LOOK_FOR_A_STAGE_EVERY_S = 0.0005
# What the soak needs and a real bridge has by itself.
OF_THE_SOAK = ("DJANGO_SETTINGS_MODULE", "ENV_FILE", "SOAK_", "PYTHON", "LOG_LEVEL")
QUICKER = {
    "POLL_ORDERS_EVERY_MIN": "1",
    "REFRESH_ORDERS_EVERY_MIN": "1",
    "SYNC_STOCK_EVERY_MIN": "2",
    "ALLOWED_HOSTS": "127.0.0.1,localhost",
    "DISK_LOW_MB": "0",
    # A busy machine is no lost answer.
    "ALSTYLE_TIMEOUT_S": "20",
    "ORDER_TIMEOUT_S": "20",
    "KASPI_TIMEOUT_S": "20",
}
# Leaves room for what has begun already.
BALLAST_CHUNK = 1 << 20


@dataclass
class Ground:
    """All that a case of the table may touch."""

    folder: Path
    project: Published
    served: Served
    shop: Shop
    database_url: str
    # The folder is a disk of its own, which may be filled.
    is_small_disk: bool = False
    restarts: int = 0
    updating: subprocess.Popen[bytes] | None = None
    _migrations: int = 0

    # -- publishing ---------------------------------------------------------------

    def begin_anew(self) -> None:
        """Let the publisher's checkout be what runs."""
        git(self.project.source, "reset", "--quiet", "--hard", self.project.running)
        git(self.project.source, "clean", "--quiet", "-fd")

    def add_migration(self, operation: str, *, is_atomic: bool = True) -> str:
        """Add one to the feeds' migrations; returns its name."""
        source = self.project.source
        folder = source / "feeds" / "migrations"
        last, orders = (
            sorted((source / app / "migrations").glob("[0-9]*.py"))[-1].stem
            for app in ("feeds", "orders")
        )
        self._migrations += 1
        name = f"9{self._migrations:03}_{secrets.token_hex(2)}"
        text = MIGRATION.format(
            last=last, orders=orders, operation=operation, is_atomic=is_atomic
        )
        (folder / f"{name}.py").write_text(text)
        return name

    def publish(self, why: str) -> str:
        self.project.add("CHANGELOG.md", f"- {why}\n")
        return self.project.publish(why)

    # -- what there is ------------------------------------------------------------

    @property
    def migration(self) -> str:
        """The last migration of the feeds that the database has."""
        query = (
            "SELECT name FROM django_migrations WHERE app = 'feeds' "
            "ORDER BY id DESC LIMIT 1"
        )
        if self.database_url.startswith("postgres"):
            import psycopg

            with psycopg.connect(self.database_url) as server:
                found = server.execute(query).fetchone()
        else:
            file = self.database_url.partition("sqlite:///")[2]
            with closing(sqlite3.connect(file, timeout=30)) as database:
                found = database.execute(query).fetchone()
        return str(found[0]) if found else ""

    # -- doing --------------------------------------------------------------------

    def update(
        self, *arguments: str, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        return self.project.run(
            *("update", "--watch", WATCHED_S, *arguments),
            environment={**self.served.environment, **settings},
            timeout_s=UPDATES_WITHIN_S,
        )

    def begin_update(self, *arguments: str) -> subprocess.Popen[bytes]:
        self.updating = self.project.begin(
            *("update", "--watch", WATCHED_S, *arguments),
            environment=self.served.environment,
        )
        return self.updating

    def await_stage(self, stage: str, updating: subprocess.Popen[bytes]) -> None:
        """Wait until an update that was begun reaches a stage."""
        self.await_that(
            lambda: self.project.stage == stage,
            updating,
            every_s=LOOK_FOR_A_STAGE_EVERY_S,
        )

    def await_that(
        self,
        claim: Callable[[], bool],
        updating: subprocess.Popen[bytes],
        *,
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        until = time.monotonic() + UPDATES_WITHIN_S
        while not claim():
            if updating.poll() is not None or time.monotonic() > until:
                raise AssertionError(self.project.told + self.served.said[-4000:])
            time.sleep(every_s)

    def serve_again(self) -> None:
        """Start it as a service manager does, and wait for what it brings to an end."""
        self.served.start()
        self.settle()

    def settle(self) -> None:
        """Wait until no update is under way and the site answers; start it if it ended.

        As a service manager does: `restarts` counts.
        """
        until = time.monotonic() + UPDATES_WITHIN_S
        while True:
            is_over = self.project.stage in ("", "done", "undone")
            if is_over and self.served.runs():
                return
            if not self.served.is_alive:
                self.restarts += 1
                self.served.start()
            if time.monotonic() > until:
                raise AssertionError(self.served.said[-4000:])
            time.sleep(1)

    def begin_again(self) -> None:
        """End what a case has left, and start the bridge again."""
        if self.updating is not None:
            self.updating.kill()
            self.updating.wait()
        self.served.close_process()
        self.settle()

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Leave no byte on the disk for the block."""
        ballast = self.folder / "ballast"
        with suppress(OSError), ballast.open("wb", 0) as file:
            for size in (BALLAST_CHUNK, 4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))
        try:
            yield
        finally:
            ballast.unlink()


MIGRATION = """import os

from django.db import migrations, models

IS_REHEARSED = "rehearsal" in os.environ.get("VAR_DIR", "")


def fail(apps, editor):
    if not IS_REHEARSED:
        raise RuntimeError("the migration is broken")


def fail_on_orders(apps, editor):
    if apps.get_model("orders", "Order").objects.exists():
        raise RuntimeError("the migration is broken")


class Migration(migrations.Migration):
    atomic = {is_atomic}
    dependencies = [("feeds", "{last}"), ("orders", "{orders}")]
    operations = [{operation}]
"""


@contextmanager
def open_ground(
    folder: Path, *, database_url: str, makes_environments: bool, is_small_disk: bool
) -> Iterator[Ground]:
    """Publish, clone, prepare and serve the bridge in the folder, and let buyers in.

    An empty `database_url`: SQLite, where the bridge has it by default.
    `makes_environments`: real virtual environments, by pip; else ours is used.
    """
    project = Published(folder)
    copy_of_the_project(project.source)
    project.publish_first()
    (project.home / "var").mkdir()
    (folder / "tmp").mkdir()
    file = project.home / "var" / "bridge.sqlite3"
    database_url = database_url or f"sqlite:///{file.as_posix()}"
    with Shop() as shop, ExitStack() as left:
        settings = environment(
            project.home,
            database_url=database_url,
            alstyle_url=shop.supplier.url,
            kaspi_url=shop.kaspi.url,
            interval_s=INTERVAL_S,
            observe_only=False,
            merchant_uid=shop.kaspi.settings.merchant_uid,
        )
        for name in [name for name in settings if name.startswith(OF_THE_SOAK)]:
            del settings[name]
        settings |= QUICKER
        shop.supplier.token = settings["ALSTYLE_TOKEN"]
        shop.kaspi.token = settings["KASPI_TOKEN"]
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (project.home / ".env").write_text("".join(lines))
        processes = child_environment(without_settings=True)
        processes.pop("DJANGO_SETTINGS_MODULE")
        processes["TMPDIR"] = str(folder / "tmp")
        if not makes_environments:
            processes["BRIDGE_VENV"] = sys.prefix
        served = Served(project, processes, f"http://{settings['LISTEN']}")
        left.callback(served.close)
        for command in ("migrate", "collectstatic --noinput", "prepare_demo"):
            made = project.run("manage", *command.split(), environment=processes)
            if made.returncode:
                raise SystemExit(f"{command}: {made.stdout[-2000:]}")
        served.start()
        served.wait_for(served.runs)
        shop.open(f"{served.url}{LIST_PATH}")
        served.watch()
        yield Ground(
            folder=folder,
            project=project,
            served=served,
            shop=shop,
            database_url=database_url,
            is_small_disk=is_small_disk,
        )


def set_django_up(ground: Ground) -> None:
    """Let this process read the bridge's database by its models."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bridge_site.settings"
    os.environ["ENV_FILE"] = str(ground.project.home / ".env")
    import django

    django.setup()
