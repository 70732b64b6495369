"""A small threaded HTTP server with state and faults, the base of both peers."""

from __future__ import annotations

import json
import os
import select
import socket
import socketserver
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from email.message import Message
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Params = dict[str, str]

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"


@dataclass(slots=True, kw_only=True)
class Request:
    """One request as it arrived; `arrived` is `time.monotonic()` at its first line."""

    verb: str
    path: str
    query: Params
    headers: Message
    body: bytes
    arrived: float

    def header(self, name: str) -> str:
        return str(self.headers.get(name) or "")

    def json(self) -> Any:
        """Parse the body; an empty one is an empty object."""
        return json.loads(self.body.decode("utf-8")) if self.body.strip() else {}

    def params(self) -> Params:
        """Merge the query with a form or JSON body, as PHP's `$_REQUEST` would."""
        merged = dict(self.query)
        kind = self.header("Content-Type").lower()
        if "urlencoded" in kind:
            merged |= dict(parse_qsl(self.body.decode("utf-8"), keep_blank_values=True))
        elif "json" in kind and self.body.strip():
            sent = self.json()
            if isinstance(sent, dict):
                for name, value in sent.items():
                    merged[name] = value if isinstance(value, str) else dump(value)
        return merged


def dump(data: Any) -> str:
    """Write JSON the way both peers do: compact, not escaped."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


@dataclass(slots=True, kw_only=True)
class Reply:
    """An answer; `data` is kept apart from `body` so that faults can bend it."""

    status: int = 200
    data: Any = None
    body: bytes | None = None
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)

    def payload(self) -> bytes:
        if self.body is not None:
            return self.body
        try:
            return dump(self.data).encode("utf-8")
        except UnicodeEncodeError:
            # Half a surrogate pair can only travel escaped.
            return json.dumps(self.data).encode("ascii")

    def head(self, *, length: int, close: bool) -> bytes:
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [
            f"HTTP/1.1 {self.status} {phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {length}",
            f"Connection: {'close' if close else 'keep-alive'}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def json_reply(data: Any, *, status: int = 200, **headers: str) -> Reply:
    """Build a JSON answer; header names use underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, data=data, headers=named)


def html_reply(text: str, *, status: int = 200) -> Reply:
    return Reply(status=status, body=text.encode("utf-8"), content_type=HTML_TYPE)


class Wire(BaseHTTPRequestHandler):
    """One connection: reads requests, and answers well or badly as it is told."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120
    server: _Listener

    def setup(self) -> None:
        """Remember the connection, so that closing the peer can end it."""
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def parse_request(self) -> bool:
        """Note when the first line came, before the rest is read."""
        self.arrived = time.monotonic()
        return super().parse_request()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            # Cut off: a web server hands nothing on of which the rest never came.
            self.close_connection = True
            return
        request = Request(
            verb=self.command,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=self.headers,
            body=body,
            arrived=self.arrived,
        )
        self.server.owner.serve(request, self)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815

    def send(self, reply: Reply) -> None:
        self._date(reply)
        body = reply.payload()
        head = reply.head(length=len(body), close=self.close_connection)
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def _date(self, reply: Reply) -> None:
        reply.headers.setdefault("Date", self.server.owner.date())

    def drop(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def hang(self, seconds: float) -> None:
        """Say nothing until the time is over, the client has gone or we close."""
        until = time.monotonic() + seconds
        while not self.server.owner.closing.is_set():
            left = until - time.monotonic()
            if left <= 0 or self._client_has_gone(min(left, 0.1)):
                return

    def _client_has_gone(self, wait_s: float) -> bool:
        try:
            ready, _, _ = select.select([self.connection], [], [], wait_s)
            if not ready:
                return False
            if self.connection.recv(1, socket.MSG_PEEK):
                self.server.owner.closing.wait(wait_s)
                return False
        except (OSError, ValueError):
            return True
        return True

    def drip(self, reply: Reply, *, delay_s: float, chunk: int) -> None:
        self._date(reply)
        body = reply.payload()
        text = reply.head(length=len(body), close=True) + body
        self.close_connection = True
        for start in range(0, len(text), chunk):
            self.wfile.write(text[start : start + chunk])
            if self.server.owner.closing.wait(delay_s):
                break

    def cut(self, reply: Reply, *, share: float, honest: bool) -> None:
        """Answer a part of the body; honest = its length is announced truly."""
        self._date(reply)
        body = reply.payload()
        part = body[: int(len(body) * share)]
        length = len(part) if honest else len(body)
        self.close_connection = True
        self.wfile.write(reply.head(length=length, close=True) + part)
        if not honest:
            self.drop()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: the arrival log is the record."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    # On Windows this option would let two servers share one port.
    allow_reuse_address = os.name != "nt"
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], owner: SandboxServer) -> None:
        self.owner = owner
        self.connections: set[socket.socket] = set()
        self._workers: list[threading.Thread] = []
        super().__init__(address, Wire)

    def server_bind(self) -> None:
        # HTTPServer would look up the host's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        worker = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            daemon=True,
        )
        self._workers = [t for t in self._workers if t.is_alive()] + [worker]
        worker.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # A client that went away is its own affair; anything else is our fault.
        if not isinstance(error, (ConnectionError, TimeoutError)):
            self.owner.crashes.append(traceback.format_exc())

    def end_connections(self, timeout_s: float) -> None:
        """Wake every worker that waits on a client, then wait for it."""
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        until = time.monotonic() + timeout_s
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))


class SandboxServer:
    """Owns the listening socket and its threads; a context manager.

    Listens from construction on, so `url` is known at once; `start()` serves.
    """

    def __init__(self, *, port: int = 0) -> None:
        self.closing = threading.Event()
        self.crashes: list[str] = []
        self._listener = _Listener(("127.0.0.1", port), self)
        self._thread: threading.Thread | None = None
        self._loops: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """Return the port that was really taken."""
        return int(self._listener.server_port)

    @property
    def root_url(self) -> str:
        """Return `http://127.0.0.1:PORT`, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def date(self) -> str:
        """Say what time it is, for an answer's head."""
        return formatdate(time.time(), usegmt=True)

    def serve(self, request: Request, wire: Wire) -> None:
        raise NotImplementedError

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def every(self, seconds: float, work: Any) -> None:
        """Call `work()` on a timer until the peer is closed."""

        def loop() -> None:
            while not self.closing.wait(seconds):
                try:
                    work()
                except Exception as error:
                    self.crashes.append(repr(error))

        thread = threading.Thread(target=loop, daemon=True)
        self._loops.append(thread)
        thread.start()

    def close(self) -> None:
        if self.closing.is_set():
            return
        self.closing.set()
        if self._thread is not None:
            self._listener.shutdown()
            self._thread.join(5)
        self._listener.end_connections(5)
        self._listener.server_close()
        for loop in self._loops:
            loop.join(5)
