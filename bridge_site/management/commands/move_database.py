"""`manage.py move_database`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from bridge_site.backups.moving import (
    CannotMove,
    add_target,
    migrate_target,
    move,
)
from bridge_site.backups.restoring import PartsAlive, refuse_while_alive
from plumbing.redaction import redact


class Command(BaseCommand):
    help = "Copy everything to another database, compare each row, guard this one."

    def add_arguments(self, parser: CommandParser) -> None:
        text = "as DATABASE_URL names one, or a file that holds that"
        parser.add_argument("--to", required=True, help=text)

    def handle(self, *, to: str, **_options: Any) -> str:
        try:
            refuse_while_alive()
            url = to if "://" in to else Path(to).read_text("utf-8").strip()
            alias = add_target(url)
            migrate_target(url)
            rows = move(DEFAULT_DB_ALIAS, alias, say=self.stdout.write)
        except (PartsAlive, CannotMove, OSError) as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            words = redact(str(error).strip())
            raise CommandError(f"cut off, run it again: {words}") from error
        finally:
            connections.close_all()
        return (
            f"{sum(rows.values())} rows in {len(rows)} tables are the same on both: "
            "set DATABASE_URL to the new one; started on the old one, nothing is sent"
        )
