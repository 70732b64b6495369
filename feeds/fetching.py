"""Who fetches the price list: Kaspi, as far as that can be known, and all others."""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from feeds.models import TEST_AGENT, FeedBuild, FeedFetch
from plumbing.leases import database_now

# Of visitors, in an hour; what comes beyond is counted together.
MOST_ADDRESSES = 50
# Of a minute or two.
MOST_KEPT = 500
OTHERS = "…"
TEST_ADDRESS = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One fetch as it was answered. `has_login`: the list's own was given."""

    address: str
    user_agent: str
    has_login: bool
    status_code: int
    bytes_sent: int


def can_tell_kaspi() -> bool:
    """Tell whether anything proves that a fetch is Kaspi's.

    Whatever a program calls itself proves nothing.
    """
    return bool(settings.FEED_USER or settings.FEED_KASPI_NETWORKS)


def is_kaspis(visit: Visit) -> bool:
    if visit.user_agent == TEST_AGENT:
        # Our own test, with Kaspi's login.
        return False
    if visit.has_login:
        return True
    try:
        address = ipaddress.ip_address(visit.address)
    except ValueError:
        return False
    return any(address in network for network in settings.FEED_KASPI_NETWORKS)


class _Kept:
    """Visits of a time in which the database is left alone; None: it is not."""

    visits: deque[tuple[Visit, datetime]] | None = None


def keep_visits() -> None:
    """Keep this process's visits in memory from now on, until `note_kept_visits`."""
    _Kept.visits = deque(maxlen=MOST_KEPT)


def note_kept_visits() -> None:
    """Note what was kept, each at its time; raises `DatabaseError`."""
    kept, _Kept.visits = _Kept.visits or (), None
    for visit, moment in kept:
        note_visit(visit, now=moment)


def note_now(visit: Visit) -> None:
    """Note a fetch that has just ended."""
    if _Kept.visits is not None:
        _Kept.visits.append((visit, timezone.now()))
    else:
        note_visit(visit, now=database_now())


def note_visit(visit: Visit, *, now: datetime) -> None:
    """Note a fetch: each of Kaspi's in a row, others summed by address and hour.

    Anybody may ask: the journal does not grow with what strangers do.
    """
    seen = {
        "fetched_at": now,
        "status_code": visit.status_code,
        "user_agent": visit.user_agent[:200],
        "build": FeedBuild.objects.live().first(),
    }
    if is_kaspis(visit):
        FeedFetch.objects.create(
            is_kaspi=True, address=visit.address, bytes_sent=visit.bytes_sent, **seen
        )
        return
    # Our own test is told from what else comes from the same computer.
    address = TEST_ADDRESS if visit.user_agent == TEST_AGENT else visit.address
    hour = now.replace(minute=0, second=0, microsecond=0)
    lately = FeedFetch.objects.filter(is_kaspi=False, fetched_at__gte=hour)
    more = {"times": F("times") + 1, "bytes_sent": F("bytes_sent") + visit.bytes_sent}
    if lately.filter(address=address).update(**seen, **more):
        return
    if lately.count() >= MOST_ADDRESSES:
        address = OTHERS
        if lately.filter(address=address).update(**seen, **more):
            return
    FeedFetch.objects.create(address=address, bytes_sent=visit.bytes_sent, **seen)
