"""Reads JSON exactly, and a large object a part at a time.

What is made of JSON takes many times its room. The standard library's parser has no way
to stop midway, and those that have take several times as long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, NoReturn

# As much as is read at once; a member that does not fit is looked for in the second.
PART_BYTES, LONGEST_PART_BYTES = 1 << 19, 1 << 20
# Ends of objects that are looked at for that of a member, and those that are tried.
ENDS_SEEN, ENDS_TRIED = 1000, 32
NEXT_MEMBER = re.compile(rb'[ \t\n\r]*,[ \t\n\r]*(?=")')
OBJECT = re.compile(rb"[ \t\n\r]*\{")


class PartTooLarge(ValueError):
    """Text that is broken, or of which a part takes more room than it is given."""


def decode(text: bytes) -> Any:
    """Parse; fractions become `Decimal`. Raises `ValueError` and the like."""
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def decode_parts(text: bytes) -> Iterator[Any]:
    """Parse, an object of objects a few thousand members at a time, each a dict.

    What is small, or no object, comes whole. Raises `PartTooLarge` and what `decode`
    does, in the middle too.
    """
    opening = OBJECT.match(text)
    begin = opening.end() if opening else 0
    if opening is None or len(text) <= PART_BYTES:
        if len(text) > LONGEST_PART_BYTES:
            raise PartTooLarge("no object")
        yield decode(text)
        return
    while len(text) - begin > PART_BYTES:
        found = _next_part(text, begin)
        if found is None:
            break
        part, begin = found
        yield part
    if len(text) - begin > LONGEST_PART_BYTES:
        raise PartTooLarge("no member ends where one must")
    yield decode(b"{" + text[begin:])


def _next_part(text: bytes, begin: int) -> tuple[Any, int] | None:
    """Parse the members that fit into one part; return them and where the next begins.

    None when another member does not begin in time. Text between a brace put before it
    and one put behind it is an object only where it ends with a whole member: it cannot
    be cut in the wrong place.
    """
    for size in (PART_BYTES, LONGEST_PART_BYTES):
        ends = _ends_of_objects(text, begin, begin + size)
        for end, following in islice(ends, ENDS_TRIED):
            try:
                return decode(b"{%b}" % text[begin:end]), following
            except ValueError:
                # The end of something inside a member.
                continue
    return None


def _ends_of_objects(text: bytes, begin: int, until: int) -> Iterator[tuple[int, int]]:
    """Find, from the last on, where an object ends and a member may follow."""
    brace = until
    for _seen in range(ENDS_SEEN):
        brace = text.rfind(b"}", begin, brace)
        if brace < 0:
            return
        if following := NEXT_MEMBER.match(text, brace + 1):
            yield brace + 1, following.end()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
