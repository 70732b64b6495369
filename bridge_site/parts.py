"""What runs inside each part: the web server, the dispatchers, a worker cluster."""

from __future__ import annotations

import _thread
import gc
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import uuid
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import django_q.cluster
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError, close_old_connections, connection
from django.utils.module_loading import autodiscover_modules
from django_q.conf import Conf

from bridge_site.alerting import make_watch
from bridge_site.alive import show_life
from bridge_site.cluster_family import StoppedChildren, end_part, was_killed
from bridge_site.gate import Gate
from bridge_site.listening import WEB_THREADS, make_server, take_turn, wake
from bridge_site.processes import (
    PART_STOPS_WITHIN_S,
    exit_after,
    when_parent_ends,
)
from bridge_site.reporting import Reporter, report_in_background
from bridge_site.schedules import bring_back
from bridge_site.set_back import bring_moments_back
from feeds.keeping_up import start_keeping_up
from feeds.standing_in import keep_login
from orders.dispatching import dispatch
from orders.models import Step
from plumbing.adjusting import Watcher
from plumbing.clocks import note_host
from plumbing.leases import database_now
from plumbing.timekeeping import TimeWatch

log = logging.getLogger(__name__)

WATCH_TIME_EVERY_S = 15


class WrongQueue(Exception):
    """A cluster's name is settled when the program starts, and it was another one."""


def run_part(name: str, *, listen: str, exit_with_parent: bool) -> None:
    if name == "web":
        serve_web(listen=listen, exit_with_parent=exit_with_parent)
    elif name == "dispatch":
        show_life()
        run_dispatchers(exit_with_parent=exit_with_parent)
    else:
        show_life(look=StoppedChildren().look)
        run_cluster(name, exit_with_parent=exit_with_parent)


def serve_web(*, listen: str, exit_with_parent: bool) -> None:
    """Serve the site until the parent ends or SIGINT or SIGTERM comes."""
    keep_login()
    application = Gate(get_wsgi_application(), threads=WEB_THREADS)
    take_turn(listen)
    server = make_server(application, listen)

    def stop(*_args: Any) -> None:
        exit_after(PART_STOPS_WITHIN_S)
        _thread.interrupt_main()
        wake(server)

    def on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
        exit_after(PART_STOPS_WITHIN_S)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_signal)
    if exit_with_parent:
        when_parent_ends(stop)
    Watcher().start()
    start_keeping_up(wait=threading.Event().wait)
    start_watch(wait=threading.Event().wait)
    reporter = report_in_background("web")
    server.run()
    # At once: somebody may wait for the address.
    server.close()
    reporter.leave()


def start_watch(*, wait: Callable[[float], bool]) -> threading.Thread:
    """Let this part watch over the others, as long as no other part does."""
    watch = threading.Thread(
        target=make_watch().run, kwargs={"wait": wait}, name="watch", daemon=True
    )
    watch.start()
    return watch


def run_dispatchers(*, exit_with_parent: bool) -> None:
    """Run a loop per peer until the parent ends or SIGINT or SIGTERM comes.

    A word of the parent's lets it finish first what is under way: no call is cut off.
    A part of its own: a queue of orders must not keep the clusters from reading.
    """
    stop = threading.Event()

    def stop_soon(*_args: Any) -> None:
        # In a thread of its own: a signal may come while this one holds the event.
        exit_after(PART_STOPS_WITHIN_S)
        threading.Thread(target=stop.set, daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_soon)
    if exit_with_parent:
        when_parent_ends(stop_soon, on_word=stop.set)
    reporter = Reporter("dispatch")
    if not reporter.await_work(wait=stop.wait):
        return
    loops = [
        threading.Thread(
            target=dispatch, args=[peer], kwargs={"wait": stop.wait}, daemon=True
        )
        for peer in Step.Peer.values
    ]
    # Not a scheduled task: the schedules themselves wait for a clock that was set back.
    watch = TimeWatch()
    # Before anything is decided by what seems to have been seen tomorrow.
    watch_time(watch)
    for loop in loops:
        loop.start()
    start_watch(wait=stop.wait)
    while not stop.wait(WATCH_TIME_EVERY_S):
        if not all(loop.is_alive() for loop in loops):
            # The supervisor starts the part again.
            raise SystemExit(1)
        watch_time(watch)
        if not reporter.turn():
            # Started again it waits until it may.
            stop.set()
    for loop in loops:
        loop.join()
    reporter.leave()


def watch_time(watch: TimeWatch) -> None:
    """Look whether the clock was set, and bring near what then waits for too long."""
    try:
        close_old_connections()
        watch.look()
        note_host()
        bring_moments_back(now=database_now())
        bring_back(now=database_now())
    except DatabaseError:
        # It is away for a moment; the next look tells.
        log.warning("the database's clock could not be read", exc_info=True)
        connection.close()


def run_cluster(name: str, *, exit_with_parent: bool) -> None:
    """Run a worker cluster until the parent ends or SIGINT or SIGTERM comes.

    django-q's `Cluster` would add a process that only waits for the sentinel, and
    its stop by signals can deadlock; the sentinel itself runs here instead.
    """
    if name != Conf.CLUSTER_NAME:
        raise WrongQueue(f"Start this part with Q_CLUSTER_NAME={name}.")
    reporter, stop = Reporter(name), threading.Event()
    if exit_with_parent:
        when_parent_ends(stop.set)
    if not reporter.await_work(wait=stop.wait):
        return
    use_start_method()
    # Imported once here, the workers share the code's memory instead of owning it.
    autodiscover_modules("tasks")
    gc.collect()
    gc.freeze()
    _Sentinel(reporter, exit_with_parent=exit_with_parent)
    reporter.leave()


class _Sentinel(django_q.cluster.Sentinel):  # type: ignore[misc]
    """django-q's guard of one cluster; its constructor returns when all is stopped."""

    def __init__(self, reporter: Reporter, *, exit_with_parent: bool) -> None:
        self._exit_with_parent = exit_with_parent
        # Called from the guard's own thread, the one that forks: a fork in the middle
        # of another thread's question would take half of it along.
        schedule = django_q.cluster.scheduler
        django_q.cluster.scheduler = self._when_working(reporter, schedule)
        started, stopping = multiprocessing.Event(), multiprocessing.Event()
        super().__init__(stopping, started, uuid.uuid4())

    def start(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: self._stop_soon())
        if self._exit_with_parent:
            when_parent_ends(self._stop_soon)
        super().start()

    def _when_working(
        self, reporter: Reporter, schedule: Callable[..., None]
    ) -> Callable[..., None]:
        def look(**options: Any) -> None:
            if reporter.turn():
                schedule(**options)
            else:
                # Started again it waits until it may.
                self._stop_soon()

        return look

    def reincarnate(self, process: multiprocessing.Process) -> None:
        if was_killed(process):
            end_part(f"{process.name} was killed (code {process.exitcode})")
        super().reincarnate(process)

    def _stop_soon(self) -> None:
        # In a thread of its own: a signal may come while this one holds the event.
        exit_after(PART_STOPS_WITHIN_S)
        threading.Thread(target=self.stop_event.set, daemon=True).start()


def use_start_method() -> None:
    """Settle how worker processes are made: `MP_START_METHOD`, else fork if it exists.

    django-q insists on fork where it exists; tests want Windows' way on Linux too.
    """
    methods = multiprocessing.get_all_start_methods()
    usual = "fork" if "fork" in methods else "spawn"
    chosen = os.environ.get("MP_START_METHOD") or usual
    multiprocessing.set_start_method(chosen, force=True)
    django_q.cluster.get_mp_context = _WatchedContext


class _WatchedContext:
    """What django-q asks for processes: they end when their parent does."""

    def Process(  # noqa: N802
        self, *, target: Callable[..., Any], args: tuple[Any, ...], name: str
    ) -> multiprocessing.Process:
        return multiprocessing.Process(
            target=run_watched, args=(target, *args), name=name
        )


def run_watched(target: Callable[..., Any], *args: Any) -> None:
    """Run `target` in a child that ends at once when its parent is gone."""
    use_start_method()
    # A Ctrl-C is the sentinel's business; SIGTERM is how it ends a stuck worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            multiprocessing.connection.wait([parent.sentinel])
            os._exit(1)

        threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    target(*args)
