from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.alstyle import goods, schema
from catalog.alstyle.fields import (
    LARGEST_INT,
)
from catalog.alstyle.goods import (
    parse_element,
    parse_element_page,
    parse_elements,
    parse_stock_list,
    parse_stock_row,
)
from catalog.alstyle.reference import (
    parse_categories,
    parse_date,
    parse_user_data,
)
from catalog.alstyle.schema import RowRejected, UnreadableAnswer
from catalog.models import Category, ImportRun, Product
from tests.catalog.factories import element_row, stock_row

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=6,
)


def test_lengths_are_those_of_the_columns():
    def length(model, name):
        return model._meta.get_field(name).max_length

    assert length(Product, "name") == schema.NAME_LENGTH
    assert length(Product, "part_number") == schema.PART_NUMBER_LENGTH
    assert length(Product, "brand") == schema.BRAND_LENGTH
    assert length(Product, "barcode") == schema.BARCODE_LENGTH
    assert length(Category, "name") == schema.CATEGORY_NAME_LENGTH
    assert length(ImportRun, "supplier_date") == schema.DATE_LENGTH


# --- elements -------------------------------------------------------------------------


def test_an_element_is_read_with_its_fields():
    doubts: list[str] = []
    element = parse_element(element_row(multiplicity=5, rrp=1), doubts=doubts)
    assert doubts == []
    assert element._asdict() == {
        "article": "70311",
        "part_number": "ZX-118B",
        "name": "Мышь Zeta ZX-118B",
        "full_name": "Мышь, Zeta, ZX-118B, USB",
        "brand": "Zeta",
        "category": "9204",
        "barcode": "4870000000017",
        "multiplicity": 5,
        "rrp_enforced": True,
        # The marked-down units are not among them.
        "stock": 51,
        "stock_is_lower_bound": True,
        "cost_kzt": 1420,
        "retail_kzt": 2190,
    }


def test_unknown_and_missing_keys_of_an_element_do_no_harm():
    row = {"article": 812, "name": "Стяжка", "price1": 1, "price2": 1, "quantity": 0}
    doubts: list[str] = []
    element = parse_element(row | {"category": 1, "new_key": {}}, doubts=doubts)
    assert (element.brand, element.barcode, element.multiplicity) == ("", "", None)
    assert doubts == []


@pytest.mark.parametrize(
    ("row", "key", "field"),
    [
        (element_row("ABC"), "", "article"),
        (element_row(None), "", "article"),
        (element_row(name="   "), "70311", "name"),
        (element_row(name="\x00\x01"), "70311", "name"),
        (element_row(name=None), "70311", "name"),
        (["not", "a", "row"], "", "element"),
        (None, "", "element"),
    ],
)
def test_a_row_that_cannot_be_used_names_its_field(row, key, field):
    with pytest.raises(RowRejected) as caught:
        parse_element(row, doubts=[])
    assert caught.value.key == key
    assert caught.value.reason.startswith(f"{field}: ")


def test_bad_rows_are_collected_and_the_others_read():
    rows = [element_row(1), element_row("x"), element_row(3, name=""), element_row(4)]
    listed = parse_elements(rows)
    assert [row.article for row in listed.rows] == ["1", "4"]
    assert [problem.key for problem in listed.problems] == ["", "3"]
    assert listed.rejected == {"3"}
    assert len(listed.keys) == 4


def test_a_doubtful_price_makes_a_row_unsound_and_a_cut_name_does_not():
    rows = [element_row(1, price1="?"), element_row(2, name="x" * 900)]
    listed = parse_elements(rows)
    assert listed.unsound == {"1": []}
    assert len(listed.problems) == 2


def test_an_element_tells_what_could_not_be_read_of_what_prices_rest_on():
    row = element_row(1, category="abc", multiplicity="10 шт", rrp="Y", barcode=[])
    (unread,) = parse_elements([row, element_row(2)]).unsound.values()
    assert set(unread) == {"category", "multiplicity", "rrp_enforced"}


def test_what_was_read_all_the_same_makes_no_row_unsound():
    listed = parse_elements([element_row(1, rrp=2190), element_row(2, brand="x" * 900)])
    assert listed.unsound == {}
    assert listed.rows[0].rrp_enforced
    assert len(listed.problems) == 2


def test_a_field_asked_for_is_absent_when_no_row_has_it():
    plain = {"article": 812, "name": "Стяжка", "category": 1, "quantity": 0}
    rows = [plain | {"price1": 1, "price2": 1}, plain | {"article": 813, "rrp": None}]
    assert parse_elements([*rows, None]).absent == {"brand", "multiplicity"}
    assert parse_elements([*rows, element_row(1)]).absent == frozenset()


def test_elements_may_be_nested_once():
    assert len(parse_elements([[element_row(1), element_row(2)]]).rows) == 2
    assert parse_elements([]).rows == ()


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ([], "pagination"),
        ("OK", "answer"),
        (None, "answer"),
        ({"elements": []}, "pagination"),
        ({"elements": [], "pagination": {"totalCount": None}}, "totalCount"),
        ({"elements": [], "pagination": {"totalCount": -1}}, "totalCount"),
        ({"elements": {"0": {}}, "pagination": {"totalCount": 1}}, "elements"),
        ({"elements": None, "pagination": {"totalCount": 1}}, "elements"),
    ],
)
def test_a_page_of_another_shape_names_what_is_wrong(raw, field):
    with pytest.raises(UnreadableAnswer, match=f"^{field}: "):
        parse_element_page(raw)


@given(st.lists(json_values | st.builds(element_row, json_values), max_size=5))
def test_no_element_row_is_fatal(rows):
    listed = parse_elements([None, *rows])
    assert len(listed.keys) == len(rows) + 1
    for element in listed.rows:
        assert element.name
        assert 0 <= element.stock <= LARGEST_INT


# --- stock and prices -----------------------------------------------------------------


def test_stock_and_prices_are_read_by_article():
    answer = {"70311": stock_row(">50", 1420, 2190), "812": stock_row(-2, 1, 1)}
    listed = parse_stock_list([answer])
    assert listed.rows == {"70311": (51, True, 1420, 2190), "812": (0, False, 1, 1)}
    assert (listed.came, listed.problems, listed.unsound) == (2, (), frozenset())


def test_an_empty_map_may_come_as_an_array():
    assert parse_stock_list([[]]).rows == {}


def test_odd_stock_rows_are_read_as_far_as_possible():
    answer = {
        "1": stock_row("abc"),
        "2": stock_row(None),
        "3": stock_row(5, "1420.00", "text"),
        "4": None,
        "5": {"quantity": 3},
        "x": stock_row(),
    }
    listed = parse_stock_list([answer])
    assert listed.rows == {
        "1": (0, False, 1000, 1500),
        "2": (0, False, 1000, 1500),
        "3": (5, False, 1420, None),
        "5": (3, False, None, None),
    }
    assert listed.unsound == {"1", "2", "3", "5"}
    assert [p.key for p in listed.problems] == ["1", "2", "3", "4", "5", "5", ""]


def test_padded_articles_are_the_same_article_and_the_first_counts():
    listed = parse_stock_list([{"00812": stock_row(1), "812": stock_row(2)}])
    assert listed.rows == {"812": (1, False, 1000, 1500)}
    assert listed.problems == (("812", "article listed twice"),)
    assert parse_stock_list([{"00812": stock_row(1)}, {"812": stock_row(2)}]) == listed


@given(
    st.dictionaries(
        st.integers(1, 999).map(str) | st.text(max_size=6),
        json_values
        | st.builds(
            stock_row,
            st.integers() | st.sampled_from([">50", "> 7", "5", "x", True, None]),
            st.integers() | json_values,
            st.integers() | json_values,
        ),
        max_size=6,
    )
)
def test_the_quick_way_reads_as_the_thorough_one(answer):
    thorough: dict[str, schema.Figures] = {}
    for key, raw in answer.items():
        try:
            article, row = parse_stock_row(key, raw, doubts=[])
        except RowRejected:
            continue
        thorough.setdefault(article, row)
    listed = parse_stock_list([answer])
    assert listed.rows == thorough
    assert listed.came == len(answer)
    # Nor does it matter in how many parts it comes.
    items = list(answer.items())
    for size in (1, 3):
        parts = [dict(items[at : at + size]) for at in range(0, len(items), size)]
        in_parts = parse_stock_list(parts)
        assert (in_parts.rows, in_parts.came) == (thorough, len(answer))
        assert sorted(in_parts.problems) == sorted(listed.problems)
        assert in_parts.unsound == listed.unsound


def test_no_more_is_kept_of_what_is_wrong_than_a_host_can_hold(monkeypatch):
    monkeypatch.setattr(goods, "MOST_PROBLEMS", 5)
    parts: list[dict[str, Any]] = [{"1": {}}, {"2": {}}]
    assert parse_stock_list(parts[:1]).unsound == {"1"}
    with pytest.raises(UnreadableAnswer, match="cannot be read"):
        parse_stock_list(parts)
    monkeypatch.setattr(goods, "MOST_ROWS", 1)
    with pytest.raises(UnreadableAnswer, match="more rows"):
        parse_stock_list([{"1": stock_row()}, {"2": stock_row()}])


# --- what stands around the goods -----------------------------------------------------


def test_categories_keep_what_can_be_read():
    rows = [
        {"id": 1, "name": "Top", "left": 1, "right": 4, "level": 1, "elements": 9},
        {"id": "2", "name": "Leaf", "left": 2, "right": 3},
        {"id": 2, "name": "Leaf again", "left": 2, "right": 3},
        {"id": 3, "name": "  ", "left": 5, "right": 6},
        {"id": 4, "name": "Backwards", "left": 9, "right": 8},
        {"id": None, "name": "Nameless"},
        "junk",
    ]
    listed = parse_categories(rows)
    assert [(row.id, row.name) for row in listed.rows] == [
        ("1", "Top"),
        ("2", "Leaf"),
        ("3", "3"),
        ("4", "Backwards"),
    ]
    assert listed.unsound == {"4"}
    assert [problem.key for problem in listed.problems] == ["2", "3", "4", "", ""]
    assert listed.came == 7


@pytest.mark.parametrize("raw", ["OK", None, 5, {"status": True}])
def test_categories_of_another_shape_are_refused(raw):
    with pytest.raises(UnreadableAnswer, match=r"^categories: not an array"):
        parse_categories(raw)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("2026-03-01 12:00", "2026-03-01 12:00"),
        ({"date": "01.03.2026 12:00:00"}, "01.03.2026 12:00:00"),
        ({"status": True, "data": "01.03.2026"}, "01.03.2026"),
        (1767225600, "1767225600"),
        (["x\x00"], "['x\\x00']"),
    ],
)
def test_the_suppliers_date_is_kept_as_it_came(raw, text):
    assert parse_date(raw) == text


def test_user_data_leaves_blank_records_out():
    raw = {
        "status": True,
        "data": {
            "Доверенности": [{"Номер": "Д-1"}, {"Номер": "", "empty": True}],
            "Транспортники": [],
            "Подчиненные": [],
            "bin": 17,
        },
    }
    account = parse_user_data(raw)
    assert [record["Номер"] for record in account.attorneys] == ["Д-1"]
    assert (account.deliveries, account.bin) == ((), "17")
    assert parse_user_data({"status": True, "data": []}).attorneys == ()


def test_more_goods_than_exist_are_refused_before_one_is_read(monkeypatch):
    """Each row that is none is kept as a problem: 63 MiB of them took 1.9 GiB."""
    monkeypatch.setattr(schema, "MOST_ROWS", 3)
    monkeypatch.setattr(schema, "MOST_LISTED", 3)
    assert len(schema.as_map(dict.fromkeys("abc", 0), name="x")) == 3
    for take, many in (
        (schema.as_map, dict.fromkeys("abcd", 0)),
        (schema.as_list, [0] * 4),
        (schema.as_list, [[0] * 4]),
    ):
        with pytest.raises(schema.UnreadableAnswer, match="more rows"):
            take(many, name="x")


VALUES: st.SearchStrategy[Any] = st.one_of(
    st.integers(-3, 2_147_483_650),
    st.sampled_from([">50", "7", "x", "", None, True, 1.5, [], {}]),
)


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=6))
def test_rows_read_at_once_are_what_each_is_read_to_alone(figures):
    answer = {
        str(number): dict(zip(("quantity", "price1", "price2"), row, strict=True))
        for number, row in enumerate(figures, 1)
    }
    doubts: list[str] = []
    alone = dict(parse_stock_row(k, v, doubts=doubts) for k, v in answer.items())
    at_once = goods._rows_at_once(answer)
    # Whatever is odd is left to the slow way.
    if at_once is not None:
        assert (at_once, doubts) == (alone, [])
    if all(type(v) is int and 0 <= v < 2**31 for row in figures for v in row):
        assert at_once == alone
