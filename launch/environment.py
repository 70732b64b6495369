"""The environment that the bridge's processes are started with."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from launch.console import ROOT


def setting_names() -> list[str]:
    """List every setting's name, as `.env.example` documents them."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    found = (re.match(r"#?\s?([A-Z][A-Z0-9_]*)=", line) for line in lines)
    return [match.group(1) for match in found if match]


def child_environment(*, without_settings: bool = False) -> dict[str, str]:
    """Return our environment with what every Python process of the bridge needs.

    `without_settings` leaves out each of the bridge's settings, so that what stands
    in the shell can never reach the demo or the tests.
    """
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    # glibc gives every thread an arena of its own, most of it never used.
    environment.setdefault("MALLOC_ARENA_MAX", "2")
    _drop(environment, ("PYTHONHOME", "PYTHONPATH", "Q_CLUSTER_NAME"))
    environment["DJANGO_SETTINGS_MODULE"] = "bridge_site.settings"
    if without_settings:
        names = setting_names()
        _drop(environment, (*names, *(f"{name}_FILE" for name in names), "ENV_FILE"))
    return environment


def _drop(environment: dict[str, str], names: Iterable[str]) -> None:
    # Windows knows names in capitals only, however they were set.
    for name in names:
        environment.pop(name, None)
