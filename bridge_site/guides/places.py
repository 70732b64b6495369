"""Which page of the admin leads to which place in the guides."""

from __future__ import annotations

# By the beginning of the page's address, the longest counts: guide and anchor.
PLACES = {
    "/admin/": ("operator", "day"),
    "/admin/alerts/": ("operator", "alerts"),
    "/admin/alerts/channel/": ("owner", "channels"),
    "/admin/auth/": ("owner", "staff"),
    "/admin/catalog/": ("operator", "goods"),
    "/admin/catalog/category/": ("operator", "categories"),
    "/admin/catalog/commissionrate/": ("owner", "commissions"),
    "/admin/catalog/importrun/": ("operator", "imports"),
    "/admin/catalog/pricerule/": ("operator", "rules"),
    "/admin/catalog/productchange/": ("operator", "imports"),
    "/admin/doctor/": ("owner", "doctor"),
    "/admin/feeds/": ("operator", "versions"),
    "/admin/feeds/feedfetch/": ("operator", "fetches"),
    "/admin/feeds/proposal/": ("operator", "saving"),
    "/admin/feeds/store/": ("owner", "stores"),
    "/admin/first-day/": ("owner", "first-day"),
    "/admin/orders/": ("operator", "orders"),
    "/admin/orders/booking/": ("owner", "profit"),
    "/admin/orders/finding/": ("operator", "findings"),
    "/admin/orders/handover/": ("packer", "parcels"),
    "/admin/orders/handover/check/": ("packer", "check"),
    "/admin/orders/handover/picking/": ("packer", "picking"),
    "/admin/orders/handover/sheet/": ("packer", "sheet"),
    "/admin/orders/learnedfact/": ("owner", "learned"),
    "/admin/orders/order/": ("operator", "orders"),
    "/admin/orders/parcelcheck/": ("packer", "check"),
    "/admin/orders/purchase/": ("operator", "purchases"),
    "/admin/orders/readmark/": ("operator", "readings"),
    "/admin/orders/reservation/": ("operator", "purchases"),
    "/admin/orders/skumapping/": ("operator", "unknown-sku"),
    "/admin/orders/step/": ("operator", "stuck"),
    "/admin/orders/supplierorder/": ("operator", "purchases"),
    "/admin/password_change/": ("owner", "staff"),
    "/admin/search/": ("operator", "search"),
    "/admin/settings/": ("owner", "settings"),
}


def place_of(path: str) -> tuple[str, str]:
    """Give the guide and the anchor that help with a page of the admin."""
    return PLACES[max((at for at in PLACES if path.startswith(at)), key=len)]
