"""Tells all hosts of a part of this one, and lets it stand aside while it must."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

import psutil
from django.conf import settings
from django.db import DatabaseError, connection

from bridge_site.metrics.hosting import bytes_of
from bridge_site.revision import revision
from plumbing import epoch, hosts
from plumbing.clocks import note_host
from plumbing.leases import database_now
from plumbing.rhythm import period_of, until_next

log = logging.getLogger(__name__)

TOLD_EVERY_S = 30.0
# Turns between two measurements of memory, which reads all of a process's pages' list.
MEASURED_EVERY = 10
AWAIT_EVERY_S = 5.0
WHY = {
    hosts.Fit.OLDER: "a host with newer code works: this one takes no work; update it",
    hosts.Fit.NEWER: "the database lacks migrations of this code: run migrate",
}


class Reporter:
    """One part's signs of life to the other hosts."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._since: datetime | None = None
        self._fits = hosts.FitWatch()
        self._told_in: float | None = None
        self._may_work = True
        self._said = ""
        self._turns = self._memory_bytes = 0

    @property
    def may_work(self) -> bool:
        """Tell whether it might at the last turn."""
        return self._may_work

    def turn(self) -> bool:
        """Tell of the part if it is time, and whether it may take work.

        Away from its database it may: whoever works finds out by himself.
        """
        if (period := period_of(TOLD_EVERY_S)) == self._told_in:
            return self._may_work
        self._told_in = period
        try:
            self._may_work = self._tell()
        except DatabaseError as error:
            log.warning("the other hosts could not be told of this one: %s", error)
            connection.close()
        return self._may_work

    def await_work(self, *, wait: Callable[[float], bool]) -> bool:
        """Wait until the part may work (True) or is to stop (False)."""
        while not self.turn():
            if wait(AWAIT_EVERY_S):
                return False
        return True

    def leave(self) -> None:
        """Tell that the part has ended in order."""
        try:
            hosts.leave(self._part)
        except DatabaseError:
            log.warning("the other hosts could not be told that this part ends")

    def _tell(self) -> bool:
        fit = self._fits.read()
        if fit is hosts.Fit.NEWER:
            # There may not even be a table to write it into.
            return self._say(fit, works=False)
        works = hosts.may_work(fit)
        self._since = self._since or database_now()
        if self._turns % MEASURED_EVERY in (0, 1):
            self._memory_bytes = _family_bytes()
        self._turns += 1
        hosts.tell(
            hosts.Told(
                part=self._part,
                since=self._since,
                revision=revision(),
                memory_bytes=self._memory_bytes,
                clock_apart_s=round(note_host(), 1),
                fit=fit,
                works=works,
            )
        )
        if works and self._part == "dispatch":
            # So that this host's mark is no stranger's when it takes the work over.
            epoch.beat()
        return self._say(fit, works=works)

    def _say(self, fit: hosts.Fit, *, works: bool) -> bool:
        said = "" if works else WHY[fit]
        if said != self._said:
            log.warning("%s on %s: %s", self._part, settings.HOST_NAME, said or "works")
            self._said = said
        return works


def report_in_background(reporter: Reporter) -> None:
    """Let a thread tell of a part that has no loop of its own, or a task for long."""

    def run() -> None:
        while True:
            reporter.turn()
            if connection.vendor != "sqlite":
                # Kept open it would be one more for each host.
                connection.close()
            time.sleep(until_next(TOLD_EVERY_S))

    threading.Thread(target=run, name="reporting", daemon=True).start()


def _family_bytes() -> int:
    """Measure this process and its descendants."""
    this = psutil.Process()
    found = 0
    for process in (this, *this.children(recursive=True)):
        try:
            found += bytes_of(process)
        except psutil.Error:
            continue
    return found
