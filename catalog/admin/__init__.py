"""The catalogue's pages. Products are registered by `feeds`, which knows what sells."""

from __future__ import annotations

from catalog.admin import categories, changes, commissions, imports, rules

__all__ = ["categories", "changes", "commissions", "imports", "rules"]
