"""What the measurements share: clocks, memory, queries, a database to throw away."""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

MIB = 1 << 20
SAMPLE_EVERY_S = 0.005


def seconds_of(work: Callable[[], object]) -> float:
    """Run `work` and return how long it took."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def processor_seconds_of(work: Callable[[], object]) -> float:
    """Run `work` and return how long processors worked for it."""
    gc.collect()
    began = processor_seconds()
    work()
    return processor_seconds() - began


def processor_seconds() -> float:
    """Tell how long processors have worked for this process, here and at the database.

    PostgreSQL's part is that of the process which serves this connection, on this host.
    """
    from django.db import connection

    seconds = time.process_time()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            served = psutil.Process(cursor.fetchone()[0]).cpu_times()
        seconds += served.user + served.system
    return seconds


def peak_mib_of(work: Callable[[], object]) -> float:
    """Run `work` and return by how many MiB the process grew at most meanwhile."""
    gc.collect()
    process, done = psutil.Process(), threading.Event()
    idle = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(SAMPLE_EVERY_S):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return (peak - idle) / MIB


def python_peak_mib_of(work: Callable[[], object]) -> float:
    """Run `work` slowly and return the most memory that Python held for it, in MiB.

    For work that is run often: the process's size does not show memory that an
    earlier run left to the allocator.
    """
    gc.collect()
    tracemalloc.start()
    try:
        work()
        _current, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak / MIB


def queries_of(work: Callable[[], object]) -> int:
    """Run `work` and return how many queries it made."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def note(row: str, *, size: int, seconds: float) -> None:
    """Add a figure to the file that BENCH_JOURNAL names, for `bench/growth.py`."""
    if journal := os.environ.get("BENCH_JOURNAL"):
        from django.db import connection

        figure = {"row": row, "size": size, "seconds": round(seconds, 4)}
        with Path(journal).open("a", encoding="utf-8") as file:
            print(json.dumps({**figure, "database": connection.vendor}), file=file)


@contextmanager
def throwaway_database(*, kept_in: str = "") -> Iterator[str]:
    """Set Django up on a migrated database that is gone afterwards; yield its kind.

    SQLite in a temporary directory, or beside the one that DATABASE_URL names. With
    `kept_in`, a directory, it stays, and is taken up again as it was left.
    """
    with _directory(kept_in) as directory:
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        os.environ["TEST_VAR_DIR"] = directory
        os.environ["TEST_DATABASE_URL"] = os.environ.get("DATABASE_URL", "")
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        import django

        django.setup()
        from django.db import connection

        named, keepdb = str(connection.settings_dict["NAME"]), bool(kept_in)
        connection.creation.create_test_db(
            verbosity=0, autoclobber=True, serialize=False, keepdb=keepdb
        )
        try:
            yield connection.vendor
        finally:
            connection.creation.destroy_test_db(named, verbosity=0, keepdb=keepdb)


@contextmanager
def _directory(kept: str) -> Iterator[str]:
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(
        prefix="bridge-bench-", ignore_cleanup_errors=True
    ) as directory:
        yield directory


def quantile(values: list[float], share: float) -> float:
    """Give the value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
