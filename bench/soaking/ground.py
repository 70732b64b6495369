"""Where a soak takes place: a directory, a database, an environment, processes."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from launch.ports import free_port
from launch.postgres import throw_away_server
from launch.programs import find_postgresql

ROOT = Path(__file__).resolve().parents[2]
MERCHANT_ID = "QazDemo"
# So many times faster than life: a minute is a second.
SCALE = 60.0


@contextlib.contextmanager
def server_url(given: str = "", *, postgresql: bool) -> Iterator[str]:
    """Give the database server to use, if asked a throw-away one; empty = SQLite."""
    if not postgresql:
        yield given
        return
    programs = find_postgresql()
    if programs is None:
        raise SystemExit("no PostgreSQL was found on this computer")
    with throw_away_server(programs) as url:
        yield url


@contextlib.contextmanager
def empty_database(url: str, directory: Path) -> Iterator[str]:
    """Give the URL of an empty database: a SQLite file, or one beside `url`."""
    if not url.startswith("postgres"):
        yield f"sqlite:///{(directory / 'soak.sqlite3').as_posix()}"
        return
    import psycopg

    name = f"soak_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def environment(
    directory: Path,
    *,
    database_url: str,
    alstyle_url: str,
    kaspi_url: str,
    interval_s: float,
    observe_only: bool,
    scale: float = SCALE,
    merchant_uid: str = "",
    trusts_lists: bool = False,
) -> dict[str, str]:
    """Build the environment of every process of the soak."""
    return {
        "DJANGO_SETTINGS_MODULE": "bench.soaking.settings",
        "ENV_FILE": os.devnull,
        "SOAK_DIR": str(directory),
        "SOAK_SCALE": str(scale),
        "SOAK_TRUSTS_LISTS": "1" if trusts_lists else "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "SECRET_KEY": secrets.token_hex(32),
        "HTTPS_ONLY": "0",
        "DEBUG": "0",
        "LISTEN": f"127.0.0.1:{free_port()}",
        "VAR_DIR": str(directory / "var"),
        "DATABASE_URL": database_url,
        "ALSTYLE_URL": alstyle_url,
        "ALSTYLE_TOKEN": f"alstyle-{secrets.token_hex(12)}",
        "ALSTYLE_INTERVAL_S": str(interval_s),
        "ALSTYLE_TIMEOUT_S": "2",
        "ORDER_TIMEOUT_S": "1",
        "KASPI_URL": kaspi_url,
        "KASPI_TOKEN": f"kaspi-{secrets.token_hex(12)}",
        "KASPI_INTERVAL_S": str(interval_s),
        "KASPI_TIMEOUT_S": "1",
        "KASPI_MERCHANT_ID": MERCHANT_ID,
        "KASPI_MERCHANT_UID": merchant_uid,
        "KASPI_COMPANY": "Qaz Demo",
        "PEER_BACKOFF_S": "0.05",
        "PEER_LONGEST_WAIT_S": "1",
        "AUTO_ASSEMBLE": "1",
        # There is nobody here who would say "go on by yourself".
        "SUPERVISE_FIRST_PURCHASE": "0",
        # What these goods bring is made up: no person is to be asked about it.
        "MARGIN_LEAST_PERCENT": "-100",
        "MARGIN_LEAST_KZT": "-1000000000",
        "WORK_WEEK": ",".join(["0-24"] * 7),
        "FEED_MASS_WITHDRAWAL_PERCENT": "100",
        "OBSERVE_ONLY": "1" if observe_only else "0",
        "LOG_LEVEL": "INFO",
    }


class Process:
    """A process of the bridge whose words go to the soak's log."""

    def __init__(self, *arguments: str, log: Path, talks: bool = False) -> None:
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if talks else file,
                stderr=file,
                text=True,
                bufsize=1,
            )

    def tell(self, command: str) -> str:
        """Send a line and wait for the answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("it does not talk")
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"the nursery ended: {self._process.wait()}")
        return answer

    def stop(self) -> None:
        """Close its input, at which it ends itself; by force if it does not."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
