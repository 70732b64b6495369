"""One clock per token, shared by every process and host through the database."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Literal

from django.db.models import QuerySet

from plumbing.leases import database_now
from plumbing.models import PeerClock, PeerSlot

Priority = Literal["order", "crawl"]

# A request is taken to have reached the peer when its answer came, or this long after
# it was begun: only then may the interval be counted without risk.
REACHED_AFTER = timedelta(seconds=1)
# How long an announced order call is waited for once the clock is free.
ORDER_PATIENCE = timedelta(seconds=2)
LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)

# A slot's row and the moment until which it is ours.
Slot = tuple[int, datetime]


class ClockBusy(Exception):
    """No turn came within the time the caller would wait."""


class CallSlots:
    """Keeps at most `count` calls under way at once, over all processes.

    A slot is taken until a moment and freed after the call; a killed caller's is free
    again `call_s` after it was taken.
    """

    def __init__(self, *, name: str, count: int, call_s: float) -> None:
        self.name, self.count = name, count
        self.call = timedelta(seconds=call_s)
        self._are_rows_there = False

    def is_any_free(self, now: datetime) -> bool:
        """Tell whether a call may begin; `take` has the last word."""
        return self._rows().filter(until__lte=now).exists()

    def take(self, now: datetime) -> Slot | None:
        """Take a slot and return its mark, or None when all are in use."""
        mine = now + self.call
        free = self._rows().filter(until__lte=now).order_by("pk")
        for pk, seen in free.values_list("pk", "until"):
            if PeerSlot.objects.filter(pk=pk, until=seen).update(until=mine):
                return pk, mine
        return None

    def free(self, taken: Slot) -> None:
        """Give the slot back, unless it ran out and is another's by now."""
        pk, mine = taken
        PeerSlot.objects.filter(pk=pk, until=mine).update(until=LONG_AGO)

    def _rows(self) -> QuerySet[PeerSlot]:
        if not self._are_rows_there:
            # A caller that finds them there need not write: reads never wait.
            known = PeerSlot.objects.filter(name=self.name, number__lt=self.count)
            if known.count() < self.count:
                PeerSlot.objects.bulk_create(
                    [
                        PeerSlot(name=self.name, number=number, until=LONG_AGO)
                        for number in range(self.count)
                    ],
                    ignore_conflicts=True,
                )
            self._are_rows_there = True
        return PeerSlot.objects.filter(name=self.name, number__lt=self.count)


class TokenClock:
    """Keeps the calls made with one token at least `interval_s` apart.

    Order calls go before crawl calls: a waiting order call announces itself in the
    row, and crawl calls leave the next turn to it. With `at_once`, no more calls than
    that are under way together, none of them for longer than `call_s`.
    """

    def __init__(
        self,
        *,
        name: str,
        interval_s: float,
        patience_s: float = 120,
        at_once: int = 0,
        call_s: float = 60,
    ) -> None:
        self.name = name
        self.interval = timedelta(seconds=interval_s)
        self.patience_s = patience_s
        self.slots = (
            CallSlots(name=name, count=at_once, call_s=call_s) if at_once else None
        )

    @contextmanager
    def turn(self, priority: Priority) -> Iterator[None]:
        """Wait for a turn, run the block, count the interval from its end.

        Raises `ClockBusy` when none came within `patience_s`.
        """
        if not self.interval:
            yield
            return
        mine, slot = self._wait(priority)
        try:
            yield
        finally:
            self._settle(mine)
            if self.slots and slot:
                self.slots.free(slot)

    def push_back(self, seconds: float) -> None:
        """Let nobody call for `seconds`: the peer asked us to slow down."""
        if self.interval:
            until = database_now() + timedelta(seconds=seconds)
            PeerClock.objects.filter(name=self.name, next_at__lt=until).update(
                next_at=until
            )

    def _wait(self, priority: Priority) -> tuple[datetime, Slot | None]:
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
            taken = self._claim_both(priority, now=now, seen=next_at)
            if taken is not None:
                return taken
            if time.monotonic() >= give_up:
                raise ClockBusy(self.name)
            # While all slots are in use the clock itself stands in the past.
            turn_at = max(next_at, now)
            if priority == "order" and order_waits < turn_at + ORDER_PATIENCE / 2:
                PeerClock.objects.filter(name=self.name, next_at=next_at).update(
                    order_waits_until=turn_at + ORDER_PATIENCE
                )
            # A crawl call that lets an order pass looks again soon.
            time.sleep(max((next_at - now).total_seconds(), 0.02))

    def _claim_both(
        self, priority: Priority, *, now: datetime, seen: datetime
    ) -> tuple[datetime, Slot | None] | None:
        """Claim the clock's turn and a slot, or neither."""
        if self.slots and not self.slots.is_any_free(now):
            return None
        mine = self._claim(priority, now=now, seen=seen)
        if mine is None or not self.slots:
            return None if mine is None else (mine, None)
        slot = self.slots.take(now)
        if slot is None:
            # Another caller was faster: its call counts, ours was not made.
            self._settle(mine)
            return None
        return mine, slot

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
