"""A lock between processes that the system itself lets go when its holder dies."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class Locked(Exception):
    """Another process holds the lock."""


class FileLock:
    """Held from construction until `release()` or the end of the process.

    SQLite locks files the same way on Windows and Linux, which no other module of
    the standard library does.
    """

    def __init__(self, path: Path, *, wait_s: float = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            self._connection.close()
            raise Locked(str(path)) from None

    def release(self) -> None:
        self._connection.close()
