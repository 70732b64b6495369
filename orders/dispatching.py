"""Does what is due at each peer: one leased loop per peer, apart from all readings.

The due steps are the flag that wakes a loop: whatever any process asks for is a row,
seen within a second, and so is the moment until which one was put off. Nothing is
queued, so nothing can pile up or be lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import close_old_connections, connection

from orders.clients import Clients
from orders.models import Step
from orders.steps.machine import Processed, due_in, is_anything_due, process_due
from plumbing.adjusting import ChangeWatch, settled
from plumbing.leases import (
    LeaseHandle,
    LeaseLost,
    LeaseTaken,
    database_now,
    under_lease,
)
from plumbing.models import Heartbeat
from plumbing.rhythm import period_of
from plumbing.stillness import Stillness

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
# Whatever is known of what will be due.
LOOK_ANYHOW_S = 30.0
# Another host has the lease, or a fault ended the round.
TRY_AGAIN_AFTER_S = 5.0
# A peer that is away is left alone for so long.
AWAY_FOR_S = 30.0
GUARDED_FOR_S = 5.0
BEAT_EVERY_S = 60.0
ROUND_S = 60.0

# Waits so many seconds and tells whether it is time to stop, as `Event.wait` does.
Wait = Callable[[float], bool]


def loop_name(peer: str) -> str:
    """Name a peer's loop: its lease and its heartbeat."""
    return f"dispatch-{peer}"


def dispatch(peer: str, *, wait: Wait) -> None:
    """Do what is due at `peer`, now and later, until `wait` says to stop."""
    is_over = False
    while not is_over:
        try:
            with under_lease(loop_name(peer)) as lease:
                is_over = _dispatch_under(lease, peer, wait)
        except (LeaseTaken, LeaseLost):
            is_over = wait(TRY_AGAIN_AFTER_S)
        except Exception:
            log.exception("%s: a fault ended the round", loop_name(peer))
            # Perhaps it was the database: the next round asks it anew.
            connection.close()
            is_over = wait(TRY_AGAIN_AFTER_S)
    connection.close()


def dispatch_once(*, budget_s: float) -> Processed:
    """Do what is due at the peers that no loop works at, `budget_s` for each."""
    result = Processed()
    for peer in Step.Peer.values:
        if not is_anything_due(now=database_now(), peer=peer):
            continue
        try:
            with under_lease(loop_name(peer)):
                result.join(_do_round(peer, budget_s=budget_s))
        except LeaseTaken:
            continue
    return result


def _dispatch_under(lease: LeaseHandle, peer: str, wait: Wait) -> bool:
    """Work until it is time to stop (True); raises `LeaseLost`."""
    beaten_in, stillness = None, Stillness(again_after_s=LOOK_ANYHOW_S)
    while True:
        if lease.is_lost:
            raise LeaseLost(lease.name)
        pause_s = LOOK_EVERY_S
        if not stillness.holds() and stillness.look(lambda: _look(peer, stillness)):
            done = _do_settled_round(peer, wait)
            pause_s = AWAY_FOR_S if done.unreachable else 0
            pause_s = GUARDED_FOR_S if done.is_guarded else pause_s
        # After the work: a loop whose every round fails must fall silent.
        if (period := period_of(BEAT_EVERY_S)) != beaten_in:
            _beat(peer)
            beaten_in = period
        if wait(pause_s):
            return True


def _look(peer: str, stillness: Stillness) -> bool:
    """Look whether anything is due, and when to look next if not."""
    wait_s = due_in(now=database_now(), peer=peer)
    stillness.look_again_within(wait_s)
    return wait_s == 0


def _do_settled_round(peer: str, wait: Wait) -> Processed:
    """Do a round by the settings of its beginning; a change of them ends it."""
    watch = ChangeWatch()
    with settled():
        return _do_round(
            peer, budget_s=ROUND_S, is_stopping=lambda: wait(0) or watch.has_changed()
        )


def _do_round(
    peer: str, *, budget_s: float, is_stopping: Callable[[], bool] = lambda: False
) -> Processed:
    with Clients() as clients:
        return process_due(
            clients, peer=peer, budget_s=budget_s, is_stopping=is_stopping
        )


def _beat(peer: str) -> None:
    close_old_connections()
    name, host = loop_name(peer), settings.HOST_NAME
    Heartbeat.objects.beat(name, host=host, now=database_now())
