"""What a change of settings would do to prices and to the price list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.crypto import constant_time_compare

from bridge_site.adjustable import BUILD
from bridge_site.adjusting.form import Change
from feeds.admin.effects import figures_of, row_of, steepest
from feeds.foreseeing import Edits, foresee
from feeds.proposals import seal_shown
from plumbing.leases import database_now

ROWS_SHOWN = 100


class Effect:
    """What goods would be dearer, cheaper, on sale or off, were the changes saved."""

    def __init__(self, changes: Sequence[Change]) -> None:
        self._shown = [[c.setting.name, str(c.old), str(c.new)] for c in changes]
        values = {c.setting.name: c.new for c in changes if c.setting.then == BUILD}
        self._found = foresee(Edits(settings=values), now=database_now())
        self.warnings = self._found.warnings()

    @property
    def seal(self) -> str:
        """Sign just what is shown."""
        return seal_shown(self._shown, warned=bool(self.warnings))

    def is_sealed(self, sealed: str) -> bool:
        return constant_time_compare(sealed, self.seal)

    @property
    def context(self) -> dict[str, Any]:
        """Give what the templates of proposals show."""
        found = self._found
        return {
            "figures": figures_of(found),
            "steepest": list(steepest(found)),
            "warnings": self.warnings,
            "stock_is_stale": found.stock_is_stale,
            "rows": [row_of(effect) for effect in found.effects[:ROWS_SHOWN]],
            "rows_left_out": max(0, len(found.effects) - ROWS_SHOWN),
            "seal": self.seal,
        }


def effect_of(changes: Sequence[Change]) -> Effect | None:
    """Work out the effect; None when the price list depends on none of the changes."""
    if any(change.setting.then == BUILD for change in changes):
        return Effect(changes)
    return None
