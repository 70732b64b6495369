"""Reads the whole catalogue page by page, and proves that it is whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from django.utils.translation import gettext as _

from catalog.alstyle.schema import Element, ElementList, ElementPage, Problem
from catalog.import_runs import ImportRefused

PASSES = 3


class PageSource(Protocol):
    """Reads one page; `AlStyleClient` is one."""

    def elements_page(self, *, offset: int) -> ElementPage:
        """Read goods from `offset` on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawl:
    """A whole catalogue, each article once.

    `present`: every article that was listed, readable or not; `unsound` and `absent` as
    in `ElementList`.
    """

    elements: dict[str, Element]
    present: frozenset[str]
    unsound: dict[str, list[str]]
    absent: frozenset[str]
    problems: list[Problem]
    came: int
    pages: int
    passes: int


@dataclass(slots=True, kw_only=True)
class _Pass:
    """One walk through the list, from its first good to its last."""

    total: int | None = None
    pages: int = 0
    keys: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    lists: list[ElementList] = field(default_factory=list)
    # Each page begins with the last row of the page before.
    is_seamless: bool = True
    is_steady: bool = True

    def add(self, page: ElementList) -> bool:
        """Join the page to those before; False when it names nothing new."""
        fresh, known = page.keys, len(self.seen)
        if self.keys and fresh:
            if fresh[0] == self.keys[-1]:
                fresh = fresh[1:]
            else:
                self.is_seamless = False
        self.keys += fresh
        self.seen.update(fresh)
        self.lists.append(page)
        return len(self.seen) > known

    def is_whole(self) -> bool:
        """Tell whether this pass alone proves that nothing was missed."""
        return (
            self.is_steady
            and self.is_seamless
            and len(self.keys) == len(self.seen) == self.total
        )

    def agrees_with(self, before: _Pass | None) -> bool:
        """Tell whether oddities are the supplier's own: twice the same, none missing.

        Repeated articles are in every pass the same then, and the count of rows
        on unbroken pages, or that of articles, is what the supplier announces.
        """
        if before is None or not (self.is_steady and before.is_steady):
            return False
        as_announced = len(self.seen) == self.total or (
            self.is_seamless and len(self.keys) == self.total
        )
        same = Counter(self.keys) == Counter(before.keys)
        return as_announced and same and self.total == before.total


def crawl_elements(source: PageSource) -> Crawl:
    """Read until a pass is whole; raises `ImportRefused` when none is.

    Goods that appear or vanish between two pages shift the rest, so a good may be
    missed: such a pass is read again from the start.
    """
    before: _Pass | None = None
    pages = 0
    for number in range(1, PASSES + 1):
        current = _read_pass(source)
        pages += current.pages
        if current.is_whole() or current.agrees_with(before):
            return _joined(current, pages=pages, passes=number)
        before = current
    message = _(
        "Al-Style's list did not hold still: in the last of %(passes)d passes "
        "%(goods)d goods in %(rows)d rows came, %(total)s were announced; "
        "nothing was changed."
    )
    raise ImportRefused(
        message
        % {
            "passes": PASSES,
            "goods": len(current.seen),
            "rows": len(current.keys),
            "total": current.total,
        }
    )


def _read_pass(source: PageSource) -> _Pass:
    found = _Pass()
    # One row is read again, to see that the pages join.
    again = 1
    while True:
        page = source.elements_page(offset=max(len(found.keys) - again, 0))
        found.pages += 1
        if found.total not in (None, page.total):
            found.is_steady = False
        found.total = page.total
        has_grown = found.add(page.elements)
        if not found.is_steady or len(found.keys) >= page.total:
            return found
        if not has_grown and not again:
            return found
        # A page may be so short that it holds only the row read again.
        again = int(has_grown)


def _joined(whole: _Pass, *, pages: int, passes: int) -> Crawl:
    elements: dict[str, Element] = {}
    problems: list[Problem] = []
    unsound: dict[str, list[str]] = {}
    for page in whole.lists:
        for element in page.rows:
            elements.setdefault(element.article, element)
        problems += page.problems
        unsound |= page.unsound
    present = frozenset(elements).union(*(page.rejected for page in whole.lists))
    repeated = [key for key, times in Counter(whole.keys).items() if times > 1]
    problems += [Problem(key, _("article listed more than once")) for key in repeated]
    return Crawl(
        elements=elements,
        present=present,
        unsound=unsound,
        absent=frozenset.intersection(*(page.absent for page in whole.lists)),
        # A row read twice at a seam would tell its problems twice.
        problems=list(dict.fromkeys(problems)),
        came=len(whole.keys),
        pages=pages,
        passes=passes,
    )
