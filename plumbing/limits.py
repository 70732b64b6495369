"""One clock per token, shared by every process and host through the database."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from django.db import DatabaseError
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Least

from plumbing.clock_set import CLOCK_SLACK, Now, counted_by, look, set_since_written
from plumbing.leases import steady_s
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
SHORTEST_NAP_S = 0.02
# Whoever waited so much longer than he would has not waited, but slept.
ASLEEP_S = 5.0
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
        turn, slot = self._wait(priority)
        try:
            yield
        finally:
            try:
                self._settle(turn)
                if self.slots and slot:
                    self.slots.free(slot)
            except (DatabaseError, PeerClock.DoesNotExist):
                # The answer of a write must not be lost for it: the claim ends by
                # itself.
                log.exception("%s: the turn could not be given back", self.name)

    def push_back(self, seconds: float) -> None:
        """Let nobody call for `seconds`: the peer asked us to slow down."""
        if self.interval:
            self._add_row()
            _row, now = self._look()
            until = now.at + timedelta(seconds=seconds)
            self._row().filter(closed_until__lt=until).update(closed_until=until)

    def _row(self) -> QuerySet[PeerClock]:
        return PeerClock.objects.filter(name=self.name)

    def _add_row(self) -> None:
        PeerClock.objects.get_or_create(
            name=self.name,
            defaults=dict.fromkeys(PeerClock.MOMENTS, LONG_AGO),
        )

    def _wait(self, priority: Priority) -> tuple[int, Slot | None]:
        give_up, began_s = time.monotonic() + self.patience_s, steady_s()
        self._add_row()
        while True:
            if steady_s() - began_s > self.patience_s + ASLEEP_S:
                # This process was suspended, or its computer: what it was about to
                # send may be another host's to do by now.
                raise ClockBusy(self.name)
            row, now = self._look()
            taken = self._claim_both(priority, now=now, seen=row)
            if taken is not None:
                return taken
            if time.monotonic() >= give_up:
                raise ClockBusy(self.name)
            # While all slots are in use the clock itself stands in the past. A call
            # under way ends its turn when it is answered, an interval before the next
            # turn at the latest: whoever looks that often misses none.
            free_at = max(row.next_at, row.closed_until)
            turn_at = min(max(free_at, now.at), now.at + self.interval)
            self._announce(priority, row, turn_at=turn_at)
            # A call that lets another one pass looks again soon.
            nap_s = max((turn_at - now.at).total_seconds(), SHORTEST_NAP_S)
            time.sleep(min(nap_s, max(give_up - time.monotonic(), SHORTEST_NAP_S)))

    def _announce(
        self, priority: Priority, row: PeerClock, *, turn_at: datetime
    ) -> None:
        field = "order_waits_until" if priority == "order" else "crawl_waits_until"
        if getattr(row, field) < turn_at + WAITING_PATIENCE / 2:
            as_read = self._row().filter(next_at=row.next_at)
            as_read.update(**{field: turn_at + WAITING_PATIENCE})

    def _look(self) -> tuple[PeerClock, Now]:
        """Read the row and the clocks; what was written before one was set is moved."""
        while True:
            row = self._row().get()
            now = look()
            by = set_since_written(row, now)
            if not by:
                return row, now
            self._move(row, by, now=now)

    def _move(self, row: PeerClock, by: timedelta, *, now: Now) -> None:
        """Move the row's moments by as much as the database's clock was set."""
        log.warning("%s: the database's clock was set by %s", self.name, by)
        # No call under way lasts longer, whatever the clocks say.
        at_most = now.at + self.longest_call + self.interval
        self._row().filter(written_at=row.written_at).update(
            next_at=min(row.next_at + by, at_most),
            closed_until=row.closed_until + by,
            order_waits_until=LONG_AGO,
            crawl_waits_until=LONG_AGO,
            **_written(now),
        )

    def _claim_both(
        self, priority: Priority, *, now: Now, seen: PeerClock
    ) -> tuple[int, Slot | None] | None:
        """Claim the clock's turn and a slot, or neither."""
        if self.slots and not self.slots.is_any_free(now.at):
            return None
        turn = self._claim(priority, now=now, seen=seen)
        if turn is None or not self.slots:
            return None if turn is None else (turn, None)
        slot = self.slots.take(now.at)
        if slot is None:
            # Another caller was faster: its call counts, ours was not made.
            self._settle(turn)
            return None
        return turn, slot

    def _claim(self, priority: Priority, *, now: Now, seen: PeerClock) -> int | None:
        if max(seen.next_at, seen.closed_until) > now.at:
            return None
        turn = seen.turn + 1
        claim = {
            "turn": turn,
            "next_at": now.at + self.longest_call + self.interval,
            **_written(now),
        }
        row = self._row().filter(next_at=seen.next_at)
        if priority == "order":
            goes_first = Q(order_calls__lt=ORDER_CALLS_IN_A_ROW)
            won = row.filter(goes_first | Q(crawl_waits_until__lte=now.at)).update(
                order_waits_until=LONG_AGO,
                order_calls=Least(F("order_calls") + 1, ORDER_CALLS_IN_A_ROW),
                **claim,
            )
        else:
            goes_first = Q(order_calls__gte=ORDER_CALLS_IN_A_ROW)
            won = row.filter(goes_first | Q(order_waits_until__lte=now.at)).update(
                crawl_waits_until=LONG_AGO, order_calls=0, **claim
            )
        return turn if won else None

    def _settle(self, turn: int) -> None:
        row, now = self._look()
        next_at = now.at + self.interval
        if self.slots:
            next_at = min(row.next_at, next_at)
        self._row().filter(turn=turn).update(next_at=next_at, **_written(now))


def _written(now: Now) -> dict[str, Any]:
    """Return what is noted with each moment: when, by both clocks."""
    return {
        "written_at": now.at,
        "ahead_s": now.ahead_s,
        "counted_by": counted_by(),
    }


def clock_name(peer: str, token: str) -> str:
    """Name the clock of a token without revealing it."""
    return f"{peer}:{hashlib.sha256(token.encode()).hexdigest()[:12]}"
