"""Ends a cluster's part when one of its processes was stopped or killed.

django-q makes a process anew that has ended, and that is enough where it ended by
itself. One that was killed, by hand or for want of memory, takes along the locks that
it held: an idle worker waits for tasks with the queue locked, and no later one would
ever get any. One that was stopped does not even end. The supervisor starts the whole
part again within seconds; what was under way is taken up again.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from typing import NoReturn

import psutil

from bridge_site.processes import end_tree

log = logging.getLogger("bridge.parts")


class StoppedChildren:
    """Looks for children that were stopped at the last look and still are."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def look(self) -> None:
        stopped = set()
        for child in psutil.Process().children(recursive=True):
            try:
                if child.status() == psutil.STATUS_STOPPED:
                    stopped.add(child.pid)
            except psutil.Error:
                continue
        if still := stopped & self._seen:
            end_part(f"process {min(still)} is stopped")
        self._seen = stopped


def was_killed(process: multiprocessing.Process) -> bool:
    """Tell whether somebody else ended it, on Linux by a signal."""
    code = process.exitcode
    return code is not None and code < 0


def end_part(why: str) -> NoReturn:
    """End this part with all its processes; the supervisor starts it again."""
    log.critical("%s; the part ends, to be started again", why)
    end_tree(os.getpid(), and_itself=False)
    os._exit(1)
