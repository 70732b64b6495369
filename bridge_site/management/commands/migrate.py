from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

# Any number will do, as long as nobody else takes it.
KEY = 1_263_550_464


class Command(migrate.Command):
    """Django's own, one host after another: two at once would spoil each other."""

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        if connection.vendor != "postgresql":
            super().handle(*args, **options)
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [KEY])
        try:
            super().handle(*args, **options)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [KEY])
