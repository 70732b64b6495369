from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from django_q.models import OrmQ

from orders import dispatching, tasks
from orders.dispatching import dispatch, loop_name
from orders.models import Step
from orders.plan.wanting import make_step
from orders.steps import HANDLERS, outcomes
from orders.steps.machine import process_due
from plumbing.leases import is_taken, take_lease
from plumbing.models import Heartbeat, Lease
from plumbing.peers import PeerUnavailable
from tests.orders.factories import make_order, make_product, step_of

pytestmark = pytest.mark.django_db(transaction=True)
S, K = Step.Status, Step.Kind
ALSTYLE, KASPI = Step.Peer.ALSTYLE, Step.Peer.KASPI


@pytest.fixture
def done(monkeypatch):
    """Replace what is done at either peer by a note of it."""
    steps: list[int] = []

    class Noting:
        def perform(self, claim, clients):
            steps.append(claim.step.pk)
            return outcomes.done("done")

    for kind in (K.RESERVE, K.ACCEPT):
        monkeypatch.setitem(HANDLERS, kind, Noting())
    return steps


class Loops:
    """Loops in threads of this process."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.threads: list[threading.Thread] = []

    def __call__(self, *peers: str) -> None:
        for peer in peers:
            self.threads.append(threading.Thread(target=self._loop, args=[peer]))
            self.threads[-1].start()

    def _loop(self, peer: str) -> None:
        try:
            dispatch(peer, wait=self.stop.wait)
        finally:
            connections.close_all()


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr(dispatching, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(dispatching, "TRY_AGAIN_AFTER_S", 0.1)
    loops = Loops()
    yield loops
    loops.stop.set()
    for thread in loops.threads:
        thread.join(10)
        assert not thread.is_alive()


def wait_for(claim) -> None:
    until = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < until, "it did not come to pass in time"
        time.sleep(0.02)


def order_with_accept(product):
    order = make_order((product, 1))
    order.steps.update(status=S.DONE)
    accept = make_step(order, K.ACCEPT, now=timezone.now())
    accept.save()
    return accept


def test_what_becomes_due_is_done_without_a_task(done, run):
    run(ALSTYLE)
    wait_for(lambda: is_taken(loop_name(ALSTYLE)))
    order = make_order((make_product("1"), 1))
    wait_for(lambda: step_of(order).status == S.DONE)
    assert OrmQ.objects.count() == 0


def test_what_was_put_off_is_done_at_its_moment_though_nothing_is_written(done, run):
    order = make_order((make_product("1"), 1))
    Step.objects.update(not_before=timezone.now() + timedelta(seconds=2))
    run(ALSTYLE)
    time.sleep(1)
    assert step_of(order).status == S.PENDING
    wait_for(lambda: step_of(order).status == S.DONE)


def test_a_loop_does_only_what_is_asked_of_its_peer(done, run):
    product = make_product("1")
    accept, order = order_with_accept(product), make_order((product, 1))
    run(KASPI)
    wait_for(lambda: Step.objects.get(pk=accept.pk).status == S.DONE)
    assert step_of(order).status == S.PENDING


def test_a_long_call_at_one_peer_keeps_the_other_one_going(done, run, monkeypatch):
    product, answered = make_product("1"), threading.Event()

    class Slow:
        def perform(self, claim, clients):
            assert answered.wait(10)
            return outcomes.done("done")

    monkeypatch.setitem(HANDLERS, K.RESERVE, Slow())
    order = make_order((product, 1))
    run(ALSTYLE, KASPI)
    wait_for(lambda: step_of(order).status == S.IN_FLIGHT)
    accept = order_with_accept(product)
    wait_for(lambda: Step.objects.get(pk=accept.pk).status == S.DONE)
    assert step_of(order).status == S.IN_FLIGHT
    answered.set()
    wait_for(lambda: step_of(order).status == S.DONE)


def test_of_two_loops_one_works_and_the_other_takes_over(done, run):
    owner = take_lease(loop_name(ALSTYLE))
    run(ALSTYLE)
    order = make_order((make_product("1"), 1))
    time.sleep(0.5)
    assert step_of(order).status == S.PENDING
    Lease.objects.filter(owner=owner).delete()
    wait_for(lambda: step_of(order).status == S.DONE)


def test_a_loop_that_lost_its_lease_stops_working(done, run, monkeypatch):
    monkeypatch.setattr("plumbing.leases.RENEW_EVERY_S", 0.05)
    run(ALSTYLE)
    wait_for(lambda: is_taken(loop_name(ALSTYLE)))
    Lease.objects.update(owner="another host")
    time.sleep(0.5)
    order = make_order((make_product("1"), 1))
    time.sleep(0.5)
    assert step_of(order).status == S.PENDING


def test_a_fault_ends_a_round_but_not_the_loop(done, run, monkeypatch):
    real, faults = process_due, [1, 2]

    def fail_twice(*args, **kwargs):
        if faults:
            faults.pop()
            raise RuntimeError("the database is away")
        return real(*args, **kwargs)

    monkeypatch.setattr(dispatching, "process_due", fail_twice)
    order = make_order((make_product("1"), 1))
    run(ALSTYLE)
    wait_for(lambda: step_of(order).status == S.DONE)


def test_a_loop_that_only_fails_falls_silent(done, run, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("the database is away")

    monkeypatch.setattr(dispatching, "process_due", fail)
    make_order((make_product("1"), 1))
    run(ALSTYLE, KASPI)
    wait_for(lambda: Heartbeat.objects.filter(name=loop_name(KASPI)).exists())
    time.sleep(0.3)
    assert not Heartbeat.objects.filter(name=loop_name(ALSTYLE)).exists()


def test_a_peer_that_is_away_is_left_alone_for_a_while(run, monkeypatch):
    tries: list[int] = []

    class Away:
        def perform(self, claim, clients):
            tries.append(claim.step.pk)
            raise PeerUnavailable("no connection")

    monkeypatch.setitem(HANDLERS, K.RESERVE, Away())
    product = make_product("1")
    for _ in range(5):
        make_order((product, 1))
    run(ALSTYLE)
    wait_for(lambda: tries)
    time.sleep(0.5)
    assert len(tries) == 1


def test_a_stop_comes_between_two_steps(run, monkeypatch):
    count: list[int] = []

    class Stopping:
        def perform(self, claim, clients):
            count.append(1)
            run.stop.set()
            return outcomes.done("done")

    monkeypatch.setitem(HANDLERS, K.RESERVE, Stopping())
    product = make_product("1")
    for _ in range(3):
        make_order((product, 1))
    run(ALSTYLE)
    run.threads[0].join(10)
    assert not run.threads[0].is_alive()
    assert len(count) == 1
    # Others need not wait for the lease to run out.
    assert not is_taken(loop_name(ALSTYLE))


def test_the_task_leaves_the_work_to_the_loop_that_does_it(done):
    order = make_order((make_product("1"), 1))
    owner = take_lease(loop_name(ALSTYLE))
    assert tasks.process_orders() == "nothing due"
    assert step_of(order).status == S.PENDING
    Lease.objects.filter(owner=owner).delete()
    assert tasks.process_orders().startswith("1 done")
    # B2: rounds that queued one another kept the polls waiting for 40 minutes.
    assert OrmQ.objects.count() == 0
