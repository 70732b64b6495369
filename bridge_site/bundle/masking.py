"""Takes every buyer that is known here out of texts, all of them in one pass."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from orders.forgetting import ENDINGS, NAME_LENGTH, PHONE_DIGITS
from plumbing.logs import without_buyers
from plumbing.redaction import MASK

WORD = re.compile(r"\w+")
# Further letters that a name's grammatical cases may have.
CASE_LETTERS = 3
LONG = 10 ** (PHONE_DIGITS - 1)
Words = tuple[str, ...]


class Mask:
    """Knows the buyers' names, phones and addresses, and puts `***` in their place.

    Beside what is secret or looks like a buyer's anywhere. `buyers`: name, phone and
    address of each.
    """

    def __init__(self, buyers: Iterable[tuple[str, str, str]] = ()) -> None:
        self._names: set[str] = set()
        self._stems: set[str] = set()
        self._phones: set[str] = set()
        # By their first word; whole ones, and their parts of several words.
        self._addresses: dict[str, set[Words]] = defaultdict(set)
        for name, phone, address in buyers:
            for word in _words(name):
                self._add_name(word)
            if digits := re.sub(r"\D", "", phone)[-PHONE_DIGITS:]:
                self._phones.add(digits)
            for part in (address, *address.split(",")):
                words = _words(part)
                if len(words) > 1:
                    self._addresses[words[0]].add(words)

    def text(self, text: str) -> str:
        """Mask a text."""
        text = without_buyers(text)
        found = [(m.group().casefold(), *m.span()) for m in WORD.finditer(text)]
        kept, end, skip = [], 0, 0
        for place, (word, begins, _ends) in enumerate(found):
            if skip:
                skip -= 1
                continue
            number = self._words_of_buyers(word, found, place)
            if number:
                skip = number - 1
                kept += [text[end:begins], MASK]
                end = found[place + skip][2]
        return "".join([*kept, text[end:]])

    def value(self, value: Any) -> Any:
        """Mask each text in what is to be written as JSON, keys of mappings too."""
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            # As long as a phone.
            return value if abs(value) < LONG else self.text(str(value))
        if isinstance(value, dict):
            return {self.text(str(k)): self.value(v) for k, v in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(each) for each in value]
        return self.text(str(value))

    def _add_name(self, word: str) -> None:
        if len(word) < NAME_LENGTH:
            return
        self._names.add(word)
        stem = word[:-1] if word[-1] in ENDINGS else word
        if len(stem) >= NAME_LENGTH:
            self._stems.add(stem)

    def _words_of_buyers(
        self, word: str, found: list[tuple[str, int, int]], place: int
    ) -> int:
        """Count how many of the words from here on tell of a buyer."""
        longest = 0
        for words in self._addresses.get(word, ()):
            there = tuple(each[0] for each in found[place : place + len(words)])
            if there == words:
                longest = max(longest, len(words))
        if longest:
            return longest
        return int(self._is_name(word) or word[-PHONE_DIGITS:] in self._phones)

    def _is_name(self, word: str) -> bool:
        if word in self._names:
            return True
        shorter = (word[: len(word) - n] for n in range(CASE_LETTERS + 1))
        return not self._stems.isdisjoint(shorter)


def _words(text: str) -> Words:
    return tuple(WORD.findall(text.casefold()))
