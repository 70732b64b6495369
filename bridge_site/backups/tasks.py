"""What the clusters run for the backups."""

from __future__ import annotations

from bridge_site.backups import erased, making
from plumbing.leases import LeaseTaken, database_now


def back_up() -> str:
    """Make the night's backup; raises `BackupFailed`."""
    try:
        path = making.make_backup(now=database_now())
    except LeaseTaken as error:
        return str(error)
    return f"{path.name}, {making.size_of(path)} bytes"


def note_erased() -> str:
    """Keep the list of erased buyers' orders beside the backups up to date."""
    return f"{erased.note_erased()} noted"
