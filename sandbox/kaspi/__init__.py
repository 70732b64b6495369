"""The marketplace's side of the sandbox."""

from __future__ import annotations

from sandbox.kaspi.fetching import Fetch
from sandbox.kaspi.pricelist import Offer, PriceListRefused, read_price_list
from sandbox.kaspi.server import KaspiServer
from sandbox.kaspi.settings import KaspiSettings

__all__ = [
    "Fetch",
    "KaspiServer",
    "KaspiSettings",
    "Offer",
    "PriceListRefused",
    "read_price_list",
]
