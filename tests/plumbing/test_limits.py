from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, connections

from plumbing.leases import database_now
from plumbing.limits import (
    LONG_AGO,
    CallSlots,
    ClockBusy,
    TokenClock,
    clock_name,
)
from plumbing.models import PeerClock, PeerSlot
from sandbox import AlStyleServer

TOKEN = "alstyle-test-token"
INTERVAL_S = 0.5
pytestmark = pytest.mark.django_db(transaction=True)

CALLER = """
import sys, django
django.setup()
from plumbing.limits import TokenClock
from plumbing.peers import PeerConnection
url, calls, interval_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
clock = TokenClock(name="shared", interval_s=interval_s, at_once=int(sys.argv[5]))
with PeerConnection(name="Al-Style", base_url=url, timeout_s=20, limiter=clock,
          user_agent="kaspi-bridge/1.0", params={"access-token": sys.argv[4]}) as peer:
    for _ in range(calls):
        peer.read("/api/brands")
"""


def child_environment() -> dict[str, str]:
    """Point a child process at the test's own database."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{config['NAME']}"
    else:
        url = (
            f"postgres://{config['USER']}:{config['PASSWORD']}@{config['HOST']}"
            f":{config['PORT']}/{config['NAME']}"
        )
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE_URL": url,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }


def run_callers(
    url: str, *, processes: int, calls: int, interval_s: float, at_once: int = 0
) -> None:
    arguments = [url, str(calls), str(interval_s), TOKEN, str(at_once)]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, *arguments],
            env=child_environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for child in children:
        _out, errors = child.communicate(timeout=120)
        assert child.returncode == 0, errors


def test_processes_that_share_a_token_never_come_closer_than_the_interval():
    with AlStyleServer(token=TOKEN, interval_s=0) as supplier:
        run_callers(supplier.url, processes=3, calls=4, interval_s=INTERVAL_S)
        assert len(supplier.arrivals) == 12
        assert min(supplier.gaps()) >= INTERVAL_S


def test_without_the_shared_clock_they_do():
    with AlStyleServer(token=TOKEN, interval_s=0) as supplier:
        run_callers(supplier.url, processes=3, calls=4, interval_s=0)
        assert min(supplier.gaps()) < INTERVAL_S


def busiest_moment(*, at_once: int) -> int:
    """Let four processes make one call of three seconds each; count the overlap."""
    with AlStyleServer(token=TOKEN, interval_s=0) as supplier:
        supplier.faults.add("stall", seconds=3, answer=True)
        run_callers(
            supplier.url, processes=4, calls=1, interval_s=0.01, at_once=at_once
        )
        assert len(supplier.arrivals) == 4
        return supplier.peak_busy


def test_no_more_calls_are_under_way_than_the_slots_allow():
    assert busiest_moment(at_once=2) == 2


def test_without_slots_there_are_more():
    assert busiest_moment(at_once=0) > 2


def test_a_slot_is_free_again_after_its_call():
    for _ in range(3):
        with TokenClock(name="s", interval_s=0.001, at_once=1).turn("order"):
            assert not CallSlots(name="s", count=1, call_s=60).is_any_free(
                database_now()
            )
    assert PeerSlot.objects.filter(name="s").count() == 1


def test_a_slot_is_free_again_after_a_call_that_failed():
    clock = TokenClock(name="s", interval_s=0.001, at_once=1)
    with pytest.raises(OSError, match="gone"), clock.turn("order"):
        raise OSError("gone")
    assert clock.slots is not None
    assert clock.slots.is_any_free(database_now())


def test_a_killed_callers_slot_frees_itself():
    slots = CallSlots(name="s", count=1, call_s=0.3)
    taken = slots.take(database_now())
    assert taken is not None
    assert slots.take(database_now()) is None
    time.sleep(0.35)
    again = slots.take(database_now())
    assert again is not None
    # The first caller lives after all: it must not free what is another's now.
    slots.free(taken)
    assert not slots.is_any_free(database_now())


def test_one_slot_is_given_to_one_of_many(in_threads):
    slots = CallSlots(name="s", count=1, call_s=60)
    now = database_now()
    assert slots.is_any_free(now)
    results = in_threads([lambda: slots.take(now) for _ in range(6)])
    assert len([taken for taken in results if taken is not None]) == 1


def test_patience_ends_when_no_slot_comes_free():
    slots = CallSlots(name="s", count=1, call_s=60)
    assert slots.take(database_now()) is not None
    clock = TokenClock(name="s", interval_s=0.01, patience_s=0.2, at_once=1)
    with pytest.raises(ClockBusy), clock.turn("order"):
        pass


def test_an_interval_of_zero_switches_the_slots_off_too():
    with TokenClock(name="off", interval_s=0, at_once=1).turn("order"):
        assert not PeerSlot.objects.filter(name="off").exists()


def in_thread(work):
    def run():
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_order_call_waits_for_at_most_one_crawl_call():
    turns: list[str] = []
    stop = threading.Event()

    def crawl():
        clock = TokenClock(name="one", interval_s=0.2)
        while not stop.is_set():
            with clock.turn("crawl"):
                turns.append("crawl")

    crawlers = [in_thread(crawl) for _ in range(3)]
    try:
        time.sleep(0.7)
        clock = TokenClock(name="one", interval_s=0.2)
        for _ in range(4):
            before = len(turns)
            with clock.turn("order"):
                assert turns[before:].count("crawl") <= 1
                turns.append("order")
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in crawlers:
            thread.join()
    assert "crawl" in turns


def test_a_killed_callers_turn_ends_by_itself():
    clock = TokenClock(name="killed", interval_s=0.1)
    turn = clock.turn("crawl")
    turn.__enter__()
    row = PeerClock.objects.get(name="killed")
    assert row.next_at - database_now() <= timedelta(seconds=1.1)


def test_the_interval_counts_from_the_answer():
    clock = TokenClock(name="answer", interval_s=0.3)
    with clock.turn("crawl"):
        time.sleep(0.2)
        answered = database_now()
    row = PeerClock.objects.get(name="answer")
    assert row.next_at >= answered + timedelta(seconds=0.3)


def test_an_order_call_that_died_waiting_holds_nobody_up_for_long():
    now = database_now()
    PeerClock.objects.create(
        name="dead", next_at=LONG_AGO, order_waits_until=now + timedelta(seconds=0.3)
    )
    clock = TokenClock(name="dead", interval_s=0.1)
    with clock.turn("crawl"):
        assert database_now() >= now + timedelta(seconds=0.3)


def test_patience_ends():
    PeerClock.objects.create(
        name="busy",
        next_at=database_now() + timedelta(seconds=0.2),
        order_waits_until=database_now() + timedelta(seconds=60),
    )
    clock = TokenClock(name="busy", interval_s=0.1, patience_s=0.3)
    with pytest.raises(ClockBusy), clock.turn("crawl"):
        pass


def test_slowing_down_holds_every_caller_back():
    clock = TokenClock(name="slow", interval_s=0.1)
    with clock.turn("crawl"):
        pass
    clock.push_back(0.5)
    begun = time.monotonic()
    with TokenClock(name="slow", interval_s=0.1).turn("order"):
        assert time.monotonic() - begun >= 0.4


def test_the_clocks_name_does_not_reveal_the_token():
    assert TOKEN not in clock_name("alstyle", TOKEN)
    assert clock_name("alstyle", TOKEN) != clock_name("alstyle", "other")
