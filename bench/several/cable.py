"""The cable between a host and the database, which can be pulled."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

CHUNK = 1 << 16


class Cable:
    """A TCP proxy to the database that falls silent, is cut, and comes back."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._there = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        port = self._listener.getsockname()[1]
        user, _at, _host = parts.netloc.rpartition("@")
        netloc = f"{user}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}"
        self.url = parts._replace(netloc=netloc).geturl()
        self._flows = threading.Event()
        self._flows.set()
        self._is_cut = False
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Let nothing through, and tell nobody: as a cable that was pulled out."""
        self._flows.clear()

    def cut(self) -> None:
        """Reset all connections and take no new ones."""
        self._is_cut = True
        with self._lock:
            doomed, self._sockets = self._sockets, set()
        for each in doomed:
            # A reset, no orderly end.
            with contextlib.suppress(OSError):
                each.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
                )
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._flows.set()

    def mend(self) -> None:
        self._is_cut = False
        self._flows.set()

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                here, _address = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                here.close()
                continue
            threading.Thread(target=self._join, args=[here], daemon=True).start()

    def _join(self, here: socket.socket) -> None:
        self._flows.wait()
        try:
            there = socket.create_connection(self._there, timeout=10)
        except OSError:
            here.close()
            return
        there.settimeout(None)
        with self._lock:
            self._sockets |= {here, there}
        for source, target in ((here, there), (there, here)):
            threading.Thread(
                target=self._pump, args=[source, target], daemon=True
            ).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(CHUNK):
                self._flows.wait()
                target.sendall(data)
        except OSError:
            pass
        finally:
            with self._lock:
                self._sockets -= {source, target}
            for each in (source, target):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
