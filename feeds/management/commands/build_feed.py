from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from feeds.publishing import Override, build_price_list
from plumbing.commands import SettledCommand
from plumbing.leases import LeaseTaken, database_now


class Command(SettledCommand):
    help = "Builds Kaspi's price list and publishes it when it is valid and changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="check, publish and store nothing"
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="publish in spite of a mass withdrawal or a pin; needs --reason",
        )
        parser.add_argument("--reason", default="", help="why it is forced")

    def handle(self, *_args: Any, **options: Any) -> None:
        override = None
        if options["force"]:
            if not options["reason"].strip():
                raise CommandError(_("--force needs --reason"))
            override = Override(reason=options["reason"], actor="build_feed")
        try:
            result = build_price_list(
                now=database_now(), override=override, is_dry_run=options["dry_run"]
            )
        except LeaseTaken as taken:
            raise CommandError(_("Another build is under way.")) from taken
        if not result.is_success:
            raise CommandError(result.summary)
        self.stdout.write(result.summary)
