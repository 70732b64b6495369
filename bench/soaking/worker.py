"""A nursery of workers: real processes that run the bridge's own tasks until killed.

A thin loop instead of django-q's cluster: the cluster takes seconds to start and its
schedules count in minutes, so kills every few seconds would mostly strike processes
that are still starting. What runs, and what the kills interrupt, is the same.

Commands come as lines: `start orders` answers the pid of a new worker, `kill PID`
answers when it is gone. Workers are forked from this process, which has Django
loaded and no connection open, and end with it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from django.utils.module_loading import import_string

log = logging.getLogger("soak.worker")

# Task and the seconds between two rounds of it in one worker.
TASKS = {
    "orders": (
        ("orders.tasks.poll_orders", 2.0),
        ("orders.tasks.sweep_orders", 1.0),
        ("orders.tasks.process_orders", 0.3),
        ("orders.tasks.refresh_orders", 6.0),
        ("orders.tasks.reconcile", 5.0),
    ),
    "imports": (
        ("catalog.tasks.sync_stock", 8.0),
        ("feeds.tasks.build_feed", 4.0),
        ("orders.tasks.follow_supplier", 6.0),
    ),
}
PAUSE_S = 0.1


def work(name: str) -> None:
    """Run a worker's tasks round after round, as their schedules would."""
    tasks = [(import_string(dotted), dotted, every) for dotted, every in TASKS[name]]
    next_at = dict.fromkeys(tasks, 0.0)
    while True:
        for task in tasks:
            if time.monotonic() >= next_at[task]:
                _run(task[0], task[1])
                next_at[task] = time.monotonic() + task[2]
        time.sleep(PAUSE_S)


def _run(function, dotted: str) -> None:
    from django.db import close_old_connections

    close_old_connections()
    try:
        log.info("%s: %s", dotted, function())
    except Exception as error:
        log.warning("%s failed: %s", dotted, error)
        # As django-q keeps it with a failed task: not redacted by any formatter.
        path = Path(os.environ["SOAK_DIR"]) / "tracebacks.txt"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{dotted}\n{traceback.format_exc()}\n")


def main() -> None:
    """Obey until standard input ends, then take all workers along."""
    import django

    django.setup()
    from bench.soaking.settings import shorten_waits, trust_lists

    shorten_waits()
    if os.environ["SOAK_TRUSTS_LISTS"] == "1":
        trust_lists()
    for tasks in TASKS.values():
        for dotted, _every in tasks:
            import_string(dotted)
    alive: set[int] = set()
    # Not `for line in sys.stdin`: a forked child would share the read-ahead.
    while command := sys.stdin.readline().split():
        if command[0] == "start":
            pid = os.fork()
            if not pid:
                _be_a_worker(command[1])
            alive.add(pid)
            print(pid, flush=True)
        else:
            _kill(int(command[1]), alive)
            print("gone", flush=True)
    for pid in tuple(alive):
        _kill(pid, alive)


def _be_a_worker(name: str) -> None:
    try:
        os.close(0)
        work(name)
    finally:
        os._exit(1)


def _kill(pid: int, alive: set[int]) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    alive.discard(pid)


if __name__ == "__main__":
    main()
