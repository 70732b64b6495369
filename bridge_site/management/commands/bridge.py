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
from plumbing.hosts import parts_here


class Command(BaseCommand):
    help = "Runs this host's parts of the bridge: all, unless HOST_ROLES says less."
    requires_system_checks = ["bridge"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--exit-with-parent", action="store_true")

    def handle(self, *args: Any, exit_with_parent: bool, **options: Any) -> None:
        try:
            is_free_later = _is_waiting() or "web" not in settings.HOST_ROLES
            listen = settle_address(settings.LISTEN, is_free_later=is_free_later)
        except ValueError as error:
            raise CommandError(str(error)) from None
        replace_with_supervisor(
            listen,
            exit_with_parent=exit_with_parent,
            parts=parts_here(),
            log=supervisors_log(),
        )


def _is_waiting() -> bool:
    """Tell whether run.py lets nothing start yet: an older release still listens."""
    control = find_control()
    return control is not None and not control.wanted(PARTS)
