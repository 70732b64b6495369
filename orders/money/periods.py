"""The periods that a report may be asked for, and those they are compared with."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

TODAY, YESTERDAY, WEEK, MONTH = "today", "yesterday", "7", "30"
THIS_MONTH, LAST_MONTH, CUSTOM = "this_month", "last_month", "custom"
PRESETS = (TODAY, YESTERDAY, WEEK, MONTH, THIS_MONTH, LAST_MONTH)
DAY = timedelta(days=1)
# Nobody reads more at once; ten years of rows would be added up for a typing error.
LONGEST = timedelta(days=3 * 366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Days of Almaty, the last one included."""

    first: date
    last: date
    preset: str = CUSTOM

    @property
    def days(self) -> list[date]:
        number = (self.last - self.first).days + 1
        return [self.first + DAY * n for n in range(number)]

    def has(self, day: date) -> bool:
        return self.first <= day <= self.last

    @property
    def previous(self) -> Period:
        """What it is compared with: as many days right before it.

        A month is compared with the month before, a month that has begun with as many
        of that month's days.
        """
        if self.preset in (THIS_MONTH, LAST_MONTH):
            end = self.first - DAY
            last = end.day if self.preset == LAST_MONTH else min(self.last.day, end.day)
            return Period(first=end.replace(day=1), last=end.replace(day=last))
        last_day = self.first - DAY
        return Period(first=last_day - (self.last - self.first), last=last_day)


def choose_period(
    preset: str, *, today: date, first: date | None = None, last: date | None = None
) -> Period:
    """Give the period of a preset, or of two days in either order."""
    if preset == CUSTOM and (first or last):
        one, other = first or last or today, last or first or today
        one, other = min(one, other), max(one, other)
        return Period(first=max(one, other - LONGEST), last=other)
    month = today.replace(day=1)
    before = month - DAY
    chosen = {
        TODAY: (today, today),
        YESTERDAY: (today - DAY, today - DAY),
        WEEK: (today - 6 * DAY, today),
        THIS_MONTH: (month, today),
        LAST_MONTH: (before.replace(day=1), before),
    }
    preset = preset if preset in PRESETS else MONTH
    start, end = chosen.get(preset, (today - 29 * DAY, today))
    return Period(first=start, last=end, preset=preset)


def week_of(day: date) -> date:
    """Give the week's Monday."""
    return day - DAY * day.weekday()


def month_of(day: date) -> date:
    return day.replace(day=1)


def week_end(monday: date) -> date:
    return monday + 6 * DAY


def month_end(first: date) -> date:
    return first.replace(day=calendar.monthrange(first.year, first.month)[1])
