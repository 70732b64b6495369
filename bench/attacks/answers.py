"""What a peer's hostile answer costs in memory: each in a process of its own."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

MIB = 1 << 20
# By call: what its answer may take, of at most 10, 16, 16 and 64 MiB, and in how many
# places of a host it may be made at once: by each of the web part's threads for pages,
# by both loops of `dispatch`, by the worker for orders and by that for imports.
BARS_MIB = {"waybill": 40, "orders": 150, "page": 150, "stock": 400}
AT_ONCE = {"waybill": 6, "orders": 3, "page": 0, "stock": 1}
IDLE_MIB, HOST_MIB = 300, 2048


@dataclass(frozen=True)
class Answer:
    """One hostile answer to one call."""

    name: str
    call: str
    pieces: Callable[[], Iterator[bytes]]
    encoding: str = ""


def _repeated(head: bytes, piece: bytes, tail: bytes, *, mib: float) -> Iterator[bytes]:
    """Give an answer of about so many MiB, a piece of it at a time."""
    yield head
    block = piece * (MIB // len(piece))
    for _number in range(round(mib)):
        yield block
    yield tail


def _bomb(head: bytes, piece: bytes, tail: bytes, *, mib: int) -> Iterator[bytes]:
    """Give the same compressed: a few KiB on the way."""
    whole = b"".join(_repeated(head, piece, tail, mib=mib))
    yield gzip.compress(whole, compresslevel=1)


def _orders(piece: bytes, *, mib: float, tail: bytes = b"{}]}") -> Iterator[bytes]:
    return _repeated(b'{"data":[', piece, tail, mib=mib)


def _list(piece: bytes, *, mib: float, tail: bytes = b"{}]") -> Iterator[bytes]:
    return _repeated(b"[", piece, tail, mib=mib)


def _page(piece: bytes, *, mib: float) -> Iterator[bytes]:
    head = b'{"pagination":{"totalCount":1000000},"elements":['
    return _repeated(head, piece, b"{}]}", mib=mib)


def _element() -> bytes:
    """One of Al-Style's goods, its names as long as they are kept."""
    good = {"article": 70311, "name": "Й" * 500, "full_name": "Й" * 4000, "price1": 1}
    return json.dumps(good, ensure_ascii=False).encode() + b","


def _goods(row: bytes, *, most: int) -> Iterator[bytes]:
    """Give stock of countless goods: an object by article, as Al-Style answers."""
    yield b"{"
    for begin in range(0, most, 10_000):
        numbers = range(begin, min(begin + 10_000, most))
        yield b"".join(b'"%d":%s,' % (number, row) for number in numbers)
    yield b'"0":%s}' % row


def _row(**more: object) -> bytes:
    """One of Kaspi's orders, with all that an order has."""
    attributes = {
        "code": "703214588",
        "state": "NEW",
        "status": "APPROVED_BY_BANK",
        "customer": {"name": "И" * 200, "cellPhone": "7010000000"},
        "deliveryAddress": {"formattedAddress": "у" * 1000},
        **more,
    }
    return json.dumps({"id": "1", "attributes": attributes}).encode() + b","


LARGE_FIGURES = b'{"quantity":2000000001,"price1":2000000002,"price2":2000000003}'
ANSWERS = (
    Answer("endless PDF", "waybill", lambda: _repeated(b"%PDF", b"x", b"", mib=64)),
    Answer("PDF at the cap", "waybill", lambda: _repeated(b"%PDF", b"x", b"", mib=9)),
    Answer(
        "gzip, 256 MiB unpacked",
        "waybill",
        lambda: _bomb(b"%PDF", b"x", b"", mib=256),
        encoding="gzip",
    ),
    Answer("[{},…] at the cap", "orders", lambda: _orders(b"{},", mib=15)),
    Answer("[{},…] beyond it", "orders", lambda: _orders(b"{},", mib=64)),
    Answer("[0,…] at the cap", "orders", lambda: _orders(b"0,", mib=15)),
    Answer("[{},…] 1.4 million", "orders", lambda: _orders(b"{},", mib=4)),
    Answer("real rows at the cap", "orders", lambda: _orders(_row(), mib=15)),
    Answer(
        "one text at the cap",
        "orders",
        lambda: _repeated(b'{"data":["', b"x", b'"]}', mib=15),
    ),
    Answer("one number of 15 MiB", "orders", lambda: _orders(b"1", mib=15, tail=b"]}")),
    Answer("nested at the cap", "orders", lambda: _orders(b"[", mib=15)),
    Answer(
        "gzip, 256 MiB unpacked",
        "orders",
        lambda: _bomb(b'{"data":[', b"{},", b"{}]}", mib=256),
        encoding="gzip",
    ),
    Answer("[{},…] at the cap", "stock", lambda: _list(b"{},", mib=63)),
    Answer("[{},…] of 32 MiB", "stock", lambda: _list(b"{},", mib=32)),
    Answer("[0,…] at the cap", "stock", lambda: _list(b"0,", mib=63)),
    # As many parts as are read at all.
    Answer("[0,…] 9 million", "stock", lambda: _list(b"0,", mib=18)),
    Answer("[{},…] 1.4 million", "stock", lambda: _list(b"{},", mib=4)),
    Answer(
        "no goods, by article",
        "stock",
        lambda: _goods(b"0", most=5_500_000),
    ),
    Answer(
        "{}, by article",
        "stock",
        lambda: _goods(b"{}", most=1_190_000),
    ),
    Answer(
        "goods, by article",
        "stock",
        lambda: _goods(b'{"quantity":"1","price1":2,"price2":3}', most=1_190_000),
    ),
    Answer(
        "gzip, 256 MiB unpacked",
        "stock",
        lambda: _bomb(b"[", b"{},", b"{}]", mib=256),
        encoding="gzip",
    ),
    Answer("large figures", "stock", lambda: _goods(LARGE_FIGURES, most=900_000)),
    Answer(
        "one text at the cap",
        "stock",
        lambda: _repeated(b'{"1":{"x":"\xf0\x9f\x98\x80', b"x", b'"},"2":{}}', mib=63),
    ),
    Answer(
        "{} within one good",
        "stock",
        lambda: _repeated(b'{"1":{"x":[', b"{},", b'0]},"2":{}}', mib=63),
    ),
    Answer(
        "ends of no member",
        "stock",
        lambda: _repeated(b'{"1":{"x":{', b'"a":{},', b'"b":{}}},"2":{}}', mib=63),
    ),
    Answer("goods that are none", "page", lambda: _page(b"{},", mib=4)),
    Answer("0, at the cap", "page", lambda: _page(b"0,", mib=15)),
    Answer("long names", "page", lambda: _page(_element(), mib=15)),
)


def answers(_seconds: float) -> bool:
    """Endless, deep, compressed and countless answers of either peer."""
    print(
        f"{'call':<10} {'answer':<24} {'before':>7} {'peak':>7} {'above':>7}  came to"
    )
    is_well, worst = True, dict.fromkeys(BARS_MIB, 0.0)
    for answer in ANSWERS:
        before, peak, outcome = _measured(answer)
        above, bar = peak - before, BARS_MIB[answer.call]
        held = above <= bar and not outcome.startswith("KILLED")
        is_well &= held
        worst[answer.call] = max(worst[answer.call], above)
        print(
            f"{answer.call:<10} {answer.name:<24} {before:>5.0f} M {peak:>5.0f} M "
            f"{above:>5.0f} M  {outcome}{'' if held else f'   MISSED: {bar} M'}"
        )
    print(f"bars above idle: {BARS_MIB} MiB")
    together = IDLE_MIB + sum(worst[call] * AT_ONCE[call] for call in worst)
    print(
        f"the worst of each, {AT_ONCE} at once, and {IDLE_MIB} MiB of an idle bridge: "
        f"{together:.0f} MiB (bar {HOST_MIB})"
    )
    return is_well and together <= HOST_MIB


def _measured(answer: Answer) -> tuple[float, float, str]:
    spawn = multiprocessing.get_context("spawn")
    with _served(answer) as url, TemporaryDirectory() as folder:
        ours, theirs = spawn.Pipe(duplex=False)
        child = spawn.Process(target=_call, args=(url, answer.call, folder, theirs))
        child.start()
        theirs.close()
        try:
            before, peak, outcome = ours.recv()
        except EOFError:
            before, peak, outcome = 0.0, float("inf"), "KILLED"
        child.join(60)
        return before, peak, outcome


@contextmanager
def _served(answer: Answer) -> Iterator[str]:
    """Answer whatever is asked with it, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            if answer.encoding:
                self.send_header("Content-Encoding", answer.encoding)
            self.end_headers()
            try:
                for piece in answer.pieces():
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                # The caller has had enough.
                self.close_connection = True

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        # Callers hang up in the middle, and that is as it should be.
        server.handle_error = lambda *_args: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _call(url: str, call: str, folder: str, told: object) -> None:
    """Make the call in a process of its own; tell its size before, at most, the end."""
    os.environ.update(
        ENV_FILE=os.devnull,
        DJANGO_SETTINGS_MODULE="bridge_site.settings",
        SECRET_KEY="k" * 60,
        VAR_DIR=folder,
        ALSTYLE_TOKEN="alstyle-token",
        KASPI_TOKEN="kaspi-token",
    )
    import django

    django.setup()
    from catalog.alstyle.client import AlStyleClient
    from orders.kaspi.client import KaspiClient
    from orders.kaspi.peer import KaspiPeer
    from plumbing.limits import TokenClock
    from plumbing.peers import PeerConnection, PeerError

    clock = TokenClock(name="bench", interval_s=0)
    peer: dict[str, object] = {"timeout_s": 60, "limiter": clock, "user_agent": "bench"}
    supplier = PeerConnection(name="Al-Style", base_url=url, **peer)  # type: ignore[arg-type]
    headers = {"Content-Type": "application/vnd.api+json"}
    kaspi = KaspiPeer(
        name="Kaspi",
        base_url=f"{url}/shop/api",
        headers=headers,
        **peer,  # type: ignore[arg-type]
    )
    calls: dict[str, Callable[[], object]] = {
        "waybill": lambda: KaspiClient(kaspi).waybill_pdf(f"{url}/w.pdf"),
        "orders": lambda: KaspiClient(kaspi).order_by_code("703214588"),
        "page": lambda: AlStyleClient(supplier).elements_page(offset=0),
        "stock": lambda: AlStyleClient(supplier).quantity_price(),
    }
    before, outcome = _status_mib("VmRSS"), "was taken"
    try:
        calls[call]()
    except PeerError as error:
        outcome = f"refused: {str(error)[:60]}"
    told.send((before, _status_mib("VmHWM"), outcome))  # type: ignore[attr-defined]


def _status_mib(name: str) -> float:
    """Read a figure of this process's memory: what it is now, what it was at most."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
