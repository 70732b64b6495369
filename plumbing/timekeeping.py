"""Notices when the database's clock jumps; what waits by it must not wait for days."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings

from plumbing.leases import database_now, steady_s
from plumbing.models import TimeJump

log = logging.getLogger(__name__)

# Clocks are put right by seconds all the time.
WORTH_TELLING = timedelta(minutes=3)
# A look that took longer was interrupted: it cannot tell which clock stood still.
QUICK_LOOK_S = 5.0


def tell_going_back(by: timedelta, *, now: datetime) -> None:
    """Tell once a day that the clock is behind what was noted: no watch saw it set."""
    told = TimeJump.objects.order_by("-pk").first()
    if told is not None and abs(now - told.noticed_at) < TimeJump.TOLD_FOR:
        return
    log.error("the clock is behind by %s, and no peer has confirmed it", by)
    _tell(-by, now=now)


def _tell(jumped: timedelta, *, now: datetime) -> None:
    TimeJump.objects.create(
        noticed_at=now,
        seconds=round(jumped.total_seconds()),
        host=settings.HOST_NAME,
    )


class TimeWatch:
    """Compares the database's clock with the one that nobody can set.

    `then` is called with each jump and the new time, before any thread's look returns.
    """

    def __init__(
        self, *, then: Callable[[timedelta, datetime], object] = lambda *_jump: None
    ) -> None:
        self._last: tuple[datetime, float] | None = None
        self._then = then
        self._lock = threading.Lock()

    def look(self) -> timedelta:
        """Return by how much the clock jumped since the last look; tells staff of it.

        Back is negative; zero when it did not jump.
        """
        with self._lock:
            return self._look()

    def look_again(self) -> timedelta:
        """Look sooner than the next time, in a process that keeps looking."""
        with self._lock:
            return timedelta(0) if self._last is None else self._look()

    def _look(self) -> timedelta:
        before = steady_s()
        now = database_now()
        if steady_s() - before > QUICK_LOOK_S:
            self._last = None
            return timedelta(0)
        last, self._last = self._last, (now, before)
        if last is None:
            return timedelta(0)
        jumped = (now - last[0]) - timedelta(seconds=before - last[1])
        if abs(jumped) < WORTH_TELLING:
            return timedelta(0)
        log.error("the database's clock jumped by %s", jumped)
        _tell(jumped, now=now)
        self._then(jumped, now)
        return jumped
