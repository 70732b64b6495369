from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import CommandParser

from backoffice.examining import State, worst
from bridge_site.doctor.examination import examine_bridge
from plumbing.commands import SettledCommand

SIGNS = {State.OK: "ok  ", State.WARN: "WARN", State.FAIL: "FAIL"}


class Command(SettledCommand):
    help = "Examines the whole bridge; exit status 0: well, 1: look, 2: broken."
    # What is wrong with the settings is a finding like any other.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--offline", action="store_true", help="make no call to anybody"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine_bridge(with_calls=not options["offline"])
        state = worst(findings)
        if options["json"]:
            told = {
                "state": state.name.lower(),
                "findings": [each.as_json() for each in findings],
            }
            self.stdout.write(json.dumps(told, ensure_ascii=False, indent=1))
        else:
            for each in findings:
                self.stdout.write(f"{SIGNS[each.state]} {each.title}: {each.text}")
                if each.state != State.OK and each.advice:
                    self.stdout.write(f"     → {each.advice}")
        if state != State.OK:
            sys.exit(state.value)
