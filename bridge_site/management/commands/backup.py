"""`manage.py backup`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bridge_site.backups.making import (
    BackupFailed,
    backups_in,
    make_backup,
    read_manifest,
    size_of,
)
from plumbing.commands import SettledCommand
from plumbing.leases import LeaseTaken, database_now


class Command(SettledCommand):
    help = "Make a backup of the database, prove it by restoring it, drop old ones."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--list", action="store_true", help="only list them")

    def handle(self, *, list: bool = False, **_options: Any) -> str:
        if list:
            found = sorted(backups_in(settings.BACKUP_DIR).items())
            return "\n".join(f"{at:%Y-%m-%d %H:%M} UTC  {path}" for at, path in found)
        try:
            path = make_backup(now=database_now())
        except (BackupFailed, LeaseTaken) as error:
            raise CommandError(str(error)) from error
        rows = sum(read_manifest(path).rows.values())
        return f"{path}: {rows} rows, {size_of(path)} bytes, proven by restoring it"
