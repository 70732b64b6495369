"""`manage.py buyer_data`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from orders.models import Order
from orders.personal.erasing import erase
from orders.personal.exporting import export
from orders.personal.requests import find_order, orders_of_buyer
from plumbing.commands import SettledCommand
from plumbing.leases import database_now


class Command(SettledCommand):
    help = "Exports or erases what is held of a buyer, at the buyer's request."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=("export", "erase"))
        parser.add_argument(
            "buyer",
            nargs="?",
            help="an order's code; left out, it or the buyer's phone is asked for, so "
            "that no phone stands in the shell's history",
        )
        parser.add_argument(
            "--by", required=True, help="whose account answers the request"
        )
        parser.add_argument("--to", type=Path, help="the file to export to")
        parser.add_argument(
            "--yes", action="store_true", help="erase; without it only say what"
        )

    def handle(self, *args: Any, what: str, by: str, **options: Any) -> None:
        user = User.objects.filter(username=by, is_active=True).first()
        if user is None or not user.has_perm("orders.answer_buyer"):
            raise CommandError(f"{by} is nobody who may answer buyers' requests")
        text = options["buyer"] or input("Order's code or buyer's phone: ")
        order = find_order(text)
        if order is None:
            raise CommandError("no order of such a code, none of such a buyer")
        orders = orders_of_buyer(order)
        if what == "export":
            self._export(orders, actor=by, path=options["to"])
        elif options["yes"]:
            self._erase(orders, actor=by)
        else:
            codes = ", ".join(order.code for order in orders)
            self.stdout.write(f"would erase the buyer of {codes}: say so with --yes")

    def _export(self, orders: list[Order], *, actor: str, path: Path | None) -> None:
        path = path or Path(f"buyer-{orders[0].code}.zip")
        with path.open("xb") as file:
            path.chmod(0o600)
            pks = [order.pk for order in orders]
            file.write(export(pks, actor=actor, now=database_now()))
        self.stdout.write(f"{len(orders)} orders in {path}")

    def _erase(self, orders: list[Order], *, actor: str) -> None:
        pks = [order.pk for order in orders]
        done = erase(pks, actor=actor, now=database_now())
        self.stdout.write(f"erased in {len(done.orders)} orders")
        for order, why in done.kept:
            self.stdout.write(f"{order.code} kept: {why}")
        if done.kept and not done.orders:
            raise CommandError("nothing was erased")
