"""Has the database overwrite what is deleted, where it would only forget its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

# Whoever reads just now keeps the log from being emptied; the next time will do.
PATIENCE_MS = 2_000


@contextmanager
def overwriting() -> Iterator[None]:
    """Overwrite what the block deletes or changes, in the file and in its log.

    SQLite alone needs to be told; PostgreSQL uses the space again after its own vacuum.
    """
    if connection.vendor != "sqlite":
        yield
        return
    before = _ask("PRAGMA secure_delete")
    _ask("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        _ask(f"PRAGMA secure_delete = {before}")
    if not connection.in_atomic_block:
        # What was written earlier stands in the log as well, until it is emptied.
        patience = _ask("PRAGMA busy_timeout")
        _ask(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        try:
            _ask("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            _ask(f"PRAGMA busy_timeout = {patience}")


def _ask(pragma: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(pragma)
        row = cursor.fetchone()
    return int(row[0]) if row else 0
