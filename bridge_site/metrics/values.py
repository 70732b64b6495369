"""What a metric is, before any library writes it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A value now, for each combination of labels."""

    name: str
    help: str
    labels: Labels = ()
    values: Mapping[Labels, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(Gauge):
    """A value that only grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How many took how long. `steps`: up to so many seconds, so many in all."""

    steps: Sequence[tuple[str, float]]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """A spread for each combination of labels."""

    name: str
    help: str
    labels: Labels
    spreads: Mapping[Labels, Spread]


Metric = Gauge | Counter | Histogram
