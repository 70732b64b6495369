"""`manage.py reconcile`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from orders.reconciling.rounds import reconcile
from orders.recovery.running import recover
from plumbing import epoch
from plumbing.commands import SettledCommand
from plumbing.leases import LeaseTaken, database_now
from plumbing.peers import PeerError


class Command(SettledCommand):
    help = "Print what contradicts the promises; first what a restored database lacks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="write nothing")
        parser.add_argument(
            "--no-other-bridge",
            metavar="NAME",
            help="you, NAME, have seen that no other bridge works with these accounts",
        )

    def handle(
        self, *, dry_run: bool = False, no_other_bridge: str = "", **_options: Any
    ) -> str:
        if no_other_bridge:
            epoch.confirm(by=no_other_bridge)
        try:
            recovered = recover(now=database_now(), dry_run=dry_run)
            if recovered is not None and (dry_run or not recovered.is_lifted):
                return "\n".join([*recovered.lines, recovered.summary])
            result = reconcile(now=database_now(), dry_run=dry_run)
        except (LeaseTaken, PeerError) as error:
            raise CommandError(str(error)) from error
        found = recovered.lines if recovered is not None else []
        return "\n".join([*found, *result.lines, result.summary])
