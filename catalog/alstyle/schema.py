"""Al-Style's answers as frozen values; a row that cannot be read never ends an import.

Elements are named tuples and stock rows bare ones, not dataclasses: a hundred thousand
of them are made and compared with database rows in one import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from catalog.alstyle.fields import doubt, shown

# The stored columns' lengths; a test holds them against the models.
NAME_LENGTH = 500
CATEGORY_NAME_LENGTH = 255
PART_NUMBER_LENGTH = 120
BRAND_LENGTH = 120
BARCODE_LENGTH = 60
DATE_LENGTH = 100
# The column has no limit of its own.
FULL_NAME_LENGTH = 5000
# (stock, stock_is_lower_bound, cost_kzt, retail_kzt) of one article, named below.
Figures = tuple[int, bool, int | None, int | None]
FIGURES = ("stock", "stock_is_lower_bound", "cost_kzt", "retail_kzt")
ADDITIONAL_FIELDS = "brand,barcode,multiplicity,rrp"
# What goods are priced and sold by, beside their figures: fields, and where they are
# kept. What cannot be read of them is not "none": the stored value stays.
KEPT_UNREAD = {
    "brand": "brand",
    "category": "category",
    "multiplicity": "multiplicity",
    "rrp": "rrp_enforced",
}
# A good may come without these, the catalogue may not.
ASKED_FOR = frozenset(KEPT_UNREAD) & frozenset(ADDITIONAL_FIELDS.split(","))


class UnreadableAnswer(ValueError):
    """A whole answer has not the shape the contract gives it."""


class RowRejected(ValueError):
    """One row cannot be used; the rest of the answer can."""

    def __init__(self, reason: str, *, key: str) -> None:
        super().__init__(reason)
        self.key, self.reason = key, reason


class Problem(NamedTuple):
    """What is wrong with a row; `key` is its article or id as far as it is known."""

    key: str
    reason: str


class Element(NamedTuple):
    """One article of the catalogue. `category` is Al-Style's id."""

    article: str
    part_number: str
    name: str
    full_name: str
    brand: str
    category: str | None
    barcode: str
    multiplicity: int | None
    rrp_enforced: bool
    stock: int
    stock_is_lower_bound: bool
    cost_kzt: int | None
    retail_kzt: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryRow:
    """A category as nested sets give it: no parent, only its interval."""

    id: str
    name: str
    left: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserData:
    """The account's records, each as Al-Style gives it; blank ones are left out."""

    attorneys: tuple[dict[str, Any], ...]
    deliveries: tuple[dict[str, Any], ...]
    bin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryList:
    """The categories that could be read. `unsound`: those without an interval."""

    came: int
    rows: tuple[CategoryRow, ...]
    problems: tuple[Problem, ...]
    unsound: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementList:
    """Rows of elements. `unsound`: articles with what makes prices or stock in doubt.

    It maps them to the columns that could not be read at all (`KEPT_UNREAD`). `keys`
    names every row that came, in order, readable or not.
    """

    keys: tuple[str, ...]
    rows: tuple[Element, ...]
    problems: tuple[Problem, ...]
    unsound: dict[str, list[str]]
    # Articles whose row came but is not in `rows`.
    rejected: frozenset[str]
    # Fields of `ASKED_FOR` that no row has.
    absent: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementPage:
    """One page of the catalogue; `total` is the supplier's count of all goods."""

    elements: ElementList
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StockList:
    """Stock and prices by article. `unsound`: quantity or price is in doubt."""

    came: int
    rows: dict[str, Figures]
    problems: tuple[Problem, ...]
    unsound: frozenset[str]


# More goods than any catalogue has, and than stand on one page. What is wrong with a
# row is kept, many times the row's size: millions would take the host's memory.
MOST_ROWS, MOST_LISTED, MOST_PROBLEMS = 1_200_000, 100_000, 200_000


def as_list(raw: Any, *, name: str) -> list[Any]:
    """Take an array, flat or nested once."""
    if not isinstance(raw, list):
        raise UnreadableAnswer(doubt(name, _("not an array"), raw))
    rows: list[Any] = raw
    if len(raw) == 1 and isinstance(raw[0], list):
        rows = raw[0]
    refuse_too_many(len(rows), name=name, most=MOST_LISTED)
    return rows


def as_map(raw: Any, *, name: str) -> dict[str, Any]:
    """Take an object; PHP writes an empty one as `[]`."""
    if isinstance(raw, dict):
        refuse_too_many(len(raw), name=name, most=MOST_ROWS)
        return raw
    if raw == []:
        return {}
    raise UnreadableAnswer(doubt(name, _("not an object"), raw))


def refuse_too_many(rows: int, *, name: str, most: int) -> None:
    """Raise `UnreadableAnswer` for more rows than there can be."""
    if rows > most:
        raise UnreadableAnswer(f"{name}: {rows}, {_('more rows than goods exist')}")


def parse_data(raw: Any) -> Any:
    """Take `data` out of `{"status": true, "data": …}`."""
    answer = as_map(raw, name=_("answer"))
    if answer.get("status") is not True or "data" not in answer:
        raise UnreadableAnswer(f"status: {shown(answer.get('status'))}")
    return answer["data"]
