"""Who asks: the one place that tells the address of a request's caller."""

from __future__ import annotations

import ipaddress

from django.http import HttpRequest


def caller_address(request: HttpRequest) -> str:
    """Give the address that a request came from, "" when none is known.

    What a web server in front tells has been put into REMOTE_ADDR, and what anybody
    else claims taken away, before Django sees the request.
    """
    told = request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(told)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def caller_network(request: HttpRequest) -> str:
    """Give the address as that of one caller: of IPv6 each has a whole /64."""
    address = caller_address(request)
    if ":" not in address:
        return address
    network = ipaddress.ip_network(f"{address}/64", strict=False)
    return str(network.network_address)
