"""`manage.py poll_orders`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from orders.kaspi.client import open_client
from orders.reading.polling import ReadingFailed, poll_orders
from orders.recovery.beginning import hold_back
from plumbing.commands import SettledCommand
from plumbing.leases import LeaseLost, LeaseTaken, database_now


class Command(SettledCommand):
    help = "Read the orders that wait at Kaspi and store them."

    def handle(self, **_options: Any) -> str:
        hold_back()
        try:
            with open_client() as client:
                return poll_orders(client, now=database_now()).check()
        except (LeaseTaken, LeaseLost, ReadingFailed) as error:
            raise CommandError(str(error)) from error
