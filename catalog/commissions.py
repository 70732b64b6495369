"""What Kaspi takes of a sale: the one table that prices, purchases and profit use."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.models import Category, CommissionRate

# Al-Style's tree is this deep at most; a loop in it must end somewhere.
MOST_LEVELS = 20
Dated = list[tuple[date, Decimal]]


@dataclass(slots=True)
class CommissionBook:
    """The table, ready to be asked for many sales.

    What is said of Kaspi's own category beats what is said of ours (the deepest branch
    first), which beats the row of all other goods. Of one kind of goods the row with
    the latest day up to the sale's counts. Unchecked rows count like any: a guess is
    nearer to the truth than nothing.
    """

    rates: list[CommissionRate]
    parents: dict[int, int | None]
    _by_title: dict[str, Dated] = field(init=False, default_factory=dict)
    _by_category: dict[int, Dated] = field(init=False, default_factory=dict)
    _others: Dated = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        by_day = sorted(self.rates, key=lambda rate: (rate.holds_from, rate.pk or 0))
        for rate in reversed(by_day):
            dated = (rate.holds_from, rate.percent)
            if rate.category_id is not None:
                self._by_category.setdefault(rate.category_id, []).append(dated)
            elif rate.kaspi_category:
                self._by_title.setdefault(_key(rate.kaspi_category), []).append(dated)
            else:
                self._others.append(dated)

    def percent_of(
        self, *, category_id: int | None, kaspi_category: str = "", on: date
    ) -> Decimal | None:
        """Say what Kaspi takes of a sale of that day, in percent; None = not known."""
        title = _key(kaspi_category)
        if title and (found := _on(self._by_title.get(title, []), on)) is not None:
            return found
        above, levels = category_id, 0
        while above is not None and levels < MOST_LEVELS:
            if (found := _on(self._by_category.get(above, []), on)) is not None:
                return found
            above, levels = self.parents.get(above), levels + 1
        return _on(self._others, on)

    @property
    def is_empty(self) -> bool:
        return not self.rates

    @property
    def unchecked(self) -> int:
        """How many rows nobody has compared with the contract yet."""
        return sum(not rate.is_checked for rate in self.rates)

    def in_force(self, *, on: date) -> list[tuple[int | None, str, str]]:
        """List what holds on a day: category, Kaspi's title, percent."""
        rows: list[tuple[int | None, str, str]] = []
        for category, dated in self._by_category.items():
            if (percent := _on(dated, on)) is not None:
                rows.append((category, "", str(percent)))
        for title, dated in self._by_title.items():
            if (percent := _on(dated, on)) is not None:
                rows.append((None, title, str(percent)))
        if (percent := _on(self._others, on)) is not None:
            rows.append((None, "", str(percent)))
        return sorted(rows, key=str)


def load_commissions() -> CommissionBook:
    """Read the table, and the tree if a row needs it."""
    rates = list(CommissionRate.objects.order_by("pk"))
    tree = {}
    if any(rate.category_id is not None for rate in rates):
        tree = Category.objects.all().parents()
    return CommissionBook(rates, tree)


def vouched_by(user: Any, *, now: datetime) -> dict[str, Any]:
    """Say what a row notes of whoever has just entered its figure.

    Who may confirm it has done so; anybody else's figure waits to be confirmed.
    """
    if user.has_perm("catalog.check_commissionrate"):
        return {"checked_at": now, "checked_by": user.get_username()}
    return {"checked_at": None, "checked_by": ""}


def commission_warning() -> str:
    """Say why the profit may be overstated; empty when the table was checked."""
    known = load_commissions()
    if known.is_empty:
        return _("The profit is overstated: the table of Kaspi's commission is empty.")
    if known.percent_of(category_id=None, on=timezone.localdate()) is None:
        return _(
            "The profit may be overstated: the table of Kaspi's commission has no row "
            "for all other goods."
        )
    if known.unchecked:
        text = ngettext(
            "The profit may be overstated: nobody has compared %(n)d row of Kaspi's "
            "commission with your contract.",
            "The profit may be overstated: nobody has compared %(n)d rows of Kaspi's "
            "commission with your contract.",
            known.unchecked,
        )
        return text % {"n": known.unchecked}
    return ""


def _key(title: str) -> str:
    return " ".join(title.split()).casefold()


def _on(dated: Dated, day: date) -> Decimal | None:
    """Choose from rows, the latest first, the one that holds on the day."""
    return next((percent for since, percent in dated if since <= day), None)
