from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from bridge_site.roles import ROLES, sync_roles
from plumbing.hosts import leaves_it_to_newer


class Command(BaseCommand):
    help = "Makes the groups of the roles what is declared in code."

    def handle(self, *args: Any, **options: Any) -> None:
        if leaves_it_to_newer():
            self.stdout.write("left to another host, whose code is newer")
            return
        self.stdout.write(f"{len(ROLES)} roles, {sync_roles()} changed")
