from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections
from urllib3.connection import HTTPConnection

from plumbing import call_deadlines, clock_set, limits
from plumbing.call_deadlines import (
    _Connection,
    only_while_claimed,
    prolong_claim,
)
from plumbing.leases import database_now, steady_s
from plumbing.limits import (
    LONG_AGO,
    ORDER_CALLS_IN_A_ROW,
    CallSlots,
    ClockBusy,
    TokenClock,
    clock_name,
)
from plumbing.models import PeerClock, PeerSlot
from plumbing.peers import PeerConnection, PeerOutcomeUnknown, PeerUnavailable
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
    print("ready", flush=True)
    sys.stdin.readline()
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
    """Let processes call the peer, all from the moment when the last one is ready."""
    arguments = [url, str(calls), str(interval_s), TOKEN, str(at_once)]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, *arguments],
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n", child.communicate()
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
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


def busiest_moment(*, at_once: int, call_s: float = 3) -> int:
    """Let four processes make one call each; count the overlap."""
    with AlStyleServer(token=TOKEN, interval_s=0) as supplier:
        supplier.faults.add("stall", seconds=call_s, answer=True)
        run_callers(
            supplier.url, processes=4, calls=1, interval_s=0.01, at_once=at_once
        )
        assert len(supplier.arrivals) == 4
        return supplier.peak_busy


def test_no_more_calls_are_under_way_than_the_slots_allow():
    assert busiest_moment(at_once=2) == 2


def test_with_more_slots_there_are_more():
    assert busiest_moment(at_once=4) > 2


def test_without_slots_no_two_calls_are_under_way():
    # Until its answer came nobody knows when a request reached the peer.
    assert busiest_moment(at_once=0, call_s=1) == 1


class SlowDoor:
    """A way to the peer that lets callers through late.

    The handshake is done by the system, so the caller has sent its request and waits;
    it reaches the peer when the door opens, as after a slow handshake on the way.
    """

    def __init__(self, target: str, *, opens_after_s: list[float]) -> None:
        self.host, port = target.removeprefix("http://").split(":")
        self.port, self.waits = int(port), list(opens_after_s)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                near, _address = self.listener.accept()
            except OSError:
                return
            wait_s = self.waits.pop(0) if self.waits else 0
            threading.Thread(
                target=self._pass_on, args=(near, wait_s), daemon=True
            ).start()

    def _pass_on(self, near: socket.socket, wait_s: float) -> None:
        time.sleep(wait_s)
        with near, socket.create_connection((self.host, self.port)) as far:
            back = threading.Thread(target=pour, args=(far, near), daemon=True)
            back.start()
            pour(near, far)
            back.join()

    def close(self) -> None:
        self.listener.close()


def pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_a_request_that_reaches_the_peer_late_is_not_overtaken():
    with AlStyleServer(token=TOKEN, interval_s=0) as supplier:
        door = SlowDoor(supplier.url, opens_after_s=[2.2])
        try:
            run_callers(door.url, processes=2, calls=2, interval_s=INTERVAL_S)
        finally:
            door.close()
        assert len(supplier.arrivals) == 4
        assert min(supplier.gaps()) >= INTERVAL_S


@pytest.mark.parametrize(
    "asleep",
    [
        "before it waits",
        "waiting for a turn",
        "with its turn",
        "with its request written",
    ],
)
def test_who_was_suspended_before_a_write_does_not_send_it(monkeypatch, asleep):
    """Another host may have done it since: after ten minutes it has."""
    slept_s = 0.0
    real_s = steady_s
    for module in (limits, call_deadlines):
        monkeypatch.setattr(module, "steady_s", lambda: real_s() + slept_s)

    def sleep_long(*_args, **_options):
        nonlocal slept_s
        slept_s = 600.0

    # So long that on a slow machine, too, the turn has to be waited for.
    clock = TokenClock(name="slept", interval_s=1.5, patience_s=2)
    if asleep == "waiting for a turn":
        with clock.turn("order"):
            pass
        monkeypatch.setattr(TokenClock, "_announce", sleep_long)
    elif asleep == "with its turn":
        monkeypatch.setattr(
            _Connection, "putrequest", sleeping(sleep_long, _Connection.putrequest)
        )
    elif asleep == "with its request written":
        # The last that is called before it goes to the socket.
        monkeypatch.setattr(
            _Connection, "endheaders", sleeping(sleep_long, _Connection.endheaders)
        )
    with (
        only_while_claimed(),
        AlStyleServer(token=TOKEN, interval_s=0) as supplier,
        PeerConnection(
            name="Al-Style",
            base_url=supplier.url,
            timeout_s=5,
            limiter=clock,
            user_agent="kaspi-bridge/1.0",
        ) as peer,
    ):
        prolong_claim(since_s=real_s(), seconds=100)
        if asleep == "before it waits":
            sleep_long()
        # Surely not sent, so whoever has the work now is not misled.
        with pytest.raises(PeerUnavailable):
            peer.write("GET", "cart-api/add")
        assert supplier.arrivals == []


def test_who_was_suspended_in_the_middle_of_a_request_does_not_know_what_came_of_it(
    monkeypatch,
):
    slept_s = 0.0
    monkeypatch.setattr(call_deadlines, "steady_s", lambda: slept_s)
    send = _Connection.send

    def send_and_sleep(self, data):
        nonlocal slept_s
        send(self, data)
        slept_s = 600.0

    monkeypatch.setattr(_Connection, "send", send_and_sleep)
    with (
        AlStyleServer(token=TOKEN, interval_s=0) as supplier,
        PeerConnection(
            name="Al-Style",
            base_url=supplier.url,
            timeout_s=5,
            limiter=TokenClock(name="slept", interval_s=0),
            user_agent="kaspi-bridge/1.0",
        ) as peer,
    ):
        with pytest.raises(PeerOutcomeUnknown):
            peer.write("POST", "cart-api/add", json_body={"article": 1})
        assert supplier.arrivals == []


def sleeping(sleep, real):
    def method(self, *args, **options):
        sleep()
        real(self, *args, **options)

    return method


def test_a_connection_made_after_the_deadline_sends_nothing(monkeypatch):
    real = HTTPConnection.connect

    def slow(self):
        real(self)
        time.sleep(0.6)

    with (
        AlStyleServer(token=TOKEN, interval_s=0) as supplier,
        PeerConnection(
            name="Al-Style",
            base_url=supplier.url,
            timeout_s=0.3,
            limiter=TokenClock(name="late", interval_s=0),
            user_agent="kaspi-bridge/1.0",
        ) as peer,
    ):
        monkeypatch.setattr(HTTPConnection, "connect", slow)
        # Surely not sent: a write that met this may be tried again.
        with pytest.raises(PeerUnavailable):
            peer.write("GET", "cart-api/add")
        assert supplier.arrivals == []


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


def row(**moments):
    return {**dict.fromkeys(PeerClock.MOMENTS, LONG_AGO), **moments}


def test_a_killed_callers_turn_ends_by_itself():
    clock = TokenClock(name="killed", interval_s=0.1, call_s=0.5)
    turn = clock.turn("crawl")
    turn.__enter__()
    begun = time.monotonic()
    with TokenClock(name="killed", interval_s=0.1).turn("order"):
        assert 0.5 <= time.monotonic() - begun <= 1.5


def test_a_call_under_way_keeps_others_waiting_until_its_answer():
    clock = TokenClock(name="long", interval_s=0.1)
    with clock.turn("order"):
        time.sleep(1.3)
        row = PeerClock.objects.get(name="long")
        assert row.next_at > database_now() + timedelta(seconds=30)
    row = PeerClock.objects.get(name="long")
    assert row.next_at <= database_now() + timedelta(seconds=0.1)


def test_the_answer_is_not_lost_with_the_clocks_row(monkeypatch):
    def fail(self, mine):
        raise OperationalError("the database is away")

    monkeypatch.setattr(TokenClock, "_settle", fail)
    with TokenClock(name="away", interval_s=0.1).turn("order"):
        answer = "number 1"
    assert answer == "number 1"


# -- a fair share ------------------------------------------------------------------


def calls_made(clock: TokenClock, *, at_most: int) -> int:
    """Make order calls while a reading waits; return how many were let pass."""
    for made in range(at_most):
        try:
            with clock.turn("order"):
                pass
        except ClockBusy:
            return made
    return at_most


@pytest.fixture
def a_reading_waits():
    PeerClock.objects.create(
        name="fair", **row(crawl_waits_until=database_now() + timedelta(hours=1))
    )


def test_a_reading_gets_its_turn_however_many_orders_wait(a_reading_waits):
    clock = TokenClock(name="fair", interval_s=0.02, patience_s=0.3)
    assert calls_made(clock, at_most=40) == ORDER_CALLS_IN_A_ROW
    with clock.turn("crawl"):
        pass
    PeerClock.objects.update(crawl_waits_until=database_now() + timedelta(hours=1))
    assert calls_made(clock, at_most=40) == ORDER_CALLS_IN_A_ROW


def test_without_the_share_it_would_wait_for_all_of_them(a_reading_waits, monkeypatch):
    monkeypatch.setattr("plumbing.limits.ORDER_CALLS_IN_A_ROW", 10_000)
    clock = TokenClock(name="fair", interval_s=0.02, patience_s=5)
    assert calls_made(clock, at_most=40) == 40


@pytest.mark.parametrize("priority", ["order", "crawl"])
def test_whoever_waits_says_so_for_as_long_as_it_waits(priority):
    def wait_for_turn():
        with TokenClock(name="fair", interval_s=0.1).turn(priority):
            pass

    def announced():
        return getattr(PeerClock.objects.get(name="fair"), f"{priority}_waits_until")

    with TokenClock(name="fair", interval_s=0.1).turn("order"):
        waiting = in_thread(wait_for_turn)
        give_up = time.monotonic() + 30
        while (first := announced()) == LONG_AGO:
            assert time.monotonic() < give_up
        while announced() == first:
            assert time.monotonic() < give_up
            time.sleep(0.05)
    waiting.join(30)
    assert announced() == LONG_AGO


# -- time that jumps ---------------------------------------------------------------


def answered_turn(clock) -> float:
    """Take a turn of no length; return when it was answered."""
    with clock.turn("order"):
        pass
    return time.monotonic()


@pytest.fixture
def set_back(monkeypatch):
    """Set the database's clock back (by less than nothing: ahead) for the clock."""
    offset = timedelta(0)
    monkeypatch.setattr(clock_set, "database_now", lambda: database_now() - offset)
    # What this process sees of it, no later test is to believe.
    monkeypatch.setattr(clock_set, "SEEN", clock_set._Seen())

    def move(by):
        nonlocal offset
        offset = by

    return move


@pytest.mark.parametrize("by", [timedelta(days=1), timedelta(minutes=4)])
def test_a_clock_set_back_keeps_nobody_waiting(set_back, by):
    clock = TokenClock(name="back", interval_s=0.3, patience_s=5)
    answered = answered_turn(clock)
    set_back(by)
    with clock.turn("order"):
        # Neither at once, nor a day later.
        assert 0.25 <= time.monotonic() - answered <= 2


def test_a_clock_set_ahead_lets_no_call_come_sooner(set_back):
    clock = TokenClock(name="ahead", interval_s=0.3, patience_s=5)
    answered = answered_turn(clock)
    set_back(timedelta(days=-1))
    with clock.turn("order"):
        assert 0.25 <= time.monotonic() - answered <= 2


def test_a_clock_set_ahead_lets_a_call_under_way_end_first(set_back):
    clock = TokenClock(name="ahead", interval_s=0.3, patience_s=10)
    with clock.turn("order"):
        pass
    begun, answered = threading.Event(), []

    def call_for_long():
        with TokenClock(name="ahead", interval_s=0.3).turn("order"):
            begun.set()
            time.sleep(0.8)
            answered.append(time.monotonic())

    caller = in_thread(call_for_long)
    assert begun.wait(10)
    set_back(timedelta(days=-1))
    with clock.turn("order"):
        assert time.monotonic() - answered[0] >= 0.25
    caller.join(10)


@pytest.mark.parametrize("by", [timedelta(days=1), timedelta(days=-1)])
def test_a_process_that_just_began_knows_that_the_clock_was_set(
    set_back, monkeypatch, by
):
    clock = TokenClock(name="new", interval_s=0.4, patience_s=10)
    answered = answered_turn(clock)
    set_back(by)
    monkeypatch.setattr(clock_set, "SEEN", clock_set._Seen())
    with clock.turn("order"):
        assert 0.35 <= time.monotonic() - answered <= 2


@pytest.mark.parametrize("by", [timedelta(days=1), timedelta(days=-1)])
def test_a_row_of_another_computer_is_judged_by_what_was_seen(
    set_back, monkeypatch, by
):
    """By each thread: whoever looks first does not keep it from the others."""
    clock = TokenClock(name="theirs", interval_s=0.4, patience_s=10)
    with clock.turn("order"):
        pass
    clock_set.set_since_written(PeerClock.objects.get(name="theirs"), clock_set.look())
    answered = time.monotonic()
    PeerClock.objects.filter(name="theirs").update(counted_by="another", ahead_s=7.0)
    set_back(by)
    other = PeerClock.objects.get(name="theirs")
    assert clock_set.set_since_written(other, clock_set.look())
    with clock.turn("order"):
        assert 0.35 <= time.monotonic() - answered <= 2


def test_what_a_release_wrote_that_does_not_count_is_not_moved(set_back):
    clock = TokenClock(name="older", interval_s=0.1)
    with clock.turn("order"):
        pass
    set_back(timedelta(days=-1))
    written_at = clock_set.look().at
    PeerClock.objects.update(next_at=written_at, written_at=written_at)
    row = PeerClock.objects.get(name="older")
    assert not clock_set.set_since_written(row, clock_set.look())
    asked = time.monotonic()
    with clock.turn("order"):
        assert time.monotonic() - asked <= 1


def test_a_pause_asked_for_after_the_clock_was_set_is_not_moved_along(set_back):
    clock = TokenClock(name="pause", interval_s=0.1, patience_s=10)
    with clock.turn("order"):
        set_back(timedelta(days=-1))
        clock.push_back(1)
        asked = time.monotonic()
    with clock.turn("order"):
        assert 0.9 <= time.monotonic() - asked <= 3


def test_a_clock_set_back_does_not_forget_that_the_peer_wants_a_pause(set_back):
    clock = TokenClock(name="back", interval_s=0.1, patience_s=5)
    with clock.turn("order"):
        pass
    clock.push_back(1)
    asked = time.monotonic()
    set_back(timedelta(hours=1))
    with clock.turn("order"):
        assert 0.9 <= time.monotonic() - asked <= 3


def test_a_clock_set_back_while_it_waits_wakes_it(set_back):
    clock = TokenClock(name="back", interval_s=0.3, patience_s=5)
    with clock.turn("order"):
        pass
    begun = time.monotonic()
    timer = threading.Timer(0.1, set_back, [timedelta(days=1)])
    timer.start()
    with clock.turn("order"):
        assert time.monotonic() - begun <= 2
    timer.join()


def test_a_slot_taken_before_the_clock_was_set_back_is_free():
    slots = CallSlots(name="s", count=1, call_s=1)
    now = database_now()
    assert slots.take(now + timedelta(days=1)) is not None
    assert slots.take(now) is not None
    assert slots.take(now) is None


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
        name="dead", **row(order_waits_until=now + timedelta(seconds=0.3))
    )
    clock = TokenClock(name="dead", interval_s=0.1)
    with clock.turn("crawl"):
        assert database_now() >= now + timedelta(seconds=0.3)


def test_patience_ends():
    PeerClock.objects.create(
        name="busy",
        **row(
            next_at=database_now() + timedelta(seconds=0.2),
            order_waits_until=database_now() + timedelta(seconds=60),
        ),
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
