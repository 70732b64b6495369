"""Which page of the admin leads to which place in the guides."""

from __future__ import annotations

# By the beginning of the page's address, counted from the admin's own; the longest
# counts: guide and anchor.
PLACES = {
    "": ("operator", "day"),
    "alerts/": ("operator", "alerts"),
    "alerts/channel/": ("owner", "channels"),
    "auth/": ("owner", "staff"),
    "catalog/": ("operator", "goods"),
    "catalog/category/": ("operator", "categories"),
    "catalog/commissionrate/": ("owner", "commissions"),
    "catalog/importrun/": ("operator", "imports"),
    "catalog/pricerule/": ("operator", "rules"),
    "catalog/productchange/": ("operator", "imports"),
    "doctor/": ("owner", "doctor"),
    "feeds/": ("operator", "versions"),
    "feeds/feedfetch/": ("operator", "fetches"),
    "feeds/proposal/": ("operator", "saving"),
    "feeds/store/": ("owner", "stores"),
    "first-day/": ("owner", "first-day"),
    "orders/": ("operator", "orders"),
    "orders/booking/": ("owner", "profit"),
    "orders/buyerrequest/": ("owner", "buyers"),
    "orders/finding/": ("operator", "findings"),
    "orders/handover/": ("packer", "parcels"),
    "orders/handover/check/": ("packer", "check"),
    "orders/handover/picking/": ("packer", "picking"),
    "orders/handover/sheet/": ("packer", "sheet"),
    "orders/learnedfact/": ("owner", "learned"),
    "orders/order/": ("operator", "orders"),
    "orders/parcelcheck/": ("packer", "check"),
    "orders/purchase/": ("operator", "purchases"),
    "orders/readmark/": ("operator", "readings"),
    "orders/recovery/": ("operator", "recovery"),
    "orders/reservation/": ("operator", "purchases"),
    "orders/skumapping/": ("operator", "unknown-sku"),
    "orders/step/": ("operator", "stuck"),
    "orders/supplierorder/": ("operator", "purchases"),
    "password_change/": ("operator", "sign-in"),
    "search/": ("operator", "search"),
    "security/": ("operator", "sign-in"),
    "settings/": ("owner", "settings"),
}


def place_of(path: str) -> tuple[str, str]:
    """Give the guide and the anchor that help with a page of the admin."""
    return PLACES[max((at for at in PLACES if path.startswith(at)), key=len)]
