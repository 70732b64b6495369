"""`manage.py backup`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from bridge_site.backups.making import (
    BackupFailed,
    all_backups,
    make_backup,
    read_manifest,
    size_of,
)
from bridge_site.backups.stores import StoreFailed
from bridge_site.models import BackupRun
from plumbing.commands import SettledCommand
from plumbing.leases import LeaseTaken, database_now


class Command(SettledCommand):
    help = "Make a backup of the database, prove it by restoring it, drop old ones."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--list", action="store_true", help="only list them")

    def handle(self, *, list: bool = False, **_options: Any) -> str:
        try:
            if list:
                return "\n".join(all_backups())
            path = make_backup(now=database_now())
        except (BackupFailed, LeaseTaken, StoreFailed) as error:
            raise CommandError(str(error)) from error
        if words := BackupRun.objects.latest("pk").offsite_error:
            raise CommandError(f"{path} is made, but has not left this host: {words}")
        rows = sum(read_manifest(path).rows.values())
        return f"{path}: {rows} rows, {size_of(path)} bytes, proven by restoring it"
