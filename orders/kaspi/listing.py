"""Reads lists of orders to their end, though pages shift while they are read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from orders.kaspi.client import LONGEST_WINDOW, PEER_NAME, KaspiClient
from orders.kaspi.schema import BadRow, KaspiOrder
from orders.kaspi.words import said
from plumbing.peers import PeerProtocolError

log = logging.getLogger(__name__)

# Kaspi's clock, or ours, may be an hour off; more than that its answers show.
SKEW = timedelta(hours=1, minutes=5)
# The longest window itself might be refused over a rounded millisecond.
WINDOW = LONGEST_WINDOW - timedelta(minutes=1)
# Whatever Kaspi says of the time, no more windows are read than these.
MOST_FURTHER = 4
PASSES = 2
# A server that ignores page numbers would be read for ever.
MOST_PAGES = 500

Moment = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one page brought that was not seen before; `read_at`: asked then."""

    orders: list[KaspiOrder]
    bad_rows: tuple[BadRow, ...]
    read_at: datetime


@dataclass(slots=True)
class _Pass:
    """One reading of a window from its first page to its last."""

    ids: set[str] = field(default_factory=set)
    totals: list[int] = field(default_factory=list)
    bad: int = 0
    has_repeats: bool = False

    def is_steady(self) -> bool:
        """Tell whether nothing moved between the pages."""
        return (
            not self.has_repeats and len(set(self.totals)) <= 1 and not self.missing()
        )

    def missing(self, also: set[str] | None = None) -> int:
        """Count the orders that Kaspi announced last and that did not come."""
        total = self.totals[-1] if self.totals else 0
        return max(total - len(self.ids | (also or set())) - self.bad, 0)


def windows(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Split a span into windows that Kaspi accepts, the oldest first."""
    while since < until:
        end = min(since + WINDOW, until)
        yield since, end
        since = end


def read_list(
    client: KaspiClient,
    state: str,
    *,
    since: datetime,
    until: datetime,
    moment: Moment,
) -> Iterator[Batch]:
    """Read all orders of a state that were created in a span, each once.

    A span up to now ends by Kaspi's clock: orders are dated by it, and with ours a day
    behind they would all lie in the future, unseen until it is right.
    Raises `PeerError`'s family; `PeerProtocolError` at the end when fewer orders came
    than Kaspi announces, also after reading again.
    """
    is_up_to_now = until >= moment()
    for ge, le in windows(since, until):
        yield from _read_window(client, state, ge=ge, le=le, moment=moment)
    there = client.peer.time_there
    if is_up_to_now and there is not None and there > until:
        end = there + SKEW
        for ge, le in windows(max(until, end - MOST_FURTHER * WINDOW), end):
            yield from _read_window(client, state, ge=ge, le=le, moment=moment)


def _read_window(
    client: KaspiClient, state: str, *, ge: datetime, le: datetime, moment: Moment
) -> Iterator[Batch]:
    seen: set[str] = set()
    for _number in range(PASSES):
        reading = _Pass()
        for batch in _read_pages(
            client, state, ge=ge, le=le, moment=moment, to=reading
        ):
            fresh = [order for order in batch.orders if order.id not in seen]
            seen.update(order.id for order in fresh)
            yield Batch(
                orders=[order for order in fresh if _is_inside(order, ge, le)],
                bad_rows=batch.bad_rows,
                read_at=batch.read_at,
            )
        if reading.is_steady():
            return
    missing = reading.missing(also=seen)
    if missing:
        message = _("%(count)d orders of “%(state)s” were announced and did not come")
        text = message % {"count": missing, "state": said(state)}
        raise PeerProtocolError(f"{PEER_NAME}, orders: {text}")


def _read_pages(
    client: KaspiClient,
    state: str,
    *,
    ge: datetime,
    le: datetime,
    moment: Moment,
    to: _Pass,
) -> Iterator[Batch]:
    for number in range(MOST_PAGES):
        read_at = moment()
        page = client.orders_page(state, ge=ge, le=le, page=number)
        ids = {order.id for order in page.orders}
        to.has_repeats |= bool(ids & to.ids) or len(ids) < len(page.orders)
        is_new = not ids <= to.ids
        to.ids |= ids
        to.bad += len(page.bad_rows)
        if page.total_count is not None:
            to.totals.append(page.total_count)
        yield Batch(
            orders=list({order.id: order for order in page.orders}.values()),
            bad_rows=page.bad_rows,
            read_at=read_at,
        )
        is_last = page.page_count is not None and number + 1 >= page.page_count
        if is_last or not page.row_count or (page.page_count is None and not is_new):
            return
    raise PeerProtocolError(f"{PEER_NAME}, orders: {_('pages without end')}")


def _is_inside(order: KaspiOrder, ge: datetime, le: datetime) -> bool:
    """Drop what a list holds though it was not asked for."""
    created = order.created_at
    return created is None or ge - SKEW <= created <= le + SKEW
