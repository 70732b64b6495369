"""Tells by how much the database's clock was set since a row was written.

Whoever writes a row that others wait by leaves beside its moments how far the time was
ahead of a count that nobody sets: the seconds since this computer started. Any process
of it sees from that what the clock was set by since. Of rows that another computer
wrote a process knows what it saw itself, and that nothing is written in the future.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from plumbing.leases import database_now, steady_s
from plumbing.models import PeerClock

# The database's clock and a computer's own count may drift apart by so much while
# anybody waits for what was written.
DRIFT = timedelta(seconds=2)
# Moments further ahead than they were written for are from before the database's
# clock was set back.
CLOCK_SLACK = timedelta(seconds=5)
# A look that took longer was interrupted between the two clocks.
QUICK_LOOK_S = 0.5
LOOKS = 5

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Now:
    """The time by the database's clock, and how far it is ahead of our count."""

    at: datetime
    ahead_s: float


@functools.cache
def counted_by() -> str:
    """Name the count of seconds since this computer started, apart from all others."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return f"host:{settings.HOST_NAME}"


def look() -> Now:
    """Look at both clocks at once."""
    for _number in range(LOOKS):
        before = steady_s()
        at = database_now()
        after = steady_s()
        if after - before < QUICK_LOOK_S:
            break
    return Now(at=at, ahead_s=at.timestamp() - (before + after) / 2)


class _Seen:
    """What this process saw of the clock being set ahead."""

    def __init__(self) -> None:
        self._last: Now | None = None
        # Written before this moment = before the clock was set by so much.
        self._before: datetime | None = None
        self._by = timedelta(0)
        self._lock = threading.Lock()

    def set_since(self, written_at: datetime, now: Now) -> timedelta:
        """Return by how much the clock was set ahead after a moment; zero: not seen."""
        with self._lock:
            last, self._last = self._last, now
            by = timedelta(seconds=now.ahead_s - last.ahead_s) if last else timedelta(0)
            if last and by > DRIFT:
                # Time went on, right after the last look or until this one.
                self._before, self._by = now.at - by, by
            elif by < -DRIFT:
                self._before = None
            if self._before is None or written_at > self._before + DRIFT / 2:
                return timedelta(0)
            return self._by


def set_since_written(row: PeerClock, now: Now) -> timedelta:
    """Return by how much the clock was set since a row was written, which `now` knows.

    Less than nothing: back. Look at the clocks after the row was read: only a clock
    that goes back puts the moment when it was written into the future.
    """
    seen = SEEN.set_since(row.written_at, now)
    if row.written_at > now.at + CLOCK_SLACK:
        least = now.at - row.written_at
    else:
        least = timedelta(0)
    if row.counted_by != counted_by():
        return least or seen
    by = timedelta(seconds=now.ahead_s - row.ahead_s)
    if abs(by) <= DRIFT or row.written_at + by > now.at + CLOCK_SLACK:
        # The last: written after the clock was set, by a release that does not count.
        return least
    return by


# Of this process, whichever rows it asks about.
SEEN = _Seen()
