"""Tells the service manager that we live while the bridge's own supervisor does not."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

TOLD_EVERY_S = 20.0


def notify(words: str) -> None:
    """Tell systemd, if it asked to be told: STOPPING=1, WATCHDOG=1."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address and hasattr(socket, "AF_UNIX"):
        # A leading @ is how an address without a file is written.
        name = "\0" + address[1:] if address[0] == "@" else address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(words.encode(), name)


@contextmanager
def staying_alive() -> Iterator[None]:
    """Keep its watchdog quiet in the block."""
    is_over = threading.Event()

    def tell() -> None:
        while not is_over.wait(TOLD_EVERY_S):
            notify("WATCHDOG=1")

    notify("WATCHDOG=1")
    threading.Thread(target=tell, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
