"""Which backups are kept: the newest of so many days, weeks and months; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

Period = Callable[[datetime], tuple[int, ...]]
PERIODS: tuple[Period, ...] = (
    lambda at: (at.year, at.month, at.day),
    lambda at: tuple(at.isocalendar()[:2]),
    lambda at: (at.year, at.month),
)


def to_keep(made: Iterable[datetime], *, keep: Iterable[int]) -> set[datetime]:
    """Choose what to keep; `keep`: of how many days, weeks and months.

    Of each the newest backup; days without one do not count. The newest of all stays.
    """
    newest_first = sorted(made, reverse=True)
    kept = set(newest_first[:1])
    for period, number in zip(PERIODS, keep, strict=False):
        newest_of: dict[tuple[int, ...], datetime] = {}
        for at in newest_first:
            newest_of.setdefault(period(at), at)
        kept |= set(list(newest_of.values())[:number])
    return kept
