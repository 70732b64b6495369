from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge_site.self_test import test_itself


class Command(BaseCommand):
    help = "Tests this release by itself; only for a database that nobody else uses."

    def handle(self, *args: Any, **options: Any) -> None:
        if wrong := list(test_itself()):
            raise CommandError("; ".join(wrong))
        self.stdout.write('{"fit": true}')
