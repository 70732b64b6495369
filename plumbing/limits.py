"""One clock per token, shared by every process and host through the database."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Literal

from django.db import DatabaseError
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Least

from plumbing.leases import database_now, steady_s
from plumbing.models import PeerClock, PeerSlot

log = logging.getLogger(__name__)

Priority = Literal["order", "crawl"]

# Where calls may overlap, a request is taken to have reached the peer this long after
# it was begun, or when its answer came.
REACHED_AFTER = timedelta(seconds=1)
# How long a waiting call that announced itself is let pass once the clock is free.
WAITING_PATIENCE = timedelta(seconds=2)
# After so many order calls one waiting crawl call goes first: a queue of orders must
# not keep the stock from being read.
ORDER_CALLS_IN_A_ROW = 10
# Moments further ahead than they were written for are from before the database's
# clock was set back.
CLOCK_SLACK = timedelta(seconds=5)
SHORTEST_NAP_S = 0.02
# Whoever waited so much longer than he would has not waited, but slept.
ASLEEP_S = 5.0
LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)

# The database's clock and this process's own count of seconds may drift by so much.
DRIFT_S = 2.0

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
        return self._free(now).exists()

    def take(self, now: datetime) -> Slot | None:
        """Take a slot and return its mark, or None when all are in use."""
        mine = now + self.call
        free = self._free(now).order_by("pk")
        for pk, seen in free.values_list("pk", "until"):
            if PeerSlot.objects.filter(pk=pk, until=seen).update(until=mine):
                return pk, mine
        return None

    def free(self, taken: Slot) -> None:
        """Give the slot back, unless it ran out and is another's by now."""
        pk, mine = taken
        PeerSlot.objects.filter(pk=pk, until=mine).update(until=LONG_AGO)

    def _free(self, now: datetime) -> QuerySet[PeerSlot]:
        # Nobody takes a slot for so long: the clock was set back.
        leftover = Q(until__gt=now + self.call + CLOCK_SLACK)
        return self._rows().filter(Q(until__lte=now) | leftover)

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


class _Passing:
    """Notices that more time passed by the database's clock than did: it was set."""

    def __init__(self) -> None:
        self._last: tuple[datetime, float] | None = None
        self._lock = threading.Lock()

    def has_jumped_ahead(self, now: datetime) -> bool:
        """Tell whether it was set ahead since it was looked at last."""
        with self._lock:
            last, self._last = self._last, (now, time.monotonic())
        if last is None:
            return False
        passed_s = self._last[1] - last[1]
        return (now - last[0]).total_seconds() > passed_s + DRIFT_S


class TokenClock:
    """Keeps the calls made with one token at least `interval_s` apart.

    The interval counts from the answer; while a call is under way nobody else begins,
    for its request may reach the peer late: a slow handshake, a packet sent again. The
    claim of a caller that was killed ends `call_s`, the longest a call can take, and
    the interval after it was begun.

    Order calls go before crawl calls, but for one after `ORDER_CALLS_IN_A_ROW`: whoever
    waits announces itself in the row, and the others leave the next turn to it.

    With `at_once`, for a peer without a documented limit, calls may overlap: no more
    than that are under way together.
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
        self.longest_call = REACHED_AFTER if at_once else timedelta(seconds=call_s)
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
            try:
                self._settle(mine)
                if self.slots and slot:
                    self.slots.free(slot)
            except DatabaseError:
                # The answer of a write must not be lost for it: the claim ends by
                # itself.
                log.exception("%s: the turn could not be given back", self.name)

    def push_back(self, seconds: float) -> None:
        """Let nobody call for `seconds`: the peer asked us to slow down."""
        if self.interval:
            until = database_now() + timedelta(seconds=seconds)
            self._row().filter(closed_until__lt=until).update(closed_until=until)

    def _row(self) -> QuerySet[PeerClock]:
        return PeerClock.objects.filter(name=self.name)

    def _wait(self, priority: Priority) -> tuple[datetime, Slot | None]:
        give_up, began_s = time.monotonic() + self.patience_s, steady_s()
        PeerClock.objects.get_or_create(
            name=self.name,
            defaults=dict.fromkeys(PeerClock.MOMENTS, LONG_AGO),
        )
        while True:
            if steady_s() - began_s > self.patience_s + ASLEEP_S:
                # This process was suspended, or its computer: what it was about to
                # send may be another host's to do by now.
                raise ClockBusy(self.name)
            row = self._row().get()
            # Asked after the row was read: only time that goes back puts the moment
            # when the row was written into the future.
            now = database_now()
            if row.written_at > now + CLOCK_SLACK:
                self._bring_back(row, now=now)
                continue
            if PASSING.has_jumped_ahead(now):
                self._let_end(row)
                continue
            taken = self._claim_both(priority, now=now, seen=row)
            if taken is not None:
                return taken
            if time.monotonic() >= give_up:
                raise ClockBusy(self.name)
            # While all slots are in use the clock itself stands in the past. A call
            # under way ends its turn when it is answered, an interval before the next
            # turn at the latest: whoever looks that often misses none.
            free_at = max(row.next_at, row.closed_until)
            turn_at = min(max(free_at, now), now + self.interval)
            self._announce(priority, row, turn_at=turn_at)
            # A call that lets another one pass looks again soon.
            nap_s = max((turn_at - now).total_seconds(), SHORTEST_NAP_S)
            time.sleep(min(nap_s, max(give_up - time.monotonic(), SHORTEST_NAP_S)))

    def _let_end(self, seen: PeerClock) -> None:
        """Wait for the call that was under way when the clock was set ahead.

        By the new time it looks as if it were long over, and so does the interval after
        one that was just answered.
        """
        until = steady_s() + self.longest_call.total_seconds()
        is_under_way = seen.next_at - seen.written_at > self.interval
        while is_under_way and steady_s() < until:
            time.sleep(max(self.interval.total_seconds() / 10, SHORTEST_NAP_S))
            is_under_way = self._row().filter(next_at=seen.next_at).exists()
        time.sleep(self.interval.total_seconds())

    def _announce(
        self, priority: Priority, row: PeerClock, *, turn_at: datetime
    ) -> None:
        field = "order_waits_until" if priority == "order" else "crawl_waits_until"
        if getattr(row, field) < turn_at + WAITING_PATIENCE / 2:
            as_read = self._row().filter(next_at=row.next_at)
            as_read.update(**{field: turn_at + WAITING_PATIENCE})

    def _bring_back(self, row: PeerClock, *, now: datetime) -> None:
        """Move the row's moments by as much as the database's clock was set back."""
        by = row.written_at - now
        log.warning("%s: the database's clock was set back by %s", self.name, by)
        self._row().filter(written_at=row.written_at).update(
            next_at=row.next_at - by,
            closed_until=row.closed_until - by,
            order_waits_until=LONG_AGO,
            crawl_waits_until=LONG_AGO,
            written_at=now,
        )

    def _claim_both(
        self, priority: Priority, *, now: datetime, seen: PeerClock
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
        self, priority: Priority, *, now: datetime, seen: PeerClock
    ) -> datetime | None:
        if max(seen.next_at, seen.closed_until) > now:
            return None
        mine = now + self.longest_call + self.interval
        row = self._row().filter(next_at=seen.next_at)
        if priority == "order":
            won = row.filter(
                Q(order_calls__lt=ORDER_CALLS_IN_A_ROW) | Q(crawl_waits_until__lte=now)
            ).update(
                next_at=mine,
                written_at=now,
                order_waits_until=LONG_AGO,
                order_calls=Least(F("order_calls") + 1, ORDER_CALLS_IN_A_ROW),
            )
        else:
            won = row.filter(
                Q(order_calls__gte=ORDER_CALLS_IN_A_ROW) | Q(order_waits_until__lte=now)
            ).update(
                next_at=mine, written_at=now, crawl_waits_until=LONG_AGO, order_calls=0
            )
        return mine if won else None

    def _settle(self, mine: datetime) -> None:
        now = database_now()
        next_at = now + self.interval
        if self.slots:
            next_at = min(mine, next_at)
        self._row().filter(next_at=mine).update(next_at=next_at, written_at=now)


# Of this process, whichever token it calls with.
PASSING = _Passing()


def clock_name(peer: str, token: str) -> str:
    """Name the clock of a token without revealing it."""
    return f"{peer}:{hashlib.sha256(token.encode()).hexdigest()[:12]}"
