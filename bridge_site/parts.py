"""What runs inside each part: the web server, the dispatchers, a worker cluster."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import DatabaseError, close_old_connections, connection, connections
from django.template import engines
from django.utils import translation
from django.utils.module_loading import autodiscover_modules, import_string

from bridge_site.alerting import make_watch
from bridge_site.alive import show_life
from bridge_site.cluster import (
    WrongQueue,
    keep_connections,
    run_cluster,
    use_queue,
)
from bridge_site.forking import Born, become_parts, name_process
from bridge_site.gate import Gate
from bridge_site.listening import (
    WEB_THREADS,
    finish_and_close,
    interrupt,
    let_interrupt,
    make_server,
    take_turn,
)
from bridge_site.processes import (
    PART_STOPS_WITHIN_S,
    exit_after,
    home,
    stop_when_told,
    when_parent_ends,
)
from bridge_site.reporting import Reporter, report_in_background
from bridge_site.schedules import bring_back
from bridge_site.set_back import bring_moments_back
from feeds.keeping_up import start_keeping_up
from feeds.standing_in import keep_login
from orders.dispatching import dispatch
from orders.models import Step
from orders.supply.evidence import WATCH
from plumbing.adjusting import Watcher
from plumbing.clocks import note_host
from plumbing.leases import database_now
from plumbing.rhythm import until_next
from plumbing.timekeeping import TimeWatch

log = logging.getLogger(__name__)

WATCH_TIME_EVERY_S = 15


def load_what_parts_share() -> None:
    """Load all that any part will need, before it is forked: then it is there once."""
    autodiscover_modules("tasks")
    import_module(settings.ROOT_URLCONF)
    for path in settings.MIDDLEWARE:
        import_string(path)
    # To speak a language is to load its texts; the templates' machinery comes along.
    with translation.override(settings.LANGUAGE_CODE):
        engines.all()


def fork_nursery() -> Sequence[str]:
    """Fork the process that forks the parts; returns what the supervisor must be told.

    In a part that is forked later this does not return.
    """
    connections.close_all()
    wishes, supervisors = socket.socketpair()
    if (pid := os.fork()) == 0:
        supervisors.close()
        be_nursery(wishes)
    wishes.close()
    supervisors.set_inheritable(True)
    return "--nursery", str(supervisors.detach()), str(pid)


def be_nursery(wishes: socket.socket) -> NoReturn:
    """Fork parts as long as the supervisor lives; be one of them in each."""
    os.setsid()
    os.chdir(home())
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    name_process("nursery")
    if (born := become_parts(wishes)) is None:
        # What it holds belongs to the parts as well.
        os._exit(0)
    begin_as(born)
    run_part(born.part, listen=os.environ["LISTEN"], exit_with_parent=True)
    raise SystemExit


def begin_as(born: Born) -> None:
    """Settle what a program of its own has from its command line and environment."""
    os.environ.update(born.environment)
    sys.argv[1:] = ["bridge_part", born.part, "--exit-with-parent"]
    name_process(born.part)
    use_queue(born.part)


def run_part(name: str, *, listen: str, exit_with_parent: bool) -> None:
    """Do a part's work until it is told to stop."""
    try:
        _run_part(name, listen=listen, exit_with_parent=exit_with_parent)
    except WrongQueue:
        raise
    except Exception:
        # Also where there is no console to show it.
        log.exception("%s ended with a fault", name)
        raise


def _run_part(name: str, *, listen: str, exit_with_parent: bool) -> None:
    if name == "web":
        serve_web(listen=listen, exit_with_parent=exit_with_parent)
    elif name == "dispatch":
        show_life()
        run_dispatchers(exit_with_parent=exit_with_parent)
    else:
        run_cluster(name, exit_with_parent=exit_with_parent)


def serve_web(*, listen: str, exit_with_parent: bool) -> None:
    """Serve the site until the parent ends or SIGINT or SIGTERM comes."""
    keep_login()
    application = Gate(get_wsgi_application(), threads=WEB_THREADS)
    take_turn(listen)
    server = make_server(application, listen)

    def stop(*_args: Any) -> None:
        exit_after(PART_STOPS_WITHIN_S)
        interrupt(server)

    def on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
        exit_after(PART_STOPS_WITHIN_S)
        raise KeyboardInterrupt

    let_interrupt()
    signal.signal(signal.SIGTERM, on_signal)
    if exit_with_parent:
        when_parent_ends(stop)
    Watcher().start()
    start_keeping_up(wait=threading.Event().wait)
    start_watch(wait=threading.Event().wait)
    reporter = Reporter("web")
    report_in_background(reporter)
    server.run()
    # At once: somebody may wait for the address.
    finish_and_close(server)
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
    stop = stop_when_told(exit_with_parent=exit_with_parent, finishes_at_word=True)
    keep_connections()
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
    # Before anything is decided by what seems to have been seen tomorrow.
    watch_time(WATCH)
    for loop in loops:
        loop.start()
    start_watch(wait=stop.wait)
    while not stop.wait(until_next(WATCH_TIME_EVERY_S)):
        if not all(loop.is_alive() for loop in loops):
            # The supervisor starts the part again.
            raise SystemExit(1)
        watch_time(WATCH)
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
