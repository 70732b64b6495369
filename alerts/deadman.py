"""Calls an address outside each minute: when the calls stop, it raises the alarm."""

from __future__ import annotations

import logging

import requests
from django.conf import settings

log = logging.getLogger(__name__)

TIMEOUT_S = (5, 10)


def call_outside() -> bool:
    """Tell the dead man's switch that all is alive; returns whether it heard."""
    proxy = settings.OUTBOUND_PROXY
    try:
        reply = requests.get(
            settings.HEARTBEAT_URL,
            timeout=TIMEOUT_S,
            headers={"User-Agent": settings.USER_AGENT},
            proxies={"http": proxy, "https": proxy} if proxy else None,
            allow_redirects=False,
            stream=True,
        )
        reply.close()
    except requests.RequestException as error:
        # Its own words hold the address, and whoever has that can feign our life.
        log.warning("HEARTBEAT_URL could not be reached: %s", type(error).__name__)
        return False
    if not reply.ok:
        log.warning("HEARTBEAT_URL answered HTTP %s", reply.status_code)
    return bool(reply.ok)
