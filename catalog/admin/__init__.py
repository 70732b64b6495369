"""The catalogue's pages.

`feeds` registers those whose changes show their effect on the price list.
"""

from __future__ import annotations

from catalog.admin import changes, imports

__all__ = ["changes", "imports"]
