from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.roles import ROLES, LastOwner, set_staff, sync_roles
from bridge_site.staff.guarding import unlock


class Command(BaseCommand):
    help = "Creates a member of staff, or sets their role and a new password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", choices=ROLES, required=True)

    def handle(self, *args: Any, username: str, role: str, **options: Any) -> None:
        sync_roles()
        try:
            password = set_staff(username, role=role)
        except LastOwner:
            text = f"{username} is the only owner: make somebody else an owner first"
            raise CommandError(text) from None
        unlock(User.objects.get(username=username))
        self.stdout.write(f"{username} ({role}), password: {password}")
