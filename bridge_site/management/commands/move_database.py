"""`manage.py move_database`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from bridge_site.backups.moving import CannotMove, add_target, move
from bridge_site.backups.restoring import PartsAlive, refuse_while_alive


class Command(BaseCommand):
    help = "Copy everything to another database, compare each row, guard this one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", required=True, help="as DATABASE_URL names one")

    def handle(self, *, to: str, **_options: Any) -> str:
        try:
            refuse_while_alive()
            alias = add_target(to)
            rows = move(DEFAULT_DB_ALIAS, alias, say=self.stdout.write)
        except (PartsAlive, CannotMove) as error:
            raise CommandError(str(error)) from error
        finally:
            connections.close_all()
        return (
            f"{sum(rows.values())} rows in {len(rows)} tables are the same on both: "
            "set DATABASE_URL to the new one; started on the old one, nothing is sent"
        )
