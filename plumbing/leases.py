"""The right to do one kind of work, kept in the database for all hosts."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, close_old_connections, connection, transaction
from django.utils import timezone

from plumbing.models import Lease
from plumbing.rhythm import until_next

# A killed owner keeps others waiting for at most this long.
LEASE_S = 90
RENEW_EVERY_S = 30
# A lease that ends further ahead was taken before the clock was set back.
SLACK_S = 5


class LeaseTaken(Exception):
    """Somebody else does this work right now."""

    def __init__(self, name: str, *, owner: str) -> None:
        super().__init__(f"{name} is already under way ({owner})")


class LeaseLost(Exception):
    """The lease ran out and another process took it; stop before writing."""


def database_now() -> datetime:
    """Ask the database for the time: the one clock that all hosts share."""
    if connection.vendor == "sqlite":
        # SQLite lives on one host, whose clock it would be anyway.
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]


def steady_s() -> float:
    """Read a clock that nobody sets and that goes on while the computer sleeps."""
    boot_time: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


class LeaseHandle:
    """A lease that this process has taken; renewed in the background meanwhile."""

    def __init__(self, name: str, *, owner: str) -> None:
        self.name, self.owner = name, owner
        self.is_lost = False
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._renew_until_stopped, name=f"lease-{name}", daemon=True
        )

    def confirm(self) -> None:
        """Renew now, or raise `LeaseLost`. Call before writing results."""
        until = database_now() + timedelta(seconds=LEASE_S)
        ours = Lease.objects.filter(name=self.name, owner=self.owner)
        if not ours.update(until=until):
            raise LeaseLost(f"{self.name} was taken over by another process")

    def start(self) -> None:
        self._thread.start()

    def release(self) -> None:
        """Stop renewing and let others in at once."""
        self._stop.set()
        self._thread.join()
        Lease.objects.filter(name=self.name, owner=self.owner).delete()

    def _renew_until_stopped(self) -> None:
        try:
            while not self._stop.wait(until_next(RENEW_EVERY_S)):
                try:
                    close_old_connections()
                    self.confirm()
                except LeaseLost:
                    self.is_lost = True
                    return
                except Exception:
                    # The database is away for a moment: the next round may succeed,
                    # and confirm() in the worker decides before anything is written.
                    connection.close()
        finally:
            connection.close()


def take_lease(name: str, *, seconds: int = LEASE_S) -> str:
    """Take the lease and return the owner's mark, or raise `LeaseTaken`."""
    owner = f"{settings.HOST_NAME}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    now = database_now()
    until = now + timedelta(seconds=seconds)
    held = Lease.objects.filter(name=name, until__gt=now).first()
    if held is not None and held.until <= until + timedelta(seconds=SLACK_S):
        # Read only: whoever waits for it asks again and again.
        raise LeaseTaken(name, owner=held.owner)
    if Lease.objects.filter(name=name, until__lte=now).update(owner=owner, until=until):
        return owner
    try:
        with transaction.atomic():
            Lease.objects.create(name=name, owner=owner, until=until)
    except IntegrityError:
        other = Lease.objects.filter(name=name).first()
        if other is None:
            # Released between our two questions.
            return take_lease(name, seconds=seconds)
        if other.until > now + timedelta(seconds=seconds + SLACK_S):
            # Its owner, if it lives, renews it within this time; else it ends.
            as_read = Lease.objects.filter(name=name, until=other.until)
            as_read.update(until=until)
        raise LeaseTaken(name, owner=other.owner) from None
    return owner


@contextmanager
def under_lease(name: str) -> Iterator[LeaseHandle]:
    """Take the lease `name` for the block; raises `LeaseTaken` when another has it."""
    lease = LeaseHandle(name, owner=take_lease(name))
    lease.start()
    try:
        yield lease
    finally:
        lease.release()


def is_taken(name: str) -> bool:
    now = database_now()
    # One that ends too far ahead is for `take_lease` to put right.
    latest = now + timedelta(seconds=LEASE_S + SLACK_S)
    return Lease.objects.filter(name=name, until__gt=now, until__lte=latest).exists()
