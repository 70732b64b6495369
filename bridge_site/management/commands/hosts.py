from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from plumbing.hosts import forget_host, read_hosts, told_line
from plumbing.leases import database_now
from plumbing.models import HostPart


class Command(BaseCommand):
    help = "Shows the hosts that work with this database; --forget takes one off."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--forget", metavar="NAME", help="a host that is gone")

    def handle(self, *args: Any, forget: str | None, **options: Any) -> None:
        if forget and not forget_host(forget):
            raise CommandError(f"There is no host {forget}.")
        now = database_now()
        rows = HostPart.objects.order_by("host", "since", "part")
        for host in read_hosts(rows, now=now):
            self.stdout.write(told_line(host, now=now))
