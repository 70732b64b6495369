"""Reads the whole catalogue page by page, and proves that it is whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from catalog.alstyle.client import AlStyleClient
from catalog.alstyle.schema import Element, ElementList, Problem
from catalog.readings import ReadingRefused

PASSES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawl:
    """A whole catalogue, each article once.

    `present`: every article that was listed, readable or not.
    """

    elements: dict[str, Element]
    present: frozenset[str]
    unsound: frozenset[str]
    problems: list[Problem]
    came: int
    pages: int
    passes: int


@dataclass(slots=True, kw_only=True)
class _Pass:
    """One way through the list, from its first good to its last."""

    total: int | None = None
    pages: int = 0
    keys: list[str] = field(default_factory=list)
    lists: list[ElementList] = field(default_factory=list)
    # Each page begins with the last row of the page before.
    is_seamless: bool = True
    is_steady: bool = True

    def add(self, page: ElementList) -> bool:
        """Join the page to those before; False when it brings nothing new."""
        fresh = page.keys
        if self.keys and fresh:
            if fresh[0] == self.keys[-1]:
                fresh = fresh[1:]
            else:
                self.is_seamless = False
        self.keys += fresh
        self.lists.append(page)
        return bool(fresh)

    def is_whole(self) -> bool:
        """Tell whether this pass alone proves that nothing was missed."""
        return (
            self.is_steady
            and self.is_seamless
            and len(self.keys) == len(set(self.keys)) == self.total
        )

    def agrees_with(self, before: _Pass | None) -> bool:
        """Tell whether oddities are the supplier's own: twice the same, none missing.

        Repeated articles are in every reading the same then, and the count of rows
        on unbroken pages, or that of articles, is what the supplier announces.
        """
        if before is None or not (self.is_steady and before.is_steady):
            return False
        as_announced = len(set(self.keys)) == self.total or (
            self.is_seamless and len(self.keys) == self.total
        )
        same = Counter(self.keys) == Counter(before.keys)
        return as_announced and same and self.total == before.total


def crawl_elements(client: AlStyleClient) -> Crawl:
    """Read until a pass is whole; raises `ReadingRefused` when none is.

    Goods that appear or vanish between two pages shift the rest, so a good may be
    missed: such a pass is read again from the start.
    """
    before: _Pass | None = None
    pages = 0
    for number in range(1, PASSES + 1):
        current = _read_pass(client)
        pages += current.pages
        if current.is_whole() or current.agrees_with(before):
            return _joined(current, pages=pages, passes=number)
        before = current
    message = _(
        "Al-Style's list did not hold still: in the last of %(passes)d readings "
        "%(goods)d goods in %(rows)d rows came, %(total)s were announced; "
        "nothing was changed."
    )
    raise ReadingRefused(
        message
        % {
            "passes": PASSES,
            "goods": len(set(current.keys)),
            "rows": len(current.keys),
            "total": current.total,
        }
    )


def _read_pass(client: AlStyleClient) -> _Pass:
    found = _Pass()
    while True:
        # One row is read again, to see that the pages join.
        page = client.elements_page(offset=max(len(found.keys) - 1, 0))
        found.pages += 1
        if found.total not in (None, page.total):
            found.is_steady = False
        found.total = page.total
        has_grown = found.add(page.elements)
        if not found.is_steady or not has_grown or len(found.keys) >= page.total:
            return found


def _joined(whole: _Pass, *, pages: int, passes: int) -> Crawl:
    elements: dict[str, Element] = {}
    problems: list[Problem] = []
    for page in whole.lists:
        for element in page.rows:
            elements.setdefault(element.article, element)
        problems += page.problems
    present = frozenset(elements).union(*(page.rejected for page in whole.lists))
    repeated = [key for key, times in Counter(whole.keys).items() if times > 1]
    problems += [Problem(key, _("article listed more than once")) for key in repeated]
    return Crawl(
        elements=elements,
        present=present,
        unsound=frozenset().union(*(page.unsound for page in whole.lists)),
        # A row read twice at a seam would tell its problems twice.
        problems=list(dict.fromkeys(problems)),
        came=len(whole.keys),
        pages=pages,
        passes=passes,
    )
