"""The distributor's side of the sandbox."""

from __future__ import annotations

from sandbox.alstyle.catalogue import Category, Good, Shop
from sandbox.alstyle.server import AlStyleServer
from sandbox.alstyle.settings import AlStyleSettings

__all__ = ["AlStyleServer", "AlStyleSettings", "Category", "Good", "Shop"]
