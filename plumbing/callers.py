"""Who asks: the one place that tells the address of a request's caller."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address as web servers write it, with or without a port."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both kinds shows IPv4's addresses so.
    return getattr(address, "ipv4_mapped", None) or address


def caller_address(request: HttpRequest) -> str:
    """Give the address that a request came from, "" when none is known.

    What a trusted web server tells has been put into REMOTE_ADDR before Django's views
    see the request (`bridge_site.callers`).
    """
    address = read_address(request.META.get("REMOTE_ADDR", ""))
    return "" if address is None else str(address)


def caller_network(request: HttpRequest) -> str:
    """Give the address as that of one caller: of IPv6 each has a whole /64."""
    address = caller_address(request)
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/64", strict=False).network_address)
