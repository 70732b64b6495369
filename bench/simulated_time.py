"""Time for a measurement: it stands still while any thread works.

Each thread that takes part runs the bridge's own code; where that sleeps, the thread
sleeps in simulated time, which moves on to the next one's waking once all of them do.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from sandbox.clock import Clock

# Modules of the bridge that sleep, or measure how long something may take.
SLEEPERS = (
    "alerts.watching",
    "catalog.import_runs",
    "orders.dispatching",
    "orders.reading.polling",
    "orders.steps.machine",
    "plumbing.limits",
    "plumbing.peers",
)
# Two sleepers of no time would let none of them move on.
SHORTEST_S = 0.001


class Over(BaseException):
    """The simulation ended: whoever sleeps is to go."""


class SimulatedTime:
    """One time for all threads that take part; the others do not hold it up."""

    def __init__(self, start: datetime) -> None:
        self._start, self._s = start, 0.0
        self._moved = threading.Condition()
        self._wakes: list[float] = []
        self._awake = 0
        self._is_over = False
        self._threads: list[threading.Thread] = []
        self.faults: list[BaseException] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._s)

    def monotonic(self) -> float:
        return self._s

    def sleep(self, seconds: float) -> None:
        with self._moved:
            until = self._s + max(seconds, SHORTEST_S)
            heapq.heappush(self._wakes, until)
            self._awake -= 1
            self._move_on()
            while self._s < until and not self._is_over:
                self._moved.wait()
            if self._is_over:
                raise Over

    def wait(self, seconds: float) -> bool:
        """Sleep as `Event.wait` does; it is never time to stop."""
        if seconds > 0:
            self.sleep(seconds)
        return False

    def start(self, work: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Let a thread take part."""

        def run() -> None:
            from django.db import connections

            try:
                work(*args, **kwargs)
            except Over:
                pass
            except BaseException as error:
                self.faults.append(error)
                self.end()
            finally:
                connections.close_all()
                with self._moved:
                    self._awake -= 1
                    self._move_on()

        thread = threading.Thread(target=run)
        self._awake += 1
        self._threads.append(thread)

    def run(self) -> None:
        """Run all threads until one of them calls `end`."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        if self.faults:
            raise self.faults[0]

    def end(self) -> None:
        with self._moved:
            self._is_over = True
            self._moved.notify_all()

    def _move_on(self) -> None:
        if self._awake or not self._wakes or self._is_over:
            return
        self._s = self._wakes[0]
        while self._wakes and self._wakes[0] <= self._s:
            heapq.heappop(self._wakes)
            self._awake += 1
        self._moved.notify_all()

    @contextmanager
    def for_the_bridge(self) -> Iterator[None]:
        """Let the bridge live in this time; leases are renewed by real time."""

        class Time:
            """The `time` module as the sleepers see it."""

            sleep, monotonic = self.sleep, self.monotonic
            perf_counter = time.perf_counter

        patches: list[Any] = [mock.patch("django.utils.timezone.now", self.now)]
        patches += [mock.patch(f"{name}.time", Time) for name in SLEEPERS]
        # Else all clocks would seem to be set on.
        patches += [mock.patch("plumbing.clock_set.steady_s", self.monotonic)]
        with _all(patches):
            yield


class SandboxClock(Clock):
    """The sandbox's clock in simulated time."""

    def __init__(self, simulated: SimulatedTime) -> None:
        super().__init__()
        self._simulated = simulated

    def timestamp(self) -> float:
        return self._simulated.now().timestamp()

    def told(self) -> float:
        return self.timestamp()


@contextmanager
def _all(patches: list[Any]) -> Iterator[None]:
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()
