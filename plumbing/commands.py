"""What our commands have in common."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from plumbing.adjusting import settled


class SettledCommand(BaseCommand):
    """A command that works by the owner's settings, the same ones to its end."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with settled():
            return super().execute(*args, **options)
