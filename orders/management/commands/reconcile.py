"""`manage.py reconcile`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from orders.reconciling.rounds import reconcile
from plumbing.commands import SettledCommand
from plumbing.leases import LeaseTaken, database_now


class Command(SettledCommand):
    help = "Print what contradicts the promises, and let staff see it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="write nothing")

    def handle(self, *, dry_run: bool = False, **_options: Any) -> str:
        try:
            result = reconcile(now=database_now(), dry_run=dry_run)
        except LeaseTaken as error:
            raise CommandError(str(error)) from error
        return "\n".join([*result.lines, result.summary])
