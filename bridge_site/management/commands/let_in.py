from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bridge_site.staff.guarding import unlock
from bridge_site.staff.second_factor import take_away


class Command(BaseCommand):
    help = "Lets somebody try again who is kept out after too many wrong passwords."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--without-phone",
            action="store_true",
            help="takes the code from the phone away as well, if that is lost",
        )

    def handle(
        self, *args: Any, username: str, without_phone: bool, **options: Any
    ) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"Nobody is called {username}.")
        unlock(user)
        if without_phone:
            take_away(user)
        self.stdout.write(f"{username} can sign in again.")
