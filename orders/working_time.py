"""Working time: until when an order must be accepted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

ALMATY = ZoneInfo("Asia/Almaty")
DAYS_IN_WEEK = 7
CLOSED = "-"
HOURS = re.compile(r"([0-9]{1,2})(?::([0-5][0-9]))?-([0-9]{1,2})(?::([0-5][0-9]))?")
MIDNIGHT_MIN = 24 * 60
# Kaspi's, in working days; it cancels what was not collected.
STORAGE_DAYS = 3
# A shop that never opens must not be counted through for ever.
FURTHEST = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingTime:
    """A shop's week: minutes after midnight from which until which it is open."""

    week: tuple[tuple[int, int] | None, ...]
    holidays: frozenset[date]

    def after(self, start: datetime, *, minutes: int) -> datetime:
        """Say when so many working minutes after `start` are over.

        A shop that does not open within a year is taken as open: a deadline that is
        too early does less harm than none.
        """
        local = start.astimezone(ALMATY)
        left = timedelta(minutes=minutes)
        day = local.date()
        while day - local.date() <= FURTHEST:
            hours = self._open_on(day)
            if hours is not None:
                begins = max(hours[0], local)
                open_for = hours[1] - begins
                if open_for >= left:
                    return (begins + left).astimezone(start.tzinfo)
                left -= max(open_for, timedelta(0))
            day += timedelta(days=1)
        return start + timedelta(minutes=minutes)

    def day_after(self, start: datetime, *, days: int) -> datetime:
        """Say when the shop closes on so many open days after the day of `start`.

        A shop that does not open within a year is taken as open.
        """
        day, left = start.astimezone(ALMATY).date(), days
        for number in range(1, FURTHEST.days + 1):
            hours = self._open_on(day + timedelta(days=number))
            left -= hours is not None
            if hours is not None and not left:
                return hours[1].astimezone(start.tzinfo)
        return start + timedelta(days=days)

    def _open_on(self, day: date) -> tuple[datetime, datetime] | None:
        hours = self.week[day.weekday()]
        if hours is None or day in self.holidays:
            return None
        midnight = datetime.combine(day, time(), tzinfo=ALMATY)
        opens, closes = (midnight + timedelta(minutes=minute) for minute in hours)
        return opens, closes


def parse_work_week(raw: Sequence[str]) -> tuple[tuple[int, int] | None, ...]:
    """Read seven days, Monday first: "10-20", "09:30-18" or "-"; `ValueError` else."""
    if len(raw) != DAYS_IN_WEEK:
        raise ValueError(f"must name 7 days, Monday to Sunday, and names {len(raw)}")
    return tuple(_parse_hours(day) for day in raw)


def parse_holidays(raw: Iterable[str]) -> frozenset[date]:
    """Read days as YYYY-MM-DD; raises `ValueError`."""
    days = set()
    for text in raw:
        try:
            days.add(date.fromisoformat(text))
        except ValueError:
            raise ValueError(f"has {text!r}, which is not YYYY-MM-DD") from None
    return frozenset(days)


def working_time() -> WorkingTime:
    """Read the shop's hours from the settings; raises `ValueError`."""
    return WorkingTime(
        week=parse_work_week(settings.WORK_WEEK),
        holidays=parse_holidays(settings.HOLIDAYS),
    )


def accept_deadline(approved_at: datetime, *, is_express: bool) -> datetime:
    """Say by when an order must be accepted; an express one has no working hours."""
    if is_express:
        return approved_at + timedelta(minutes=settings.EXPRESS_WITHIN_MIN)
    minutes = settings.ACCEPT_WITHIN_WORKING_MIN
    try:
        return working_time().after(approved_at, minutes=minutes)
    except ValueError:
        # The system check reports it; no order may be lost over it, and without
        # closing hours the deadline is only too early.
        return approved_at + timedelta(minutes=minutes)


def collect_deadline(accepted_at: datetime) -> datetime:
    """Say until when goods are kept for a buyer who collects them."""
    try:
        return working_time().day_after(accepted_at, days=STORAGE_DAYS)
    except ValueError:
        return accepted_at + timedelta(days=STORAGE_DAYS)


def _parse_hours(raw: str) -> tuple[int, int] | None:
    if raw == CLOSED:
        return None
    match = HOURS.fullmatch(raw)
    if match is None:
        raise ValueError(f"has {raw!r}, which is neither like 10-20 nor -")
    hours = (_minutes(match[1], match[2]), _minutes(match[3], match[4]))
    if not 0 <= hours[0] < hours[1] <= MIDNIGHT_MIN:
        raise ValueError(f"has {raw!r}, which does not end after it begins")
    return hours


def _minutes(hours: str, minutes: str | None) -> int:
    return int(hours) * 60 + int(minutes or 0)
