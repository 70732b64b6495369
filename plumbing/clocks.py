"""How far other clocks are from the database's: the hosts' and the peers'.

One clock decides for all hosts, the database's. A host whose own differs still shows
wrong times until it has compared the two; and when the peers' clocks differ from it,
it is the database's that is wrong.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from plumbing.leases import database_now, steady_s
from plumbing.models import CallCount, ClockApart, TimeJump

log = logging.getLogger(__name__)

# Clocks this near are as good as one; a peer's answer takes its time to come.
HOST_APART_S = 30
PEER_APART_S = 180
# A row is written anew when it says something else, or is so old.
WRITTEN_AGAIN = timedelta(minutes=10)
# Beyond this nothing may be deleted for its age.
WORTH_DOUBT = timedelta(hours=1)
ANSWERED_WITHIN = timedelta(days=1)
CONFIRMED_WITHIN = timedelta(minutes=15)


class _Host:
    """How far this host's clock was ahead of the database's when last compared."""

    ahead = timedelta(0)


def now_to_show() -> datetime:
    """Give the database's time as far as this process knows it, without a question.

    For pages: every part of a host compares the clocks each other minute. What is
    written down, or decided, asks `database_now`.
    """
    return timezone.now() - _Host.ahead


def note_host() -> float:
    """Compare this host's clock with the database's; return how far it is ahead."""
    before = timezone.now()
    now = database_now()
    after = timezone.now()
    # The question itself may have taken long.
    apart_s = (before + (after - before) / 2 - now).total_seconds()
    uncertain_s = (after - before).total_seconds()
    if uncertain_s < HOST_APART_S:
        is_apart = abs(apart_s) >= HOST_APART_S
        _Host.ahead = timedelta(seconds=apart_s if is_apart else 0)
        _keep(f"{ClockApart.HOST}{settings.HOST_NAME}", apart_s, now=now)
    return apart_s


def read_date(header: str) -> datetime | None:
    """Read the moment that an answer's `Date` tells; None when it tells none."""
    try:
        there = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    return None if there.tzinfo is None else there


class PeerTimes:
    """What the peers' answers said of the time, until it is compared and written."""

    def __init__(self) -> None:
        # And when, by the clock that nobody sets: this host's may be set meanwhile.
        self._told: dict[str, tuple[datetime, float]] = {}
        self._lock = threading.Lock()

    def note(self, peer: str, header: str) -> None:
        """Keep the `Date` of an answer that has just come."""
        there = read_date(header)
        if there is None:
            return
        with self._lock:
            self._told[peer] = (there, steady_s())

    def add(self) -> None:
        """Compare what was told with the database's clock."""
        with self._lock:
            told, self._told = self._told, {}
        if not told:
            return
        try:
            now = database_now()
            now_s = steady_s()
            for peer, (there, told_s) in sorted(told.items()):
                there_now = there + timedelta(seconds=now_s - told_s)
                _keep(peer, (there_now - now).total_seconds(), now=now)
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


def time_at(peer: str, *, now: datetime) -> datetime:
    """Return what a peer's clock shows when the database's shows `now`."""
    return told_time(ClockApart.objects.filter(name=peer), now=now)


def told_time(clocks: Iterable[ClockApart], *, now: datetime) -> datetime:
    """Return `now` as the first of these clocks shows it, if it told it lately."""
    for apart in clocks:
        if abs(now - apart.seen_at) <= ClockApart.KEPT_FOR:
            return now + timedelta(seconds=apart.seconds)
    return now


def doubt_of_time(*, now: datetime) -> str:
    """Say why nothing is to be deleted by the database's clock; empty = it may be."""
    far = Q(seconds__gt=WORTH_DOUBT.total_seconds())
    far |= Q(seconds__lt=-WORTH_DOUBT.total_seconds())
    lately = TimeJump.objects.filter(noticed_at__gt=now - TimeJump.TOLD_FOR)
    if jump := lately.filter(far).order_by("-pk").first():
        return _("the clock was set lately: %(jump)s") % {"jump": jump}
    apart = _peers_apart().filter(far, seen_at__gt=now - ClockApart.KEPT_FOR).first()
    if apart is not None:
        text = _("the clock differs from that of %(name)s by %(seconds)d s")
        return text % {"name": apart.name, "seconds": abs(apart.seconds)}
    if CallCount.objects.exists() and not was_answered(
        since=now - ANSWERED_WITHIN, until=now + WORTH_DOUBT
    ):
        # A computer that starts with a wrong clock sees no jump.
        return _("no peer has answered for a day, by whom to tell the time")
    return ""


def is_span_sure(*, since: datetime, until: datetime) -> bool:
    """Tell whether as much time has passed as the clock says: it was not set ahead.

    Or so little that it makes no difference. What was waited for before is lost.
    """
    ahead = TimeJump.objects.filter(seconds__gt=WORTH_DOUBT.total_seconds())
    return not ahead.filter(noticed_at__gt=since, noticed_at__lte=until).exists()


def is_clock_off(*, now: datetime) -> bool:
    """Tell whether this host's clock is known to be wrong, by the others or the peers.

    By so much that codes which live for half a minute do not fit.
    """
    mine = Q(name=f"{ClockApart.HOST}{settings.HOST_NAME}"[:80])
    whose = mine | ~Q(name__startswith=ClockApart.HOST)
    kept = ClockApart.KEPT_FOR + WORTH_DOUBT
    lately = ClockApart.objects.filter(seen_at__range=(now - kept, now + kept))
    return lately.filter(whose).exists()


def _peers_apart() -> QuerySet[ClockApart]:
    return ClockApart.objects.exclude(name__startswith=ClockApart.HOST)


def was_answered(*, since: datetime, until: datetime) -> bool:
    """Tell whether some peer answered at a time, and so told its own."""
    answered = CallCount.objects.exclude(outcome__in=CallCount.UNANSWERED)
    return answered.filter(last_at__gt=since, last_at__lt=until).exists()


def is_time_steady(*, now: datetime) -> bool:
    """Tell whether spans of time can be learned from: no clock was set, none is off."""
    return not (
        TimeJump.objects.filter(noticed_at__gt=now - TimeJump.TOLD_FOR).exists()
        or _peers_apart().filter(seen_at__gt=now - ClockApart.KEPT_FOR).exists()
    )


def is_time_confirmed(*, now: datetime) -> bool:
    """Tell whether a peer has answered just now, and none by whom the clock is off."""
    kept = ClockApart.KEPT_FOR
    off = _peers_apart().filter(seen_at__range=(now - kept, now + kept))
    return not off.exists() and was_answered(
        since=now - CONFIRMED_WITHIN, until=now + CONFIRMED_WITHIN
    )


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
