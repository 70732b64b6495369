"""A worker cluster in one process: fetches tasks from its queue and does one at a time.

django-q's own cluster is four processes, of which one works: the others fetch, write
down and guard, each with Django in its memory, and a killed one takes the locks of
their queues along. Its functions that work and write down run here in turn, in the main
thread; the supervisor, which starts again what ends or hangs, is the guard.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal, NoReturn

import django_q.monitor
import django_q.worker
import psutil
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.module_loading import autodiscover_modules
from django_q.brokers import Broker, get_broker
from django_q.conf import Conf
from django_q.monitor import monitor
from django_q.scheduler import scheduler
from django_q.signing import BadSignature, SignedPackage
from django_q.worker import worker

from bridge_site.alive import show_life
from bridge_site.processes import START_ANEW, end_tree, stop_when_told
from bridge_site.reporting import Reporter, report_in_background
from plumbing.queue import queue_errors
from plumbing.stillness import Stillness

log = logging.getLogger("bridge.parts")

Task = dict[str, Any]
# What django-q's worker and monitor take as the end of their queue.
STOP: Literal["STOP"] = "STOP"
SCHEDULES_EVERY_S = 30.0
# By the clock alone a task is due only after the worker that had it was lost.
LOOK_ANYHOW_S = 30.0
CONNECTION_KEPT_S = 60
# Reading a hundred thousand goods takes as much.
GROWS_BY = 64 << 20
# After the database was away.
REST_S = 5.0


class WrongQueue(Exception):
    """A cluster's name is settled when the program starts, and it was another one."""


def use_queue(name: str) -> None:
    """Let this process, made by forking, be the cluster's whose part it is.

    django-q reads it from `Q_CLUSTER_NAME` when it is loaded.
    """
    own: dict[str, Any] = settings.Q_CLUSTER["ALT_CLUSTERS"].get(name)
    if own is not None:
        Conf.CLUSTER_NAME = name
        for option, value in own.items():
            setattr(Conf, option.upper(), value)


def run_cluster(name: str, *, exit_with_parent: bool) -> None:
    """Do the cluster's tasks until the parent ends or SIGINT or SIGTERM comes."""
    if name != Conf.CLUSTER_NAME:
        raise WrongQueue(f"Start this part with Q_CLUSTER_NAME={name}.")
    stop = stop_when_told(exit_with_parent=exit_with_parent)
    allowance = Allowance()
    show_life(look=allowance.look)
    reporter = Reporter(name)
    if not reporter.await_work(wait=stop.wait):
        return
    report_in_background(reporter)
    keep_connections()
    autodiscover_modules("tasks")
    # They would call this process by what it does, and no longer by its part.
    django_q.worker.setproctitle = django_q.monitor.setproctitle = None
    do_tasks(stop=stop, allowance=allowance, may_work=lambda: reporter.may_work)
    reporter.leave()


def keep_connections() -> None:
    """Let this process look each second without opening the database anew for that."""
    connection.settings_dict["CONN_MAX_AGE"] = CONNECTION_KEPT_S


def do_tasks(
    *, stop: threading.Event, allowance: Allowance, may_work: Callable[[], bool]
) -> None:
    """Do one task after the other until told to stop; raises `SystemExit`.

    It raises when a task was broken off for taking too long, for who knows what that
    left half done in this process, and when large tasks have made it grow: only a new
    process is small. One that may work no longer waits, started again, until it may.
    """
    queue = TaskQueue(get_broker(), stop=stop, may_work=may_work)
    while not stop.is_set() and may_work():
        try:
            worker(queue, queue, allowance, Conf.TIMEOUT)
        except DatabaseError:
            log.warning("the task cannot begin: no database", exc_info=True)
            connection.close()
            stop.wait(REST_S)
        if allowance.is_overrun:
            log.critical("a task took too long; the part ends, to be started again")
            raise SystemExit(1)
        if queue.has_grown:
            raise SystemExit(START_ANEW)


class TaskQueue:
    """Both queues of django-q's worker: whence tasks come and whither results go."""

    def __init__(
        self, broker: Broker, *, stop: threading.Event, may_work: Callable[[], bool]
    ) -> None:
        self._broker = broker
        self._may_work = may_work
        self._stop = stop
        self._scheduled_at = float("-inf")
        self._grows_to = _own_bytes() + GROWS_BY
        self._errors = queue_errors()
        self._has_worked = False
        self.has_grown = False
        self._stillness = Stillness(again_after_s=LOOK_ANYHOW_S)

    def get(self) -> Task | Literal["STOP"]:
        """Wait for a task, queueing meanwhile what the schedules ask for."""
        while not self._stop.is_set() and self._may_work():
            self._queue_what_is_due()
            try:
                # Of tasks that are rows; another broker's queue is elsewhere.
                if Conf.ORM and self._stillness.holds():
                    self._stop.wait(Conf.POLL)
                    continue
                # Waits a moment by itself if there is none.
                packages = self._stillness.look(self._broker.dequeue) or ()
            except self._errors:
                log.warning("the queue cannot be read", exc_info=True)
                connection.close()
                self._stop.wait(REST_S)
                continue
            for key, package in packages:
                if (task := self._opened(key, package)) is not None:
                    self._has_worked = True
                    return task
            if self._has_worked and not packages:
                self._has_worked = False
                self.has_grown = _own_bytes() > self._grows_to
                if self.has_grown:
                    break
        return STOP

    def put(self, task: Task) -> None:
        """Write down how the task ended, and take it out of the queue."""
        ended = iter((task, STOP))
        try:
            monitor(SimpleNamespace(get=partial(next, ended)), self._broker)
        except DatabaseError:
            # It stays in the queue and is done again.
            log.warning("the end of a task cannot be written down", exc_info=True)
            connection.close()

    def _queue_what_is_due(self) -> None:
        if time.monotonic() - self._scheduled_at >= SCHEDULES_EVERY_S:
            self._scheduled_at = time.monotonic()
            scheduler(broker=self._broker)

    def _opened(self, key: int, package: str) -> Task | None:
        try:
            task: Task = SignedPackage.loads(package)
        except (TypeError, BadSignature):
            log.exception("a task of the queue was not signed by us")
            self._broker.fail(key)
            return None
        return {**task, "cluster": Conf.CLUSTER_NAME, "ack_id": key}


def _own_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


class Allowance:
    """How long the task may still take, as django-q's worker tells it.

    Its numbers: seconds while it works, -1 while it waits, -2 after its last task, 0
    when the time was up and a signal has broken the task off.
    """

    def __init__(self) -> None:
        self._value = -1.0
        self._until = 0.0

    @property
    def value(self) -> float:
        return self._value

    @value.setter
    def value(self, value: float) -> None:
        self._value = value
        self._until = time.monotonic() + value if value > 0 else 0.0

    @property
    def is_overrun(self) -> bool:
        return self._value == 0

    def get_lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def look(self) -> None:
        """End this part if no signal could break the task off, as on Windows."""
        if self._until and time.monotonic() > self._until:
            end_part("a task takes too long")


def end_part(why: str) -> NoReturn:
    """End this part with all its processes; the supervisor starts it again."""
    log.critical("%s; the part ends, to be started again", why)
    end_tree(os.getpid(), and_itself=False)
    os._exit(1)
