"""Which method a path of Kaspi's API means."""

from __future__ import annotations

from sandbox.kaspi.writes import name_of_write
from sandbox.server import Request

API = "/shop/api"
# (verb, resource, what follows the id) → method
SINGLE = {
    ("GET", "orders", ""): "order",
    ("GET", "orders", "entries"): "entries",
    ("GET", "orders", "user"): "user",
    ("GET", "orderentries", ""): "entry",
    ("GET", "orderentries", "product"): "product",
    ("GET", "orderentries", "deliveryPointOfService"): "delivery-point",
    ("GET", "masterproducts", "merchantProduct"): "merchant-product",
    ("GET", "pointofservices", ""): "point-of-service",
    ("GET", "waybills", ""): "waybill",
}
WHOLE = {
    ("GET", "cities"): "cities",
    ("POST", "orderEntryCancelOperation"): "entry-cancel",
    ("POST", "orderEntryImeiOperation"): "imei",
}


def parts_of(request: Request) -> list[str]:
    """Return the path below `/shop/api`, or below `/shop/api/v2`."""
    parts = request.path.removeprefix(API).strip("/").split("/")
    return parts[1:] if parts[0] == "v2" else parts


def method_of(request: Request) -> str:
    """Return the method's name; an unknown path is its own name."""
    if not request.path.startswith(API + "/"):
        return request.path
    below = request.path.removeprefix(API).strip("/")
    parts = parts_of(request)
    if request.verb == "PUT" and below.startswith("orderPartialCancel/"):
        return "partial-cancel"
    if not below.startswith("v2/"):
        return below
    if parts == ["orders"]:
        if request.verb == "POST":
            return name_of_write(request)
        if request.query.get("filter[orders][code]"):
            return "order-by-code"
        return "orders"
    if len(parts) == 1:
        return WHOLE.get((request.verb, parts[0]), below)
    tail = parts[2] if len(parts) > 2 else ""
    return SINGLE.get((request.verb, parts[0], tail), below)
