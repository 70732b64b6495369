"""Signs of life: of the parts to the supervisor, of the supervisor to systemd."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# Names the file by which a part shows that it runs.
ALIVE_FILE = "BRIDGE_ALIVE_FILE"
SHOWN_EVERY_S = 5.0
ASKED_EVERY_S = 10.0
ANSWERS_WITHIN_S = 10.0
# A start imports Django and waits for the database.
STARTS_WITHIN_S = 90.0
SILENT_FOR_S = 45.0
# Between two looks of the supervisor, each second: it was stopped itself.
PAUSED_S = 10.0


def show_life(*, look: Callable[[], None] = lambda: None) -> None:
    """Touch this part's file every few seconds, from a thread, for as long as it runs.

    A stopped process and one without memory or processor touch nothing. `look` is
    called each time.
    """
    name = os.environ.get(ALIVE_FILE)
    if not name:
        return
    file = Path(name)

    def touch() -> None:
        # Its folder goes with the supervisor.
        while file.parent.exists():
            # On a full disk another time may do.
            with suppress(OSError):
                file.touch()
            look()
            time.sleep(SHOWN_EVERY_S)

    threading.Thread(target=touch, name="show-life", daemon=True).start()


def answers(listen: str) -> bool:
    """Tell whether the web part answers at all; whatever it says is a sign of life."""
    host, _colon, port = reached_at(listen).rpartition(":")
    address = host.strip("[]"), int(port)
    # By hand: HTTP's library takes five megabytes of the supervisor.
    try:
        with socket.create_connection(address, timeout=ANSWERS_WITHIN_S) as web:
            web.sendall(f"GET /healthz HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return web.recv(5) == b"HTTP/"
    except OSError:
        return False


def reached_at(listen: str) -> str:
    """Return where this computer reaches what listens there."""
    host, _colon, port = listen.rpartition(":")
    anywhere = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - read, not listened at
    return f"{anywhere.get(host, host)}:{port}"


def can_be_shown(file: Path) -> bool:
    """Make a part's file, untouched as yet; False where a full disk takes none.

    Of a part that has no file silence says nothing.
    """
    try:
        file.touch()
        os.utime(file, (0, 0))
    except OSError:
        return False
    return True


@dataclass(slots=True, kw_only=True)
class Life:
    """When a part last gave a sign of life, as the supervisor knows it."""

    part: str
    listen: str
    file: Path
    seen_at: float = field(default_factory=time.monotonic)
    was_seen: bool = False
    _looked_at: float = field(default_factory=time.monotonic)
    _asked_at: float = field(default_factory=time.monotonic)
    _is_asking: threading.Lock = field(default_factory=threading.Lock)

    def silent_s(self, *, now: float) -> float:
        """Return for how long it has been silent, starting not counted.

        Nor is a time in which nobody looked: a container that was paused stopped the
        part as well, and it must not be ended in the middle of a call for that.
        """
        if now - self._looked_at > PAUSED_S:
            self.seen_at += now - self._looked_at
        self._looked_at = now
        self._look(now=now)
        patience = SILENT_FOR_S if self.was_seen else STARTS_WITHIN_S
        return max(0.0, now - self.seen_at - patience)

    def _look(self, *, now: float) -> None:
        if self.part == "web":
            if now - self._asked_at >= ASKED_EVERY_S:
                self._asked_at = now
                # Apart: the supervisor shall not hang with what it watches.
                threading.Thread(target=self._ask, daemon=True).start()
            return
        try:
            age_s = time.time() - self.file.stat().st_mtime
        except OSError:
            return
        # A clock that was set says nothing of the part: a fresh touch follows.
        if abs(age_s) < SILENT_FOR_S:
            self.seen_at, self.was_seen = now - max(0.0, age_s), True

    def _ask(self) -> None:
        if not self._is_asking.acquire(blocking=False):
            return
        try:
            if answers(self.listen):
                self.seen_at, self.was_seen = time.monotonic(), True
        finally:
            self._is_asking.release()


def tell_systemd(words: str) -> None:
    """Tell the service manager, if one asked to be told: READY=1, WATCHDOG=1."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(words.encode(), address)
    except OSError:
        # Nobody listens; the watchdog will tell.
        return
