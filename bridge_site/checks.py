"""System checks: every wrong or missing setting, by id, in one go."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from plumbing.redaction import setting_text

REQUIRED = {
    "SECRET_KEY": "any 50 or more random characters",
    "ALSTYLE_TOKEN": "the access token of your Al-Style account",
    "KASPI_TOKEN": "the API token from the Kaspi merchant cabinet",
    "KASPI_MERCHANT_ID": "the merchant id from the Kaspi merchant cabinet",
    "KASPI_COMPANY": "the company's name as Kaspi knows it",
}
MIN_INTERVAL_S = 5
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@register("bridge")
def check_settings(
    app_configs: Sequence[AppConfig] | None, **_kwargs: object
) -> list[CheckMessage]:
    """Report unreadable values (E001), missing ones (E002) and risky ones (E003…)."""
    problems = settings.SETTING_PROBLEMS
    found: list[CheckMessage] = [
        Error(
            f"{problem.name} {problem.message}.",
            hint=f"Correct {problem.name} in .env or in the environment.",
            id="bridge.E001",
        )
        for problem in problems
    ]
    unreadable = {problem.name for problem in problems}
    found += [
        Error(
            f"{name} is not set.",
            hint=f"Set {name} in .env: {meaning}.",
            id="bridge.E002",
        )
        for name, meaning in REQUIRED.items()
        if name not in unreadable and not setting_text(name)
    ]
    return found + _risky_settings()


def _risky_settings() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if bool(settings.FEED_USER) != bool(settings.FEED_PASSWORD):
        found.append(
            Error(
                "FEED_USER and FEED_PASSWORD must be set together.",
                hint="Set both, or neither to serve the price list without a login.",
                id="bridge.E003",
            )
        )
    host = urlsplit(settings.ALSTYLE_URL).hostname
    interval_s = settings.ALSTYLE_INTERVAL_S
    if interval_s < MIN_INTERVAL_S and host not in LOOPBACK:
        found.append(
            Error(
                f"ALSTYLE_INTERVAL_S is {interval_s}; Al-Style allows one request "
                f"per {MIN_INTERVAL_S} seconds.",
                hint=f"Set ALSTYLE_INTERVAL_S={MIN_INTERVAL_S} or remove it.",
                id="bridge.E004",
            )
        )
    for name in ("ALSTYLE_URL", "KASPI_URL"):
        parts = urlsplit(getattr(settings, name))
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            found.append(
                Error(
                    f"{name} begins with http://: the token would travel readable.",
                    hint=f"Use https:// in {name}.",
                    id="bridge.E005",
                )
            )
    return found
