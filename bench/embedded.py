"""The whole embedded bridge against the sandbox, on a database to throw away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from launch.ports import free_port
from sandbox import AlStyleServer, KaspiServer

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "bench-password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge that runs: where it is, its first process, its folder; both peers."""

    site: str
    pid: int
    folder: Path
    environment: dict[str, str]
    supplier: AlStyleServer
    kaspi: KaspiServer


@contextmanager
def embedded_bridge(
    catalogue: Path | None = None,
    running: Mapping[str, str] | None = None,
    prepare: Callable[[AlStyleServer, KaspiServer], object] = lambda *_peers: None,
    /,
    **overrides: str,
) -> Iterator[Bridge]:
    """Start a bridge with the demo's goods on sale; it ends with the block.

    `overrides` are settings; `running` is in the environment of what runs alone.
    `prepare` is called with both peers before anything is read of them.
    """
    with (
        TemporaryDirectory() as folder,
        AlStyleServer(interval_s=0, catalogue=catalogue) as supplier,
        KaspiServer() as kaspi,
    ):
        prepare(supplier, kaspi)
        site, environment = f"127.0.0.1:{free_port()}", dict(os.environ)
        environment.update(settings_of(folder, site, supplier, kaspi))
        environment.update(overrides)
        for step in (("migrate", "-v0"), ("collectstatic", "--noinput", "-v0")):
            manage(*step, environment=environment)
        manage("prepare_demo", environment=environment)
        command = [sys.executable, "manage.py", "bridge", "--exit-with-parent"]
        bridge = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment | dict(running or {}),
            stdin=subprocess.PIPE,
        )
        try:
            await_site(f"http://{site}/admin/login/")
            yield Bridge(
                site=f"http://{site}",
                pid=bridge.pid,
                folder=Path(folder),
                environment=environment,
                supplier=supplier,
                kaspi=kaspi,
            )
        finally:
            bridge.communicate(timeout=15)


def sign_in(browser: requests.Session, site: str, *, username: str) -> None:
    """Sign one of the demo's staff in, as they do."""
    login = f"{site}/admin/login/"
    browser.get(login, timeout=30)
    form = {"username": username, "password": PASSWORD, "next": "/admin/"}
    form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
    browser.post(login, data=form, timeout=30).raise_for_status()


def settings_of(
    folder: str, site: str, supplier: AlStyleServer, kaspi: KaspiServer
) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "bridge_site.settings",
        "ENV_FILE": os.devnull,
        # As run.py sets it (launch.environment).
        "MALLOC_ARENA_MAX": "2",
        "SECRET_KEY": "bench-only-" + "k" * 50,
        "HTTPS_ONLY": "0",
        "LISTEN": site,
        "VAR_DIR": folder,
        "DATABASE_URL": f"sqlite:///{(Path(folder) / 'bridge.sqlite3').as_posix()}",
        "ALSTYLE_URL": supplier.url,
        "ALSTYLE_TOKEN": supplier.token,
        "ALSTYLE_INTERVAL_S": "0.1",
        "KASPI_URL": kaspi.url,
        "KASPI_TOKEN": kaspi.token,
        "KASPI_MERCHANT_ID": "QazDemo",
        "KASPI_COMPANY": "Qaz Demo",
        "LOG_LEVEL": "WARNING",
        "DEMO_STAFF_PASSWORD": PASSWORD,
    }


def manage(*arguments: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def await_site(url: str) -> None:
    for _attempt in range(3000):
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(url)
