"""What both peers share: arrivals, faults, settings, clock and the control API."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from itertools import pairwise
from typing import Any, TypeVar

from sandbox.clock import Clock
from sandbox.faults import Fault, FaultBook, find, play
from sandbox.server import Reply, Request, SandboxServer, Wire, json_reply

CATCH_UP_EVERY_S = 0.05

Self = TypeVar("Self", bound="PeerServer")


@dataclass(slots=True, kw_only=True)
class Arrival:
    """One call as it arrived. `at` is `time.monotonic()`, the same in all processes.

    `verdict`: ok | bad-token | too-fast | ignored (no answer given by principle).
    `status`: what was answered; 0 = connection dropped; None = not answered yet.
    `worked`: the call was carried out, whatever was answered.
    """

    number: int
    at: float
    clock: float
    verb: str
    method: str
    path: str
    query: dict[str, str]
    body: str
    verdict: str = "ok"
    status: int | None = None
    worked: bool = False
    faults: list[str] = field(default_factory=list)


class PeerServer(SandboxServer):
    """Base of both servers; subclasses name the methods, check tokens and do the work.

    `settings` is a dataclass whose fields are the peer's switches; `controls` maps a
    verb of the control API to a function taking keyword arguments. `peak_busy` is the
    largest number of calls that were under way at once.
    """

    secret_parameter = ""
    settings: Any
    busy = 0
    peak_busy = 0

    def __init__(self, *, port: int, seed: int, clock: Clock | None) -> None:
        super().__init__(port=port)
        self.lock = threading.RLock()
        self.clock = clock or Clock()
        self.faults = FaultBook(seed)
        self._arrivals: list[Arrival] = []
        # Called before a write is answered.
        self.after_write: Callable[[], Any] | None = None
        # Calls whose connection broke and that are carried out later: when, and how.
        self._late: list[tuple[float, Callable[[], Any]]] = []
        self.controls: dict[str, Callable[..., Any]] = {
            "fault": self.faults.add,
            "clear-faults": self._clear_faults,
            "faults": self.faults.active,
            "arrivals": self._arrivals_as_dicts,
            "forget-arrivals": self.forget_arrivals,
            "counters": self.counters,
            "crashes": lambda: list(self.crashes),
            "settings": self.change_settings,
            "advance": self._advance,
            "speed": self._set_speed,
            "now": self.clock.timestamp,
        }

    def __enter__(self: Self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def date(self) -> str:
        return formatdate(self.clock.told() + self.ahead_s(), usegmt=True)

    def ahead_s(self) -> float:
        """Tell by how much its answers are dated ahead."""
        return 0.0

    # -- what a subclass fills in -------------------------------------------------

    def method_of(self, request: Request) -> str:
        """Return the method's name, as faults and counters know it."""
        raise NotImplementedError

    def is_write(self, method: str) -> bool:
        raise NotImplementedError

    def refuse(self, request: Request, arrival: Arrival, wire: Wire) -> Reply | None:
        """Check token and pace; set `arrival.verdict`; None = go on."""
        raise NotImplementedError

    def work(self, request: Request, method: str, faults: list[Fault]) -> Reply:
        """Do what was asked, under `self.lock`."""
        raise NotImplementedError

    def page(self, request: Request) -> Reply | None:
        """Answer a page for people; None = not one."""
        return None

    def settle(self) -> None:
        """Let happen what is due by the clock, under `self.lock`."""

    def is_expecting(self) -> bool:
        """Say whether something is due soon though nobody asks."""
        return bool(self._late)

    def late_by(self, method: str, faults: list[Fault]) -> float:
        """Return how much later than its broken connection a call works; 0 = not."""
        late = find(faults, "late_work")
        return float(late.options["seconds"]) if late is not None else 0.0

    def catch_up(self) -> None:
        """Do the late work that is due, and let the clock's events happen."""
        with self.lock:
            now = self.clock.timestamp()
            due = sorted(
                (item for item in self._late if item[0] <= now),
                key=lambda item: item[0],
            )
            self._late = [item for item in self._late if item[0] > now]
            for _, work in sorted(due, key=lambda item: item[0]):
                work()
            self.settle()

    def start(self) -> None:
        super().start()
        self.every(CATCH_UP_EVERY_S, self._look_for_due)

    def _look_for_due(self) -> None:
        if self.is_expecting():
            self.catch_up()

    # -- serving ------------------------------------------------------------------

    def serve(self, request: Request, wire: Wire) -> None:
        if request.path.startswith("/_control"):
            wire.send(self._control(request))
            return
        page = self.page(request)
        if page is not None:
            wire.send(page)
            return
        with self._busy():
            self._serve(request, wire)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        with self.lock:
            self.busy += 1
            self.peak_busy = max(self.peak_busy, self.busy)
        try:
            yield
        finally:
            with self.lock:
                self.busy -= 1

    def _serve(self, request: Request, wire: Wire) -> None:
        arrival = self._arrive(request)
        refusal = self.refuse(request, arrival, wire)
        if arrival.verdict == "ignored":
            arrival.status = 0
            return
        if refusal is not None:
            arrival.status = refusal.status
            wire.send(refusal)
            return
        is_write = self.is_write(arrival.method)
        struck = self.faults.strike(arrival.method, is_write=is_write)
        arrival.faults = [fault.kind for fault in struck]

        def work() -> Reply:
            with self.lock:
                self.catch_up()
                arrival.worked = True
                reply = self.work(request, arrival.method, struck)
                if is_write and self.after_write is not None:
                    self.after_write()
                return reply

        def note(status: int) -> None:
            arrival.status = status

        late_s = self.late_by(arrival.method, struck)
        if late_s > 0:
            with self.lock:
                self._late.append((self.clock.timestamp() + late_s, work))
            note(0)
            wire.drop()
            return
        play(struck, wire, work, note)

    def _arrive(self, request: Request) -> Arrival:
        query = {k: v for k, v in request.query.items() if k != self.secret_parameter}
        with self.lock:
            arrival = Arrival(
                number=len(self._arrivals) + 1,
                at=request.arrived,
                clock=self.clock.timestamp(),
                verb=request.verb,
                method=self.method_of(request),
                path=request.path,
                query=query,
                body=request.body.decode("utf-8", "replace"),
            )
            self._arrivals.append(arrival)
        return arrival

    # -- the books ----------------------------------------------------------------

    @property
    def arrivals(self) -> list[Arrival]:
        """Return every call in order of arrival; control calls are not among them."""
        with self.lock:
            return list(self._arrivals)

    def calls(self, method: str) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.method == method]

    def gaps(self) -> list[float]:
        """Return the seconds between neighbouring arrivals."""
        times = sorted(arrival.at for arrival in self.arrivals)
        return [later - earlier for earlier, later in pairwise(times)]

    def forget_arrivals(self) -> None:
        """Empty the arrival log; the pace keeper forgets nothing."""
        with self.lock:
            self._arrivals.clear()

    def counters(self) -> dict[str, int]:
        return dict(Counter(arrival.method for arrival in self.arrivals))

    def change_settings(self, **changes: Any) -> dict[str, Any]:
        """Change switches by name and return them all."""
        names = {item.name for item in dataclasses.fields(self.settings)}
        if unknown := set(changes) - names:
            raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
        with self.lock:
            for name, value in changes.items():
                setattr(self.settings, name, value)
            return asdict(self.settings)

    # -- the control API ----------------------------------------------------------

    def _control(self, request: Request) -> Reply:
        verb = request.path.removeprefix("/_control").strip("/")
        if not verb:
            return json_reply({"verbs": sorted(self.controls)})
        if verb not in self.controls:
            return json_reply({"error": f"no control {verb!r}"}, status=404)
        try:
            sent = request.json()
            result = self.controls[verb](**(sent if isinstance(sent, Mapping) else {}))
        except (TypeError, ValueError, KeyError) as error:
            return json_reply({"error": str(error)}, status=400)
        return json_reply({"result": result})

    def _clear_faults(
        self, id: int | None = None, kind: str | None = None, method: str | None = None
    ) -> int:
        return self.faults.clear(id, kind=kind, method=method)

    def _arrivals_as_dicts(self, since: int = 0) -> list[dict[str, Any]]:
        return [asdict(item) for item in self.arrivals if item.number > since]

    def _advance(self, seconds: float) -> float:
        self.clock.advance(seconds)
        return self.clock.timestamp()

    def _set_speed(self, speed: float) -> float:
        self.clock.speed = speed
        return self.clock.timestamp()


def wait_until(claim: Callable[[], bool], *, timeout_s: float = 5.0) -> bool:
    """Wait for a claim to become true; return whether it did."""
    until = time.monotonic() + timeout_s
    while not claim():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
