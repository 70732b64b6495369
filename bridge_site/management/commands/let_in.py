from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.staff.guarding import unlock


class Command(BaseCommand):
    help = "Lets somebody try again who is kept out after too many wrong passwords."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"Nobody is called {username}.")
        unlock(user)
        self.stdout.write(f"{username} can sign in again.")
