"""Keeps account of how a new price list differs from the live one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from django.conf import settings
from django.utils.translation import gettext as _

Kind: TypeAlias = Literal[
    "added", "withdrawn", "withheld", "returned", "dropped", "price", "stock"
]
KINDS: tuple[Kind, ...] = (
    "added",
    "withdrawn",
    "withheld",
    "returned",
    "dropped",
    "price",
    "stock",
)
# The journal names the first of each kind; the counts tell them all.
NAMED = 200
# A few goods out of a small assortment are no mass withdrawal.
FEW = 20


@dataclass(slots=True)
class ListDifferences:
    """What a build changes in the list, counted and, for the first ones, named."""

    products: int = 0
    on_sale_before: int = 0
    # Go off sale although the stock figures are fresh; what an earlier build withheld
    # and this one does again is none of them.
    doubtful_withdrawals: int = 0
    # Listed SKUs that were withheld long enough: their withdrawal is no doubt any more.
    settled: frozenset[str] = frozenset()
    # Kept on sale until a person decides or time does.
    withheld: set[str] = field(default_factory=set)
    # Kept on sale until another import says the same.
    unconfirmed: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    withdrawn_for: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    totals: Counter[Kind] = field(default_factory=Counter)
    named: dict[Kind, list[Any]] = field(
        default_factory=lambda: {kind: [] for kind in KINDS}
    )

    def leave_out(self, reason: str) -> None:
        self.left_out[reason] += 1

    def warn(self, what: str) -> None:
        """Count something odd that does not keep an offer out."""
        self.warnings[what] += 1

    def add(self, sku: str) -> None:
        self._note("added", sku)

    def drop(self, sku: str, reason: str, *, was_available: bool) -> None:
        """Note an SKU that leaves the list."""
        self.left_out[reason] += 1
        self._note("dropped", sku)
        if was_available:
            self._withdraw(sku, reason)

    def let_go(self, sku: str, *, was_available: bool) -> None:
        """Note an SKU that an earlier list, put back by a person, does not have."""
        self._note("dropped", sku)
        if was_available:
            self._note("withdrawn", sku)

    def compare(
        self,
        sku: str,
        was: tuple[bool, int, int],
        *,
        units: int,
        price_kzt: int,
        reason: str,
    ) -> None:
        """Note what differs from `was`: (on sale, stock, price) as listed."""
        was_available, old_stock, old_price = was
        if not units:
            self.withdrawn_for[reason] += 1
            if was_available:
                self._withdraw(sku, reason)
        elif not was_available:
            self._note("returned", sku)
        elif units != old_stock:
            self._note("stock", (sku, old_stock, units))
        if price_kzt != old_price:
            self._note("price", (sku, old_price, price_kzt))

    def withhold(self, sku: str, *, is_confirmed: bool) -> None:
        """Note an SKU that would go off sale and stays, one of too many at once."""
        (self.withheld if is_confirmed else self.unconfirmed).add(sku)
        self._note("withheld", sku)

    @property
    def kept(self) -> set[str]:
        """What would go off sale and stays, for whichever time."""
        return self.withheld | self.unconfirmed

    def _withdraw(self, sku: str, reason: str) -> None:
        # Figures too old to sell by must come off sale, however many they are.
        if reason != "stale" and sku not in self.settled:
            self.doubtful_withdrawals += 1
        self._note("withdrawn", sku)

    def _note(self, kind: Kind, change: object) -> None:
        self.totals[kind] += 1
        if len(self.named[kind]) < NAMED:
            self.named[kind].append(change)

    def diff(self) -> dict[str, list[Any]]:
        return {kind: named for kind, named in self.named.items() if named}

    def counts(self, *, offers: int, on_sale: int) -> dict[str, Any]:
        """Count everything: the figures a version is shown with."""
        return {
            "products": self.products,
            "offers": offers,
            "on_sale": on_sale,
            "withdrawn": offers - on_sale,
            "left_out": dict(self.left_out),
            "withdrawn_for": dict(self.withdrawn_for),
            "warnings": dict(self.warnings),
            "changes": {kind: self.totals[kind] for kind in KINDS},
            "withheld": len(self.withheld),
            "unconfirmed": len(self.unconfirmed),
        }


def counted_again(counts: dict[str, Any]) -> dict[str, Any]:
    """Give the counts of a list that is made once more of the same."""
    left_out = dict(counts["left_out"])
    # Another SKU's listing leaves the list once.
    left_out.pop("remapped", None)
    unchanged = dict.fromkeys(KINDS, 0)
    return {**counts, "left_out": left_out, "changes": unchanged}


def are_too_many(gone: int, *, before: int) -> bool:
    """Tell whether so many that go off sale at once, of those before, are a mass."""
    return gone >= FEW and gone * 100 > before * settings.FEED_MASS_WITHDRAWAL_PERCENT


def mass_withdrawal(differences: ListDifferences) -> str:
    """Say how many offers would go off sale, when they are too many; else ""."""
    gone, before = differences.doubtful_withdrawals, differences.on_sale_before
    if not are_too_many(gone, before=before):
        return ""
    limit = settings.FEED_MASS_WITHDRAWAL_PERCENT
    return _(
        "%(gone)d of %(before)d offers on sale would go off sale "
        "(the limit is %(limit)d %%)"
    ) % {"gone": gone, "before": before, "limit": limit}


def what_is_withheld(counts: Mapping[str, Any]) -> str:
    """Say what a merged list keeps on sale, and until when."""
    return _(
        "%(withheld)d stay as they were until a person decides or %(hours)d hours are "
        "over, %(unconfirmed)d until the next import of stock, %(withdrawn)d are off "
        "sale"
    ) % {
        "withheld": counts["withheld"],
        "hours": settings.FEED_WITHHELD_HOURS,
        "unconfirmed": counts["unconfirmed"],
        "withdrawn": counts["changes"]["withdrawn"],
    }
