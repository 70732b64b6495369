"""What the clusters run for the backups."""

from __future__ import annotations

from bridge_site.backups import making
from bridge_site.backups.offsite import carry_erased, is_carried
from orders.personal.erasing import erase_again, note_all_erased
from plumbing.leases import LeaseTaken, database_now


def back_up() -> str:
    """Make the night's backup; raises `BackupFailed`."""
    try:
        path = making.make_backup(now=database_now())
    except LeaseTaken as error:
        return str(error)
    return f"{path.name}, {making.size_of(path)} bytes"


def note_erased() -> str:
    """Keep the list of erased buyers' orders, and have them stay erased."""
    noted, again = note_all_erased(), erase_again()
    if not is_carried():
        carry_erased()
    return f"{noted} noted, {again} erased again"
