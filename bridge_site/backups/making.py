"""Makes a backup: the database, the settings without secrets, what proves it whole."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection

from bridge_site.adjustable import UNSHOWN
from bridge_site.backups.databases import FILES, HALF, differing, dump, prove
from bridge_site.backups.keeping import to_keep
from bridge_site.backups.offsite import (
    FROM_STORE,
    carry_off,
    digest,
    drop_elsewhere,
    names_in_store,
)
from bridge_site.models import BackupRun
from bridge_site.revision import revision
from orders.personal.erasing import note_all_erased
from plumbing.adjusting import look
from plumbing.leases import database_now, under_lease
from plumbing.models import Epoch
from plumbing.redaction import redact

log = logging.getLogger(__name__)

LEASE = "backup"
NAMED = "%Y-%m-%dT%H-%M-%SZ"
NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
MANIFEST, SETTINGS = "manifest.json", "settings.json"
# A copy, packed, and unpacked again to prove it: never all three whole at once.
ROOM = 1.5


class BackupFailed(Exception):
    """No backup was made, or it cannot be relied on; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. `proof`: "restored" into a scratch place, or only "read"."""

    made_at: str
    kind: str
    revision: str
    identity: str
    sequence: int
    proof: str
    files: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)


def make_backup(*, now: datetime) -> Path:
    """Make a backup, prove it, carry it off the host and drop old ones.

    Raises `BackupFailed`, `LeaseTaken`. What is not proven is not kept. One that is
    made and could not leave the host counts; its run says so.
    """
    with under_lease(LEASE):
        run = BackupRun(begun_at=now)
        try:
            run.save()
            path = _make(now)
        except Exception as error:
            run.error = _words_of(error)
            # Where there is no room for a backup there may be none to write it down.
            with suppress(DatabaseError):
                run.save()
            raise BackupFailed(str(error)) from error
        run.name, run.size_bytes = path.name, size_of(path)
        try:
            carry_off(path)
            drop_elsewhere(_old_among)
        except Exception as error:
            log.exception("the backup has not left this host")
            run.offsite_error = _words_of(error)
        run.ended_at = database_now()
        run.save()
        drop_old()
        return path


def _words_of(error: Exception) -> str:
    return redact(str(error) or type(error).__name__)[:500]


def _make(now: datetime) -> Path:
    folder = settings.BACKUP_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = now.astimezone(timezone.utc).strftime(NAMED)
    _clear_halves(folder)
    _see_room(folder)
    draft = folder / f".{name}{HALF}"
    draft.mkdir(mode=0o700)
    try:
        note_all_erased()
        rows = dump(draft)
        kind = connection.vendor
        proven, proof = prove(draft, kind)
        if proven and (other := differing(rows, proven)):
            raise BackupFailed(f"restored, it differs in {', '.join(other)}")
        _write(draft / SETTINGS, settings_without_secrets())
        epoch = Epoch.objects.first()
        manifest = Manifest(
            made_at=now.isoformat(),
            kind=kind,
            revision=revision(),
            identity=epoch.identity if epoch is not None else "",
            sequence=epoch.sequence if epoch is not None else 0,
            proof=proof,
            files={file: digest(draft / file) for file in (FILES[kind], SETTINGS)},
            rows=rows,
        )
        _write(draft / MANIFEST, asdict(manifest))
        _have_on_disk(draft)
        ready = folder / name
        return draft.rename(ready)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _clear_halves(folder: Path) -> None:
    """Delete what backups that were killed have left, here and in the second folder."""
    for place in filter(None, (folder, settings.BACKUP_SECOND_DIR)):
        for half in place.glob(f".*{HALF}"):
            if half.is_dir():
                shutil.rmtree(half, ignore_errors=True)
            else:
                half.unlink(missing_ok=True)


def _see_room(folder: Path) -> None:
    """Refuse before anything is written what cannot fit."""
    if connection.vendor == "sqlite":
        needed = Path(connection.settings_dict["NAME"]).stat().st_size * ROOM
        if shutil.disk_usage(folder).free < needed:
            raise BackupFailed(
                f"the disk of {folder} lacks room: {needed / 2**20:.0f} MiB are needed"
            )


def _have_on_disk(folder: Path) -> None:
    """Have the system write it all: a power cut must not undo what is told as made."""
    for path in (*folder.iterdir(), folder):
        if path.is_dir() and os.name == "nt":
            # Windows opens no folders.
            continue
        descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_manifest(path: Path) -> Manifest:
    """Read what a backup says of itself; raises `BackupFailed`."""
    try:
        raw = json.loads((path / MANIFEST).read_text("utf-8"))
        return Manifest(**raw)
    except (OSError, ValueError, TypeError) as error:
        raise BackupFailed(f"{path} is no whole backup: {error}") from error


def check_files(path: Path) -> Manifest:
    """See that a backup's files are what was written; raises `BackupFailed`."""
    manifest = read_manifest(path)
    for name, expected in manifest.files.items():
        file = path / Path(name).name
        if not file.is_file() or digest(file) != expected:
            raise BackupFailed(f"{file} is missing or damaged")
    return manifest


def backups_in(folder: Path) -> dict[datetime, Path]:
    """Map the moments of the backups in a folder to where they are."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return {at: path for path in paths if (at := _made_at(path.name)) is not None}


def all_backups() -> list[str]:
    """List all, here and elsewhere, as one restores them; raises `StoreFailed`."""
    places = filter(None, (settings.BACKUP_DIR, settings.BACKUP_SECOND_DIR))
    found = [(at, str(p)) for place in places for at, p in backups_in(place).items()]
    found += [
        (at, f"{FROM_STORE}{name}")
        for name in names_in_store()
        if (at := _made_at(name)) is not None
    ]
    return [f"{at:%Y-%m-%d %H:%M} UTC  {where}" for at, where in sorted(found)]


def drop_old() -> int:
    """Delete what the rule does not keep, here and in the second folder."""
    dropped = 0
    for folder in filter(None, (settings.BACKUP_DIR, settings.BACKUP_SECOND_DIR)):
        found = backups_in(folder)
        for at in found.keys() - to_keep(found, keep=settings.BACKUP_KEEP):
            path = found[at]
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            dropped += 1
    return dropped


def _old_among(names: Sequence[str]) -> set[str]:
    """Tell which of some backups by name the rule does not keep."""
    made = {at: name for name in names if (at := _made_at(name)) is not None}
    kept = to_keep(made, keep=settings.BACKUP_KEEP)
    return {name for at, name in made.items() if at not in kept}


def _made_at(name: str) -> datetime | None:
    stem = name.split(".")[0]
    if not NAME.fullmatch(stem):
        return None
    return datetime.strptime(stem, NAMED).replace(tzinfo=timezone.utc)


def settings_without_secrets() -> dict[str, Any]:
    """List the settings as they are set; of a secret no more than whether it is."""
    listed: dict[str, Any] = {}
    for name, declared in settings.SETTING_DECLARATIONS.items():
        if name in UNSHOWN:
            listed[name] = "set" if declared.is_set else "not set"
        else:
            listed[name] = redact(str(getattr(settings, name, "")))
    return {"settings": listed, "changed_in_the_admin": dict(look().stored)}


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


def _write(file: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1, default=str)
    file.write_text(text, encoding="utf-8")
