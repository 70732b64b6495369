"""Lets what every part does now and then fall on the same moments for all of them.

Whoever writes makes each loop that waits for news look once; written together, their
signs of life make it look once for all.
"""

from __future__ import annotations

import time


def until_next(every_s: float) -> float:
    """Say how many seconds are left until the next of these moments."""
    # Of one clock for all processes of this host, which nobody sets.
    return every_s - time.monotonic() % every_s


def period_of(every_s: float) -> float:
    """Name the time between two of these moments: whoever did it then is done."""
    return time.monotonic() // every_s
