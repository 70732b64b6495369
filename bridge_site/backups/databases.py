"""Takes a whole database out and puts one back, on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import connection, connections

from plumbing.lazily import lazily

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql
else:
    # Eight megabytes for which a bridge on SQLite has no use.
    psycopg, sql = lazily("psycopg"), lazily("psycopg.sql")

SQLITE, POSTGRESQL = "sqlite", "postgresql"
# At the end of what is not whole yet, and of what is there for a while.
HALF = ".partial"
FILES = {SQLITE: "database.sqlite3.gz", POSTGRESQL: "database.dump"}
# SQLite makes an index of its log beside each database that it opens.
BESIDE_A_COPY = 64 << 10
# Rows of every table, by its name.
Rows = dict[str, int]
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' "
    "AND relnamespace = 'public'::regnamespace ORDER BY relname"
)


class DatabaseToolFailed(Exception):
    """A program of the database's, or the database, said no; carries its words."""


def dump(folder: Path) -> Rows:
    """Write the whole database, as it is at one moment, into the folder; count it."""
    if connection.vendor == SQLITE:
        return _dump_sqlite(folder / FILES[SQLITE])
    return _dump_postgresql(folder / FILES[POSTGRESQL])


def prove(folder: Path, kind: str) -> tuple[Rows, str]:
    """Restore what was dumped into a scratch place; count it and say what was done.

    Raises `DatabaseToolFailed` when it cannot be restored.
    """
    if kind == SQLITE:
        with scratch_folder(folder.parent) as scratch:
            copy = Path(scratch) / "scratch.sqlite3"
            _unpack(folder / FILES[SQLITE], copy)
            return _examine_sqlite(copy), "restored"
    return _prove_postgresql(folder / FILES[POSTGRESQL])


def scratch_folder(place: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a folder for a while; what is left of a killed one's is known by its name.

    It would else keep a whole database, night after night.
    """
    return tempfile.TemporaryDirectory(dir=place, prefix=".", suffix=HALF)


def put_back(folder: Path, kind: str) -> Path | None:
    """Replace the database by what was dumped; gives where the present one was kept.

    Everybody else must have let go of it.
    """
    connections.close_all()
    if kind == SQLITE:
        return _put_back_sqlite(folder / FILES[SQLITE])
    _put_back_postgresql(folder / FILES[POSTGRESQL])
    return None


def copy_sqlite(source: Path, target: Path, *, wait_s: float = 30) -> None:
    """Copy all pages in one step: one moment, and in WAL mode writers need not wait.

    Into a database that is there, in one transaction. Raises `sqlite3.Error`.
    """
    with (
        contextlib.closing(sqlite3.connect(source, timeout=wait_s)) as here,
        contextlib.closing(sqlite3.connect(target, timeout=wait_s)) as there,
    ):
        here.backup(there)


def _dump_sqlite(target: Path) -> Rows:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        copy = Path(scratch) / "copy.sqlite3"
        copy_sqlite(Path(connection.settings_dict["NAME"]), copy)
        rows = _examine_sqlite(copy)
        with copy.open("rb") as plain, gzip.open(target, "wb", 6) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
    return rows


def _unpack(packed: Path, target: Path) -> None:
    try:
        with gzip.open(packed, "rb") as source, target.open("wb") as plain:
            shutil.copyfileobj(source, plain, 1 << 20)
            plain.flush()
            os.fsync(plain.fileno())
    except (OSError, EOFError) as error:
        raise DatabaseToolFailed(f"{packed.name}: {error}") from error


def _examine_sqlite(copy: Path) -> Rows:
    """Count the rows of a copy that is sound; raises `DatabaseToolFailed`."""
    try:
        with contextlib.closing(sqlite3.connect(copy)) as opened:
            said = [row[0] for row in opened.execute("PRAGMA integrity_check")]
            if said != ["ok"]:
                raise DatabaseToolFailed("; ".join(said[:3]))
            tables = opened.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' "
                "AND name NOT LIKE 'sqlite_%' ORDER BY name"
            )
            return {
                name: opened.execute(
                    f'SELECT COUNT(*) FROM "{name}"'  # noqa: S608 - a table of ours
                ).fetchone()[0]
                for (name,) in tables.fetchall()
            }
    except sqlite3.DatabaseError as error:
        raise DatabaseToolFailed(str(error)) from error


def _put_back_sqlite(packed: Path) -> Path | None:
    """Replace the file at the very end: until then nothing of the present one goes."""
    path = Path(connection.settings_dict["NAME"])
    fresh = path.with_name(f"{path.name}.restoring")
    kept = path.with_name(f"{path.name}.before-{secrets.token_hex(4)}")
    half = kept.with_name(f".{kept.name}.partial")
    wal, _index = _beside(path)
    try:
        _unpack(packed, fresh)
        _examine_where_room_is_short(fresh)
        if path.exists():
            if not _keep_sqlite(path, half) and wal.exists():
                shutil.copyfile(wal, kept.with_name(f"{kept.name}-wal"))
            half.replace(kept)
        for left in _beside(path):
            left.unlink(missing_ok=True)
        fresh.replace(path)
    except OSError as error:
        raise DatabaseToolFailed(f"nothing was replaced: {error}") from error
    finally:
        for left in (fresh, *_beside(fresh), half, *_beside(half)):
            left.unlink(missing_ok=True)
    return kept if kept.exists() else None


def _beside(path: Path) -> list[Path]:
    """Name what SQLite keeps beside a database: its log, and that one's index."""
    return [path.with_name(path.name + ending) for ending in ("-wal", "-shm")]


def _examine_where_room_is_short(copy: Path) -> None:
    """Examine a copy; say so where SQLite found no room for what it keeps beside it."""
    try:
        _examine_sqlite(copy)
    except DatabaseToolFailed as error:
        if shutil.disk_usage(copy.parent).free > BESIDE_A_COPY:
            raise
        raise DatabaseToolFailed(
            f"nothing was replaced: No space left to examine the copy ({error})"
        ) from error


def _keep_sqlite(path: Path, target: Path) -> bool:
    """Keep the present database, its log in it; False = it is broken, kept as it is.

    Raises `OSError`.
    """
    try:
        copy_sqlite(path, target, wait_s=5)
        return True
    except sqlite3.DatabaseError:
        # Broken, perhaps that is why one is restored; or there is no room, which the
        # next line tells.
        target.unlink(missing_ok=True)
    shutil.copyfile(path, target)
    return False


def _dump_postgresql(target: Path) -> Rows:
    """Dump and count in one snapshot."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(_dsn(name), password=_password()) as open_:
        open_.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        row = open_.execute("SELECT pg_export_snapshot()").fetchone()
        snapshot = "" if row is None else str(row[0])
        rows = _count_postgresql(open_)
        _run(
            "pg_dump",
            *("--format=custom", "--no-owner", "--no-privileges"),
            *(f"--snapshot={snapshot}", "--file", str(target)),
            *("--dbname", _dsn(name)),
        )
    return rows


def _put_back_postgresql(dumped: Path) -> None:
    """Drop every table and make the dumped ones, in one transaction.

    What newer migrations made is not in the dump: it would stay, and hold fast what it
    refers to.
    """
    name = connection.settings_dict["NAME"]
    with psycopg.connect(_dsn(name), password=_password()) as open_:
        tables = [table for (table,) in open_.execute(TABLES).fetchall()]
        drops = [
            sql.SQL("DROP TABLE {} CASCADE;\n")
            .format(sql.Identifier(table))
            .as_string(open_)
            for table in tables
        ]
    with tempfile.TemporaryDirectory(dir=dumped.parent) as scratch:
        script, emptying = Path(scratch) / "restore.sql", Path(scratch) / "empty.sql"
        emptying.write_text("".join(drops), encoding="utf-8")
        _run(
            "pg_restore",
            *("--no-owner", "--no-privileges", "--file", str(script), str(dumped)),
        )
        _run(
            "psql",
            *("--no-psqlrc", "--quiet", "--single-transaction"),
            *("--set", "ON_ERROR_STOP=1", "--dbname", _dsn(name)),
            *("--file", str(emptying), "--file", str(script)),
        )


def _count_postgresql(open_: psycopg.Connection[Any]) -> Rows:
    rows = {}
    for (table,) in open_.execute(TABLES).fetchall():
        query = sql.SQL("SELECT COUNT(*) FROM {}").format(sql.Identifier(table))
        found = open_.execute(query).fetchone()
        rows[table] = int(found[0]) if found else 0
    return rows


def _prove_postgresql(dumped: Path) -> tuple[Rows, str]:
    with _scratch_database() as name:
        if name is None:
            # No right to make a database: every byte is read and unpacked all the same.
            _run("pg_restore", "--file", os.devnull, str(dumped))
            return {}, "read"
        _run(
            "pg_restore",
            *("--no-owner", "--no-privileges", "--exit-on-error"),
            *("--dbname", _dsn(name)),
            str(dumped),
        )
        with psycopg.connect(_dsn(name), password=_password()) as open_:
            return _count_postgresql(open_), "restored"


@contextlib.contextmanager
def _scratch_database() -> Iterator[str | None]:
    ours = str(connection.settings_dict["NAME"])
    # Other bridges may have theirs on the same server.
    begins = f"scratch_{hashlib.sha256(ours.encode()).hexdigest()[:12]}_"
    name = begins + secrets.token_hex(6)
    with psycopg.connect(_dsn(ours), password=_password(), autocommit=True) as server:
        _drop_left_behind(server, begins)
        try:
            server.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(
                    sql.Identifier(name)
                )
            )
        except psycopg.errors.InsufficientPrivilege:
            yield None
            return
        try:
            yield name
        finally:
            server.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(name)
                )
            )


def _drop_left_behind(server: psycopg.Connection[Any], begins: str) -> None:
    """Drop what backups that were killed have left; there is one at a time."""
    named = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
    for (left,) in server.execute(named, [begins]).fetchall():
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                sql.Identifier(left)
            )
        )


def _dsn(name: str) -> str:
    """Name a database to PostgreSQL's programs, without the password."""
    settings = connection.settings_dict
    parts = {
        "host": settings["HOST"],
        "port": settings["PORT"],
        "user": settings["USER"],
        "dbname": name,
    }
    given = {key: str(value) for key, value in parts.items() if value}
    return psycopg.conninfo.make_conninfo(**given)


def _password() -> str:
    return str(connection.settings_dict["PASSWORD"] or "")


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs; the password is not among its arguments."""
    environment = {**os.environ, "PGPASSWORD": _password()}
    done = subprocess.run(  # noqa: S603  (PostgreSQL's own, found by us)
        [_find(program), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        words = re.sub(r"\s+", " ", done.stderr).strip()[:500]
        raise DatabaseToolFailed(f"{program}: {words or done.returncode}")


def _find(program: str) -> str:
    """Find the newest of PostgreSQL's programs: an older one refuses a newer server."""
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    for name in ("ProgramFiles", "ProgramFiles(x86)"):
        if place := os.environ.get(name):
            folders += Path(place).glob("PostgreSQL/*/bin")
    by_version = sorted(folders, key=_version_of, reverse=True)
    for folder in by_version:
        if found := shutil.which(program, path=str(folder)):
            return found
    if found := shutil.which(program):
        return found
    raise DatabaseToolFailed(f"{program} was not found: install PostgreSQL's client")


def _version_of(folder: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", folder.parent.name)]


def differing(one: Mapping[str, int], other: Mapping[str, int]) -> list[str]:
    """Name the tables that have not the same number of rows in both."""
    tables = one.keys() | other.keys()
    return sorted(table for table in tables if one.get(table) != other.get(table))
