"""Who calls, and whether he may reach the admin: true addresses behind web servers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from bridge_site.env import Network
from plumbing.callers import read_address

logger = logging.getLogger(__name__)
Respond = Callable[[HttpRequest], HttpResponseBase]
FORWARDED_FOR, FORWARDED_PROTO = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"


def true_address(neighbour: str, forwarded_for: str, trusted: Iterable[Network]) -> str:
    """Tell whose request it is: the last address that no trusted web server has.

    `neighbour` is who holds the connection, `forwarded_for` what he says of whom he
    speaks for. What stands before an address that is not trusted, anybody may have
    written; so may a text that is no address, and then he who passed it on counts.
    """
    networks = tuple(trusted)
    known = neighbour
    for told in [*_backwards(forwarded_for), None]:
        address = read_address(known)
        if told is None or address is None or not is_within(address, networks):
            break
        if (before := read_address(told)) is None:
            break
        known = str(before)
    return known


def caller_of(told: Mapping[str, Any]) -> str:
    """Tell whose request it is by what the web server told Python of it."""
    return true_address(
        told.get("REMOTE_ADDR", ""),
        told.get(FORWARDED_FOR, ""),
        settings.TRUSTED_PROXIES,
    )


def _backwards(forwarded_for: str) -> list[str]:
    return [part.strip() for part in reversed(forwarded_for.split(",")) if part.strip()]


def is_within(address: IPv4Address | IPv6Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


class TrueCallerMiddleware:
    """Puts the caller's true address and scheme where Django looks for them.

    Whatever comes after, the journal of fetches and the logins among it, reads
    `REMOTE_ADDR`; what somebody untrusted says of himself is dropped.
    """

    def __init__(self, get_response: Respond) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        told = request.META
        known = caller_of(told)
        address = read_address(told.get("REMOTE_ADDR", ""))
        if address is None or not is_within(address, settings.TRUSTED_PROXIES):
            told.pop(FORWARDED_FOR, None)
            told.pop(FORWARDED_PROTO, None)
        told["REMOTE_ADDR"] = known
        return self._get_response(request)


class AdminNetworksMiddleware:
    """Shows the admin to `ADMIN_NETWORKS` and to this computer, to others no page.

    This computer always: whoever has an account on it, by SSH say, has the database.
    """

    def __init__(self, get_response: Respond) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        networks = settings.ADMIN_NETWORKS
        if networks and request.path_info.startswith(reverse("admin:index")):
            address = read_address(request.META.get("REMOTE_ADDR", ""))
            if address is None or not (
                address.is_loopback or is_within(address, networks)
            ):
                logger.warning("The admin was refused to %s: ADMIN_NETWORKS", address)
                raise Http404
        return self._get_response(request)
