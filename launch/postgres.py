"""A PostgreSQL server that lives as long as a test run."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from launch.console import CannotGoOn, complain
from launch.ports import free_port

# Under plain C, which is what root often has, only Latin letters have a lower case.
LOCALE = () if sys.platform == "win32" else ("--locale=C.UTF-8",)
# Nothing here needs to survive a power cut.
CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 60
shared_buffers = 64MB
"""


@contextmanager
def throw_away_server(programs: Path) -> Iterator[str]:
    """Start a server with an empty database and give its URL; then remove it all."""
    folder = Path(tempfile.mkdtemp(prefix="bridge-postgresql-"))
    server = Server(programs=programs, folder=folder)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """A server of our own, which a test may also stop for a while."""

    def __init__(self, *, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._as_user = _other_user()

    def start(self) -> str:
        password = secrets.token_hex(16)
        password_file = self._folder / "password.txt"
        password_file.write_text(password, encoding="utf-8")
        self._hand_over()
        made = self._run(
            *("initdb", "-D", str(self._data), "-U", "bridge", "-E", "UTF8"),
            *("-A", "scram-sha-256", f"--pwfile={password_file}", "-N", *LOCALE),
        )
        if made:
            raise CannotGoOn("initdb failed: the lines above say why.")
        port = free_port()
        configuration = CONFIGURATION.format(port=port)
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(configuration)
        self.start_again()
        return f"postgres://bridge:{password}@127.0.0.1:{port}/postgres"

    def start_again(self) -> None:
        if self._run(*self._control("start"), "-l", str(self._folder / "server.log")):
            raise CannotGoOn("PostgreSQL did not start: the lines above say why.")

    def stop(self) -> None:
        if (self._data / "postmaster.pid").is_file():
            self._run(*self._control("stop"), "-m", "immediate")

    def _control(self, verb: str) -> Sequence[str]:
        return ("pg_ctl", verb, "-D", str(self._data), "-w", "-t", "60")

    def _hand_over(self) -> None:
        if self._as_user and sys.platform != "win32":
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, self._as_user["user"], self._as_user["group"])

    def _run(self, program: str, *arguments: str) -> int:
        # A file, not a pipe: the server inherits it and would keep a pipe open.
        output = self._folder / f"{program}.log"
        with output.open("wb") as file:
            done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
                [str(self._programs / program), *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
                **self._as_user,
            )
        if done.returncode:
            for log in (output, self._folder / "server.log"):
                if log.is_file():
                    complain(log.read_text(encoding="utf-8", errors="replace"))
        return done.returncode


def _other_user() -> dict[str, Any]:
    """Name another user to run as: PostgreSQL refuses to run as root."""
    if sys.platform != "win32" and os.geteuid() == 0:
        import pwd

        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        for name in ("postgres", "nobody"):
            if entry := known.get(name):
                ids = {"user": entry.pw_uid, "group": entry.pw_gid}
                return {**ids, "extra_groups": []}
        raise CannotGoOn(
            "PostgreSQL does not run as root and no other user was found: run the "
            "tests as an ordinary user."
        )
    return {}
