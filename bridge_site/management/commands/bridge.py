from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.processes import Supervisor, settle_address, when_parent_ends


class Command(BaseCommand):
    help = "Runs the whole bridge on this host: web and both worker clusters."
    requires_system_checks = ["bridge"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--exit-with-parent", action="store_true")

    def handle(self, *args: Any, exit_with_parent: bool, **options: Any) -> None:
        try:
            listen = settle_address(settings.LISTEN)
        except ValueError as error:
            raise CommandError(str(error)) from None
        supervisor = Supervisor(listen=listen, say=self.stdout.write)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: supervisor.stop.set())
        if exit_with_parent:
            when_parent_ends(supervisor.stop.set)
        self.stdout.write(f"The bridge listens at http://{listen}/")
        supervisor.run()
