from __future__ import annotations

from typing import Any

from bridge_site.schedules import SCHEDULES, sync_schedules
from plumbing.commands import SettledCommand
from plumbing.hosts import leaves_it_to_newer
from plumbing.leases import database_now


class Command(SettledCommand):
    help = "Puts the declared schedules into the database."

    def handle(self, *args: Any, **options: Any) -> None:
        if leaves_it_to_newer():
            self.stdout.write("left to another host, whose code is newer")
            return
        changed = sync_schedules(now=database_now())
        self.stdout.write(f"{len(SCHEDULES)} schedules, {changed} changed")
