"""A large object read a part at a time is the object read whole, or none."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing import json_parts
from plumbing.json_parts import PartTooLarge, decode, decode_parts

values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='{}[],:" \\aя😀', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=6,
)
objects = st.dictionaries(st.text(alphabet='{},"аb1', max_size=4), values, max_size=12)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(json_parts, "PART_BYTES", 64)
    monkeypatch.setattr(json_parts, "LONGEST_PART_BYTES", 2000)


def joined(text: bytes):
    """Read all parts into one."""
    whole: dict[str, object] = {}
    for part in decode_parts(text):
        if not isinstance(part, dict):
            return part
        whole.update(part)
    return whole


@given(objects, st.sampled_from([None, 1]), st.booleans())
def test_parts_are_the_whole(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    # An object without room for a cut within the longest part is none: see below.
    with suppress(PartTooLarge):
        assert joined(text.encode()) == value


def test_rows_come_as_they_are_asked_for():
    rows = {str(number): {"price": number, "n": [{}]} for number in range(100)}
    text = json.dumps(rows).encode()
    parts = list(decode_parts(text))
    assert len(parts) > 30
    assert joined(text) == rows
    assert json_parts.decode(b"[1.10, 3]") == [Decimal("1.10"), 3]


@given(objects, st.data())
def test_what_is_broken_anywhere_is_never_read_as_something_else(value, data):
    text = json.dumps(value).encode()
    at = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.sampled_from([b"", b"{", b"}", b",", b'"', b"},", b'},"', b"0"]))
    broken = text[:at] + put + text[at + data.draw(st.integers(0, 3)) :]
    try:
        whole = decode(broken)
    except ValueError:
        with pytest.raises(ValueError):
            joined(broken)
        return
    with suppress(PartTooLarge):
        assert joined(broken) == whole


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":{"b":"%b"},"c":{}}' % (b"x" * 3000),
        b'{"a":{"b":[%b0]},"c":{}}' % (b"{}," * 1000),
        b'{"a":%b"c":{}}' % (b"1," * 1000),
        b"[%b0]" % (b"0," * 1000),
    ],
)
def test_a_part_that_takes_more_than_its_room_is_refused(text):
    with pytest.raises(PartTooLarge):
        joined(text)
