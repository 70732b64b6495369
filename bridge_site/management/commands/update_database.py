from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.updating import (
    CannotKeep,
    copy_for_rehearsal,
    keep_database,
    take_back,
    write_sequence,
)


class Command(BaseCommand):
    help = "Copies the database for run.py update, and takes it back."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("keep", "take_back", "copy", "sequence"))
        parser.add_argument("name", nargs="?", default="")

    def handle(self, *args: Any, action: str, name: str, **options: Any) -> None:
        told: dict[str, Any] = {}
        try:
            if action == "keep":
                told["sequence"] = write_sequence()
                told["file"] = str(keep_database(name))
            elif action == "take_back":
                take_back(Path(name))
            elif action == "copy":
                told["is_copied"] = copy_for_rehearsal(Path(name))
            else:
                told["sequence"] = write_sequence()
        except CannotKeep as error:
            raise CommandError(str(error)) from None
        self.stdout.write(json.dumps(told))
