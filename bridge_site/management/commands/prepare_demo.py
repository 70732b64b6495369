from __future__ import annotations

import os
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.demo import NotADemo, prepare_demo
from bridge_site.processes import when_parent_ends


class Command(BaseCommand):
    help = "Prepares the demo's database; refuses to meet real peers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--exit-with-parent", action="store_true")

    def handle(self, *args: Any, exit_with_parent: bool, **options: Any) -> None:
        if exit_with_parent:
            when_parent_ends(lambda: os._exit(1))
        password = os.environ.get("DEMO_STAFF_PASSWORD") or secrets.token_urlsafe(9)
        try:
            prepare_demo(staff_password=password, say=self.stdout.write)
        except NotADemo as error:
            raise CommandError(str(error)) from None
