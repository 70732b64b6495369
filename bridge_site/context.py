"""What every page shows."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

from bridge_site.checks import LOOPBACK


def bridge(request: HttpRequest) -> dict[str, bool]:
    peers = (settings.ALSTYLE_URL, settings.KASPI_URL)
    hosts = {urlsplit(url).hostname for url in peers}
    return {
        "observe_only": settings.OBSERVE_ONLY,
        "is_sandbox": hosts <= LOOPBACK,
        "is_debug": settings.DEBUG,
    }
