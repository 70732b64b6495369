from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.control import find_control
from bridge_site.processes import (
    PARTS,
    replace_with_supervisor,
    settle_address,
    supervisors_log,
)


class Command(BaseCommand):
    help = "Runs the whole bridge on this host: web and both worker clusters."
    requires_system_checks = ["bridge"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--exit-with-parent", action="store_true")

    def handle(self, *args: Any, exit_with_parent: bool, **options: Any) -> None:
        try:
            listen = settle_address(settings.LISTEN, is_free_later=_is_waiting())
        except ValueError as error:
            raise CommandError(str(error)) from None
        replace_with_supervisor(
            listen, exit_with_parent=exit_with_parent, log=supervisors_log()
        )


def _is_waiting() -> bool:
    """Tell whether run.py lets nothing start yet: an older release still listens."""
    control = find_control()
    return control is not None and not control.wanted(PARTS)
