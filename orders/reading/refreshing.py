"""Reads open orders again until they end, and finds those that went past the poll."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max, Min
from django.utils.translation import gettext as _

from orders.kaspi.client import PEER_NAME, KaspiClient
from orders.kaspi.listing import SKEW, WINDOW, Batch, Moment, windows
from orders.kaspi.schema import KaspiOrder
from orders.models import Order, ReadMark
from orders.models.order import ABSENT_READINGS, OrderQuerySet
from orders.plan.events import record
from orders.reading.entries import EntryReader
from orders.reading.failures import tell_failure
from orders.reading.polling import Reader, ReadResult, running_from
from orders.reading.saving import Arrival, Saved, load_known, save_orders
from orders.reading.waybills import fetch_waybills
from plumbing.leases import database_now, under_lease
from plumbing.peers import (
    PeerAccessRefused,
    PeerProtocolError,
    PeerRefused,
    PeerUnavailable,
)

LEASE = "kaspi-refresh"
# Up to so many orders are asked for one by one rather than by leafing through lists.
FEW = 10
BY_CODE_AT_ONCE = 50
# Fetched in one run; the others follow in the next.
WAYBILLS_AT_ONCE = 60
# A buyer may return goods for 14 days, and Kaspi may tell of it a little later.
RETURNS_FOR = timedelta(days=16)
WATCH_RETURNS_EVERY = timedelta(hours=23)
# Readings closer together are one: Kaspi may be out of order for a minute.
ABSENT_APART = timedelta(minutes=4)
# Of those that a person was told of.
ASK_FOR_GONE_EVERY = timedelta(hours=6)


class OrderNotShown(PeerRefused):
    """Kaspi shows the order under neither its code nor its id."""


def refresh_orders(client: KaspiClient, *, now: datetime) -> ReadResult:
    """Read every open order again, and the finished ones that may come back.

    Raises `LeaseTaken` when a refresh is under way.
    """
    result, moment = ReadResult(), running_from(now)
    with under_lease(LEASE) as lease:
        reader = Reader(client, lease=lease, result=result, moment=moment)
        _Refresh(reader, now=now).run()
    return result


def refresh_order(order_id: int, client: KaspiClient) -> Order:
    """Read one order again; returns its row as it is then.

    Raises `PeerError`'s family, `OrderNotShown` when Kaspi does not know it,
    `PeerProtocolError` when what it says cannot be stored.
    """
    order = Order.objects.get(pk=order_id)
    read_at = database_now()
    seen = client.order_by_code(order.code)
    if seen is None:
        seen = _by_id(order, client, read_at=read_at)
    now = database_now()
    # Not ahead of a clock that was set back meanwhile.
    saved = _save_one(seen, EntryReader(client), read_at=min(read_at, now), now=now)
    if saved.failed:
        # Whoever asks decides by the row: an old one must not pass for a new one.
        raise PeerProtocolError(f"{PEER_NAME}, {': '.join(saved.failed[0])}")
    fetch_waybills(client, [seen], at_most=1, now=database_now())
    return Order.objects.get(pk=order_id)


def _by_id(order: Order, client: KaspiClient, *, read_at: datetime) -> KaspiOrder:
    try:
        return client.order(order.kaspi_id)
    except PeerAccessRefused:
        raise
    except PeerRefused as error:
        note_absent(order, read_at=read_at)
        raise OrderNotShown(str(error)) from None


def note_absent(order: Order, *, read_at: datetime) -> None:
    """Note that a reading did not show the order; told once, it is asked for again."""
    text = _("Kaspi does not show this order any more: look in its cabinet")
    known = Order.objects.filter(pk=order.pk, last_seen__lte=read_at)
    once_more = {"last_seen": read_at, "absent_readings": F("absent_readings") + 1}
    with transaction.atomic():
        first = known.filter(absent_readings=0)
        if first.update(**once_more, absent_since=read_at, problem=text):
            record(order, text, now=database_now())
        else:
            known.filter(last_seen__lte=read_at - ABSENT_APART).update(**once_more)


def fetch_awaited_waybills(client: KaspiClient, result: ReadResult) -> None:
    """Look for the waybills of packed orders, which come minutes after the packing."""
    packed = Order.objects.open().filter(
        state=Order.KASPI_DELIVERY,
        status=Order.ACCEPTED,
        is_assembled=True,
        handed_over_at=None,
        waybills=None,
    )
    shown = packed.exclude(absent_readings__gt=0)
    for order in shown.order_by("last_seen")[:FEW]:
        try:
            result.waybills += refresh_order(order.pk, client).waybills.count()
        except Exception as error:
            tell_failure(error, about=order.code)
            if _is_about_all(error):
                return


def _save_one(
    seen: KaspiOrder, entries: EntryReader, *, read_at: datetime, now: datetime
) -> Saved:
    known = load_known([seen])
    filled = entries.complete([seen], known=known)
    arrival = Arrival(
        read_at=read_at, now=now, first_read_at=ReadMark.objects.first_read_at()
    )
    return save_orders(filled, known, arrival)


def _is_about_all(error: Exception) -> bool:
    """Tell whether asking for the next order would fail in the same way."""
    return isinstance(error, PeerUnavailable | PeerAccessRefused)


@dataclass(slots=True)
class _Span:
    """A span of creation moments, with room for clocks that differ."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, orders: OrderQuerySet) -> _Span | None:
        """Find the span in which the orders were created; None without orders."""
        ends = orders.aggregate(first=Min("created_at"), last=Max("created_at"))
        if ends["first"] is None:
            return None
        return cls(ends["first"] - SKEW, ends["last"] + SKEW)

    def calls(self) -> int:
        """Count the windows that a list of this span takes."""
        return len(list(windows(self.since, self.until)))


class _Refresh:
    """One run."""

    def __init__(self, reader: Reader, *, now: datetime) -> None:
        self._reader, self._now = reader, now
        self._client, self._result = reader.client, reader.result
        self._moment: Moment = reader.moment
        self._recent = _Span(now + SKEW - WINDOW, now + SKEW)
        self._is_whole = True

    def run(self) -> None:
        """Read by lists what lists hold, the rest by code."""
        for state in Order.MOVING_STATES:
            self._read(state, self._recent, marked=True)
        for state in Order.WAITING_STATES:
            # The poll reads these; here only what it left there is looked for.
            recent = self._unseen().filter(created_at__gte=self._recent.since)
            if recent.filter(state=state).exists():
                self._read(state, self._recent)
        self._read_older()
        self._read_archive()
        self._read_by_code()
        self._watch_returns()

    def _unseen(self) -> OrderQuerySet:
        unseen = Order.objects.open().filter(last_seen__lt=self._now)
        # A person sees those by now; one that comes back is not waited for.
        lately = self._now - ASK_FOR_GONE_EVERY
        return unseen.exclude(
            absent_readings__gte=ABSENT_READINGS, last_seen__gt=lately
        )

    def _read(self, state: str, span: _Span, *, marked: bool = False) -> None:
        self._is_whole &= self._reader.read_section(
            state,
            since=span.since,
            until=span.until,
            now=self._now,
            is_marked=marked,
            on_batch=self._fetch_waybills,
        )

    def _read_older(self) -> None:
        """Leaf back for older orders where that takes fewer calls than by code."""
        older = self._unseen().filter(created_at__lt=self._recent.since)
        span = _Span.of(older)
        if span is None or older.count() <= max(
            FEW, span.calls() * len(Order.MOVING_STATES)
        ):
            return
        for state in Order.MOVING_STATES:
            self._read(state, span)

    def _read_archive(self) -> None:
        """Look for many orders that are in no open section where finished ones are."""
        unseen = self._unseen()
        span = _Span.of(unseen)
        if span is None or unseen.count() <= FEW or not self._is_whole:
            return
        self._read(Order.ARCHIVE, span)

    def _read_by_code(self) -> None:
        """Ask for what is left, the longest unseen first."""
        entries = EntryReader(self._client)
        for order in self._unseen().order_by("last_seen")[:BY_CODE_AT_ONCE]:
            try:
                self._read_one(order, entries)
            except Exception as error:
                reason = tell_failure(error, about=order.code)
                self._result.failures.append(f"{order.code}: {reason}")
                if _is_about_all(error):
                    return

    def _read_one(self, order: Order, entries: EntryReader) -> None:
        read_at = self._moment()
        seen = self._client.order_by_code(order.code)
        if seen is None:
            note_absent(order, read_at=read_at)
            return
        saved = _save_one(seen, entries, read_at=read_at, now=self._moment())
        self._result.saved.add(saved)
        self._result.failures += [f"{code}: {why}" for code, why in saved.failed]
        self._result.waybills += fetch_waybills(
            self._client, [seen], at_most=1, now=self._moment()
        )

    def _watch_returns(self) -> None:
        """Once a day, look whether a finished order came back."""
        due = self._now - WATCH_RETURNS_EVERY
        watched = ReadMark.objects.filter(state=Order.ARCHIVE, failed_at=None)
        if watched.filter(read_until__gt=due).exists():
            return
        since = self._now - RETURNS_FOR
        finished = Order.objects.filter(status=Order.COMPLETED, ended_at__gt=since)
        span = _Span.of(finished)
        if span is None:
            # There is nothing to watch, and that was looked at.
            ReadMark.objects.note_read(Order.ARCHIVE, now=self._now)
            return
        older = _Span(span.since, min(span.until, self._recent.since))
        if older.since < older.until:
            self._read(Order.KASPI_DELIVERY, older)
        self._read(Order.ARCHIVE, span, marked=True)

    def _fetch_waybills(self, batch: Batch) -> None:
        left = WAYBILLS_AT_ONCE - self._result.waybills
        self._result.waybills += fetch_waybills(
            self._client, batch.orders, at_most=left, now=self._moment()
        )
