"""System checks: every wrong or missing setting, by id, in one go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import connection

from bridge_site.sentry import is_installed
from plumbing.redaction import setting_text

REQUIRED = {
    "SECRET_KEY": "any 50 or more random characters",
    "ALSTYLE_TOKEN": "the access token of your Al-Style account",
    "KASPI_TOKEN": "the API token from the Kaspi merchant cabinet",
    "KASPI_MERCHANT_ID": "the merchant id from the Kaspi merchant cabinet",
    "KASPI_COMPANY": "the company's name as Kaspi knows it",
}
MIN_INTERVAL_S = 5
# It knows `UPDATE … FROM`, by which imports write.
OLDEST_SQLITE = (3, 33)
LEAST_KEY, LEAST_KEY_SIGNS, LEAST_PASSWORD = 50, 8, 8
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
    found += [*_risky_backups(), *_old_database()]
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
    if settings.SENTRY_DSN and not is_installed():
        found.append(
            Error(
                "SENTRY_DSN is set, but sentry-sdk is not installed.",
                hint="Run .venv/bin/pip install sentry-sdk, or remove SENTRY_DSN.",
                id="bridge.E010",
            )
        )
    return [*found, *_open_doors()]


def _risky_backups() -> Iterator[CheckMessage]:
    for name in ("BACKUP_SECOND_DIR", "BACKUP_STORE_URL"):
        if getattr(settings, name) and not settings.BACKUP_RECIPIENT:
            yield Error(
                f"{name} is set without BACKUP_RECIPIENT.",
                hint="Backups leave this computer encrypted only: make a key with "
                "`age-keygen` elsewhere and name its recipient (age1…).",
                id="bridge.E009",
            )
    if not settings.BACKUP_STORE_URL:
        return
    parts = urlsplit(settings.BACKUP_STORE_URL)
    if not parts.path.strip("/"):
        yield Error(
            "BACKUP_STORE_URL names no bucket.",
            hint="Write https://HOST/BUCKET or https://HOST/BUCKET/FOLDER.",
            id="bridge.E011",
        )
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        yield Error(
            "BACKUP_STORE_URL begins with http://.",
            hint="Use https:// in BACKUP_STORE_URL.",
            id="bridge.E012",
        )
    if not (settings.BACKUP_STORE_KEY and settings.BACKUP_STORE_SECRET):
        yield Error(
            "BACKUP_STORE_URL is set without BACKUP_STORE_KEY and BACKUP_STORE_SECRET.",
            hint="Set both: the store gives them with the bucket.",
            id="bridge.E013",
        )


def _old_database() -> Iterator[CheckMessage]:
    is_sqlite = connection.vendor == "sqlite"
    if is_sqlite and sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield Error(
            f"SQLite {sqlite3.sqlite_version} is too old.",
            hint="Use a Python that comes with SQLite 3.33 or newer, or PostgreSQL "
            "(DATABASE_URL).",
            id="bridge.E014",
        )


def _open_doors() -> Iterator[CheckMessage]:
    """Find what would let strangers in; each can be wanted, on this computer only."""
    host, _colon, _port = settings.LISTEN.rpartition(":")
    is_near = host.strip("[]") in {*LOOPBACK, ""}
    wanted = set(settings.ALLOW_UNSAFE)
    key = setting_text("SECRET_KEY")
    password = setting_text("FEED_PASSWORD")
    risks = (
        (
            "SECRET_KEY",
            key and (len(key) < LEAST_KEY or len(set(key)) < LEAST_KEY_SIGNS),
            "can be guessed: whoever does logs in as anybody",
            "any 50 or more random characters",
        ),
        ("DEBUG", settings.DEBUG, "shows settings and code to everybody", "0"),
        (
            "ALLOWED_HOSTS",
            "*" in settings.ALLOWED_HOSTS,
            "lets links in mails and pages lead anywhere",
            "the names under which the site is reached",
        ),
        (
            "FEED_PASSWORD",
            password and len(password) < LEAST_PASSWORD,
            "can be guessed",
            f"{LEAST_PASSWORD} or more characters",
        ),
    )
    if any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES):
        yield Error(
            "TRUSTED_PROXIES names everybody: who asks may call himself anybody.",
            hint="Set TRUSTED_PROXIES to the addresses of the web servers in front.",
            id="bridge.E008",
        )
    for name, is_risky, what, how in risks:
        if is_risky and not (is_near and name in wanted):
            yield Error(
                f"{name} {what}.",
                hint=f"Set {name} to {how}; or, on this computer, ALLOW_UNSAFE={name}.",
                id="bridge.E006",
            )
    if not is_near and "LISTEN" not in wanted:
        yield Error(
            f"LISTEN={settings.LISTEN} is reached from other computers without HTTPS.",
            hint="Let a web server stand in front of 127.0.0.1; ALLOW_UNSAFE=LISTEN if "
            "one does on another host or in a container.",
            id="bridge.E007",
        )
