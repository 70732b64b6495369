"""What an update asks of the database: a copy, the way back, the last write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.db import connection

from plumbing.models import Epoch

# Beside the data, for as long as an update may want them back.
KEPT = 2
# A copy, and what the migrations write.
ROOM = 2.5


class CannotKeep(Exception):
    """The copy cannot be made or used; the text says why."""


def write_sequence() -> int:
    """Return the number of the last write to a peer."""
    return (
        Epoch.objects.filter(pk=Epoch.ONLY).values_list("sequence", flat=True).first()
        or 0
    )


def keep_database(name: str) -> Path:
    """Copy the database as it is this moment; raises `CannotKeep`."""
    folder = settings.VAR_DIR / "before-updates"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"{name}.{_kind()}"
    try:
        if _kind() == "sqlite3":
            copy_sqlite(file)
        else:
            _run_postgres("pg_dump", "--format=custom", f"--file={file}")
    except (OSError, sqlite3.Error) as error:
        file.unlink(missing_ok=True)
        raise CannotKeep(f"the database cannot be copied: {error}") from None
    # It holds what the database holds.
    file.chmod(0o600)
    kept = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime)
    for old in kept[:-KEPT]:
        old.unlink()
    return file


def copy_for_rehearsal(file: Path) -> bool:
    """Copy the database to try migrations on; False where that is not its way."""
    if _kind() != "sqlite3":
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
    with (
        closing(sqlite3.connect(source)) as live,
        closing(sqlite3.connect(file)) as copy,
    ):
        live.backup(copy)
        # Whole in one file, whatever becomes of the other two.
        copy.execute("PRAGMA journal_mode=DELETE")
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise OSError(f"the copy is damaged: {found}")


def take_back(file: Path) -> None:
    """Let the database be what the copy holds; nothing else may use it meanwhile."""
    if not file.is_file():
        raise CannotKeep(f"the copy {file} is missing")
    if _kind() == "sqlite3":
        connection.close()
        live_file = settings.DATABASES["default"]["NAME"]
        copy, live = sqlite3.connect(file), sqlite3.connect(live_file, timeout=30)
        with closing(copy), closing(live):
            # One transaction: killed in its middle, nothing has changed.
            copy.backup(live)
        return
    with connection.cursor() as cursor:
        # What newer migrations made is not in the copy and would stay.
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)} CASCADE")
    connection.close()
    _run_postgres(
        "pg_restore", "--no-owner", "--single-transaction", "--dbname", "", str(file)
    )


def _kind() -> str:
    return "sqlite3" if connection.vendor == "sqlite" else "dump"


def _run_postgres(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise CannotKeep(
            f"{program} is not installed (Debian and Ubuntu: postgresql-client): "
            f"without it there is no way back, so nothing is updated"
        )
    database = settings.DATABASES["default"]
    named = {
        "PGHOST": database.get("HOST"),
        "PGPORT": database.get("PORT"),
        "PGUSER": database.get("USER"),
        "PGPASSWORD": database.get("PASSWORD"),
        "PGDATABASE": database.get("NAME"),
    }
    environment = {**os.environ, **{key: str(v) for key, v in named.items() if v}}
    # pg_restore connects only if it is told a database by name.
    told = [str(database["NAME"]) if each == "" else each for each in arguments]
    done = subprocess.run(  # noqa: S603 - our own python
        [found, *told],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise CannotKeep(f"{program} failed: {done.stderr.strip()[-500:]}")
