from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.processes import when_parent_ends
from bridge_site.updating import (
    CannotKeep,
    copy_for_rehearsal,
    has_migrations,
    keep_database,
    take_back,
    write_sequence,
)

ACTIONS = ("keep", "take_back", "copy", "migrate", "pending", "sequence")


class Command(BaseCommand):
    help = "Copies, migrates and takes back the database for run.py update."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=ACTIONS)
        parser.add_argument("name", nargs="?", default="")
        parser.add_argument("--exit-with-parent", action="store_true")

    def handle(
        self,
        *args: Any,
        action: str,
        name: str,
        exit_with_parent: bool,
        **options: Any,
    ) -> None:
        if exit_with_parent:
            # Whoever goes on with a killed update must not meet its migrations.
            when_parent_ends(lambda: os._exit(1))
        told: dict[str, Any] = {}
        try:
            if action == "keep":
                told["sequence"] = write_sequence()
                told["file"] = str(keep_database(name))
            elif action == "take_back":
                take_back(Path(name))
            elif action == "pending":
                told["pending"] = has_migrations()
            elif action == "migrate":
                call_command("migrate", interactive=False, verbosity=0)
            elif action == "copy":
                told["is_copied"] = copy_for_rehearsal(Path(name))
            else:
                told["sequence"] = write_sequence()
        except CannotKeep as error:
            raise CommandError(str(error)) from None
        self.stdout.write(json.dumps(told))
