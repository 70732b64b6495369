"""Faults that tests switch on per call, and the playing of them on the wire."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.server import Reply, Wire, html_reply, json_reply

NGINX_PAGE = (
    "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
    "<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
    "</body>\r\n</html>\r\n"
)

# Kind → its options with their defaults; `play` acts these out on the wire, and of
# the others each peer looks in its own work.
WIRE_KINDS: dict[str, dict[str, Any]] = {
    "throttle": {"variant": "403", "interval": 5, "retry_after": 1},
    "status": {"code": 500, "body": None, "retry_after": None, "after_work": False},
    "stall": {"seconds": 30.0, "after_work": False, "answer": False},
    "html": {"code": 200, "text": None, "after_work": False},
    "redirect": {"code": 302, "location": "http://127.0.0.1:9/"},
    "drop_before_work": {},
    "drop_after_work": {},
    "late_work": {"seconds": 30.0},
    "garbage": {"body": '{"unexpected": 1}', "code": 200},
    "drip": {"delay_s": 0.01, "chunk": 1},
    "truncate": {"share": 0.5, "honest": True},
    "wrong_types": {"variant": "strings"},
}
WORK_KINDS: dict[str, dict[str, Any]] = {
    "flapping": {"share": 0.3},
    "vanishing": {"count": 1},
    "appearing": {"count": 1},
    "half_catalogue": {},
    "empty_catalogue": {},
    "shifted": {"by": 1},
    "short_pages": {"by": 1},
    "wrong_total": {"by": 1},
    "missing_prices": {"share": 0.05},
    "page_repeats": {},
    "page_shifts": {"by": 1},
    "page_shrinks": {"by": 1},
}
KINDS = WIRE_KINDS | WORK_KINDS


@dataclass(slots=True, kw_only=True)
class Fault:
    """One switched-on fault. `times` None = until cleared; `skip` = let these by."""

    number: int
    kind: str
    method: str = "*"
    times: int | None = None
    skip: int = 0
    probability: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)
    fired: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.number,
            "kind": self.kind,
            "method": self.method,
            "times": self.times,
            "skip": self.skip,
            "probability": self.probability,
            "fired": self.fired,
            **self.options,
        }


class FaultBook:
    """The faults that are on; thread-safe, with its own seeded dice."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._last = 0

    def add(
        self,
        kind: str,
        method: str = "*",
        *,
        times: int | None = None,
        skip: int = 0,
        probability: float = 1.0,
        **options: Any,
    ) -> int:
        """Switch a fault on and return its id.

        `method` is a peer's method name, "reads", "writes", "*", or a comma list.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(KINDS)}")
        unknown = set(options) - set(KINDS[kind])
        if unknown:
            raise ValueError(f"fault {kind!r} has no option {sorted(unknown)}")
        with self._lock:
            self._last += 1
            fault = Fault(
                number=self._last,
                kind=kind,
                method=method,
                times=times,
                skip=skip,
                probability=probability,
                options=KINDS[kind] | options,
            )
            self._faults.append(fault)
        return fault.number

    def clear(
        self,
        number: int | None = None,
        *,
        kind: str | None = None,
        method: str | None = None,
    ) -> int:
        """Switch off the faults that match (all without arguments); return how many."""
        with self._lock:
            kept = [
                fault
                for fault in self._faults
                if not (
                    (number is None or fault.number == number)
                    and (kind is None or fault.kind == kind)
                    and (method is None or fault.method == method)
                )
            ]
            gone = len(self._faults) - len(kept)
            self._faults = kept
        return gone

    def active(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.as_dict() for fault in self._faults]

    def strike(self, method: str, *, is_write: bool = False) -> list[Fault]:
        """Return the faults that strike this call, and count them down."""
        called = {method, "writes" if is_write else "reads", "*"}
        struck = []
        with self._lock:
            for fault in self._faults:
                if called.isdisjoint(fault.method.replace(" ", "").split(",")):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.probability < 1 and self._dice.random() >= fault.probability:
                    continue
                fault.fired += 1
                if fault.times is not None:
                    fault.times -= 1
                struck.append(fault)
            self._faults = [f for f in self._faults if f.times is None or f.times > 0]
        return struck


def find(faults: Iterable[Fault], kind: str) -> Fault | None:
    return next((fault for fault in faults if fault.kind == kind), None)


def play(
    faults: list[Fault],
    wire: Wire,
    work: Callable[[], Reply],
    note: Callable[[int], None],
) -> None:
    """Do the work and answer, as badly as the faults say.

    `note` is told the HTTP status before it is sent, 0 before a silent end.
    """
    reply = _other_answer(faults, after_work=False)
    if reply is not None:
        note(reply.status)
        wire.send(reply)
        return
    silent = find(faults, "drop_before_work") is not None
    if not silent and not _stalled(faults, wire, after_work=False):
        reply = work()
        silent = find(faults, "drop_after_work") is not None
    if reply is None or silent or _stalled(faults, wire, after_work=True):
        note(0)
        wire.drop()
        return
    reply = _other_answer(faults, after_work=True) or reply
    note(reply.status)
    _send(reply, wire, faults=faults)


def _stalled(faults: list[Fault], wire: Wire, *, after_work: bool) -> bool:
    stall = find(faults, "stall")
    if stall is None or stall.options["after_work"] is not after_work:
        return False
    wire.hang(float(stall.options["seconds"]))
    return not stall.options["answer"]


def _other_answer(faults: list[Fault], *, after_work: bool) -> Reply | None:
    for fault in faults:
        options = fault.options
        if fault.kind == "throttle" and not after_work:
            return throttled(options)
        if fault.kind == "redirect" and not after_work:
            headers = {"Location": str(options["location"])}
            return Reply(status=int(options["code"]), body=b"", headers=headers)
        if options.get("after_work", fault.kind == "garbage") is not after_work:
            continue
        if fault.kind == "status":
            return _status(options)
        if fault.kind == "html":
            title = f"{options['code']} Service notice"
            text = options["text"] or NGINX_PAGE.format(title=title)
            return html_reply(text, status=options["code"])
        if fault.kind == "garbage":
            body = str(options["body"]).encode()
            return Reply(status=options["code"], body=body)
    return None


def throttled(options: dict[str, Any]) -> Reply:
    """Return the "slow down" answer in one of its forms: 403, 429, 200."""
    interval = options["interval"]
    data = {"success": False, "message": "Too many requests", "interval": interval}
    variant = str(options["variant"])
    if variant == "429":
        return json_reply(data, status=429, Retry_After=str(options["retry_after"]))
    return json_reply(data, status=200 if variant == "200" else 403)


def _status(options: dict[str, Any]) -> Reply:
    code = int(options["code"])
    body = options["body"]
    if body is None:
        reply = html_reply(NGINX_PAGE.format(title=f"{code} Error"), status=code)
    elif isinstance(body, str):
        reply = Reply(status=code, body=body.encode())
    else:
        reply = json_reply(body, status=code)
    if options["retry_after"] is not None:
        reply.headers["Retry-After"] = str(options["retry_after"])
    return reply


def _send(reply: Reply, wire: Wire, *, faults: list[Fault]) -> None:
    bent = find(faults, "wrong_types")
    if bent is not None and reply.body is None:
        reply.data = bend(reply.data, variant=str(bent.options["variant"]))
    cut, drip = find(faults, "truncate"), find(faults, "drip")
    if cut is not None:
        wire.cut(reply, share=cut.options["share"], honest=cut.options["honest"])
    elif drip is not None:
        wire.drip(reply, delay_s=drip.options["delay_s"], chunk=drip.options["chunk"])
    else:
        wire.send(reply)


def bend(data: Any, *, variant: str) -> Any:
    """Give JSON the wrong types.

    strings: numbers become strings; nulls: every leaf becomes null; list: the whole
    becomes a list around it; scalar: the whole becomes a string; swapped: lists
    become objects by index and objects become lists of pairs.
    """
    if variant == "list":
        return [data]
    if variant == "scalar":
        return "OK"
    if isinstance(data, dict):
        bent = {key: bend(value, variant=variant) for key, value in data.items()}
        return [[k, v] for k, v in bent.items()] if variant == "swapped" else bent
    if isinstance(data, list):
        items = [bend(value, variant=variant) for value in data]
        return (
            {str(i): v for i, v in enumerate(items)} if variant == "swapped" else items
        )
    if variant == "nulls":
        return None
    if variant == "strings" and isinstance(data, (int, float)):
        return str(data)
    return data
