"""When something is told: at once, again, or after the quiet hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from django.utils import timezone

# A digest that could not be made in the morning is no use in the evening.
DIGEST_LATEST_AFTER = timedelta(hours=3)


def is_quiet(now: datetime, hours: tuple[int, int] | None) -> bool:
    """Tell whether nothing but what is urgent is told; hours of Almaty, "22-8"."""
    if hours is None:
        return False
    begin, end = hours
    hour = timezone.localtime(now).hour
    if begin < end:
        return begin <= hour < end
    return hour >= begin or hour < end


def repeated_at(told_at: datetime, *, told: int, after_min: Sequence[int]) -> datetime:
    """Say when what was told so often is told again; the last pause goes on."""
    pause = after_min[min(told, len(after_min)) - 1]
    return told_at + timedelta(minutes=pause)


def digest_begun(now: datetime, at: time | None) -> datetime | None:
    """Return since when the day's digest is to be made, if it was not yet.

    Its day is that moment's, also when it is made after the midnight that followed.
    """
    if at is None:
        return None
    local = timezone.localtime(now)
    begun = local.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    if begun > local:
        begun -= timedelta(days=1)
    return begun if local < begun + DIGEST_LATEST_AFTER else None
