"""An app that makes the bridge's waits short in every process that has it."""

from __future__ import annotations

from django.apps import AppConfig


class Quick(AppConfig):
    """Comes last among the apps: by then all that is to be shortened is loaded."""

    name = "bench.several"

    def ready(self) -> None:
        from bench.soaking.settings import shorten_waits

        shorten_waits()
