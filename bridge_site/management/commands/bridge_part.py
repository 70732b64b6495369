from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.cluster import WrongQueue
from bridge_site.parts import run_part
from bridge_site.processes import PARTS


class Command(BaseCommand):
    help = "Runs one part of the bridge: web, dispatch, orders or imports."
    requires_system_checks = ["bridge"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("part", choices=PARTS)
        parser.add_argument("--exit-with-parent", action="store_true")

    def handle(
        self, *args: Any, part: str, exit_with_parent: bool, **options: Any
    ) -> None:
        try:
            run_part(part, listen=settings.LISTEN, exit_with_parent=exit_with_parent)
        except WrongQueue as error:
            raise CommandError(str(error)) from None
