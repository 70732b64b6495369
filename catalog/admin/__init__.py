"""The catalogue's pages. Products are registered by `feeds`, which knows what sells."""

from __future__ import annotations

from catalog.admin import categories, changes, readings, rules

__all__ = ["categories", "changes", "readings", "rules"]
