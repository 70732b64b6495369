"""Settings that the owner changes while the bridge runs.

Code reads `settings.NAME` as ever. For the names that `make_adjustable` is told, that
gives the owner's value, if one is stored. All of them are read together when a piece of
work begins (a request, a task, a round of a loop, a command) and stay the same in its
thread until it ends: no order's step and no price list ever meets two of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import LazySettings
from django.db import DatabaseError, connection

from plumbing.models import AdjustedSetting
from plumbing.stillness import Stillness

log = logging.getLogger(__name__)

# How soon a loop, or the web, learns of a change; a task always begins with a look.
LOOK_EVERY_S = 2.0
LOOK_ANYHOW_S = 60.0

# Reads what is stored as the environment's text is read; raises `ValueError`.
Parse = Callable[[str], Any]

_parsers: dict[str, Parse] = {}
_mine = threading.local()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """What the owner had set at one moment."""

    stored: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


NOTHING = Adjusted()


class _Process:
    # What this process read last; None until it has read any.
    latest: Adjusted | None = None


class _Adjustable:
    """Comes before the value that Django's settings object keeps for itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, _owner: type) -> Any:
        if instance is None:
            return self
        adjusted: Adjusted = _bound() or _Process.latest or NOTHING
        try:
            return adjusted.values[self.name]
        except KeyError:
            return getattr(instance._wrapped, self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        # Only what has this method comes before an object's own attributes. Django
        # writes past it, to what it wraps.
        setattr(instance._wrapped, self.name, value)


def make_adjustable(parsers: Mapping[str, Parse]) -> None:
    """Let the owner's stored values of these settings count."""
    _parsers.clear()
    _parsers.update(parsers)
    for name in parsers:
        setattr(LazySettings, name, _Adjustable(name))


@contextmanager
def settled(*, anew: bool = False) -> Iterator[Adjusted]:
    """Keep the settings as they are now for the block, in this thread.

    A block within another keeps the outer one's, unless `anew`. Raises
    `DatabaseError` when they cannot be read: work must not go by outdated ones.
    """
    outer = _bound()
    _mine.adjusted = outer if outer and not anew else look()
    try:
        yield _mine.adjusted
    finally:
        _mine.adjusted = outer


@contextmanager
def settled_by_last_look() -> Iterator[None]:
    """Keep for the block what this process read last, without asking again.

    For the web, where `Watcher` looks apart from the requests. Begun without a
    database it goes by the environment: the price list is served all the same.
    """
    outer = _bound()
    _mine.adjusted = _Process.latest or _look_if_possible()
    try:
        yield
    finally:
        _mine.adjusted = outer


def _look_if_possible() -> Adjusted:
    try:
        return look()
    except DatabaseError:
        return NOTHING


@contextmanager
def supposing(values: Mapping[str, Any]) -> Iterator[None]:
    """Let settings have these values for the block, in this thread alone.

    To see what a change would bring before anybody stores it.
    """
    outer = _bound()
    known = outer or _Process.latest or NOTHING
    _mine.adjusted = Adjusted(stored=known.stored, values={**known.values, **values})
    try:
        yield
    finally:
        _mine.adjusted = outer


def settle_for_task(**_signal: Any) -> None:
    """Settle for the task that a worker is about to do, in place of the last one's."""
    _mine.adjusted = look()


def look() -> Adjusted:
    """Read the owner's settings; what this version cannot use does not count."""
    stored = dict(AdjustedSetting.objects.values_list("name", "value"))
    last = _Process.latest
    if last is not None and last.stored == stored:
        return last
    latest = Adjusted(stored=stored, values=_parse(stored))
    if not connection.in_atomic_block:
        # What is not committed counts for whoever asks within the transaction alone.
        _Process.latest = latest
    return latest


def forget() -> None:
    """Take nothing as set, until the next look."""
    _Process.latest = NOTHING
    _mine.adjusted = None


def _bound() -> Adjusted | None:
    return getattr(_mine, "adjusted", None)


def _parse(stored: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, raw in stored.items():
        if name not in _parsers:
            # Set in the environment, which wins; or this version has no such setting.
            continue
        try:
            values[name] = _parsers[name](raw)
        except ValueError as error:
            log.warning("%s as set by the owner cannot be used: %s", name, error)
    return values


class ChangeWatch:
    """Tells a loop, between two steps, that its round works by outdated settings."""

    def __init__(self) -> None:
        self._look_at = 0.0

    def has_changed(self) -> bool:
        if time.monotonic() < self._look_at:
            return False
        self._look_at = time.monotonic() + LOOK_EVERY_S
        bound = _bound()
        return bound is None or look().stored != bound.stored


class Watcher:
    """Looks every few seconds, so that no request has to."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        # No setting changes by the clock alone.
        self._stillness = Stillness(again_after_s=LOOK_ANYHOW_S)
        self._thread = threading.Thread(target=self._run, name="settings", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(LOOK_EVERY_S):
                # The connection stays: what fails is closed, and the next look opens
                # another.
                try:
                    if not self._stillness.holds():
                        # Whatever is there is taken in, and nothing left to be found.
                        self._stillness.look(lambda: look() is None)
                except DatabaseError:
                    # It is away for a moment, and with it all that a request could do.
                    log.warning("the settings could not be read", exc_info=True)
                    connection.close()
        finally:
            connection.close()
