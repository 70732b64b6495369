"""The calls to the peers, as all processes together have counted them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from django.db.models import Max, Sum

from bridge_site.metrics.values import Counter, Gauge, Histogram, Labels, Metric, Spread
from plumbing.calls import STEPS_MS
from plumbing.models import CallCount, PeerClock

NAMES = ("peer", "method", "outcome")


def read_calls(*, now: datetime) -> Iterator[Metric]:
    """Read calls and seconds by peer, method and outcome, and the waits for a turn."""
    counts: dict[Labels, dict[int, int]] = defaultdict(dict)
    seconds: dict[Labels, float] = defaultdict(float)
    for row in CallCount.objects.order_by(*NAMES):
        labels = (row.peer, row.method, row.outcome)
        counts[labels][row.under_ms] = row.calls
        seconds[labels] += row.seconds
    yield Histogram(
        name="bridge_peer_call_seconds",
        help="Calls to a peer and how long each took, without waiting for a turn.",
        labels=NAMES,
        spreads={
            labels: Spread(steps=_cumulated(by_step), seconds=seconds[labels])
            for labels, by_step in counts.items()
        },
    )
    waits = CallCount.objects.order_by().values_list("peer").annotate(Sum("waited_s"))
    yield Counter(
        name="bridge_peer_wait_seconds_total",
        help="Seconds that calls have waited for their turn at a peer's clock.",
        labels=("peer",),
        values={(peer,): waited_s for peer, waited_s in waits},
    )
    good = CallCount.objects.filter(outcome="ok").order_by().values_list("peer")
    yield Gauge(
        name="bridge_peer_answer_age_seconds",
        help="Seconds since a peer last answered as it should.",
        labels=("peer",),
        values={
            (peer,): (now - last).total_seconds()
            for peer, last in good.annotate(Max("last_at"))
        },
    )
    clocks = PeerClock.objects.values_list("name", "closed_until")
    closed: dict[Labels, float] = {}
    for name, until in clocks:
        # The clock's own name tells tokens apart; nobody outside need to.
        peer = (name.partition(":")[0],)
        left_s = max(0.0, (until - now).total_seconds())
        closed[peer] = max(left_s, closed.get(peer, 0.0))
    yield Gauge(
        name="bridge_peer_closed_seconds",
        help="For how much longer a peer has asked to be left alone.",
        labels=("peer",),
        values=closed,
    )


def _cumulated(by_step: dict[int, int]) -> list[tuple[str, float]]:
    steps, total = [], 0
    for step in STEPS_MS:
        total += by_step.get(step, 0)
        steps.append((f"{step / 1000:g}", float(total)))
    return [*steps, ("+Inf", float(total + by_step.get(0, 0)))]
