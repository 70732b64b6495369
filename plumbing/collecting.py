"""Has Python look for circles of dead objects rarely, while much is read."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RARER = 10
_lock = threading.Lock()
_usual: tuple[int, int, int] | None = None
_inside = 0


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Let Python collect a tenth as often during the block, in any thread.

    Reading makes hundreds of thousands of rows that hold no circles: to look through
    them takes a twentieth to a tenth of the time of a price list or of an import.
    """
    global _usual, _inside
    with _lock:
        if not _inside:
            _usual = gc.get_threshold()
            gc.set_threshold(RARER * _usual[0], *_usual[1:])
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and _usual is not None:
                gc.set_threshold(*_usual)
