from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from bridge_site.schedules import SCHEDULES, sync_schedules


class Command(BaseCommand):
    help = "Puts the declared schedules into the database."

    def handle(self, *args: Any, **options: Any) -> None:
        changed = sync_schedules(now=timezone.now())
        self.stdout.write(f"{len(SCHEDULES)} schedules, {changed} changed")
