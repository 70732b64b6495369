"""A build in a process of its own that is killed at a chosen point.

    python -m tests.feeds.dying POINT

`os._exit` runs no cleanup, flushes nothing and exists on Windows: a SIGKILL that
comes at a known instruction.
"""

from __future__ import annotations

import os
import sys

import django
from django.core.management import call_command

KILLED = 99


def dies_before(module, name, call=1):
    """Let the process die when `module.name` is called for the `call`-th time."""
    real = getattr(module, name)
    calls = []

    def die(*args, **kwargs):
        calls.append(name)
        if len(calls) == call:
            os._exit(KILLED)
        return real(*args, **kwargs)

    setattr(module, name, die)


def dies_after(module, name, call=1):
    """Let the process die when `module.name` came back for the `call`-th time."""
    real = getattr(module, name)
    calls = []

    def die(*args, **kwargs):
        result = real(*args, **kwargs)
        calls.append(name)
        if len(calls) == call:
            os._exit(KILLED)
        return result

    setattr(module, name, die)


def plan(point):
    from feeds import changes, files, healing, publishing, writing

    return {
        "while writing": lambda: dies_before(writing._OfferWriter, "text_of", 700),
        "before checking": lambda: dies_before(publishing, "check_draft"),
        "before keeping": lambda: dies_before(files, "keep_version"),
        "while keeping": lambda: dies_before(files, "replace", 1),
        "before announcing": lambda: dies_after(files, "keep_version"),
        "before going live": lambda: dies_before(files, "put_live"),
        "before keeping the changes": lambda: dies_before(files, "replace", 2),
        "at the door": lambda: dies_before(files, "replace", 3),
        "just live": lambda: dies_after(files, "replace", 3),
        "before the twin": lambda: dies_before(files, "pair_gzip"),
        "before the listings": lambda: dies_before(healing, "follow_changes"),
        # The second batch; on PostgreSQL, which takes all at once, what is new.
        "amid the listings": lambda: dies_before(changes, "_with_rows", 2),
        "before the flip": lambda: dies_after(healing, "follow_changes"),
        "before forgetting": lambda: dies_before(publishing, "delete_old_builds"),
    }[point]


POINTS = (
    "while writing",
    "before checking",
    "before keeping",
    "while keeping",
    "before keeping the changes",
    "before announcing",
    "before going live",
    "at the door",
    "just live",
    "before the twin",
    "before the listings",
    "amid the listings",
    "before the flip",
    "before forgetting",
)
# From here on the new list is the live one, and the next run finishes its rows.
LIVE_FROM = POINTS.index("just live")


if __name__ == "__main__":
    django.setup()
    plan(sys.argv[1])()
    call_command("build_feed")
