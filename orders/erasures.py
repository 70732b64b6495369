"""Which orders' buyers were erased on request: kept outside the database.

A database that is brought back, or begun anew, knows nothing of it, and Kaspi tells
the buyers again. Only the orders' ids at Kaspi stand in the list.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings


class _Read:
    """The list as it was read last, and what the file was then."""

    stamp: tuple[str, int, int] = ("", 0, 0)
    ids: frozenset[str] = frozenset()


def file_of_erased() -> Path:
    folder: Path = settings.BACKUP_DIR
    return folder / "erased-orders.txt"


def note_erased(ids: Iterable[str]) -> int:
    """Add orders to the list, on the disk when it returns; gives how many were new.

    Lines are only ever added, so no process wipes out another's. Raises `OSError`.
    """
    new = sorted(set(ids) - erased_ids())
    if not new:
        return 0
    file = file_of_erased()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.touch(mode=0o600)
    with file.open("ab") as opened:
        # A line before that was cut off must not spoil the next one.
        opened.write("".join(f"\n{each}" for each in (*new, "")).encode("ascii"))
        opened.flush()
        os.fsync(opened.fileno())
    return len(new)


def erased_ids() -> frozenset[str]:
    """Give the orders of the list; reads it anew when it has changed."""
    file = file_of_erased()
    try:
        stat = file.stat()
    except FileNotFoundError:
        return frozenset()
    stamp = (str(file), stat.st_mtime_ns, stat.st_size)
    if _Read.stamp != stamp:
        _Read.ids = frozenset(file.read_text("ascii", "replace").split())
        _Read.stamp = stamp
    return _Read.ids
