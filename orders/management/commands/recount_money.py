"""`manage.py recount_money`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from orders.money.recounting import recount_money
from plumbing.commands import SettledCommand
from plumbing.leases import database_now


class Command(SettledCommand):
    help = "Work out anew what all orders bring, by day, and compare."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="compare only, and fail where the stored rows differ",
        )

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        done = recount_money(now=database_now(), is_dry_run=check)
        self.stdout.write(f"{done.summary}{'' if check else '; put right'}")
        if check and done.differing:
            raise CommandError("the stored figures differ: run without --check")
