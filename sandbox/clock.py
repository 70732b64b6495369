"""The sandbox's clock: real time, moved on and sped up by tests."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
ALMATY = timezone(timedelta(hours=5))


class Clock:
    """Runs from `start` (default: now, UTC) at `speed` times real time."""

    def __init__(self, *, start: datetime | None = None, speed: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._base = (start or datetime.now(timezone.utc)).timestamp()
        self._mark = time.monotonic()
        self._speed = speed

    def timestamp(self) -> float:
        with self._lock:
            return self._base + (time.monotonic() - self._mark) * self._speed

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp(), timezone.utc)

    def told(self) -> float:
        """Return the time that answers are dated by: real, wherever this one is."""
        return time.time()

    def almaty(self) -> datetime:
        """Return the moment as Almaty's clocks show it."""
        return self.now().astimezone(ALMATY)

    def advance(self, seconds: float) -> None:
        """Jump forward (or back, with a negative number)."""
        self._rebase(seconds, self._speed)

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._rebase(0.0, speed)

    def _rebase(self, seconds: float, speed: float) -> None:
        with self._lock:
            mark = time.monotonic()
            self._base += (mark - self._mark) * self._speed + seconds
            self._mark, self._speed = mark, speed
