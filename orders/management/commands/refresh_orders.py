"""`manage.py refresh_orders`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from orders.kaspi.client import open_client
from orders.reading.polling import ReadingFailed
from orders.reading.refreshing import refresh_orders
from plumbing.commands import SettledCommand
from plumbing.leases import LeaseLost, LeaseTaken, database_now


class Command(SettledCommand):
    help = "Read the open orders again and store what changed at Kaspi."

    def handle(self, **_options: Any) -> str:
        try:
            with open_client() as client:
                return refresh_orders(client, now=database_now()).check()
        except (LeaseTaken, LeaseLost, ReadingFailed) as error:
            raise CommandError(str(error)) from error
