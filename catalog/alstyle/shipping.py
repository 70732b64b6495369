"""Tells the day that an order names as its shipping date."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

ALMATY = ZoneInfo("Asia/Almaty")
MONDAY, SUNDAY = 1, 7
MIDNIGHT_H = 24
# A supplier who never works must not be waited for for ever.
FURTHEST_DAYS = 60


def shipping_date(
    now: datetime,
    *,
    days_ahead: int,
    work_week: Collection[int],
    holidays: Collection[date],
    cutoff_hour: int,
) -> date:
    """Say the first working day of the supplier that an order of now can be met on.

    So many calendar days ahead, one more when a working day's cut-off hour of Almaty
    has passed, and from there the next working day. `work_week`: 1 is Monday.
    """

    def works_on(day: date) -> bool:
        return day.isoweekday() in work_week and day not in holidays

    local = now.astimezone(ALMATY)
    today = local.date()
    # A Sunday's evening costs no day: nobody was there to take the order before it.
    is_late = works_on(today) and local.hour >= cutoff_hour
    earliest = today + timedelta(days=days_ahead + is_late)
    upcoming = (earliest + timedelta(days=number) for number in range(FURTHEST_DAYS))
    return next(filter(works_on, upcoming), earliest)


def parse_work_days(raw: Sequence[str]) -> frozenset[int]:
    """Read the days of a week, "1" is Monday; raises `ValueError`."""
    days = set()
    for text in raw:
        if not text.isdecimal() or not MONDAY <= int(text) <= SUNDAY:
            raise ValueError(f"has {text!r}, which is not a day from 1 to 7")
        days.add(int(text))
    if not days:
        raise ValueError("names no day")
    return frozenset(days)


def check_hour(hour: int) -> int:
    """Take an hour of the day; 24 is never reached. Raises `ValueError`."""
    if not 0 <= hour <= MIDNIGHT_H:
        raise ValueError(f"is {hour}, which is not an hour from 0 to 24")
    return hour
