"""Reads single fields of Al-Style's rows; what looks odd is noted, never fatal."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

# The widest whole number that PostgreSQL's integer column takes.
LARGEST_INT = 2_147_483_647
LONGEST_SHOWN = 60
# XML 1.0 cannot carry these, and PostgreSQL refuses NUL; lone surrogates cannot be
# encoded at all. Tabs and line ends are blanks and are collapsed instead.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"
)
DIGITS = re.compile(r"[0-9]{1,12}")
LOWER_BOUND = re.compile(r">\s*([0-9]{1,12})")
WHOLE_DECIMAL = re.compile(r"([0-9]{1,12})(?:\.0+)?")
TRUE, FALSE = {1, "1", "true"}, {0, "0", "false", "", None}

Doubts = list[str]


def shown(value: Any) -> str:
    """Show a value in a message: short, printable, with its quotes if it is text."""
    text = repr(str(value) if isinstance(value, Decimal) else value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def doubt(field: str, claim: str, value: Any) -> str:
    """Word what is wrong with a field."""
    return f"{field}: {claim}: {shown(value)}"


def as_whole(value: Any) -> int | None:
    """Read a whole number of at least 0 that fits the database, or give None.

    Digits as text and decimals without a fraction count as whole.
    """
    if type(value) is int:
        return value if 0 <= value <= LARGEST_INT else None
    if isinstance(value, Decimal):
        # The range first: a huge exponent would make a number of gigabytes.
        if not 0 <= value <= LARGEST_INT or value != value.to_integral_value():
            return None
        return int(value)
    if isinstance(value, str):
        match = WHOLE_DECIMAL.fullmatch(value.strip())
        return as_whole(int(match[1])) if match else None
    return None


def as_id(value: Any) -> str | None:
    """Read a positive id, a whole number or its digits, without leading zeros."""
    if isinstance(value, Decimal):
        value = as_whole(value)
    if type(value) is int:
        return str(value) if 0 < value < 10**12 else None
    if isinstance(value, str) and DIGITS.fullmatch(value) and int(value):
        return str(int(value))
    return None


def clean_text(value: str) -> str:
    """Drop control characters and surrogates, collapse blanks; emoji stay."""
    if value.isprintable() and "  " not in value and value == value.strip():
        return value
    return " ".join(UNPRINTABLE.sub("", value).split())


def read_text(raw: dict[str, Any], field: str, *, limit: int, doubts: Doubts) -> str:
    """Read text that may be missing; numbers become text, what is too long is cut."""
    value = raw.get(field)
    if value is None:
        return ""
    if type(value) is int or isinstance(value, Decimal):
        value = str(value)
    if not isinstance(value, str):
        doubts.append(doubt(field, _("not text"), value))
        return ""
    text = clean_text(value)
    if len(text) > limit:
        claim = _("cut from %(length)d to %(limit)d characters")
        doubts.append(f"{field}: {claim % {'length': len(text), 'limit': limit}}")
        text = text[:limit].rstrip()
    return text


def read_price(raw: dict[str, Any], field: str, *, doubts: Doubts) -> int | None:
    """Read whole tenge; None with a doubt when there is no such number."""
    value = raw.get(field)
    if type(value) is int and 0 <= value <= LARGEST_INT:
        return value
    price = as_whole(value)
    if price is None:
        doubts.append(doubt(field, _("not a price in whole tenge"), value))
    return price


def read_quantity(value: Any, *, doubts: Doubts) -> tuple[int, bool]:
    """Read a quantity as (units, is a lower bound).

    A number below 0 means 0; ">50" means at least 51; anything else is unknown and
    counts as 0, because selling what may not be there is worse than not selling.
    """
    if type(value) is int:
        if value <= LARGEST_INT:
            return max(0, value), False
    elif isinstance(value, str):
        match = LOWER_BOUND.fullmatch(value.strip())
        if match and int(match[1]) < LARGEST_INT:
            return int(match[1]) + 1, True
        if DIGITS.fullmatch(value) and int(value) <= LARGEST_INT:
            return int(value), False
    doubts.append(doubt("quantity", _("unknown, taken as 0"), value))
    return 0, False


def read_multiplicity(raw: dict[str, Any], *, doubts: Doubts) -> int | None:
    """Read how many must be bought at once; None = any number."""
    value = raw.get("multiplicity")
    if value is None or value == "":
        return None
    number = as_whole(value)
    if number is None:
        doubts.append(doubt("multiplicity", _("not a whole number"), value))
    return number or None


def read_flag(raw: dict[str, Any], field: str, *, doubts: Doubts) -> bool:
    """Read yes or no; what is neither is yes, the safe side, in doubt."""
    value = raw.get(field)
    if isinstance(value, list | dict):
        value = shown(value)
    if value in FALSE:
        return False
    if value in TRUE:
        return True
    doubts.append(doubt(field, _("neither 0 nor 1"), value))
    return True
