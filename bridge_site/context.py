"""What every page shows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from bridge_site.checks import LOOPBACK
from bridge_site.disks import is_any_full
from bridge_site.guides.places import place_of
from plumbing import epoch


def bridge(request: HttpRequest) -> dict[str, Any]:
    peers = (settings.ALSTYLE_URL, settings.KASPI_URL)
    hosts = {urlsplit(url).hostname for url in peers}
    return {
        "observe_only": settings.OBSERVE_ONLY,
        # Asked for by the pages that show it.
        "read_guard": epoch.shown,
        "is_disk_full": is_any_full,
        "is_sandbox": hosts <= LOOPBACK,
        "is_debug": settings.DEBUG,
        "help_url": help_url(request.path_info),
    }


def help_url(path: str) -> str:
    """Give the address of what the guides say of a page of the admin."""
    root = reverse("admin:index")
    if not path.startswith(root):
        return ""
    guide, anchor = place_of(path.removeprefix(root))
    return f"{reverse('guide', args=[guide])}#{anchor}"
