"""Has Python look for circles of dead objects rarely, while much is read."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RARER = 10


class _Rarity:
    """Who wants it rare, counted over all threads; the last one sets it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._usual = gc.get_threshold()
        self._inside = 0

    def begin(self) -> None:
        with self._lock:
            if not self._inside:
                self._usual = gc.get_threshold()
                gc.set_threshold(RARER * self._usual[0], *self._usual[1:])
            self._inside += 1

    def end(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                gc.set_threshold(*self._usual)


RARITY = _Rarity()


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Let Python collect a tenth as often during the block, in any thread.

    Reading makes hundreds of thousands of rows that hold no circles: to look through
    them takes a twentieth to a tenth of the time of a price list or of an import.
    """
    RARITY.begin()
    try:
        yield
    finally:
        RARITY.end()
