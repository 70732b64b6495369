"""Spares loops a look that would find what the last one found: nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connection

Found = TypeVar("Found")


class Stillness:
    """What one loop knows of its last look.

    SQLite tells in a moment whether anybody has written since; PostgreSQL does not, so
    there every look is one. `again_after_s`: when to look all the same, for what the
    clock alone makes due.
    """

    def __init__(self, *, again_after_s: float) -> None:
        self._again_after_s = again_after_s
        self._seen: tuple[Any, ...] | None = None
        self._until = 0.0

    def holds(self) -> bool:
        """Tell whether a look would find nothing again."""
        if self._seen is None or time.monotonic() >= self._until:
            return False
        return _written() == self._seen

    def look(self, find: Callable[[], Found]) -> Found:
        """Look, and remember by what stands in the database if nothing was found."""
        # Before: what is written meanwhile is news.
        seen = _written()
        self._until = time.monotonic() + self._again_after_s
        found = find()
        self._seen = None if found else seen
        return found

    def look_again_within(self, seconds: float) -> None:
        """Let the look that is under way hold no longer: something is due then."""
        self._until = min(self._until, time.monotonic() + seconds)


def _written() -> tuple[Any, ...] | None:
    """Tell by numbers what others and we have written by this connection's time."""
    if connection.vendor != "sqlite" or connection.connection is None:
        return None
    # The driver's own, and by itself: Django's cursors cost ten times as much.
    driver = connection.connection
    with connection.wrap_database_errors:
        (by_others,) = driver.execute("PRAGMA data_version").fetchone()
    return driver, by_others, driver.total_changes
