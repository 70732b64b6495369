"""`manage.py follow_supplier`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from orders.clients import Clients
from orders.supply.following import follow_supplier_orders
from plumbing.commands import SettledCommand
from plumbing.leases import LeaseTaken, database_now
from plumbing.peers import PeerError


class Command(SettledCommand):
    help = "Read what became of the orders at Al-Style that hold our goods."

    def handle(self, **_options: Any) -> str:
        try:
            with Clients() as clients:
                return follow_supplier_orders(clients.cart, now=database_now()).summary
        except (LeaseTaken, PeerError) as error:
            raise CommandError(str(error)) from error
