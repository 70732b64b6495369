"""`manage.py bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from bridge_site.bundle.packing import pack
from bridge_site.bundle.reading import name_of
from plumbing.commands import SettledCommand


class Command(SettledCommand):
    help = "Write a support file for an engineer: no secret, no buyer."
    # It is wanted when something is wrong.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", type=Path, help="the file; else in VAR_DIR")

    def handle(self, *, to: Path | None, **_options: Any) -> str:
        now = timezone.now()
        file = to or settings.VAR_DIR / f"{name_of(now)}.zip"
        try:
            failures = pack(file, now=now)
        except OSError as error:
            raise CommandError(f"it cannot be written: {error}") from error
        missing = f"; could not be read: {'; '.join(failures)}" if failures else ""
        return f"{file}: {file.stat().st_size} bytes{missing}"
