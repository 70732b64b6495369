"""Reads Al-Style's goods: elements, stock and prices."""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from django.utils.translation import gettext as _

from catalog.alstyle.fields import (
    LARGEST_INT,
    Doubts,
    as_id,
    as_whole,
    doubt,
    read_flag,
    read_multiplicity,
    read_price,
    read_quantity,
    read_text,
    shown,
)
from catalog.alstyle.schema import (
    ASKED_FOR,
    BARCODE_LENGTH,
    BRAND_LENGTH,
    FULL_NAME_LENGTH,
    KEPT_UNREAD,
    MOST_PROBLEMS,
    MOST_ROWS,
    NAME_LENGTH,
    PART_NUMBER_LENGTH,
    Element,
    ElementList,
    ElementPage,
    Figures,
    Problem,
    RowRejected,
    StockList,
    UnreadableAnswer,
    as_list,
    as_map,
    refuse_too_many,
)

FIGURES_OF = itemgetter("quantity", "price1", "price2")
# Fields in which a doubt makes a row unsound.
DECIDING = {"quantity", "price1", "price2", *KEPT_UNREAD}
PLAIN_KEYS = re.compile("(?:[1-9][0-9]{0,11},)*[1-9][0-9]{0,11}")


def parse_element_page(raw: Any) -> ElementPage:
    """Read `elements-pagination`."""
    answer = as_map(raw, name=_("answer"))
    pagination = as_map(answer.get("pagination"), name="pagination")
    total = as_whole(pagination.get("totalCount"))
    if total is None:
        words = _("not a whole number")
        raise UnreadableAnswer(doubt("totalCount", words, pagination.get("totalCount")))
    refuse_too_many(total, name="totalCount", most=MOST_ROWS)
    return ElementPage(elements=parse_elements(answer.get("elements")), total=total)


def parse_elements(raw: Any) -> ElementList:
    """Read element rows; repeated articles are kept, the reader decides."""
    keys: list[str] = []
    rows: list[Element] = []
    problems: list[Problem] = []
    unsound: dict[str, list[str]] = {}
    rejected: set[str] = set()
    absent = set(ASKED_FOR)
    for item in as_list(raw, name="elements"):
        doubts: Doubts = []
        try:
            row = parse_element(item, doubts=doubts)
        except RowRejected as error:
            keys.append(error.key or shown(item))
            problems.append(Problem(error.key, error.reason))
            rejected |= {error.key} - {""}
            continue
        if absent:
            absent -= item.keys()
        keys.append(row.article)
        rows.append(row)
        if doubts:
            problems += [Problem(row.article, reason) for reason in doubts]
            fields = _unread(item, doubts)
            if not fields.isdisjoint(DECIDING):
                unread = [KEPT_UNREAD[name] for name in fields & KEPT_UNREAD.keys()]
                unsound[row.article] = unread
    return ElementList(
        keys=tuple(keys),
        rows=tuple(rows),
        problems=tuple(problems),
        unsound=unsound,
        rejected=frozenset(rejected),
        absent=frozenset(absent),
    )


def _unread(raw: dict[str, Any], doubts: Doubts) -> set[str]:
    """Name the fields that gave nothing; others were read, however odd they are."""
    fields = {reason.partition(":")[0] for reason in doubts}
    if isinstance(raw.get("brand"), str):
        # It was cut.
        fields.discard("brand")
    if as_whole(raw.get("rrp")) is not None:
        # Should the flag turn out to be a price, no catalogue may be refused for it.
        fields.discard("rrp")
    return fields


def parse_element(raw: Any, *, doubts: Doubts) -> Element:
    """Read one element; raises `RowRejected` without an article or a name."""
    if not isinstance(raw, dict):
        raise RowRejected(doubt("element", _("not an object"), raw), key="")
    article = as_id(raw.get("article"))
    if article is None:
        reason = doubt("article", _("not a number"), raw.get("article"))
        raise RowRejected(reason, key="")
    name = read_text(raw, "name", limit=NAME_LENGTH, doubts=doubts)
    if not name:
        raise RowRejected(doubt("name", _("blank"), raw.get("name")), key=article)
    category = as_id(raw.get("category"))
    if category is None:
        doubts.append(doubt("category", _("not a number"), raw.get("category")))
    stock, is_lower_bound = read_quantity(raw.get("quantity"), doubts=doubts)
    return Element(
        article,
        read_text(raw, "article_pn", limit=PART_NUMBER_LENGTH, doubts=doubts),
        name,
        read_text(raw, "full_name", limit=FULL_NAME_LENGTH, doubts=doubts),
        read_text(raw, "brand", limit=BRAND_LENGTH, doubts=doubts),
        category,
        read_text(raw, "barcode", limit=BARCODE_LENGTH, doubts=doubts),
        read_multiplicity(raw, doubts=doubts),
        read_flag(raw, "rrp", doubts=doubts),
        stock,
        is_lower_bound,
        read_price(raw, "price1", doubts=doubts),
        read_price(raw, "price2", doubts=doubts),
    )


def parse_stock_list(parts: Iterable[Any]) -> StockList:
    """Read `quantity-price`, which comes as one map or as parts of one.

    The first of two rows for one article counts.
    """
    came, rows = 0, dict[str, Figures]()
    problems: list[Problem] = []
    unsound: set[str] = set()
    for raw in parts:
        answer = as_map(raw, name=_("answer"))
        came += len(answer)
        refuse_too_many(came, name=_("answer"), most=MOST_ROWS)
        plain, odd_keys = _plain_rows(answer)
        if not rows:
            rows = plain
        elif rows.keys().isdisjoint(plain):
            rows.update(plain)
        else:
            odd_keys = list(answer)
        for key in odd_keys:
            doubts: Doubts = []
            try:
                article, row = parse_stock_row(key, answer[key], doubts=doubts)
            except RowRejected as error:
                problems.append(Problem(error.key, error.reason))
                continue
            if article in rows:
                problems.append(Problem(article, _("article listed twice")))
                continue
            rows[article] = row
            if doubts:
                problems += [Problem(article, reason) for reason in doubts]
                unsound.add(article)
        if len(problems) > MOST_PROBLEMS:
            raise UnreadableAnswer(_("more rows that cannot be read than goods exist"))
    return StockList(
        came=came,
        rows=rows,
        problems=tuple(problems),
        unsound=frozenset(unsound),
    )


def _plain_rows(answer: dict[str, Any]) -> tuple[dict[str, Figures], list[str]]:
    """Read the rows in which nothing is odd; return them and the keys of the others.

    This loop runs for every good every ten minutes, hence its bareness. Keys are
    looked at all at once: one that is no plain article leaves all to the slow loop,
    because "812" and "0812" are the same and the first counts.
    """
    if not PLAIN_KEYS.fullmatch(",".join(answer)):
        return {}, list(answer)
    if (all_rows := _rows_at_once(answer)) is not None:
        return all_rows, []
    rows: dict[str, Figures] = {}
    odd_keys: list[str] = []
    # Few texts such as ">50" stand for a quarter of all goods.
    bounds: dict[str, tuple[int | None, bool]] = {}
    for key, item in answer.items():
        try:
            units, cost, retail = item["quantity"], item["price1"], item["price2"]
        except (KeyError, TypeError):
            odd_keys.append(key)
            continue
        is_bound = False
        if type(units) is str:
            if units not in bounds:
                doubts: Doubts = []
                read = read_quantity(units, doubts=doubts)
                bounds[units] = (None, False) if doubts else read
            units, is_bound = bounds[units]
        if (
            type(units) is type(cost) is type(retail) is int
            and units <= LARGEST_INT
            and 0 <= cost <= LARGEST_INT
            and 0 <= retail <= LARGEST_INT
        ):
            rows[key] = (units if units > 0 else 0, is_bound, cost, retail)
        else:
            odd_keys.append(key)
    return rows, odd_keys


def _rows_at_once(answer: dict[str, Any]) -> dict[str, Figures] | None:
    """Read rows of which none is odd, or give None; twice as fast as one by one."""
    try:
        units, costs, retails = zip(*map(FIGURES_OF, answer.values()), strict=True)
    except (KeyError, TypeError, ValueError):
        return None
    for prices in (costs, retails):
        if {*map(type, prices)} != {int}:
            return None
        if min(prices) < 0 or max(prices) > LARGEST_INT:
            return None
    if not {*map(type, units)} <= {int, str}:
        return None
    # There are few different ones.
    doubts: Doubts = []
    stocks = {each: read_quantity(each, doubts=doubts) for each in {*units}}
    if doubts:
        return None
    read = map(stocks.__getitem__, units)
    return {
        key: (stock, is_bound, cost, retail)
        for key, (stock, is_bound), cost, retail in zip(
            answer, read, costs, retails, strict=True
        )
    }


def parse_stock_row(key: str, raw: Any, *, doubts: Doubts) -> tuple[str, Figures]:
    """Read one pair of `quantity-price` with every tolerance."""
    article = as_id(key)
    if article is None:
        raise RowRejected(doubt("article", _("not a number"), key), key="")
    if not isinstance(raw, dict):
        raise RowRejected(doubt("row", _("not an object"), raw), key=article)
    stock, is_lower_bound = read_quantity(raw.get("quantity"), doubts=doubts)
    cost = read_price(raw, "price1", doubts=doubts)
    retail = read_price(raw, "price2", doubts=doubts)
    return article, (stock, is_lower_bound, cost, retail)
