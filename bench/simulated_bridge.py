"""The whole bridge but its web part, as threads in simulated time.

A cluster is a thread that runs its tasks one after the other, as django-q's one worker
does, and a queue that fills meanwhile. A call takes 0.4 s, one for all stocks 6 s.
"""

from __future__ import annotations

import ast
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from bench.simulated_time import SimulatedTime

CALL_S, ALL_STOCKS_S = 0.4, 6.0
# django-q looks at its schedules so often, and a free worker at its queue.
SCHEDULER_EVERY_S, WORKER_LOOKS_EVERY_S = 30.0, 1.0
DAY_MIN = 24 * 60


@dataclass(slots=True)
class Cluster:
    """One django-q cluster with one worker: its queue and what ran when."""

    name: str
    simulated: SimulatedTime
    queue: deque[tuple[str, tuple[Any, ...]]] = field(default_factory=deque)
    ended: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    longest_queue: int = 0
    told: set[tuple[str, str]] = field(default_factory=set)

    def schedule(self, daily: Collection[str] = ()) -> None:
        """Queue what is due, as django-q's scheduler does, whatever waits already.

        Of the tasks of a day only those that are named.
        """
        from bridge_site.schedules import SCHEDULES

        begun = self.simulated.now()
        mine = [r for r in SCHEDULES if r.cluster == self.name]
        mine = [r for r in mine if not r.daily_at or r.name in daily]
        next_at = {r: (r.first_run(now=begun) - begun).total_seconds() for r in mine}
        while True:
            for recurring in mine:
                if self.simulated.monotonic() >= next_at[recurring]:
                    every_min = DAY_MIN if recurring.daily_at else recurring.every_min
                    next_at[recurring] += 60 * every_min
                    arguments = (
                        ast.literal_eval(recurring.args) if recurring.args else ()
                    )
                    self.queue.append((recurring.func, arguments))
            self.simulated.sleep(SCHEDULER_EVERY_S)

    def work(self) -> None:
        from django.utils.module_loading import import_string

        while True:
            self._take_queued()
            self.longest_queue = max(self.longest_queue, len(self.queue))
            if not self.queue:
                self.simulated.sleep(WORKER_LOOKS_EVERY_S)
                continue
            dotted, arguments = self.queue.popleft()
            try:
                import_string(dotted)(*arguments)
            except Exception as error:
                self._tell(dotted, f"{type(error).__name__} {error}")
            else:
                self.ended[dotted].append(self.simulated.monotonic())

    def _tell(self, dotted: str, words: str) -> None:
        """Print a failure once, however often it comes again."""
        if (dotted, words) not in self.told:
            self.told.add((dotted, words))
            print(f"  {dotted}: {words}")

    def _take_queued(self) -> None:
        from django_q.models import OrmQ

        for row in OrmQ.objects.filter(key=self.name).order_by("pk"):
            self.queue.append((row.func(), row.task["args"]))
            row.delete()


def start_bridge(
    simulated: SimulatedTime, *, daily: Collection[str] = ()
) -> dict[str, Cluster]:
    """Let both clusters and both dispatchers take part."""
    from orders.dispatching import dispatch
    from orders.models import Step

    clusters = {name: Cluster(name, simulated) for name in ("orders", "imports")}
    for cluster in clusters.values():
        simulated.start(cluster.schedule, daily)
        simulated.start(cluster.work)
    for peer in Step.Peer.values:
        simulated.start(dispatch, peer, wait=simulated.wait)
    return clusters


@contextmanager
def calls_take_time(simulated: SimulatedTime) -> Iterator[None]:
    from plumbing.peers import PeerConnection

    send = PeerConnection._send

    def send_slowly(self: Any, method: str, url: str, path: str, **sent: Any) -> Any:
        takes_s = ALL_STOCKS_S if path == "api/quantity-price" else CALL_S
        simulated.sleep(takes_s / 2)
        reply = send(self, method, url, path, **sent)
        simulated.sleep(takes_s / 2)
        return reply

    with mock.patch.object(PeerConnection, "_send", send_slowly):
        yield
