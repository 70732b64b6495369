"""What every import has in common: its lease, its row in the journal, its end."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from catalog.alstyle.client import AlStyleClient
from catalog.alstyle.schema import Problem
from catalog.models import ImportRun
from plumbing.collecting import collecting_rarely
from plumbing.leases import (
    LeaseHandle,
    LeaseLost,
    LeaseTaken,
    database_now,
    under_lease,
)
from plumbing.models import Failure
from plumbing.peers import PeerAccessRefused, PeerError, failure_of
from plumbing.queue import enqueue
from plumbing.redaction import redact

log = logging.getLogger(__name__)

LEASES = {
    ImportRun.Kind.CATALOGUE: "catalogue-sync",
    ImportRun.Kind.STOCK: "stock-sync",
}
# Taken while figures are compared and written, which takes seconds: a crawl of minutes
# does not keep stock from being refreshed meanwhile.
WRITING_LEASE = "alstyle-import"
# Longer than the lease of a killed writer lives.
WRITING_PATIENCE_S = 120
BAD_ROWS_KEPT = 300
ALWAYS_COUNTED = ("read", "changed", "bad")


class ImportRefused(Exception):
    """What came must not be acted on; says why."""


class ImportFailed(Exception):
    """An import ended without result; carries the run's one line."""


@dataclass(slots=True, kw_only=True)
class ImportSession:
    """An import under way. `counts`: read, new, changed, gone, bad, warnings, …"""

    run: ImportRun
    # The kind's: whoever lost it slept, and others have read since.
    lease: LeaseHandle
    now: Callable[[], datetime]
    accept_shrunk: bool
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def note(self, problems: Iterable[Problem]) -> None:
        """Keep what was wrong with rows for the journal."""
        self.problems += problems

    def refuse_unless(self, share: tuple[int, int], message: str) -> None:
        """Refuse when the first number is too small a share of the second.

        `message` may name %(part)d, %(whole)d and %(share)d.
        """
        part, whole = share
        if self.accept_shrunk:
            return
        if part * 100 < whole * settings.COMPLETE_SHARE_PERCENT:
            raise ImportRefused(
                message
                % {
                    "part": part,
                    "whole": whole,
                    "share": settings.COMPLETE_SHARE_PERCENT,
                }
            )

    def conclude(
        self, write: Callable[[], None], *, lease: LeaseHandle, has_changes: bool
    ) -> None:
        """Write everything and end the run, in one transaction; a dry run only ends.

        Renewing the leases first also locks their rows: nobody takes them over
        meanwhile.
        """
        with transaction.atomic():
            self.lease.confirm()
            lease.confirm()
            if not self.run.is_dry_run:
                write()
                if has_changes:
                    for name in settings.TASKS_AFTER_CATALOGUE_CHANGE:
                        enqueue(name, cluster="imports")
            self.finish(ImportRun.Status.DONE, summarize(self.counts))

    def finish(self, status: ImportRun.Status, message: str) -> None:
        self.counts["warnings"] = max(len(self.problems) - self.counts["bad"], 0)
        self.run.status = status
        self.run.message = redact(message)
        self.run.counts = {
            name: number
            for name, number in self.counts.items()
            if number or name in ALWAYS_COUNTED
        }
        self.run.bad_rows = [
            [problem.key, redact(problem.reason)]
            for problem in self.problems[:BAD_ROWS_KEPT]
        ]
        self.run.finished_at = self.now()
        self.run.save()

    def fail(self, failure: Failure, message: str) -> None:
        """End a run that came to nothing.

        One that is stored stays done: whatever goes wrong after that undoes nothing.
        """
        done = ImportRun.objects.filter(pk=self.run.pk, status=ImportRun.Status.DONE)
        # The row here says so of a transaction that was rolled back, too.
        if done.exists():
            return
        self.run.failure = failure
        self.finish(ImportRun.Status.FAILED, message)

    def note_supplier_date(self, client: AlStyleClient) -> None:
        """Keep how old the supplier's data are; not knowing it spoils nothing."""
        try:
            self.run.supplier_date = client.date()
        except PeerError as error:
            log.warning("%s", error)
        else:
            self.run.save(update_fields=["supplier_date"])


@contextmanager
def open_import(
    kind: ImportRun.Kind,
    *,
    dry_run: bool,
    accept_shrunk: bool,
    now: datetime | None = None,
) -> Iterator[ImportSession]:
    """Take the kind's lease and keep the run's row for the block.

    Raises `LeaseTaken`, before a row exists, when the same import is under way.
    Faults of the peer and refusals end the block and fail the run; any other error
    fails the run and goes on to the caller. A run that is stored fails no more.
    """

    def moment() -> datetime:
        return now or database_now()

    with under_lease(LEASES[kind]) as lease, collecting_rarely():
        # A run still open was killed: its lease is ours.
        ImportRun.objects.under_way().filter(kind=kind).update(
            status=ImportRun.Status.FAILED,
            failure=Failure.OTHER,
            finished_at=moment(),
            message=_("interrupted: the process ended in mid-run; nothing was changed"),
        )
        run = ImportRun.objects.create(
            kind=kind, is_dry_run=dry_run, started_at=moment()
        )
        session = ImportSession(
            run=run, lease=lease, now=moment, accept_shrunk=accept_shrunk
        )
        try:
            yield session
        except PeerAccessRefused as error:
            message = _("Al-Style refuses access, check ALSTYLE_TOKEN: %(error)s")
            message %= {"error": error}
            session.fail(Failure.ACCESS, message)
            line = (run.get_kind_display(), redact(message))
            log.error("%s: %s", *line)  # noqa: TRY400 - no traceback would add to it
        except (PeerError, ImportRefused, LeaseLost, LeaseTaken) as error:
            is_refused = isinstance(error, ImportRefused)
            failure = Failure.INCOMPLETE if is_refused else failure_of(error)
            session.fail(failure, str(error))
            log.warning("%s: %s", run.get_kind_display(), redact(str(error)))
        except BaseException as error:
            message = _("stopped by an error: %(error)s")
            words = f"{type(error).__name__} {error}".splitlines()[0]
            session.fail(Failure.OTHER, message % {"error": words})
            raise


@contextmanager
def take_writing_lease() -> Iterator[LeaseHandle]:
    """Wait for the other kind of import to finish writing, then take its lease."""
    give_up = time.monotonic() + WRITING_PATIENCE_S
    with ExitStack() as stack:
        while True:
            try:
                lease = stack.enter_context(under_lease(WRITING_LEASE))
                break
            except LeaseTaken:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.2)
        yield lease


def summarize(counts: Counter[str]) -> str:
    """Say in one line what an import brought: "412 read, 9 changed, 1 skipped"."""
    parts = [_("%(read)d read"), _("%(changed)d changed")]
    for name, words in (
        ("new", _("%(new)d new")),
        ("gone", _("%(gone)d gone")),
        ("returned", _("%(returned)d returned")),
        ("absent", _("%(absent)d absent")),
        ("unknown", _("%(unknown)d unknown")),
        ("bad", _("%(bad)d skipped")),
    ):
        if counts[name] or name == "bad":
            parts.append(words)
    return ", ".join(parts) % counts


def result_of(run: ImportRun) -> str:
    """Return the run's summary, or raise `ImportFailed` with its reason."""
    if not run.is_done:
        raise ImportFailed(run.message)
    return run.message
