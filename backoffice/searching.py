"""What people type into the search box: read once, for every app that looks for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db import connection
from django.db.models import Q
from django.utils.safestring import SafeString

LONGEST = 100
# Of each kind; who sees so many types another word.
SHOWN = 30
# Pasted along with a number, or around it.
AROUND = "№#.,;:()[]«»\"'“”"
PHONE_DIGITS = 10
# Of a shorter word too little is left without its first letter.
LEAST_PARTED = 4
LAST_SIGN = "\U0010ffff"
# As many digits as people say of a long number.
LAST_DIGITS = 4

EN = "`qwertyuiop[]asdfghjkl;'zxcvbnm,.~QWERTYUIOP{}ASDFGHJKL:\"ZXCVBNM<>"
RU = "ёйцукенгшщзхъфывапролджэячсмитьбюЁЙЦУКЕНГШЩЗХЪФЫВАПРОЛДЖЭЯЧСМИТЬБЮ"
# What the keys give in the other layout.
TO_RU, TO_EN = str.maketrans(EN, RU), str.maketrans(RU, EN)
# Cyrillic letters that look like Latin ones.
ALIKE = str.maketrans("АВЕКМНОРСТУХавекмнорстух", "ABEKMHOPCTYXabekmhopctyx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that was found, and its page."""

    title: str
    url: str
    pill: SafeString | str = ""
    details: Sequence[SafeString | str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Things of one kind, the most likely first."""

    title: str
    hits: Sequence[Hit]
    # There are more than are shown.
    is_cut: bool = False
    # The page of the one that was named by its own number, if it was.
    exact: str = ""


@dataclass(frozen=True)
class Sought:
    """A text that somebody looks for, seen as numbers and as words."""

    text: str
    # Typed with the keyboard in the other layout: words, no numbers (they were read so
    # already).
    is_relaid: bool = False

    @classmethod
    def of(cls, typed: str) -> Sought:
        printable = "".join(c if c.isprintable() else " " for c in typed[:LONGEST])
        return cls(" ".join(printable.split()))

    @cached_property
    def words(self) -> list[str]:
        """The words, without the signs around them."""
        bare = (word.strip(AROUND) for word in self.text.replace(",", " ").split())
        return [word for word in bare if word]

    @cached_property
    def numbers(self) -> list[str]:
        """Whatever may be somebody's number: as typed, and as it was meant.

        A code is Latin; it may have been typed with Cyrillic letters that look alike,
        or with the keyboard in the other layout.
        """
        candidates = [] if self.is_relaid else [*self.words, self.digits]
        spelled = [
            spelling
            for word in candidates
            for spelling in (word, word.translate(ALIKE), word.translate(TO_EN))
        ]
        cased = [c for s in spelled for c in (s, s.upper(), s.lower())]
        return [number for number in dict.fromkeys(cased) if number]

    @cached_property
    def digits(self) -> str:
        """The one number that is all of the text, without spaces, dashes and signs."""
        bare = re.sub(rf"[\s+\-–—{re.escape(AROUND)}]", "", self.text)
        return bare if bare.isdecimal() and bare.isascii() else ""

    @property
    def phone(self) -> str:
        """The text as a phone number without its country; empty when it is none."""
        digits = self.digits
        if len(digits) == PHONE_DIGITS + 1 and digits[0] in "78":
            return digits[1:]
        return digits if len(digits) == PHONE_DIGITS else ""

    @property
    def has_letters(self) -> bool:
        return any(character.isalpha() for character in self.text)

    @property
    def has_digits(self) -> bool:
        return any(character.isdecimal() for character in self.text)

    @property
    def relaid(self) -> Sought | None:
        """What the same keys give in the Russian layout; None when nothing else."""
        if any("а" <= letter <= "я" for letter in self.text.lower()):
            return None
        other = Sought(self.text.translate(TO_RU), is_relaid=True)
        return other if self.has_letters else None


def holding(field: str, word: str) -> Q:
    """Match rows whose field has the word somewhere in it, in whatever case.

    Reads row by row. SQLite folds the case of ASCII letters only, so it is asked for
    each usual spelling; PostgreSQL folds all, if its locale does (README, Production).
    """
    if word.isascii() or connection.vendor != "sqlite":
        return Q((f"{field}__icontains", word))
    lower = word.lower()
    spellings = dict.fromkeys([lower, lower.capitalize(), word.upper(), word])
    found = _holding_any(field, spellings)
    if len(word) < LEAST_PARTED:
        return found
    # Most of them end alike: two questions for most rows instead of three or four.
    return _holding_any(field, dict.fromkeys(s[1:] for s in spellings)) & found


def beginning(field: str, text: str) -> Q:
    """Match rows whose field begins with the text, as it is spelled.

    SQLite compares the ends of a span far sooner than it looks for a pattern; in
    PostgreSQL the locale decides what lies between them.
    """
    if connection.vendor != "sqlite":
        return Q((f"{field}__startswith", text))
    return Q((f"{field}__gte", text), (f"{field}__lt", f"{text}{LAST_SIGN}"))


def _holding_any(field: str, texts: Iterable[str]) -> Q:
    found = Q()
    for text in texts:
        found |= Q((f"{field}__contains", text))
    return found
