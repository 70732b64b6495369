"""Makes a backup: the database, the settings without secrets, what proves it whole."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from bridge_site.adjustable import UNSHOWN
from bridge_site.backups.databases import FILES, differing, dump, prove
from bridge_site.backups.erased import note_erased
from bridge_site.backups.keeping import to_keep
from bridge_site.backups.offsite import carry_off
from bridge_site.models import BackupRun
from bridge_site.revision import revision
from plumbing.adjusting import look
from plumbing.leases import database_now, under_lease
from plumbing.models import Epoch
from plumbing.redaction import redact

log = logging.getLogger(__name__)

LEASE = "backup"
NAMED = "%Y-%m-%dT%H-%M-%SZ"
NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
MANIFEST, SETTINGS = "manifest.json", "settings.json"


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
    """Make a backup, prove it, drop old ones and carry it off the host.

    Raises `BackupFailed`, `LeaseTaken`. What is not proven is not kept.
    """
    with under_lease(LEASE):
        run = BackupRun.objects.create(begun_at=now)
        try:
            path = _make(now)
            run.name, run.size_bytes = path.name, size_of(path)
            carry_off(path)
        except Exception as error:
            run.error = redact(str(error))[:500]
            run.save()
            raise BackupFailed(str(error)) from error
        run.ended_at = database_now()
        run.save()
        drop_old()
        return path


def _make(now: datetime) -> Path:
    folder = settings.BACKUP_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = now.astimezone(timezone.utc).strftime(NAMED)
    draft = folder / f".{name}.partial"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    try:
        note_erased()
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
        ready = folder / name
        return draft.rename(ready)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


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
    found = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        stem = path.name.split(".")[0]
        if NAME.fullmatch(stem):
            at = datetime.strptime(stem, NAMED).replace(tzinfo=timezone.utc)
            found[at] = path
    return found


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


def settings_without_secrets() -> dict[str, Any]:
    """List the settings as they are set; of a secret no more than whether it is."""
    listed: dict[str, Any] = {}
    for name, declared in settings.SETTING_DECLARATIONS.items():
        if name in UNSHOWN:
            listed[name] = "set" if declared.is_set else "not set"
        else:
            listed[name] = redact(str(getattr(settings, name, "")))
    return {"settings": listed, "changed_in_the_admin": dict(look().stored)}


def digest(file: Path) -> str:
    hashed = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            hashed.update(chunk)
    return hashed.hexdigest()


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


def _write(file: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1, default=str)
    file.write_text(text, encoding="utf-8")
