from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.alstyle.fields import (
    LARGEST_INT,
    as_id,
    as_whole,
    clean_text,
    read_flag,
    read_multiplicity,
    read_price,
    read_quantity,
    read_text,
)

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


# --- quantity -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "units", "is_lower_bound"),
    [
        (0, 0, False),
        (7, 7, False),
        (-1, 0, False),
        (-3, 0, False),
        (">50", 51, True),
        ("> 50", 51, True),
        (">6000", 6001, True),
        (">0", 1, True),
        ("12", 12, False),
    ],
)
def test_quantity_is_read_by_its_grammar(raw, units, is_lower_bound):
    doubts: list[str] = []
    assert read_quantity(raw, doubts=doubts) == (units, is_lower_bound)
    assert doubts == []


@pytest.mark.parametrize(
    "raw",
    [
        *("abc", None, "", "-3", "<50", ">", ">-5", "50+", "²", ">٥٠"),
        *(True, False, Decimal("5"), [], {}, 2**31, 10**30, ">99999999999"),
    ],
)
def test_unknown_quantity_counts_as_nothing_with_a_doubt(raw):
    doubts: list[str] = []
    assert read_quantity(raw, doubts=doubts) == (0, False)
    assert len(doubts) == 1
    assert doubts[0].startswith("quantity: unknown, taken as 0: ")


@given(json_values)
def test_any_quantity_is_a_number_the_database_takes(raw):
    units, _is_lower_bound = read_quantity(raw, doubts=[])
    assert 0 <= units <= LARGEST_INT


# --- prices ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "price"),
    [
        (0, 0),
        (1, 1),
        (9_999_999, 9_999_999),
        ("1420", 1420),
        (" 1420 ", 1420),
        ("1420.00", 1420),
        (Decimal("1420.0"), 1420),
        (Decimal("1.42E+3"), 1420),
    ],
)
def test_whole_tenge_are_read(raw, price):
    doubts: list[str] = []
    assert read_price({"price1": raw}, "price1", doubts=doubts) == price
    assert doubts == []


@pytest.mark.parametrize(
    "raw",
    [
        *("text", None, "", -1, "-5", "1,5", "1 420", True, [], 2**31),
        *(Decimal("1.5"), Decimal("-0.5"), Decimal("1E+999999")),
    ],
)
def test_anything_else_is_no_price_and_names_the_field(raw):
    doubts: list[str] = []
    assert read_price({"price1": raw}, "price1", doubts=doubts) is None
    assert len(doubts) == 1
    assert doubts[0].startswith("price1: not a price in whole tenge: ")


# --- text, ids, flags -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ('Кабель <b>"Ёж & Ко"</b> 5\'', 'Кабель <b>"Ёж & Ко"</b> 5\''),
        ("Мышь 🐭 «Огонь» 🔥", "Мышь 🐭 «Огонь» 🔥"),
        ("a\x00b\x0bc\x1fd\ud800", "ab c d"),
        ("  two \t\n words \u00a0", "two words"),
        ("&amp; stays &lt;escaped&gt;", "&amp; stays &lt;escaped&gt;"),
        ("\ufffe\uffff\x7f\x85", ""),
    ],
)
def test_text_is_cleaned_of_what_cannot_be_printed(raw, clean):
    assert clean_text(raw) == clean


@given(st.text(st.characters()))
def test_clean_text_can_be_stored_and_written_as_xml(raw):
    clean = clean_text(raw)
    clean.encode()
    assert clean == " ".join(clean.split())
    assert not any(ord(c) < 32 or c in "\ufffe\uffff" for c in clean)
    assert clean_text(clean) == clean


def test_too_long_text_is_cut_with_a_doubt():
    doubts: list[str] = []
    text = read_text({"name": "ж" * 10_000}, "name", limit=500, doubts=doubts)
    assert text == "ж" * 500
    assert doubts == ["name: cut from 10000 to 500 characters"]


def test_a_number_is_text_and_other_types_are_doubted():
    doubts: list[str] = []
    row = {"barcode": 4870000000017, "brand": ["Zeta"]}
    assert read_text(row, "barcode", limit=60, doubts=doubts) == "4870000000017"
    assert read_text(row, "brand", limit=60, doubts=doubts) == ""
    assert doubts == ["brand: not text: ['Zeta']"]


@pytest.mark.parametrize(
    ("raw", "article"),
    [
        (70311, "70311"),
        ("70311", "70311"),
        ("00812", "812"),
        (0, None),
        (-5, None),
        ("", None),
        ("ABC", None),
        ("7 0", None),
        ("٧", None),
        (True, None),
        (None, None),
        (Decimal("5.0"), "5"),
        (Decimal("5.5"), None),
        (Decimal(-1), None),
        (10**12, None),
    ],
)
def test_articles_are_whole_numbers_without_padding(raw, article):
    assert as_id(raw) == article


@given(json_values)
def test_odd_values_never_break_a_reader(raw):
    as_id(raw)
    as_whole(raw)
    row = {"rrp": raw, "multiplicity": raw, "price1": raw, "name": raw}
    assert isinstance(read_flag(row, "rrp", doubts=[]), bool)
    assert read_multiplicity(row, doubts=[]) != 0
    assert len(read_text(row, "name", limit=5, doubts=[])) <= 5
    read_price(row, "price1", doubts=[])


@pytest.mark.parametrize(
    ("raw", "flag", "doubted"),
    [
        (0, False, False),
        (1, True, False),
        ("1", True, False),
        (None, False, False),
        (2190, True, True),
        ("Y", True, True),
        ([], True, True),
    ],
)
def test_rrp_is_a_flag_and_errs_on_the_safe_side(raw, flag, doubted):
    doubts: list[str] = []
    assert read_flag({"rrp": raw}, "rrp", doubts=doubts) is flag
    assert bool(doubts) is doubted


@pytest.mark.parametrize(
    ("raw", "multiplicity"), [(None, None), (0, None), ("", None), (10, 10), ("5", 5)]
)
def test_multiplicity_is_positive_or_none(raw, multiplicity):
    doubts: list[str] = []
    assert read_multiplicity({"multiplicity": raw}, doubts=doubts) == multiplicity
    assert doubts == []
