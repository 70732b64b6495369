from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from bridge_site.roles import ROLES, sync_roles


class Command(BaseCommand):
    help = "Makes the groups of the roles what is declared in code."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{len(ROLES)} roles, {sync_roles()} changed")
