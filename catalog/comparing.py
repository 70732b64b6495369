"""Finds the differences between what the supplier lists and what is stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import compress
from operator import ne
from typing import Any, NamedTuple

from django.db.models import (
    BooleanField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
)
from django.db.models import (
    Field as DatabaseField,
)
from django.utils.translation import gettext as _

from catalog.alstyle.schema import FIGURES, KEPT_UNREAD, Element, StockList
from catalog.crawling import Crawl
from catalog.models import Product, ProductChange

Field = ProductChange.Field

# In the order of the parsed rows, so that whole tuples are compared.
STOCK_COLUMNS = FIGURES
ELEMENT_COLUMNS = Element._fields[1:]
# A change of these makes the price out of date.
PRICED_COLUMNS = {"cost_kzt", "retail_kzt", "brand", "category", "rrp_enforced"}
CHANGE_FIELDS = {
    "stock": Field.STOCK,
    "cost_kzt": Field.COST,
    "retail_kzt": Field.RETAIL,
}
# Half of all drops from ">N" to nothing come back within this time.
FLAPPING_WITHIN = timedelta(hours=48)
# Database rows fetched at once, and ids asked for in one query (SQLite takes 999).
ROWS_AT_ONCE = 5000
IDS_AT_ONCE = 500


class UnsavedChange(NamedTuple):
    """A `ProductChange` before it is written."""

    product_id: int
    field: str
    old: int | None
    new: int | None
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class Differences:
    """What is to be written. `updates`: column names → rows of (values…, pk).

    `category` among the columns is Al-Style's id. `known` live goods were compared;
    `sound` of them came with readable figures.
    """

    new: list[Element] = field(default_factory=list)
    updates: dict[tuple[str, ...], list[tuple[Any, ...]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    changes: list[UnsavedChange] = field(default_factory=list)
    known: int = 0
    sound: int = 0
    changed: int = 0
    gone: int = 0
    returned: int = 0
    absent: int = 0
    unknown: int = 0
    # Articles that came and are not in the catalogue here, or gone from it.
    strangers: frozenset[str] = frozenset()
    flapping: int = 0
    # How many live goods had what came with no good at all, by field; they keep it.
    lost: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        return bool(self.new or self.updates)

    def add(
        self,
        pk: int,
        columns: Sequence[str],
        *,
        old: Sequence[Any],
        new: Sequence[Any],
        reason: str = "",
        also: Iterable[tuple[str, Any]] = (),
    ) -> None:
        """Note the columns in which `old` and `new` differ, and their story."""
        differs = tuple(map(ne, old, new))
        plan = _plan(tuple(columns), differs)
        for at, told_as in plan.told:
            words = reason
            if at == plan.stock_at:
                # The flag stands behind the number.
                bounds = _bounds(old[at : at + 2], new[at : at + 2])
                words = ", ".join(filter(None, [bounds, reason]))
            self.changes.append(UnsavedChange(pk, told_as, old[at], new[at], words))
        more = dict(also)
        row = (*compress(new, differs), *plan.fixed, *more.values(), pk)
        self.updates[(*plan.names, *more)].append(row)


class _Plan(NamedTuple):
    """What follows from a change of certain columns, whatever their values.

    `names` are set, the last of them to `fixed`; `told` are the columns, by place, that
    have a story.
    """

    names: tuple[str, ...]
    fixed: tuple[str, ...]
    told: tuple[tuple[int, str], ...]
    stock_at: int


@cache
def _plan(columns: tuple[str, ...], differs: tuple[bool, ...]) -> _Plan:
    names = tuple(compress(columns, differs))
    is_priced = not PRICED_COLUMNS.isdisjoint(names)
    return _Plan(
        names=(*names, "priced_with") if is_priced else names,
        fixed=("",) if is_priced else (),
        told=tuple(
            (columns.index(name), told_as)
            for name, told_as in CHANGE_FIELDS.items()
            if name in names
        ),
        stock_at=columns.index("stock") if "stock" in names else -1,
    )


def _bounds(before: Sequence[Any], after: Sequence[Any]) -> str:
    """Tell of lower bounds, which the bare numbers of a change do not show."""
    if before[1] or after[1]:
        return f"{_shown_stock(*before)} → {_shown_stock(*after)}"
    return ""


def _shown_stock(stock: int, is_lower_bound: bool) -> str:  # noqa: FBT001 - as they stand in a row
    return f">{stock - 1}" if is_lower_bound else str(stock)


def compare_stock(listed: StockList, *, now: datetime) -> Differences:
    """Compare stock and prices with what is stored; what is absent counts as 0.

    Goods gone from the catalogue have figures too, as long as these name them: they
    are not sold by them, but a mass of them is not believed at once either.
    """
    found = Differences()
    rows, unsound = listed.rows, listed.unsound
    words = _("absent from the supplier's list")
    # At once: these rows are small, and PostgreSQL's cursors would cost more.
    known = list(_stored(STOCK_COLUMNS).filter(gone_at=None))
    for stored_row in [each for each in known if rows.get(each[1]) != each[2:]]:
        row, old = rows.get(stored_row[1]), stored_row[2:]
        if row is None:
            found.absent += 1
            nothing = (0, False, *old[2:])
            if old != nothing:
                found.add(
                    stored_row[0], STOCK_COLUMNS, old=old, new=nothing, reason=words
                )
        else:
            found.add(stored_row[0], STOCK_COLUMNS, old=old, new=row)
    found.known = len(known)
    matched = found.known - found.absent
    doubtful = sum(stored_row[1] in unsound for stored_row in known) if unsound else 0
    found.sound = matched - doubtful
    found.unknown = len(rows) - matched
    if found.unknown:
        found.strangers = frozenset(rows).difference(row[1] for row in known)
    gone = list(_stored(STOCK_COLUMNS).filter(gone_at__isnull=False))
    for pk, article, *old_row in gone:
        old = tuple(old_row)
        nothing = (0, False, *old[2:])
        new = rows.get(article, nothing)
        if old != new:
            reason = "" if article in rows else words
            found.add(pk, STOCK_COLUMNS, old=old, new=new, reason=reason)
    found.changed = sum(map(len, found.updates.values()))
    _mark_flapping(found, now=now)
    return found


def compare_elements(
    crawl: Crawl,
    elements: dict[str, Element],
    *,
    now: datetime,
    keep_figures: bool,
    absent: Collection[str] = (),
) -> Differences:
    """Compare a whole catalogue with everything stored.

    `keep_figures`: stock and prices were read later than the crawl began, so the
    crawl's are the older ones. `absent`: fields that came with no good, which does not
    mean that no good has them any more.
    """
    found = Differences()
    unseen = dict(elements)
    columns = (
        ELEMENT_COLUMNS[: -len(STOCK_COLUMNS)] if keep_figures else ELEMENT_COLUMNS
    )
    width = len(columns)
    stored = _stored(ELEMENT_COLUMNS, is_gone=Q(gone_at__isnull=False))
    for is_gone, pk, article, *old in stored.iterator(chunk_size=ROWS_AT_ONCE):
        element = unseen.pop(article, None)
        found.known += not is_gone
        if element is None:
            if not is_gone and article not in crawl.present:
                _add_gone(found, pk, old, now=now, keep_figures=keep_figures)
            continue
        if article in crawl.unsound:
            element = _with_stored(element, old, crawl.unsound[article])
        for name in absent:
            if old[ELEMENT_COLUMNS.index(KEPT_UNREAD[name])]:
                element = _with_stored(element, old, [KEPT_UNREAD[name]])
                found.lost[name] += not is_gone
        if is_gone:
            _add_returned(found, pk, old, element, columns=columns, now=now)
            continue
        found.sound += article not in crawl.unsound
        if (*old[:width],) != element[1 : width + 1]:
            found.changed += 1
            found.add(pk, columns, old=old[:width], new=element[1 : width + 1])
    found.new = list(unseen.values())
    _mark_flapping(found, now=now)
    return found


def compare_named(
    elements: dict[str, Element],
    *,
    unsound: Mapping[str, Collection[str]],
    now: datetime,
) -> Differences:
    """Find which of these goods are new, and which came back after they were gone.

    `elements` are few; goods that are in the catalogue already stay as they are.
    `unsound` as in `ElementList`.
    """
    found = Differences()
    unseen = dict(elements)
    stored = _stored(ELEMENT_COLUMNS, is_gone=Q(gone_at__isnull=False))
    for is_gone, pk, article, *old in stored.filter(article__in=list(elements)):
        element = unseen.pop(article)
        if is_gone:
            element = _with_stored(element, old, unsound.get(article, ()))
            _add_returned(found, pk, old, element, columns=ELEMENT_COLUMNS, now=now)
    found.new = list(unseen.values())
    return found


def _with_stored(
    element: Element, old: Sequence[Any], columns: Collection[str]
) -> Element:
    """Leave columns as they are stored: nothing that could be read came for them."""
    at = ELEMENT_COLUMNS.index
    return element._replace(**{name: old[at(name)] for name in columns})


def _stored(columns: Sequence[str], **claims: Q) -> QuerySet[Product, Any]:
    """Select (claims…, pk, article, columns…) as cheaply as it goes.

    Claims and flags come as the database has them, 0 and 1 or false and true, which
    compare alike: Django would convert each one by a call.
    """
    kinds = {name: Product._meta.get_field(name) for name in columns}
    read: list[Any] = [
        ExpressionWrapper(F(name), output_field=DatabaseField())
        if isinstance(kind, BooleanField)
        else "category__supplier_id"
        if name == "category"
        else name
        for name, kind in kinds.items()
    ]
    numbers = [
        ExpressionWrapper(q, output_field=DatabaseField()) for q in claims.values()
    ]
    return Product.objects.order_by().values_list(*numbers, "pk", "article", *read)


def _add_gone(
    found: Differences,
    pk: int,
    old: list[Any],
    *,
    now: datetime,
    keep_figures: bool,
) -> None:
    found.gone += 1
    stock_at = ELEMENT_COLUMNS.index("stock")
    before, nothing = old[stock_at:], (0, False, *old[stock_at + 2 :])
    if keep_figures:
        # A later reading named its stock: only that word is the catalogue's, and many
        # that say so at once are not believed (`withholding`).
        nothing = (*before,)
    words = _("gone from the supplier's catalogue")
    found.changes.append(UnsavedChange(pk, Field.PRESENCE, 1, 0))
    found.add(
        pk,
        STOCK_COLUMNS,
        old=before,
        new=nothing,
        reason=words,
        also=[("gone_at", now)],
    )


def _add_returned(
    found: Differences,
    pk: int,
    old: list[Any],
    element: Element,
    *,
    columns: Sequence[str],
    now: datetime,
) -> None:
    found.returned += 1
    found.changes.append(UnsavedChange(pk, Field.PRESENCE, 0, 1))
    also = [("gone_at", None), ("last_seen", now)]
    width = len(columns)
    new = element[1 : width + 1]
    found.add(pk, columns, old=old[:width], new=new, also=also)


def _mark_flapping(found: Differences, *, now: datetime) -> None:
    """Tell of goods that went from ">N" to nothing and came back within two days."""
    returning = {
        change.product_id: at
        for at, change in enumerate(found.changes)
        if change.field == Field.STOCK and change.reason.startswith("0 → >")
    }
    words = _("%(bounds)s; was sold out for less than 48 hours")
    for pk in _dropped_lately(returning, now=now):
        change = found.changes[returning[pk]]
        reason = words % {"bounds": change.reason}
        found.changes[returning[pk]] = change._replace(reason=reason)
        found.flapping += 1


def _dropped_lately(pks: Collection[int], *, now: datetime) -> Iterator[int]:
    ordered = sorted(pks)
    drops = ProductChange.objects.filter(
        field=Field.STOCK,
        new=0,
        reason__startswith=">",
        changed_at__gte=now - FLAPPING_WITHIN,
    ).order_by()
    for start in range(0, len(ordered), IDS_AT_ONCE):
        chunk = ordered[start : start + IDS_AT_ONCE]
        dropped = drops.filter(product_id__in=chunk)
        yield from set(dropped.values_list("product_id", flat=True))
