"""Reads and writes the cells of staff's tables as the fields of our models."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, DateTimeField, DecimalField, Field
from django.db.models import IntegerField as WholeField
from django.utils import timezone, translation
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from import_export.widgets import Widget

YES = {"yes", "да", "true", "1", "+", "истина", "иә"}
NO = {"no", "нет", "false", "0", "-", "ложь", "жоқ"}
# So a program with other signs than ours writes 12 000 as text.
IN_THOUSANDS = re.compile(r"[-−]?[0-9]{1,3}(?:[.,][0-9]{3})+")


class Cell(Widget):  # type: ignore[misc]
    """A cell of one model field; raises `ValueError` with words for staff."""

    def __init__(self, field: Field[Any, Any]) -> None:
        super().__init__(coerce_to_string=False)
        self.field = field

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        if is_blank(value):
            return None if self.field.null or self.field.primary_key else ""
        if self.field.choices:
            return self._choice(str(value))
        if isinstance(self.field, BooleanField):
            return _yes_or_no(value)
        if isinstance(self.field, DateTimeField):
            return _moment(value)
        if isinstance(self.field, DecimalField):
            return _number(value)
        if isinstance(self.field, WholeField):
            return _whole(value)
        return as_text(value)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if self.field.choices:
            return str(dict(self.field.flatchoices).get(value, value))
        return value

    def _choice(self, text: str) -> Any:
        wanted = text.strip().casefold()
        for code, label in self.field.flatchoices:
            if wanted == str(code).casefold() or wanted in _in_all_languages(label):
                return code
        known = ", ".join(str(label) for _code, label in self.field.flatchoices)
        words = _("“%(text)s” is none of: %(known)s.")
        raise ValueError(words % {"text": text, "known": known})


def is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def as_text(value: Any) -> str:
    """Write a cell as text: programs keep an article as a number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _in_all_languages(label: Any) -> set[str]:
    found = set()
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            found.add(str(label).casefold())
    return found


def _yes_or_no(value: Any) -> bool:
    text = as_text(value).casefold()
    if text in YES:
        return True
    if text in NO:
        return False
    raise ValueError(_("“%(text)s” is neither yes nor no.") % {"text": value})


def _number(value: Any) -> Decimal:
    text = "".join(str(value).split()).replace(",", ".").replace("−", "-")
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise ValueError(_("“%(text)s” is no number.") % {"text": value}) from None
    if not found.is_finite():
        raise ValueError(_("“%(text)s” is no number.") % {"text": value})
    return found


def _whole(value: Any) -> int:
    if isinstance(value, str) and IN_THOUSANDS.fullmatch("".join(value.split())):
        # As a fraction it would be a thousand times less.
        words = _("“%(text)s” may mean thousands: write it without a comma or dot.")
        raise ValueError(words % {"text": value})
    found = _number(value)
    if isinstance(value, bool) or found != found.to_integral_value():
        raise ValueError(_("“%(text)s” is no whole number.") % {"text": value})
    return int(found)


def _moment(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else _parsed(str(value))
    if timezone.is_naive(found):
        # A cell knows no zones: it shows the clock of Almaty.
        found = timezone.make_aware(found)
    return found


def _parsed(text: str) -> datetime:
    text = text.strip()
    with contextlib.suppress(ValueError):
        if found := parse_datetime(text):
            return found
    for form in ("%d.%m.%Y %H:%M", "%d.%m.%Y"):
        with contextlib.suppress(ValueError):
            return datetime.strptime(text, form)  # noqa: DTZ007  (made aware above)
    words = _("“%(text)s” is no moment: write 31.12.2026 18:00.")
    raise ValueError(words % {"text": text})
