from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from orders.processing import process_orders
from plumbing.commands import SettledCommand


class Command(SettledCommand):
    help = "Does what is due for the orders, then exits."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="the default")
        parser.add_argument(
            "--all", action="store_true", help="also what waits for a later moment"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        done = process_orders(budget_s=86_400, also_later=options["all"])
        self.stdout.write(done.summary)
