"""Sums up what a price list is made of, a few thousand rows at a time."""

from __future__ import annotations

import hashlib
import marshal
from functools import cache
from pathlib import Path
from typing import Any

AT_ONCE = 5000
# The second format writes equal rows alike, whichever of their texts are one object.
FORMAT = 2
DECIDING = ("catalog", "feeds", "orders")


def digest_of(values: Any) -> str:
    """Sum up lists and tuples of texts, numbers and truths."""
    return hashlib.blake2b(marshal.dumps(values, FORMAT), digest_size=16).hexdigest()


@cache
def digest_of_code() -> str:
    """Sum up the code that decides and writes: another release may do it otherwise."""
    root = Path(__file__).resolve().parent.parent
    files = sorted(file for app in DECIDING for file in (root / app).rglob("*.py"))
    return digest_of([file.read_bytes() for file in files])


class Digests:
    """What a list was made of: its terms, its goods one by one, what was left over."""

    def __init__(self, terms: str) -> None:
        self.found = [terms]
        self._rows: list[tuple[Any, ...]] = []

    def note(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        if len(self._rows) == AT_ONCE:
            self._sum_up()

    def end(self, left_over: list[tuple[Any, ...]]) -> None:
        if self._rows:
            self._sum_up()
        self.found.append(digest_of(left_over))

    def _sum_up(self) -> None:
        self.found.append(digest_of(self._rows))
        self._rows.clear()
