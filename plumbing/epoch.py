"""The epoch guard: nothing is written to a peer from a database that is not up to date.

A restored, copied, emptied or moved database does not know what was bought since, or
by whom. Before each write its counter goes one up, first in the database and then in a
mark outside it; so a mark that is ahead proves that the database was taken back. What
does not fit closes the guard, in the database, for all hosts; `lift` opens it.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from plumbing.leases import database_now
from plumbing.marks import (
    Mark,
    anchor_of,
    drop_anchor,
    hardware,
    read_mark,
    write_mark,
)
from plumbing.models import Epoch

log = logging.getLogger(__name__)

Reason = Epoch.Reason
# One look serves a process for so long; each write looks anew.
LOOK_EVERY_S = 2.0
# Far more than any host's mark may be ahead of the one that was looked at.
LEAP = 1_000_000

# Hosts vouch each minute. While another does, a host without a mark, or with one from
# elsewhere, has just joined it; seen to go on while we look, that is no old backup.
VOUCHED_WITHIN = timedelta(minutes=3)
PROVEN_WITHIN_S = 200

_writing = threading.Lock()


class WritesGuarded(Exception):
    """Nothing may be written now; the text says why."""


class _Seen:
    # When this process may rely on its last look no longer, and what that showed.
    until = 0.0
    is_guarded = False
    # Since when it has no mark of its own, and what another had vouched by then.
    unproven_since = 0.0
    vouched_at: datetime | None = None
    # What pages show, and until when.
    shown: Epoch | None = None
    shown_until = 0.0


def is_guarded() -> bool:
    """Tell whether writes are withheld; closes the guard when the mark says so."""
    if not is_on():
        return False
    if time.monotonic() >= _Seen.until:
        _Seen.is_guarded = bool(_why_withheld())
        _Seen.until = time.monotonic() + LOOK_EVERY_S
    return _Seen.is_guarded


def is_on() -> bool:
    return settings.EPOCH_MARK is not None


def begin() -> None:
    """Note that nothing was bought here before: the first start is no second one."""
    Epoch.objects.filter(pk=_row().pk, begun_at=None).update(begun_at=database_now())


def count_write() -> None:
    """Count one write to a peer, in the database and then outside it.

    Call right before it, outside of transactions. Raises `WritesGuarded`.
    """
    if not is_on():
        return
    if words := _why_withheld():
        _Seen.until = 0.0
        raise WritesGuarded(words)
    with transaction.atomic():
        epoch = Epoch.objects.select_for_update().get(pk=Epoch.ONLY)
        if not epoch.is_guarded:
            epoch.sequence += 1
            epoch.wrote_at = database_now()
            epoch.save(update_fields=["sequence", "wrote_at"])
    if epoch.is_guarded:
        raise WritesGuarded(said(epoch))
    _keep_mark(epoch)


def beat() -> None:
    """Show outside the database that it is alive, and in it that the mark agrees.

    A mark that cannot be written stops what is written to a peer, nothing else.
    """
    if not is_on():
        return
    try:
        if not _why_withheld():
            Epoch.objects.filter(pk=Epoch.ONLY).update(vouched_at=database_now())
            _keep_mark(Epoch.objects.get(pk=Epoch.ONLY))
    except OSError as error:
        log.warning("the mark outside the database cannot be written: %s", error)


def close(reason: Reason, *, known_until: datetime | None = None) -> None:
    """Withhold all writes until `lift`; the first reason stays."""
    with transaction.atomic():
        epoch = Epoch.objects.select_for_update().get(pk=_row().pk)
        if not epoch.is_guarded:
            epoch.guarded_for, epoch.guarded_at = reason, database_now()
            epoch.known_until = known_until
            epoch.confirmed_at, epoch.confirmed_by, epoch.progress = None, "", {}
            epoch.save()
            log.error("nothing is written to the peers any more: %s", reason)
    forget()


def close_as_restored(*, known_until: datetime | None) -> None:
    """Close it after a restore, for more than that if the mark says more.

    Whatever other hosts show: that one is at work with what was restored is no proof.
    `known_until`: the last write that the database knew which was replaced.
    """
    reason, known = Reason.RESTORED, known_until
    if is_on():
        epoch, mark = _look()
        found = _contradiction(epoch, mark)
        if found in (Reason.RESTORED, Reason.EMPTIED) and mark is not None:
            moments = [known_until, epoch.wrote_at, mark.wrote_at]
            known = max(filter(None, moments), default=None)
        elif found is not None:
            # Of another life it is not known what that has sent.
            known = None
        reason = found or reason
    close(reason, known_until=known)
    if known_until is not None:
        # It may have been closed in the backup, and for less.
        earlier = Epoch.objects.filter(known_until__lt=known_until)
        earlier.update(known_until=known_until)


def confirm(*, by: str) -> None:
    """Note that a person has seen to it that no other bridge is at work."""
    guarded = Epoch.objects.exclude(guarded_for="")
    guarded.update(confirmed_at=database_now(), confirmed_by=by, progress={})
    forget()


def lift(*, by: str) -> bool:
    """Let writes go out again: what the database missed is known by now.

    The mark of this host becomes the database's; others' are behind by the leap.
    Returns whether the guard was closed.
    """
    with transaction.atomic():
        epoch = Epoch.objects.select_for_update().get(pk=_row().pk)
        if not epoch.is_guarded:
            return False
        mark = read_mark(_path())
        ahead = mark.sequence if mark is not None else 0
        epoch.sequence = max(epoch.sequence, ahead) + LEAP
        if mark is not None and mark.identity != epoch.identity:
            epoch.formerly = [*epoch.formerly, mark.identity]
        now = database_now()
        epoch.lifted_for, epoch.guarded_for = epoch.guarded_for, ""
        epoch.lifted_at, epoch.lifted_by = now, by
        epoch.marked_at = epoch.marked_at or now
        epoch.begun_at = epoch.begun_at or now
        epoch.save()
        # Before it is committed: no write may go out past a mark of before.
        write_mark(_path(), _mark_of(epoch))
    forget()
    log.warning("writes to the peers go out again, says %s", by)
    return True


def shown() -> Epoch | None:
    """Give the guard for a page, if it is closed; compares nothing."""
    if not is_on():
        return None
    if time.monotonic() >= _Seen.shown_until:
        _Seen.shown = Epoch.objects.exclude(guarded_for="").first()
        _Seen.shown_until = time.monotonic() + LOOK_EVERY_S
    return _Seen.shown


def said(epoch: Epoch) -> str:
    """Say in one sentence why nothing is written."""
    text = _("Nothing is sent to Al-Style or Kaspi until reconciled: %(reason)s")
    return text % {"reason": epoch.reason_label}


def forget() -> None:
    """Look anew next time."""
    _Seen.until = _Seen.shown_until = _Seen.unproven_since = 0.0


def _path() -> Path:
    return Path(str(settings.EPOCH_MARK))


def _here() -> str:
    return str(_path().resolve())


def _row() -> Epoch:
    epoch = Epoch.objects.filter(pk=Epoch.ONLY).first()
    return epoch or Epoch.objects.get_or_create(pk=Epoch.ONLY)[0]


def _why_withheld() -> str:
    """Compare the database with the mark; empty = they are of one life.

    Closes the guard if they are not, and makes the first mark.
    """
    epoch, mark = _look()
    if epoch.is_guarded:
        return said(epoch)
    reason = _contradiction(epoch, mark)
    if reason in (Reason.UNMARKED, Reason.MOVED):
        if _may_have_joined(epoch):
            return _("Nothing is sent until another host shows that it works, too")
        if _has_joined(epoch):
            _keep_mark(epoch)
            return ""
        if "workers" not in settings.HOST_ROLES:
            # It writes nothing by itself: what its mark lacks is no proof against all.
            return _("Nothing is sent until another host shows that it works, too")
    if reason is not None:
        moments = [epoch.wrote_at, mark.wrote_at if mark is not None else None]
        # Of another life the mark does not tell what it has sent.
        is_known = reason in (Reason.RESTORED, Reason.EMPTIED)
        known = max(filter(None, moments), default=None) if is_known else None
        close(reason, known_until=known)
        return said(_row())
    _Seen.unproven_since = 0.0
    if mark is None or epoch.marked_at is None:
        _keep_mark(epoch)
        first = Epoch.objects.filter(pk=epoch.pk, marked_at=None)
        first.update(marked_at=database_now())
    return ""


def _look() -> tuple[Epoch, Mark | None]:
    """Read the mark, then the row: no other worker's write can make it look older."""
    mark, epoch = read_mark(_path()), _row()
    if _contradiction(epoch, mark) is not None:
        # Of two that begin at once one may have made the first mark in between.
        mark, epoch = read_mark(_path()), _row()
    return epoch, mark


def _contradiction(epoch: Epoch, mark: Mark | None) -> Reason | None:
    if mark is None:
        return Reason.UNMARKED if epoch.marked_at is not None else None
    if mark.identity in epoch.formerly:
        # Another host's, from before the database was taken for what it is.
        return None
    if mark.identity != epoch.identity:
        return Reason.EMPTIED if epoch.marked_at is None else Reason.FOREIGN
    if mark.sequence > epoch.sequence:
        return Reason.RESTORED
    if mark.was_made_elsewhere(
        place=_here(), hardware=hardware(), anchor=anchor_of(_path())
    ):
        return Reason.MOVED
    return None


def _may_have_joined(epoch: Epoch) -> bool:
    """Tell whether another host may be at work with this database: time will show."""
    vouched, now = epoch.vouched_at, time.monotonic()
    if not _Seen.unproven_since:
        _Seen.unproven_since, _Seen.vouched_at = now, vouched
    # Of hosts that begin a new database together, one has made the first mark.
    seen = vouched or epoch.marked_at
    is_old = seen is None or database_now() - seen > VOUCHED_WITHIN
    is_late = now - _Seen.unproven_since > PROVEN_WITHIN_S
    return not (is_old or is_late or _has_joined(epoch))


def _has_joined(epoch: Epoch) -> bool:
    """Tell whether another host's mark agreed since we look."""
    return bool(_Seen.unproven_since) and epoch.vouched_at != _Seen.vouched_at


def _mark_of(epoch: Epoch) -> Mark:
    return Mark(
        identity=epoch.identity,
        sequence=epoch.sequence,
        wrote_at=epoch.wrote_at,
        alive_at=database_now(),
        place=_here(),
        hardware=hardware(),
        anchor=drop_anchor(_path()),
    )


def _keep_mark(epoch: Epoch) -> None:
    """Write the mark, never to less than another thread has written meanwhile."""
    with _writing:
        mark, there = _mark_of(epoch), read_mark(_path())
        is_ahead = there is not None and there.identity == mark.identity
        if is_ahead and there is not None and there.sequence > mark.sequence:
            mark = replace(there, alive_at=mark.alive_at)
        write_mark(_path(), mark)
