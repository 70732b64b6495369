"""Notices when the database's clock jumps; what waits by it must not wait for days."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings

from plumbing.leases import database_now, steady_s
from plumbing.models import TimeJump

log = logging.getLogger(__name__)

# Clocks are put right by seconds all the time.
WORTH_TELLING = timedelta(minutes=3)
# A look that took longer was interrupted: it cannot tell which clock stood still.
QUICK_LOOK_S = 5.0


class TimeWatch:
    """Compares the database's clock with the one that nobody can set."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None

    def look(self) -> timedelta:
        """Return by how much the clock jumped since the last look; tells staff of it.

        Back is negative; zero when it did not jump.
        """
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
        TimeJump.objects.create(
            noticed_at=now,
            seconds=round(jumped.total_seconds()),
            host=settings.HOST_NAME,
        )
        return jumped
