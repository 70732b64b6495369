"""Counts the calls to the peers, for whoever watches the bridge, and writes each down.

Web, dispatchers and clusters all call, and a scrape meets one of them only. Each keeps
its counts for a few seconds and then adds them to rows that all share: no file for each
process, nothing to clean up after one that was killed, and what the numbers tell
survives a restart. A killed process takes the counts of its last seconds along.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils import timezone

from plumbing.models import CallCount

log = logging.getLogger(__name__)

ADDED_EVERY_S = 15.0
# A piece of a path that is a word of the peer's, not the id of something.
WORD = re.compile(r"[a-z][A-Za-z0-9-]{0,23}")
# Where the histogram of seconds has its steps.
STEPS_MS = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)

Key = tuple[str, str, str, int]


def method_of(verb: str, path: str) -> str:
    """Name what was called, the same for every order: "GET v2/orders/*/entries"."""
    pieces = path.partition("?")[0].strip("/").split("/")
    words = [piece if WORD.fullmatch(piece) else "*" for piece in pieces]
    return f"{verb} {'/'.join(words)}"[:80]


def peer_label(name: str) -> str:
    """Name a peer as steps do: "Al-Style" → "alstyle"."""
    return name.lower().replace("-", "")


@dataclass(slots=True)
class _Sum:
    calls: int
    seconds: float
    waited_s: float
    last_at: datetime


class CallJournal:
    """What this process has called and not yet added to what all have."""

    def __init__(self) -> None:
        self._sums: dict[Key, _Sum] = {}
        self._lock = threading.Lock()
        self._added_at = time.monotonic()

    def note(
        self, peer: str, method: str, outcome: str, *, seconds: float, waited_s: float
    ) -> None:
        """Count one call, and write it down with the ids of what it was made for."""
        log.info(
            "%s, %s: %s in %.2f s, after %.2f s of waiting",
            *(peer, method, outcome, seconds, waited_s),
        )
        under_ms = next((step for step in STEPS_MS if seconds * 1000 <= step), 0)
        key = (peer_label(peer), method, outcome, under_ms)
        one = _Sum(1, seconds, waited_s, timezone.now())
        with self._lock:
            self._join(key, one)

    def add_when_due(self, also: Callable[[], None] = lambda: None) -> None:
        """Add the counts to the rows, and `also`, if the last time was a while ago."""
        if time.monotonic() - self._added_at >= ADDED_EVERY_S:
            self.add()
            also()

    def add(self) -> None:
        """Add the counts to the rows; without a database they wait."""
        with self._lock:
            mine, self._sums = self._sums, {}
            self._added_at = time.monotonic()
        if not mine:
            return
        try:
            _add_to_rows(mine)
        except DatabaseError as error:
            log.warning("calls could not be counted yet: %s", error)
            with self._lock:
                for key, kept in mine.items():
                    self._join(key, kept)

    def _join(self, key: Key, more: _Sum) -> None:
        known = self._sums.setdefault(key, _Sum(0, 0.0, 0.0, more.last_at))
        known.calls += more.calls
        known.seconds += more.seconds
        known.waited_s += more.waited_s
        known.last_at = max(known.last_at, more.last_at)


def _add_to_rows(sums: Mapping[Key, _Sum]) -> None:
    with transaction.atomic():
        # In one order everywhere: two processes never wait for each other.
        for key, more in sorted(sums.items()):
            names = dict(
                zip(("peer", "method", "outcome", "under_ms"), key, strict=True)
            )
            more_of_it = {
                "calls": F("calls") + more.calls,
                "seconds": F("seconds") + more.seconds,
                "waited_s": F("waited_s") + more.waited_s,
                "last_at": more.last_at,
            }
            row = CallCount.objects.filter(**names)
            if not row.update(**more_of_it):
                first = CallCount(**names, last_at=more.last_at)
                CallCount.objects.bulk_create([first], ignore_conflicts=True)
                row.update(**more_of_it)


# Of this process, whichever connections it opens.
CALLS = CallJournal()
