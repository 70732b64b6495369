"""The watch: looks at everything each minute, tells what is wrong, and what is over.

It runs in a thread of parts that do no other long work, on every host, and under one
lease: a cluster that has died cannot say so itself.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.db import close_old_connections, connection, transaction
from django.utils import translation

from alerts.channels import sync_environment
from alerts.deadman import call_outside
from alerts.following import Look, follow, words_of
from alerts.models import Channel
from alerts.schedule import digest_begun
from alerts.sending import send_due
from alerts.telling import lacking_digest, tell, tell_digest
from backoffice.dashboard import DigestLine
from plumbing.adjusting import settled
from plumbing.leases import (
    LeaseHandle,
    LeaseLost,
    LeaseTaken,
    database_now,
    under_lease,
)
from plumbing.models import Heartbeat
from plumbing.rhythm import until_next

log = logging.getLogger(__name__)

NAME = "watch"
LOOK_EVERY_S = 60.0
# Another part has the lease.
TRY_AGAIN_AFTER_S = 20.0
# Told when the bridge itself has just begun: the others need a moment to show life.
SETTLES_IN_S = 90.0

# Waits so many seconds and tells whether it is time to stop, as `Event.wait` does.
Wait = Callable[[float], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A day's digest in one language, and who is to get it."""

    day: date
    language: str
    channels: Sequence[Channel]
    lines: Sequence[DigestLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the roof knows and the watch does not: whom to ask, and what of."""

    look: Callable[[datetime], Iterable[Look]]
    digest: Callable[[datetime], Sequence[DigestLine]]
    # Whether the calls outside may go on.
    is_alive: Callable[[datetime], bool]

    def run(self, *, wait: Wait) -> None:
        """Look each minute until `wait` says to stop."""
        is_over = wait(SETTLES_IN_S)
        while not is_over:
            try:
                with under_lease(NAME) as lease:
                    is_over = self._run_under(lease, wait=wait)
            except (LeaseTaken, LeaseLost):
                is_over = wait(TRY_AGAIN_AFTER_S)
            except Exception:
                log.exception("the watch: a fault ended the round")
                # Perhaps it was the database: the next round asks it anew.
                connection.close()
                is_over = wait(TRY_AGAIN_AFTER_S)
        connection.close()

    def _run_under(self, lease: LeaseHandle, *, wait: Wait) -> bool:
        while True:
            if lease.is_lost:
                raise LeaseLost(lease.name)
            close_old_connections()
            with settled():
                self.round(lease, now=database_now())
            if wait(until_next(LOOK_EVERY_S)):
                return True

    def _read_digests(self, now: datetime) -> list[Digest]:
        """Read the digest in each language of the channels that lack the day's."""
        begun = digest_begun(now, settings.DIGEST_AT)
        if begun is None:
            return []
        lacking = defaultdict(list)
        for channel in lacking_digest(day=begun.date()):
            lacking[channel.language].append(channel)
        found = []
        for language, channels in lacking.items():
            with translation.override(language):
                found.append(
                    Digest(
                        day=begun.date(),
                        language=language,
                        channels=channels,
                        lines=self.digest(begun),
                    )
                )
        return found

    def round(self, lease: LeaseHandle, *, now: datetime) -> None:
        """Look once, tell what is due, and show life."""
        with translation.override(settings.LANGUAGE_CODE):
            sync_environment()
            looks = list(self.look(now))
            translated = {}
            for language in Channel.objects.languages()[1:]:
                with translation.override(language):
                    translated[language] = words_of(self.look(now))
            digests = self._read_digests(now)
            with transaction.atomic():
                # Locks the lease's row: nobody takes it over meanwhile.
                lease.confirm()
                follow(looks, now=now, translated=translated)
                tell(now=now)
                for digest in digests:
                    with translation.override(digest.language):
                        tell_digest(
                            digest.lines,
                            channels=digest.channels,
                            day=digest.day,
                            now=now,
                        )
            send_due(now=now)
        if settings.HEARTBEAT_URL and self.is_alive(now):
            call_outside()
        # After the work: a watch whose every round fails must fall silent.
        Heartbeat.objects.beat(NAME, host=settings.HOST_NAME, now=now)
