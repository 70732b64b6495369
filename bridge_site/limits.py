"""One clock per token, shared by every process and host through the database."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Literal, Protocol

from bridge_site.leases import database_now
from bridge_site.models import PeerClock

Priority = Literal["order", "crawl"]

# A request is taken to have reached the peer when its answer came, or this long after
# it was begun: only then may the interval be counted without risk.
REACHED_AFTER = timedelta(seconds=1)
# How long an announced order call is waited for once the clock is free.
ORDER_PATIENCE = timedelta(seconds=2)
LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)


class ClockBusy(Exception):
    """No turn came within the time the caller would wait."""


class Limiter(Protocol):
    """Decides when a call may be made."""

    def turn(self, priority: Priority) -> contextmanager[None]:  # type: ignore[valid-type]
        """Wait for a turn, run the block, count the interval from its end."""


class TokenClock:
    """Keeps the calls made with one token at least `interval_s` apart.

    Order calls go before crawl calls: a waiting order call announces itself in the
    row, and crawl calls leave the next turn to it.
    """

    def __init__(
        self, *, name: str, interval_s: float, patience_s: float = 120
    ) -> None:
        self.name = name
        self.interval = timedelta(seconds=interval_s)
        self.patience_s = patience_s

    @contextmanager
    def turn(self, priority: Priority) -> Iterator[None]:
        """Wait for a turn, run the block, count the interval from its end.

        Raises `ClockBusy` when none came within `patience_s`.
        """
        if not self.interval:
            yield
            return
        mine = self._wait(priority)
        try:
            yield
        finally:
            self._settle(mine)

    def push_back(self, seconds: float) -> None:
        """Let nobody call for `seconds`: the peer asked us to slow down."""
        if self.interval:
            until = database_now() + timedelta(seconds=seconds)
            PeerClock.objects.filter(name=self.name, next_at__lt=until).update(
                next_at=until
            )

    def _wait(self, priority: Priority) -> datetime:
        give_up = time.monotonic() + self.patience_s
        PeerClock.objects.get_or_create(
            name=self.name,
            defaults={"next_at": LONG_AGO, "order_waits_until": LONG_AGO},
        )
        while True:
            now = database_now()
            next_at, order_waits = PeerClock.objects.values_list(
                "next_at", "order_waits_until"
            ).get(name=self.name)
            mine = self._claim(priority, now=now, seen=next_at)
            if mine is not None:
                return mine
            if time.monotonic() >= give_up:
                raise ClockBusy(self.name)
            if priority == "order" and order_waits < next_at + ORDER_PATIENCE:
                PeerClock.objects.filter(name=self.name, next_at=next_at).update(
                    order_waits_until=next_at + ORDER_PATIENCE
                )
            # A crawl call that lets an order pass looks again soon.
            time.sleep(max((next_at - now).total_seconds(), 0.02))

    def _claim(
        self, priority: Priority, *, now: datetime, seen: datetime
    ) -> datetime | None:
        if seen > now:
            return None
        mine = now + REACHED_AFTER + self.interval
        row = PeerClock.objects.filter(name=self.name, next_at=seen)
        if priority == "order":
            won = row.update(next_at=mine, order_waits_until=LONG_AGO)
        else:
            won = row.filter(order_waits_until__lte=now).update(next_at=mine)
        return mine if won else None

    def _settle(self, mine: datetime) -> None:
        earliest = min(mine, database_now() + self.interval)
        PeerClock.objects.filter(name=self.name, next_at=mine).update(next_at=earliest)


def clock_name(peer: str, token: str) -> str:
    """Name the clock of a token without revealing it."""
    return f"{peer}:{hashlib.sha256(token.encode()).hexdigest()[:12]}"
