"""Reads what stands around the goods: categories, brands, warehouses, papers."""

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
    BRAND_LENGTH,
    CATEGORY_NAME_LENGTH,
    DATE_LENGTH,
    NAME_LENGTH,
    Brand,
    CategoryList,
    CategoryRow,
    Problem,
    RowRejected,
    UnreadableAnswer,
    UserData,
    Warehouse,
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


def parse_brands(raw: Any) -> tuple[Brand, ...]:
    """Read `brands`; rows without an id are left out, names may be blank."""
    found = []
    for item in as_list(parse_data(raw), name="data"):
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            name = read_text(item, "name", limit=BRAND_LENGTH, doubts=[])
            count = as_whole(item.get("count")) or 0
            found.append(Brand(id=item["id"], name=name, count=count))
    return tuple(found)


def parse_warehouses(raw: Any) -> tuple[Warehouse, ...]:
    """Read `warehouses`, a map by key."""
    return tuple(
        Warehouse(
            key=key,
            name=read_text(item, "name", limit=NAME_LENGTH, doubts=[]),
            city=read_text(item, "city", limit=NAME_LENGTH, doubts=[]),
            address=read_text(item, "full_address", limit=NAME_LENGTH, doubts=[]),
        )
        for key, item in as_map(raw, name=_("answer")).items()
        if isinstance(item, dict)
    )


def parse_user_data(raw: Any) -> UserData:
    """Read `user-data`; its keys are Russian words."""
    data = as_map(parse_data(raw), name="data")
    subordinates = as_map(data.get("Подчиненные") or {}, name="Подчиненные")
    return UserData(
        attorneys=_papers(data.get("Доверенности"), name="Доверенности"),
        deliveries=_papers(data.get("Транспортники"), name="Транспортники"),
        subordinates={key: str(value) for key, value in subordinates.items()},
        bin=str(data.get("bin") or ""),
    )


def _papers(raw: Any, *, name: str) -> tuple[dict[str, Any], ...]:
    records: Iterable[Any] = raw if raw is not None else []
    if isinstance(raw, dict):
        records = raw.values()
    elif not isinstance(raw, list) and raw is not None:
        raise UnreadableAnswer(doubt(name, _("not an array"), raw))
    kept = [item for item in records if isinstance(item, dict)]
    return tuple(item for item in kept if item.get("empty") is not True)
