"""Brings a backup back; nothing is written to a peer until it is reconciled."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connection, connections

from bridge_site.backups.databases import put_back
from bridge_site.backups.making import BackupFailed, Manifest, check_files
from bridge_site.backups.offsite import opened
from orders.erasures import note_erased
from orders.personal.erasing import erase_again, note_all_erased
from plumbing import epoch
from plumbing.leases import database_now
from plumbing.models import Epoch, Heartbeat, HostPart, Lease

# Dispatchers beat each minute, clusters more rarely; each part tells its host's others
# of itself twice a minute.
ALIVE_WITHIN = timedelta(seconds=90)


class PartsAlive(Exception):
    """The bridge is at work: stop it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was done. `kept`: the database that was replaced, if it was a file."""

    manifest: Manifest
    kept: Path | None
    erased: int
    reason: str

    @property
    def summary(self) -> str:
        parts = [f"restored as of {self.manifest.made_at}"]
        if self.kept is not None:
            parts.append(f"what was there is kept as {self.kept}")
        if self.erased:
            parts.append(f"{self.erased} buyers erased again")
        parts.append(
            "nothing is sent until it is reconciled: start the bridge, or "
            "`run.py manage reconcile`"
        )
        return "; ".join(parts)


def restore(path: Path, *, identity: Path | None = None) -> Restored:
    """Replace the database by a backup, and close the guard.

    Raises `PartsAlive`, `BackupFailed`, `NoKey`, `DatabaseToolFailed`: then the
    database is as it was.
    """
    refuse_while_alive()
    with opened(path, identity=identity) as found:
        folder = found.folder
        manifest = check_files(folder)
        if manifest.kind != connection.vendor:
            raise BackupFailed(
                f"it is of {manifest.kind}, DATABASE_URL names {connection.vendor}: "
                "restore it where that one is in use"
            )
        _note_erased(found.erased)
        known = _last_write()
        kept = put_back(folder, manifest.kind)
    connections.close_all()
    try:
        erased = _make_ready(known)
    except DatabaseError as error:
        raise BackupFailed(
            f"the database is the backup's by now, but not ready: {error}. Make room "
            "or see to the database, and restore again"
        ) from error
    return Restored(
        manifest=manifest,
        kept=kept,
        erased=erased,
        reason=Epoch.objects.get().guarded_for,
    )


def _make_ready(known: datetime | None) -> int:
    """Bring it up to date, close the guard, erase again whom one must; counts these."""
    call_command("migrate", interactive=False, verbosity=0)
    Lease.objects.all().delete()
    Heartbeat.objects.all().delete()
    epoch.close_as_restored(known_until=known)
    return erase_again()


def refuse_while_alive() -> None:
    """Raise `PartsAlive` if any part has shown life just now, on any host."""
    try:
        now = database_now()
        alive = Heartbeat.objects.filter(beaten_at__gt=now - ALIVE_WITHIN)
        names = sorted(alive.values_list("name", flat=True))
        parts = HostPart.objects.filter(seen_at__gt=now - ALIVE_WITHIN)
        names += [str(part) for part in parts.order_by("host", "part")]
    except DatabaseError:
        # There is none yet, or it is broken.
        return
    if names:
        raise PartsAlive(
            f"at work within the last {ALIVE_WITHIN.seconds} s: {', '.join(names)}; "
            "stop the bridge on every host, wait, then restore"
        )


def _note_erased(listed: Iterable[str]) -> None:
    """Keep what is known of erasings: beside the backup, and in the present database.

    That one may be what is broken. The list may be on a full disk: then nothing is
    replaced. Raises `OSError`.
    """
    note_erased(listed)
    with suppress(DatabaseError):
        note_all_erased()


def _last_write() -> datetime | None:
    try:
        return Epoch.objects.values_list("wrote_at", flat=True).first()
    except DatabaseError:
        return None
