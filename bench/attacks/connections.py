"""Connections that are begun and not ended, or filled to no end, as Kaspi fetches."""

from __future__ import annotations

import gzip
import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.embedded import embedded_bridge
from bench.measuring import quantile
from bench.web_servers import HOST, Ground, WebServer, missing_programs

LIST = "/kaspi_price_list.xml"
BAR_S = 0.5
HALF_OPEN, SLOW_READERS = 150, 6
MEGABYTE = b"x" * 1_000_000
BODY_MB = 300
# Of a list larger than what the kernel and whoever stands in front keep for a reader.
OFFERS = 4_000_000
LOOK_AGAIN_S = 0.3
# The attacker's own, so that limits by address meet him and not Kaspi.
ATTACKER = "127.0.0.66"


@dataclass(frozen=True)
class Site:
    """Where the list is fetched by HTTP, and by what name."""

    port: int
    name: str = HOST
    login: str = ""
    caller: str = ATTACKER

    def connect(self) -> socket.socket:
        made = socket.socket()
        made.settimeout(20)
        # The reader's window: what he has not taken, the server must keep.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.bind((self.caller, 0))
        made.connect(("127.0.0.1", self.port))
        return made

    def head(self, method: str, *lines: str) -> bytes:
        told = [f"{method} {LIST} HTTP/1.1", f"Host: {self.name}", *lines]
        if self.login:
            told.append(f"Authorization: {self.login}")
        return "\r\n".join(told).encode()


def begin_request(site: Site) -> socket.socket:
    """Begin a request and leave it at that."""
    made = site.connect()
    made.sendall(site.head("GET", "X-Slow: "))
    return made


def begin_reading(site: Site) -> socket.socket:
    """Ask for the whole list and take none of it."""
    made = site.connect()
    made.sendall(site.head("GET") + b"\r\n\r\n")
    return made


def post_much(site: Site) -> tuple[bytes, int]:
    """Send a body for as long as it is taken; gives the answer's beginning and MB."""
    sent = 0
    with site.connect() as made:
        length = BODY_MB * len(MEGABYTE)
        made.sendall(site.head("POST", f"Content-Length: {length}") + b"\r\n\r\n")
        made.settimeout(0.2)
        said = _heard(made)
        made.settimeout(20)
        try:
            while sent < BODY_MB:
                made.sendall(MEGABYTE)
                sent += 1
        except OSError:
            # Nobody listens any more.
            return said, sent
        return said or _heard(made), sent


def _heard(made: socket.socket) -> bytes:
    try:
        return made.recv(100)
    except OSError:
        return b""


class Held(threading.Thread):
    """Holds so many connections, and begins another for each that is ended."""

    def __init__(
        self, site: Site, begin: Callable[[Site], socket.socket], number: int
    ) -> None:
        super().__init__(daemon=True)
        self.begun = 0
        self._site, self._begin, self._number = site, begin, number
        self._held: list[socket.socket] = []
        self._over = threading.Event()

    def __enter__(self) -> Held:
        self.start()
        return self

    def __str__(self) -> str:
        return f"{self.begun} connections in all"

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self.join(60)
        for each in self._held:
            each.close()

    def run(self) -> None:
        while not self._over.is_set():
            self._held = [each for each in self._held if not _is_ended(each)]
            while len(self._held) < self._number and not self._over.is_set():
                try:
                    self._held.append(self._begin(self._site))
                    self.begun += 1
                except OSError:
                    break
            self._over.wait(LOOK_AGAIN_S)


def _is_ended(held: socket.socket) -> bool:
    """Tell whether the other side has closed; what it sent before is left unread."""
    held.setblocking(False)
    try:
        if held.recv(1, socket.MSG_PEEK):
            return False
    except BlockingIOError:
        return False
    except OSError:
        pass
    held.close()
    return True


class Posting(threading.Thread):
    """Posts a body of 300 MB again and again."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self.taken_mb: list[int] = []
        self._site = site
        self._over = threading.Event()

    def __str__(self) -> str:
        return f"{len(self.taken_mb)} bodies, at most {max(self.taken_mb)} MB taken"

    def __enter__(self) -> Posting:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self.join(60)

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self.taken_mb.append(post_much(self._site)[1])
            except OSError:
                self._over.wait(LOOK_AGAIN_S)


def half_open(seconds: float) -> bool:
    """150 requests are begun and not ended, whoever answers."""
    return _on_all(seconds, lambda site: Held(site, begin_request, HALF_OPEN))


def slow_readers(seconds: float) -> bool:
    """Six ask for a list of 68 MB and take none of it, whoever answers."""
    return _on_all(seconds, lambda site: Held(site, begin_reading, SLOW_READERS))


def large_bodies(seconds: float) -> bool:
    """A stranger posts 300 MB again and again, whoever answers."""
    return _on_all(seconds, Posting)


def _on_all(seconds: float, attack: Callable[[Site], Held | Posting]) -> bool:
    held = True
    with _sites() as sites:
        for name, site in sites.items():
            quiet, _failed = fetch_times(site, seconds=3)
            with attack(site) as attacker:
                time.sleep(1)
                times, failed = fetch_times(site, seconds=seconds)
            print(f"{name:<8} before {_told(quiet)}")
            bar = f"(bar: p99 {BAR_S} s, none failed)"
            print(f"{'':<8} during {_told(times)}, {failed} failed   {bar}")
            print(f"{'':<8} {attacker}")
            held &= not failed and bool(times) and quantile(times, 0.99) <= BAR_S
    return held


@contextmanager
def _sites() -> Iterator[dict[str, Site]]:
    """Start a bridge, and nginx and Apache in front of it where they are installed."""
    with TemporaryDirectory() as folder:
        ground = Ground(path=Path(folder))
        ground.make()
        names = {"FEED_DIR": str(ground.feed), "ALLOWED_HOSTS": f"{HOST},127.0.0.1"}
        with embedded_bridge(**names) as bridge:
            _put_large_list(ground.feed)
            port = int(bridge.site.rpartition(":")[2])
            sites, servers = {"bridge": Site(port)}, []
            try:
                for name in () if missing_programs() else ("nginx", "apache"):
                    server = WebServer(name=name, ground=ground, behind=port)
                    servers.append(server)
                    server.start()
                    sites[name] = Site(server.http)
                yield sites
            finally:
                for server in servers:
                    server.stop()


def _put_large_list(folder: Path) -> None:
    large = b"<kaspi_catalog>" + b"<offer sku='1'/>\n" * OFFERS + b"</kaspi_catalog>"
    live, twin = folder / "kaspi_price_list.xml", folder / "kaspi_price_list.xml.gz"
    live.write_bytes(large)
    twin.write_bytes(gzip.compress(large, 1))
    for path in (live, twin):
        os.utime(path, (1_700_000_000, 1_700_000_000))
        path.chmod(0o640)


def fetch_times(site: Site, *, seconds: float) -> tuple[list[float], int]:
    """Fetch the list compressed, as Kaspi does; gives the times and the failures."""
    times: list[float] = []
    failed = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
        try:
            headers = {"Host": site.name, "Accept-Encoding": "gzip"}
            if site.login:
                headers["Authorization"] = site.login
            connection.request("GET", LIST, headers=headers)
            answer = connection.getresponse()
            answer.read()
            failed += answer.status != 200
        except (OSError, http.client.HTTPException):
            failed += 1
        finally:
            connection.close()
        times.append(time.perf_counter() - began)
        time.sleep(0.1)
    return times, failed


def _told(times: list[float]) -> str:
    p50, p99 = quantile(times, 0.5), quantile(times, 0.99)
    return f"n={len(times):<4} p50 {p50:.3f}  p99 {p99:.3f}  worst {max(times):.3f} s"
