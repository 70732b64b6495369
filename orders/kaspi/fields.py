"""Reads single fields of Kaspi's resources; what looks odd is noted, never fatal."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.utils.translation import gettext as _

from catalog.alstyle.fields import LARGEST_INT, as_whole, clean_text, shown

# Kaspi's moments are milliseconds; seconds or microseconds fall outside.
EARLIEST_MS = 946_684_800_000  # 2000-01-01
LATEST_MS = 4_102_444_800_000  # 2100-01-01
PHONE_DIGITS = 10

Json = dict[str, Any]
Notes = list[str]


def as_object(value: Any) -> Json:
    """Give a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_text(value: Any, *, limit: int) -> str:
    """Read text that may be missing; numbers become text, what is too long is cut."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    return clean_text(str(value))[:limit].rstrip()


def as_flag(value: Any) -> bool | None:
    """Read yes or no; None when Kaspi does not clearly say either."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def as_moment(value: Any) -> datetime | None:
    """Read milliseconds since the epoch as an aware moment."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{10,14}", value):
        value = int(value)
    if _is_number(value) and EARLIEST_MS <= value <= LATEST_MS:
        return datetime.fromtimestamp(int(value) / 1000, timezone.utc)
    return None


def as_number(value: Any) -> Decimal | None:
    """Read a number, also one written as text, that fits the database."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", value):
        value = Decimal(value)
    if _is_number(value) and -LARGEST_INT <= value <= LARGEST_INT:
        return Decimal(value)
    return None


def read_tenge(raw: Json, field: str, *, problems: Notes, remarks: Notes) -> int | None:
    """Read whole tenge; fractions are rounded half up and remarked on.

    A sum below zero or that is no number is a problem and is not used.
    """
    value = raw.get(field)
    if value is None:
        return None
    number = as_number(value)
    if number is None or number < 0:
        claim = _("%(field)s: not a sum of money: %(value)s")
        problems.append(claim % {"field": field, "value": shown(value)})
        return None
    whole = int(number.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    if whole != number:
        claim = _("%(field)s: %(value)s ₸ was rounded to %(whole)d ₸")
        remarks.append(claim % {"field": field, "value": shown(value), "whole": whole})
    return whole


def read_quantity(raw: Json, *, problems: Notes) -> int | None:
    """Read pieces as a whole number of at least 1, or None with a problem."""
    unit = raw.get("unitType")
    if isinstance(unit, str) and unit.upper().startswith("MEASURABLE"):
        claim = _("sold by weight (%(unit)s), %(value)s: pieces cannot be reserved")
        problems.append(
            claim
            % {"unit": as_text(unit, limit=40), "value": shown(raw.get("quantity"))}
        )
        return None
    value = raw.get("quantity")
    number = as_whole(value) if _can_be_compared(value) else None
    if not number:
        claim = _("quantity is not a whole number of pieces: %(value)s")
        problems.append(claim % {"value": shown(value)})
        return None
    return number


def read_phone(value: Any) -> str:
    """Read a phone as its ten digits; Kaspi's mask of zeros means none."""
    digits = re.sub(r"[^0-9]", "", as_text(value, limit=40))
    if not digits.strip("0"):
        return ""
    return digits[-PHONE_DIGITS:] if len(digits) > PHONE_DIGITS else digits


def read_address(value: Any) -> str:
    """Read an address as one line."""
    address = as_object(value)
    whole = as_text(address.get("formattedAddress"), limit=1000)
    if whole:
        return whole
    names = ("town", "district", "streetName", "streetNumber", "building", "apartment")
    parts = [as_text(address.get(name), limit=200) for name in names]
    return ", ".join(part for part in parts if part)


def read_id(value: Any) -> str:
    """Read a resource's id as Kaspi wrote it; what cannot be stored is none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return text if text.isprintable() else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and _can_be_compared(value)


def _can_be_compared(value: Any) -> bool:
    # An exponent beyond all bounds makes a decimal that is no number.
    return not isinstance(value, Decimal) or value.is_finite()
