"""`manage.py restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.backups.databases import DatabaseToolFailed
from bridge_site.backups.making import BackupFailed
from bridge_site.backups.offsite import NoKey
from bridge_site.backups.restoring import PartsAlive, restore
from bridge_site.backups.stores import StoreFailed

# Whatever fails before the database is replaced leaves it as it was.
FAILURES = (
    PartsAlive,
    BackupFailed,
    NoKey,
    StoreFailed,
    DatabaseToolFailed,
    OSError,
)


class Command(BaseCommand):
    help = "Replace the database by a backup; nothing is sent until it is reconciled."
    # The database may be broken: that is why one restores.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "backup", type=Path, help="its folder, its .tar.age, or s3:NAME"
        )
        parser.add_argument(
            "--identity", type=Path, help="the file with the age identity"
        )

    def handle(self, *, backup: Path, identity: Path | None, **_options: Any) -> str:
        try:
            return restore(backup, identity=identity).summary
        except FAILURES as error:
            raise CommandError(str(error)) from error
