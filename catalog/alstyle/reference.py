"""Reads what stands around the goods: categories, the account, the data's date."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from catalog.alstyle.fields import (
    Doubts,
    as_id,
    as_whole,
    clean_text,
    doubt,
    read_text,
    shown,
)
from catalog.alstyle.schema import (
    CATEGORY_NAME_LENGTH,
    DATE_LENGTH,
    CategoryList,
    CategoryRow,
    Problem,
    RowRejected,
    UnreadableAnswer,
    UserData,
    as_list,
    as_map,
    parse_data,
)


def parse_date(raw: Any) -> str:
    """Keep the moment of the supplier's last refresh as the text it came as."""
    if isinstance(raw, dict):
        raw = raw.get("date", raw.get("data", raw))
    text = raw if isinstance(raw, str) else shown(raw)
    return clean_text(text)[:DATE_LENGTH]


def parse_categories(raw: Any) -> CategoryList:
    """Read `categories`; a repeated id counts once."""
    items = as_list(raw, name="categories")
    rows: dict[str, CategoryRow] = {}
    problems: list[Problem] = []
    for item in items:
        doubts: Doubts = []
        try:
            row = parse_category(item, doubts=doubts)
        except RowRejected as error:
            problems.append(Problem(error.key, error.reason))
            continue
        if row.id in rows:
            problems.append(Problem(row.id, _("category listed twice")))
            continue
        rows[row.id] = row
        problems += [Problem(row.id, reason) for reason in doubts]
    return CategoryList(
        came=len(items),
        rows=tuple(rows.values()),
        problems=tuple(problems),
        unsound=frozenset(row.id for row in rows.values() if not row.right),
    )


def parse_category(raw: Any, *, doubts: Doubts) -> CategoryRow:
    """Read one category; one without a usable interval stands alone (0, 0)."""
    if not isinstance(raw, dict):
        raise RowRejected(doubt("category", _("not an object"), raw), key="")
    number = as_id(raw.get("id"))
    if number is None:
        reason = doubt("category id", _("not a number"), raw.get("id"))
        raise RowRejected(reason, key="")
    name = read_text(raw, "name", limit=CATEGORY_NAME_LENGTH, doubts=doubts)
    if not name:
        doubts.append(doubt("name", _("blank"), raw.get("name")))
    left, right = as_whole(raw.get("left")), as_whole(raw.get("right"))
    if left is None or right is None or left >= right:
        interval = f"{shown(raw.get('left'))}…{shown(raw.get('right'))}"
        doubts.append(doubt("left…right", _("not an interval"), interval))
        left = right = 0
    return CategoryRow(id=number, name=name or number, left=left, right=right)


def parse_user_data(raw: Any) -> UserData:
    """Read `user-data`; its keys are Russian words."""
    data = as_map(parse_data(raw), name="data")
    return UserData(
        attorneys=_records(data.get("Доверенности"), name="Доверенности"),
        deliveries=_records(data.get("Транспортники"), name="Транспортники"),
        bin=str(data.get("bin") or ""),
    )


def _records(raw: Any, *, name: str) -> tuple[dict[str, Any], ...]:
    records: Iterable[Any] = raw if raw is not None else []
    if isinstance(raw, dict):
        records = raw.values()
    elif not isinstance(raw, list) and raw is not None:
        raise UnreadableAnswer(doubt(name, _("not an array"), raw))
    kept = [item for item in records if isinstance(item, dict)]
    return tuple(item for item in kept if item.get("empty") is not True)
