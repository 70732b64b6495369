"""What an update asks of the database: a copy, the way back, the last write.

The nightly backup packs and proves what it keeps, which takes longer than the site may
be away: SQLite's copy is a plain file here. PostgreSQL's is the backup's own.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from bridge_site.backups import databases
from plumbing import hosts
from plumbing.leases import database_now
from plumbing.models import Epoch

# Beside the data, for as long as an update may want them back.
KEPT = 2
# A copy, and what the migrations write.
ROOM = 2.5


class CannotKeep(Exception):
    """The copy cannot be made or used; the text says why."""


def write_sequence() -> int:
    """Return the number of the last write to a peer."""
    numbers = Epoch.objects.filter(pk=Epoch.ONLY).values_list("sequence", flat=True)
    return numbers.first() or 0


def has_migrations() -> bool:
    """Tell whether this release's code wants anything of the database changed."""
    # Mostly nothing, which their names tell; the plan loads all of them.
    if hosts.has_all_migrations():
        return False
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def keep_database(name: str) -> Path:
    """Copy the database as it is this moment into a folder; raises `CannotKeep`."""
    kept = settings.VAR_DIR / "before-updates"
    folder = kept / name
    try:
        # It holds what the database holds.
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if connection.vendor == "sqlite":
            copy_sqlite(folder / "database.sqlite3")
        else:
            databases.dump(folder)
    except (OSError, sqlite3.Error, databases.DatabaseToolFailed) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise CannotKeep(f"the database cannot be copied: {error}") from None
    for old in sorted(kept.iterdir(), key=lambda each: each.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def copy_for_rehearsal(file: Path) -> bool:
    """Copy the database to try migrations on; False where that is not its way."""
    if connection.vendor != "sqlite":
        return False
    try:
        copy_sqlite(file)
    except (OSError, sqlite3.Error) as error:
        raise CannotKeep(f"the database cannot be copied: {error}") from None
    return True


def copy_sqlite(file: Path) -> None:
    """Copy the database while others may use it; raises `OSError`, `sqlite3.Error`."""
    source = Path(settings.DATABASES["default"]["NAME"])
    needed = source.stat().st_size * ROOM
    if shutil.disk_usage(file.parent).free < needed:
        raise OSError(f"the disk lacks room: {needed / 2**20:.0f} MiB are needed")
    databases.copy_sqlite(source, file)
    with closing(sqlite3.connect(file)) as copy:
        # Whole in one file, whatever becomes of the other two.
        copy.execute("PRAGMA journal_mode=DELETE")
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise OSError(f"the copy is damaged: {found}")


def take_back(folder: Path) -> None:
    """Let the database be what was kept; nothing else may use it meanwhile."""
    if others := hosts.other_hosts(now=database_now()):
        # What they have read and done since would be lost under their feet.
        raise CannotKeep(f"other hosts work with it: {', '.join(others)}")
    if connection.vendor == "sqlite":
        _take_sqlite_back(folder / "database.sqlite3")
        return
    if not (folder / databases.FILES["postgresql"]).is_file():
        raise CannotKeep(f"the copy in {folder} is missing")
    try:
        databases.put_back(folder, "postgresql")
    except databases.DatabaseToolFailed as error:
        raise CannotKeep(str(error)) from None


def _take_sqlite_back(file: Path) -> None:
    if not file.is_file():
        raise CannotKeep(f"the copy {file} is missing")
    connection.close()
    try:
        # One transaction: killed in its middle, nothing has changed.
        databases.copy_sqlite(file, Path(settings.DATABASES["default"]["NAME"]))
    except sqlite3.Error as error:
        raise CannotKeep(f"the database cannot be taken back: {error}") from None
