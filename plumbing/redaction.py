"""Keeps secrets out of everything that is written down or shown."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

MASK = "***"
SECRET_SETTINGS = (
    *("ALSTYLE_TOKEN", "KASPI_TOKEN", "FEED_PASSWORD", "SECRET_KEY"),
    *("HEALTH_TOKEN", "METRICS_TOKEN", "SENTRY_DSN"),
    *("BACKUP_STORE_KEY", "BACKUP_STORE_SECRET"),
)
# Shapes that are secret even when the value is not one of ours, such as a token
# that was replaced a minute ago.
SECRET_SHAPES = re.compile(
    r"(?i)(access-token=|x-auth-token['\"]?\s*[:=]\s*['\"]?)([^&\s'\"]+)"
    r"|(://[^/@\s:]*:)([^/@\s]+)(?=@)"
)
# A phone of Kazakhstan's, however it is written; an order's code is shorter.
PHONE = re.compile(
    r"(?<![\d])(?:\+?[78][\s(-]*)?7\d{2}[\s)-]*\d{3}[\s-]*\d{2}[\s-]*\d{2}(?!\d)"
)
# Shorter values would tear holes into ordinary words.
MIN_SECRET_LENGTH = 4
# Of addresses, whose pieces may also be words.
MIN_PIECE_LENGTH = 8


def setting_text(name: str) -> str:
    """Read a setting that may be empty; Django itself refuses an empty SECRET_KEY."""
    try:
        return str(getattr(settings, name))
    except ImproperlyConfigured:
        return ""


def pieces_of(url: str) -> list[str]:
    """List what in an address of a service may be secret: all but its scheme.

    Of a web address the host is known to everybody.
    """
    scheme, _colon, rest = url.partition("://")
    if scheme in ("http", "https"):
        login, _at, place = rest.rpartition("@")
        rest = f"{login}/{place.partition('/')[2]}"
    return [url, *re.split(r"[/:@?&=#,\s]+", rest)]


def configured_secrets() -> list[str]:
    """List the secret values in use, each also as it stands in a URL."""
    values = [setting_text(name) for name in SECRET_SETTINGS]
    values.append(str(settings.DATABASES["default"].get("PASSWORD") or ""))
    values.append(urlsplit(settings.OUTBOUND_PROXY).password or "")
    values.append(urlsplit(settings.BROKER_URL).password or "")
    for url in (*settings.ALERT_URLS, settings.HEARTBEAT_URL):
        values += [p for p in pieces_of(url) if len(p) >= MIN_PIECE_LENGTH]
    forms = {form for v in values for form in (v, quote(v, safe=""), quote_plus(v))}
    kept = [form for form in forms if len(form) >= MIN_SECRET_LENGTH]
    # The longest first: one secret may contain another.
    return sorted(kept, key=len, reverse=True)


def redact(text: str) -> str:
    """Replace every secret in `text` by `***`."""
    for secret in configured_secrets():
        text = text.replace(secret, MASK)
    return SECRET_SHAPES.sub(lambda m: f"{m[1] or m[3]}{MASK}", text)


def without_phones(text: str) -> str:
    """Replace whatever looks like somebody's phone by `***`."""
    return PHONE.sub(MASK, text)
