"""How the web part listens: its server, and its turn at the address."""

from __future__ import annotations

import _thread
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import waitress
from waitress import wasyncore

from bridge_site.control import find_control
from bridge_site.gate import Application
from bridge_site.processes import parse_address, settle_address

WEB_THREADS = 8
# Each waits in the kernel, not in a thread; `select` on Windows knows 512 at most.
MOST_CONNECTIONS = 400 if os.name == "nt" else 2000
# Of silence in the middle of a request, or of an answer nobody takes.
SILENT_FOR_S = 30
MOST_HEADER_BYTES = 32 * 1024
# A spreadsheet with a hundred thousand rows has less.
MOST_BODY_BYTES = 20 * 1024 * 1024
TRY_EVERY_S = 0.02
# A list on a slow line; somebody may wait for this process to end.
FINISHES_WITHIN_S = 3.0
# Whoever gives out the list in the meantime goes at a word.
ITS_TURN_WITHIN_S = 15.0


def make_server(application: Application, listen: str) -> Any:
    """Listen at the address; the server's `run()` answers until it is stopped."""
    host, port = parse_address(listen)
    return waitress.create_server(
        application,
        host=host,
        port=port,
        threads=WEB_THREADS,
        connection_limit=MOST_CONNECTIONS,
        backlog=MOST_CONNECTIONS,
        asyncore_use_poll=os.name != "nt",
        channel_timeout=SILENT_FOR_S,
        cleanup_interval=5,
        # It is woken when there is something to do, or when it is to end.
        asyncore_loop_timeout=5,
        max_request_header_size=MOST_HEADER_BYTES,
        max_request_body_size=MOST_BODY_BYTES,
        ident="",
        # Whose word counts of whom he speaks for is TRUSTED_PROXIES' business, which
        # waitress, knowing one address, cannot tell (bridge_site.callers).
        clear_untrusted_proxy_headers=False,
    )


def let_interrupt() -> None:
    """Let `interrupt` stop this process's server; called in its main thread.

    A shell's script starts what runs in the background deaf to SIGINT.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt(server: Any) -> None:
    """Let the server's `run()` in the main thread come to its end, soon."""
    _thread.interrupt_main()
    # It may wait for callers, at several addresses too.
    listeners = [server, *getattr(server, "map", {}).values()]
    for pull in [getattr(each, "pull_trigger", None) for each in listeners]:
        # Where it was awake it may have ended, and have closed what wakes it.
        with suppress(OSError):
            if pull:
                pull()


def finish_and_close(server: Any) -> None:
    """Listen no more, finish what is being answered, and close every connection.

    For a server that was stopped. Whoever keeps a connection open for his next request
    would wait long for that one's answer.
    """
    server.close()
    left: dict[int, Any] = getattr(server, "_map", None) or getattr(server, "map", {})
    for connection in left.values():
        connection.close_when_flushed = True
    until = time.monotonic() + FINISHES_WITHIN_S
    while left and time.monotonic() < until:
        wasyncore.loop(TRY_EVERY_S, map=left, use_poll=os.name != "nt", count=1)
    wasyncore.close_all(left, ignore_all=True)


def await_turn(listen: str, *, is_over: Callable[[float], bool]) -> bool:
    """Wait until nobody else listens there, or `is_over`; returns whether it is free.

    `is_over` waits for the seconds that it is told.
    """
    while not is_over(TRY_EVERY_S):
        if is_free(listen):
            return True
    return False


def is_free(listen: str) -> bool:
    try:
        settle_address(listen)
    except ValueError:
        return False
    return True


def take_turn(listen: str) -> None:
    """Tell run.py that the site is ready to listen, and wait for its turn.

    Whoever listens longer than that is no substitute of ours: listening says so.
    """
    if (control := find_control()) is None:
        return
    control.tell_ready()
    until = time.monotonic() + ITS_TURN_WITHIN_S
    while not is_free(listen) and time.monotonic() < until:
        time.sleep(TRY_EVERY_S)
