"""Form fields for settings, and settings' values in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from backoffice.formatting import NOTHING, grouped
from bridge_site.adjustable import Adjustable, Words
from orders.working_time import parse_work_week

DAY_NAMES = (
    gettext_lazy("Mon"),
    gettext_lazy("Tue"),
    gettext_lazy("Wed"),
    gettext_lazy("Thu"),
    gettext_lazy("Fri"),
    gettext_lazy("Sat"),
    gettext_lazy("Sun"),
)
AS_PEOPLE_WRITE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
FEW_DAYS = 4


class WeekWidget(forms.MultiWidget):
    """A small box for each day's hours."""

    def __init__(self) -> None:
        super().__init__(
            [forms.TextInput({"aria-label": day, "maxlength": 11}) for day in DAY_NAMES]
        )

    def decompress(self, value: str | None) -> list[str]:
        return value.split(",") if value else [""] * len(DAY_NAMES)

    def render(
        self, name: str, value: Any, attrs: Any = None, renderer: Any = None
    ) -> SafeString:
        widget = self.get_context(name, value, attrs)["widget"]
        draw = self._render  # type: ignore[attr-defined]
        boxes = [
            (day, draw(each["template_name"], {"widget": each}, renderer))
            for day, each in zip(DAY_NAMES, widget["subwidgets"], strict=True)
        ]
        day = '<span class="day"><span aria-hidden="true">{}</span>{}</span>'
        return format_html(
            '<span class="week">{}</span>', format_html_join("", day, boxes)
        )


class WeekField(forms.MultiValueField):
    """Seven days' hours, as text with commas between."""

    widget = WeekWidget

    def __init__(self, **kwargs: Any) -> None:
        days = [forms.CharField(required=False) for _day in DAY_NAMES]
        super().__init__(days, require_all_fields=False, **kwargs)

    def compress(self, data_list: Sequence[str]) -> str:
        days = [(day or "").strip().replace("–", "-") for day in data_list]
        if not any(days):
            return ""
        for name, hours in zip(DAY_NAMES, days, strict=True):
            try:
                parse_work_week([hours] * len(DAY_NAMES))
            except ValueError:
                text = gettext(
                    "%(day)s: write hours as 10-20 or 09:30-18, or - for a closed day."
                )
                raise ValidationError(text % {"day": name}) from None
        return ",".join(days)


class DatesField(forms.CharField):
    """Days in any order, as ISO dates with commas between."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 14})

    def to_python(self, value: Any) -> str:
        days = set()
        for word in re.split(r"[\s,;]+", str(value or "").strip()):
            if word:
                days.add(self._day(word))
        return ",".join(day.isoformat() for day in sorted(days))

    def prepare_value(self, value: Any) -> Any:
        days = str(value or "").split(",")
        if not all(map(_is_iso, days)):
            # As it was typed, wrong.
            return value
        return "\n".join(f"{date.fromisoformat(day):%d.%m.%Y}" for day in days)

    def _day(self, word: str) -> date:
        try:
            if found := AS_PEOPLE_WRITE.fullmatch(word):
                return date(int(found[3]), int(found[2]), int(found[1]))
            return date.fromisoformat(word)
        except ValueError:
            text = gettext("“%(word)s” is no day: write 01.01.2027.")
            raise ValidationError(text % {"word": word}) from None


class SeveralField(forms.MultipleChoiceField):
    """Some of a few, as text with commas between."""

    widget = forms.CheckboxSelectMultiple

    def prepare_value(self, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value

    def clean(self, value: Any) -> Any:
        return ",".join(super().clean(value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class WorkDaysField(SeveralField):
    """Some days of the week, as their numbers."""

    def __init__(self, **kwargs: Any) -> None:
        days = [(str(number), name) for number, name in enumerate(DAY_NAMES, 1)]
        super().__init__(choices=days, **kwargs)


SPECIAL: dict[str, type[forms.Field]] = {
    "WORK_WEEK": WeekField,
    "HOLIDAYS": DatesField,
    "SUPPLIER_WORK_WEEK": WorkDaysField,
    "SUPPLIER_HOLIDAYS": DatesField,
}


def field_of(adjustable: Adjustable) -> forms.Field:
    """Make the field of a setting; left empty it means the default."""
    # What the person saw decides whether they changed it, not what counts by now.
    common: dict[str, Any] = {
        "label": adjustable.label,
        "required": False,
        "show_hidden_initial": True,
    }
    declared = adjustable.declared
    if special := SPECIAL.get(adjustable.name):
        return special(**common)
    if declared.kind == "flag":
        choices = [("1", gettext_lazy("yes")), ("0", gettext_lazy("no"))]
        return forms.ChoiceField(choices=choices, **common)
    if adjustable.choices and declared.kind == "several":
        return SeveralField(choices=list(adjustable.choices.items()), **common)
    if adjustable.choices:
        return forms.ChoiceField(choices=list(adjustable.choices.items()), **common)
    if declared.kind in ("integer", "number"):
        common |= {"min_value": declared.at_least, "max_value": declared.at_most}
        kind = forms.IntegerField if declared.kind == "integer" else forms.DecimalField
        return kind(**common)
    return forms.CharField(max_length=200, **common)


def raw_of(value: Any) -> str:
    """Write a setting's value as it would stand in the environment."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple):
        # From an hour to an hour; all else are lists.
        is_span = isinstance(value, tuple) and all(isinstance(v, int) for v in value)
        return ("-" if is_span and value else ",").join(map(str, value))
    if isinstance(value, time):
        return f"{value:%H:%M}"
    # Hours and clocks may be switched off.
    return "-" if value is None else str(value)


def told(adjustable: Adjustable, value: Any) -> str:
    """Say a value in a person's words."""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if adjustable.choices:
        return _told_choice(adjustable.choices, value)
    if adjustable.name == "WORK_WEEK":
        return _told_week(value)
    if adjustable.name == "SUPPLIER_WORK_WEEK":
        return ", ".join(str(DAY_NAMES[int(day) - 1]) for day in value)
    if value is None:
        return gettext("never")
    if adjustable.declared.kind == "integers":
        return f"{', '.join(map(str, value))}\u00a0{adjustable.unit}"
    if SPECIAL.get(adjustable.name) is DatesField:
        return _told_days(value)
    if isinstance(value, int | Decimal):
        number = grouped(value) if isinstance(value, int) else str(value)
        return f"{number}\u00a0{adjustable.unit}" if adjustable.unit else number
    if adjustable.declared.kind == "hours":
        return raw_of(value).replace("-", "–")
    return raw_of(value).replace(",", ", ") or NOTHING


def _told_choice(choices: Mapping[str, Words], value: str | list[str]) -> str:
    if isinstance(value, str):
        return str(choices.get(value, value))
    return ", ".join(str(choices[each]) for each in value) or gettext("nobody")


def _told_week(week: Sequence[str]) -> str:
    """Say hours with days of the same ones together: "Mon–Sat 10–20, Sun closed"."""
    runs: list[tuple[int, int, str]] = []
    for number, hours in enumerate(week):
        if runs and runs[-1][2] == hours:
            runs[-1] = (runs[-1][0], number, hours)
        else:
            runs.append((number, number, hours))
    told_runs = []
    for first, last, hours in runs:
        days = str(DAY_NAMES[first])
        days += f"–{DAY_NAMES[last]}" if last > first else ""
        open_for = gettext("day off") if hours == "-" else hours.replace("-", "–")
        told_runs.append(f"{days}\u00a0{open_for}")
    return ", ".join(told_runs)


def _told_days(days: Sequence[str]) -> str:
    if not days:
        return gettext("none")
    written = [f"{date.fromisoformat(day):%d.%m.%Y}" for day in days if _is_iso(day)]
    rest = len(written) - FEW_DAYS
    if rest <= 0:
        return ", ".join(written)
    more = gettext("and %(n)d more") % {"n": rest}
    return f"{', '.join(written[:FEW_DAYS])} {more}"


def _is_iso(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
