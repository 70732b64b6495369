"""`manage.py sync_stock`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from catalog.alstyle.client import open_client
from catalog.import_runs import ImportFailed, result_of
from catalog.importing import import_stock
from plumbing.commands import SettledCommand
from plumbing.leases import LeaseTaken


class Command(SettledCommand):
    help = "Read stock and prices of all goods and store what changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Write nothing.")
        parser.add_argument(
            "--accept-shrunk",
            action="store_true",
            help="Accept that many known goods are missing.",
        )

    def handle(
        self, *, dry_run: bool, accept_shrunk: bool, **_options: Any
    ) -> str | None:
        try:
            with open_client() as client:
                run = import_stock(client, dry_run=dry_run, accept_shrunk=accept_shrunk)
            return result_of(run)
        except (LeaseTaken, ImportFailed) as error:
            raise CommandError(str(error)) from error
