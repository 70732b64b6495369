"""Ends an HTTP call at its deadline, however slowly the peer drips."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
from collections.abc import Iterator
from typing import Any

import requests.adapters
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError

from plumbing.leases import steady_s

# The deadline of the call this thread makes; a timeout per read, which is all that
# requests knows, never fires on a peer that sends one byte a second.
_current = threading.local()
# Until when, by the steady clock, what this thread has claimed is surely its own.
_claimed = threading.local()


# requests does not tell which socket a call uses: connections of our own do.
class _Connection(HTTPConnection):
    has_begun = False

    def connect(self) -> None:
        super().connect()
        # What a proxy was asked for is no part of it.
        self.has_begun = False
        _refuse_if_late(self)

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self.has_begun = False
        super().putrequest(*args, **kwargs)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _refuse_if_late(self)
        self.has_begun = True
        super().send(data)

    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _watch(self.sock)


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS: what it overrides comes first."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """An adapter whose calls `call_deadline` can end."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_own_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **kwargs)
        _use_own_pools(manager)
        return manager


def _use_own_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class Deadline:
    """The deadline of one call; knows the socket in use and whether it was cut."""

    def __init__(self, seconds: float) -> None:
        self.socket: socket.socket | None = None
        self.has_passed = False
        self._until_s = steady_s() + seconds

    @property
    def is_over(self) -> bool:
        """Tell whether it has passed, though a process that slept cut nothing yet."""
        return self.has_passed or steady_s() > self._until_s

    def cut(self) -> None:
        """Close the connection under the reading thread."""
        self.has_passed = True
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def call_deadline(seconds: float) -> Iterator[Deadline]:
    """Cut this thread's connection when the block takes longer than `seconds`."""
    deadline = _current.deadline = Deadline(seconds)
    timer = threading.Timer(seconds, deadline.cut)
    timer.daemon = True
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()
        _current.deadline = None


def _watch(sock: socket.socket | None) -> None:
    deadline: Deadline | None = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.socket = sock
        if deadline.has_passed:
            deadline.cut()


@contextlib.contextmanager
def only_while_claimed() -> Iterator[None]:
    """Send nothing in the block once the claim that it works under has run out.

    A process that was suspended does not know what another one did meanwhile.
    """
    _claimed.until_s = math.inf
    try:
        yield
    finally:
        del _claimed.until_s


def prolong_claim(*, since_s: float, seconds: float) -> None:
    """Note that it lasts `seconds`, from when that began to be asked for."""
    if hasattr(_claimed, "until_s"):
        _claimed.until_s = since_s + seconds


def _refuse_if_late(connection: _Connection) -> None:
    """Send nothing once the deadline has passed: the turn at the clock may be over."""
    deadline: Deadline | None = getattr(_current, "deadline", None)
    is_lost = steady_s() > getattr(_claimed, "until_s", math.inf)
    if deadline is not None and (deadline.is_over or is_lost):
        deadline.has_passed = True
        has_begun = connection.has_begun
        connection.close()
        if has_begun:
            raise TimeoutError("the rest of the request came after its deadline")
        raise ConnectTimeoutError(connection, "connected after the call's deadline")
