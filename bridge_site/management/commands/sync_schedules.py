from __future__ import annotations

from typing import Any

from django.utils import timezone

from bridge_site.schedules import SCHEDULES, sync_schedules
from plumbing.commands import SettledCommand


class Command(SettledCommand):
    help = "Puts the declared schedules into the database."

    def handle(self, *args: Any, **options: Any) -> None:
        changed = sync_schedules(now=timezone.now())
        self.stdout.write(f"{len(SCHEDULES)} schedules, {changed} changed")
