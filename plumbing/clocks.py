"""How far other clocks are from the database's: the hosts' and the peers'.

One clock decides for all hosts, the database's. A host whose own differs still shows
wrong times where nobody asks the database; and when the peers' clocks differ from it,
it is the database's that is wrong.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from plumbing.leases import database_now
from plumbing.models import ClockApart, TimeJump

log = logging.getLogger(__name__)

# Clocks this near are as good as one; a peer's answer takes its time to come.
HOST_APART_S = 30
PEER_APART_S = 180
# A row is written anew when it says something else, or is so old.
WRITTEN_AGAIN = timedelta(minutes=10)
# Beyond this nothing may be deleted for its age.
WORTH_DOUBT = timedelta(hours=1)


def note_host() -> float:
    """Compare this host's clock with the database's; return how far it is ahead."""
    before = timezone.now()
    now = database_now()
    after = timezone.now()
    # The question itself may have taken long.
    apart_s = (before + (after - before) / 2 - now).total_seconds()
    uncertain_s = (after - before).total_seconds()
    if uncertain_s < HOST_APART_S:
        _keep(f"{ClockApart.HOST}{settings.HOST_NAME}", apart_s, now=now)
    return apart_s


class PeerTimes:
    """What the peers' answers said of the time, until it is compared and written."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[datetime, datetime]] = {}
        self._lock = threading.Lock()

    def note(self, peer: str, header: str) -> None:
        """Keep the `Date` of an answer that has just come."""
        try:
            there = parsedate_to_datetime(header)
        except (TypeError, ValueError):
            return
        if there.tzinfo is None:
            return
        with self._lock:
            self._told[peer] = (there, timezone.now())

    def add(self) -> None:
        """Compare what was told with the database's clock."""
        with self._lock:
            told, self._told = self._told, {}
        if not told:
            return
        try:
            now = database_now()
            here_s = (timezone.now() - now).total_seconds()
            for peer, (there, here) in sorted(told.items()):
                _keep(peer, (there - here).total_seconds() + here_s, now=now)
        except DatabaseError as error:
            # The next answer tells as well.
            log.warning("the peers' clocks could not be compared: %s", error)


def _keep(name: str, apart_s: float, *, now: datetime) -> None:
    """Write down what differs; a clock that is right again leaves no row."""
    is_host = name.startswith(ClockApart.HOST)
    limit = HOST_APART_S if is_host else PEER_APART_S
    rows = ClockApart.objects.filter(name=name[:80])
    if abs(apart_s) < limit:
        if rows.exists():
            rows.delete()
        return
    known = rows.first()
    seconds = round(apart_s)
    is_same = known is not None and abs(known.seconds - seconds) < limit
    if is_same and known and abs(now - known.seen_at) < WRITTEN_AGAIN:
        return
    log.error("the clock of %s is %+d s off the database's", name, seconds)
    ClockApart.objects.update_or_create(
        name=name[:80], defaults={"seconds": seconds, "seen_at": now}
    )


def doubt_of_time(*, now: datetime) -> str:
    """Say why nothing is to be deleted by the database's clock; empty = it may be."""
    far = Q(seconds__gt=WORTH_DOUBT.total_seconds())
    far |= Q(seconds__lt=-WORTH_DOUBT.total_seconds())
    lately = TimeJump.objects.filter(noticed_at__gt=now - TimeJump.TOLD_FOR)
    if jump := lately.filter(far).order_by("-pk").first():
        return _("the clock was set lately: %(jump)s") % {"jump": jump}
    peers = ClockApart.objects.exclude(name__startswith=ClockApart.HOST)
    apart = peers.filter(far, seen_at__gt=now - ClockApart.KEPT_FOR).first()
    if apart is not None:
        text = _("the clock differs from that of %(name)s by %(seconds)d s")
        return text % {"name": apart.name, "seconds": abs(apart.seconds)}
    return ""


def when_time_is_sure(delete: Callable[[], str]) -> Callable[[], str]:
    """Let a task that deletes by age wait while the clock is in doubt.

    A clock set ahead by a year would take a year of history with it.
    """

    @functools.wraps(delete)
    def run() -> str:
        doubt = doubt_of_time(now=database_now())
        if doubt:
            log.error("nothing is deleted: %s", doubt)
            return _("nothing is deleted: %(doubt)s") % {"doubt": doubt}
        return delete()

    return run


# Of this process, whichever connections it opens.
PEER_TIMES = PeerTimes()
