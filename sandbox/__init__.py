"""Both peers as local HTTP servers with state and faults; see README.md here."""

from __future__ import annotations

from sandbox.alstyle.catalogue import Good, Shop
from sandbox.alstyle.server import AlStyleServer
from sandbox.alstyle.settings import AlStyleSettings
from sandbox.clock import Clock
from sandbox.control import Control
from sandbox.kaspi.fetching import Fetch
from sandbox.kaspi.pricelist import Offer
from sandbox.kaspi.server import KaspiServer
from sandbox.kaspi.settings import KaspiSettings
from sandbox.peer import Arrival, wait_until

__all__ = [
    "AlStyleServer",
    "AlStyleSettings",
    "Arrival",
    "Clock",
    "Control",
    "Fetch",
    "Good",
    "KaspiServer",
    "KaspiSettings",
    "Offer",
    "Shop",
    "wait_until",
]
