"""Takes in new orders: every order that waits at Kaspi, readable or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from orders.kaspi.client import KaspiClient
from orders.kaspi.listing import SKEW, WINDOW, Batch, Moment, read_list
from orders.kaspi.schema import KaspiOrder
from orders.models import Order, ReadMark
from orders.reading.entries import EntryReader
from orders.reading.failures import tell_failure
from orders.reading.saving import Arrival, Saved, load_known, save_orders
from plumbing.leases import LeaseHandle, LeaseLost, database_now, under_lease
from plumbing.models import Failure
from plumbing.peers import failure_of

LEASE = "kaspi-poll"
# The marks of two readings overlap, whatever the clocks do between them.
OVERLAP = timedelta(hours=2)
BAD_ROWS_TOLD = 5


class ReadingFailed(Exception):
    """Not every section could be read; carries the run's one line."""


@dataclass(slots=True, kw_only=True)
class ReadResult:
    """What a reading brought. `failures`: what could not be read, and why."""

    saved: Saved = field(default_factory=Saved)
    pages: int = 0
    bad_rows: int = 0
    waybills: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """Say it in one line."""
        saved = self.saved
        figures = {
            "new": len(saved.new),
            "changed": len(saved.changed),
            "unchanged": saved.unchanged,
            "problems": sum(1 for order in saved.new if order.problem),
            "bad": self.bad_rows,
            "waybills": self.waybills,
        }
        parts = [
            _("%(new)d new"),
            _("%(changed)d changed"),
            _("%(unchanged)d unchanged"),
        ]
        for name, words in (
            ("problems", _("%(problems)d need a person")),
            ("bad", _("%(bad)d rows unreadable")),
            ("waybills", _("%(waybills)d waybills fetched")),
        ):
            parts += [words] if figures[name] else []
        return "; ".join([", ".join(parts) % figures, *self.failures])

    def check(self) -> str:
        """Return the summary, or raise `ReadingFailed` with it."""
        if self.failures:
            raise ReadingFailed(self.summary)
        return self.summary


def poll_orders(client: KaspiClient, *, now: datetime) -> ReadResult:
    """Read the sections in which orders wait and store what is there.

    A section that fails does not keep the other from being read; its mark tells why.
    Raises `LeaseTaken` when a reading is under way.
    """
    result, moment = ReadResult(), running_from(now)
    with under_lease(LEASE) as lease:
        reader = Reader(client, lease=lease, result=result, moment=moment)
        for state in Order.WAITING_STATES:
            mark = ReadMark.objects.filter(state=state).first()
            since, until = window_of(mark, now=now)
            reader.read_section(state, since=since, until=until, now=now)
    return result


class Reader:
    """Reads lists and stores their pages one by one."""

    def __init__(
        self,
        client: KaspiClient,
        *,
        lease: LeaseHandle,
        result: ReadResult,
        moment: Moment,
    ) -> None:
        self.client, self.result, self.moment = client, result, moment
        self._lease = lease
        self._entries = EntryReader(client)
        self.first_read_at = ReadMark.objects.first_read_at()

    def read(
        self,
        state: str,
        *,
        since: datetime,
        until: datetime,
        on_batch: Callable[[Batch], None] | None = None,
    ) -> str:
        """Read and store a list; returns what a person should know of it.

        May raise anything; what was read before that is stored.
        """
        troubles: list[str] = []
        for batch in read_list(
            self.client, state, since=since, until=until, moment=self.moment
        ):
            self.result.pages += 1
            troubles += [
                f"{row.key or '—'}: {row.reason}"
                for row in batch.bad_rows
                if f"{row.key or '—'}: {row.reason}" not in troubles
            ]
            failed = self.absorb(batch)
            troubles += [f"{code}: {reason}" for code, reason in failed]
            if on_batch is not None:
                on_batch(batch)
        self.result.bad_rows += len(troubles)
        return "; ".join(troubles[:BAD_ROWS_TOLD])

    def read_section(
        self,
        state: str,
        *,
        since: datetime,
        until: datetime,
        now: datetime,
        is_marked: bool = True,
        on_batch: Callable[[Batch], None] | None = None,
    ) -> bool:
        """Read a section; False when its list did not come to its end.

        Whatever goes wrong is told by the result and the section's mark, and stops
        no other section. Raises `LeaseLost`: another process reads them now.
        """
        failed = self.result.saved.failed
        before, is_whole, trouble = len(failed), True, ""
        failure = Failure.OTHER
        try:
            trouble = self.read(state, since=since, until=until, on_batch=on_batch)
        except LeaseLost:
            raise
        except Exception as error:
            is_whole, trouble = False, tell_failure(error, about=state)
            failure = failure_of(error)
        # An order not saved is one not read: the mark stays where it was.
        is_failure = not is_whole or len(failed) > before
        # Not ahead of a clock that was set back meanwhile.
        now = min(now, self.moment())
        if is_failure:
            self.result.failures.append(f"{state}: {trouble}")
        if is_marked and is_failure:
            ReadMark.objects.note_failure(
                state, now=now, error=trouble, failure=failure
            )
        elif is_marked:
            ReadMark.objects.note_read(state, now=now, trouble=trouble)
        return is_whole

    def absorb(self, batch: Batch) -> list[tuple[str, str]]:
        """Store one page; returns the orders that could not be stored."""
        known = load_known(batch.orders)
        wanted = [o for o in batch.orders if o.code in known or self._is_ours(o)]
        seen = self._entries.complete(wanted, known=known)
        self._lease.confirm()
        arrival = Arrival(
            read_at=batch.read_at,
            now=self.moment(),
            first_read_at=self.first_read_at,
        )
        saved = save_orders(seen, known, arrival)
        self.result.saved.add(saved)
        return saved.failed

    def _is_ours(self, seen: KaspiOrder) -> bool:
        """Leave out what was finished before the bridge began to read."""
        if not Order(state=seen.state, status=seen.status).has_ended:
            return True
        first, created = self.first_read_at, seen.created_at
        return first is not None and created is not None and created >= first


def running_from(now: datetime) -> Moment:
    """Make a clock that shows `now` and runs on, and back with the database's.

    That one may be set back meanwhile: what is written as seen tomorrow would hide
    whatever Kaspi says until then.
    """
    begun, begun_s = database_now(), time.monotonic()

    def moment() -> datetime:
        passed = timedelta(seconds=time.monotonic() - begun_s)
        return now + min(passed, database_now() - begun)

    return moment


def window_of(mark: ReadMark | None, *, now: datetime) -> tuple[datetime, datetime]:
    """Say in which span of creation an order may be that waits now.

    The filter is by creation, and an order may wait to be signed for days before it
    is new: never less than the longest window, more after an outage.
    """
    until = now + SKEW
    since = until - WINDOW
    if mark is not None and mark.was_ever_read:
        since = min(since, mark.read_until - OVERLAP)
    return since, until
