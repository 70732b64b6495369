"""A receiver of messages on loopback: takes them, refuses them, or hangs."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = "a-secret-path-of-the-channel"


class Receiver:
    """Listens from `with` on; `messages` are those taken, in order."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        # Every request, taken or not.
        self.asked: list[str] = []
        self.status = 200
        self.hangs = threading.Event()
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def do_GET(self) -> None:
                receiver.asked.append(self.path)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        if self.hangs.is_set():
            self._released.wait(60)
            return
        if self.status < 400:
            self.messages.append(json.loads(body))
        handler.send_response(self.status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    @property
    def address(self) -> str:
        """Where Apprise sends to."""
        return f"json://127.0.0.1:{self._server.server_port}/{PATH}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{PATH}"

    def texts(self) -> list[str]:
        return [f"{m['title']}\n{m['message']}" for m in self.messages]

    def take_texts(self) -> list[str]:
        """Give what has come since the last call."""
        texts = self.texts()
        self.messages.clear()
        return texts

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_args: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
