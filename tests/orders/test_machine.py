from __future__ import annotations

import math
import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from orders.clients import Clients
from orders.models import Order, OrderEvent, Step
from orders.models.step import CLAIM_S
from orders.plan.claims import Claim, ClaimLost, claim_step
from orders.plan.planning import replan
from orders.plan.transitions import ForbiddenTransition, move_step
from orders.plan.wanting import make_step
from orders.steps import HANDLERS, machine, outcomes
from orders.supply.cart import CART_LEASE
from plumbing.leases import take_lease
from plumbing.models import Lease
from tests.orders.factories import make_order, make_product, step_of

pytestmark = pytest.mark.django_db(transaction=True)
S = Step.Status


def in_threads(number: int, work) -> None:
    barrier = threading.Barrier(number)

    def run():
        try:
            barrier.wait()
            work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def performed(monkeypatch):
    """Replace the reserve by one that only counts how often it was done."""
    count: list[int] = []

    class Counting:
        def perform(self, claim, peers):
            count.append(claim.step.pk)
            return outcomes.done("done")

    monkeypatch.setitem(HANDLERS, Step.Kind.RESERVE, Counting())
    return count


def process() -> None:
    with Clients() as clients:
        machine.process_due(clients, budget_s=20)


def test_many_workers_do_each_step_once(performed):
    product = make_product("1")
    orders = [make_order((product, 1)) for _ in range(6)]
    in_threads(4, process)
    assert sorted(performed) == sorted(step_of(o).pk for o in orders)
    assert {step_of(o).status for o in orders} == {S.DONE}


def test_without_the_comparison_they_would_do_it_several_times(performed, monkeypatch):
    looked = threading.Barrier(4, timeout=10)

    def claim_by_looking(step, *, text):
        if Step.objects.get(pk=step.pk).status != S.PENDING:
            return None
        looked.wait()
        Step.objects.filter(pk=step.pk).update(
            status=S.IN_FLIGHT, claimed_until=timezone.now() + timedelta(minutes=1)
        )
        step.status = S.IN_FLIGHT
        return Claim(step)

    monkeypatch.setattr(machine, "claim_step", claim_by_looking)
    make_order((make_product("1"), 1))
    in_threads(4, process)
    assert len(performed) == 4


def test_a_worker_that_lost_its_claim_cannot_write_or_settle(performed):
    order = make_order((make_product("1"), 1))
    step = step_of(order)
    claim = claim_step(step, text="begun")
    late = timezone.now() + timedelta(seconds=CLAIM_S + 1)
    assert machine.sweep(now=late) == 1
    with pytest.raises(ClaimLost):
        claim.renew()
    assert not machine.settle(step, outcomes.done("too late"))
    assert step_of(order).status == S.UNKNOWN


def test_a_claim_lasts_less_than_two_minutes(performed):
    step = step_of(make_order((make_product("1"), 1)))
    claim_step(step, text="begun")
    assert step.claimed_until - timezone.now() < timedelta(minutes=2)
    assert machine.sweep(now=timezone.now()) == 0


def test_steps_claimed_or_put_off_before_the_clock_was_set_back_go_on(performed):
    claimed, later, waiting = (
        step_of(make_order((make_product(article), 1))) for article in "123"
    )
    now, day = timezone.now(), timedelta(days=1)
    claim_step(claimed, text="begun")
    Step.objects.filter(pk=claimed.pk).update(claimed_until=now + day)
    Step.objects.filter(pk=later.pk).update(not_before=now + day)
    hour = now + timedelta(hours=1)
    Step.objects.filter(pk=waiting.pk).update(not_before=hour)
    process()
    assert performed == [later.pk]
    # Its worker may be alive: it has as long as any claim lasts.
    assert machine.sweep(now=timezone.now()) == 0
    late = timezone.now() + timedelta(seconds=CLAIM_S + 1)
    assert machine.sweep(now=late) == 1
    assert Step.objects.get(pk=waiting.pk).not_before == hour


def test_attempts_are_counted_at_the_claim(performed):
    step = step_of(make_order((make_product("1"), 1)))
    claim_step(step, text="begun")
    assert Step.objects.get(pk=step.pk).attempts == 1


def test_the_nearest_deadline_is_served_first(performed):
    product, now = make_product("1"), timezone.now()
    later = make_order((product, 1), accept_by=now + timedelta(hours=2))
    sooner = make_order((product, 1), accept_by=now + timedelta(minutes=5))
    none = make_order((product, 1), accept_by=None)
    process()
    assert performed == [step_of(o).pk for o in (sooner, later, none)]


def test_an_order_is_finished_before_the_next_of_the_same_deadline(
    performed, monkeypatch
):
    # Over night all deadlines fall on the same morning: an accept, which takes a
    # moment, must not wait until everything else is reserved.
    product, deadline = make_product("1"), timezone.now() + timedelta(hours=3)
    first = make_order((product, 1), accept_by=deadline)
    second = make_order((product, 1), accept_by=deadline)
    Step.objects.filter(order=first).update(status=S.DONE)
    accept = make_step(first, Step.Kind.ACCEPT, now=timezone.now())
    accept.save()
    monkeypatch.setitem(HANDLERS, Step.Kind.ACCEPT, HANDLERS[Step.Kind.RESERVE])
    process()
    assert performed == [accept.pk, step_of(second).pk]


def test_while_another_worker_uses_the_cart_no_reserve_is_begun(performed):
    # Else two workers write events for every waiting order every few seconds, and the
    # nearest deadlines are put off the most.
    order = make_order((make_product("1"), 1))
    owner = take_lease(CART_LEASE)
    before = step_of(order)
    process()
    assert performed == []
    assert not machine.is_anything_due(now=timezone.now())
    assert machine.due_in(now=timezone.now()) == machine.HELD_BACK_S
    after = step_of(order)
    assert (after.not_before, after.events.count()) == (before.not_before, 0)
    Lease.objects.filter(owner=owner).delete()
    process()
    assert performed == [before.pk]


def test_what_waits_for_later_is_done_on_demand(performed):
    now = timezone.now()
    assert machine.due_in(now=now) == math.inf
    order = make_order((make_product("1"), 1))
    assert machine.due_in(now=timezone.now()) == 0
    Step.objects.update(not_before=now + timedelta(hours=1))
    assert machine.due_in(now=now) == 3600
    process()
    assert performed == []
    with Clients() as clients:
        machine.process_due(clients, budget_s=20, also_later=True)
    assert performed == [step_of(order).pk]


def test_every_change_of_status_leaves_an_event(performed):
    order = make_order((make_product("1"), 1))
    before = OrderEvent.objects.count()
    process()
    assert OrderEvent.objects.count() == before + 2
    assert OrderEvent.objects.filter(step=step_of(order)).count() == 2


def test_an_impossible_transition_is_a_programming_error():
    step = step_of(make_order((make_product("1"), 1)))
    with pytest.raises(ForbiddenTransition):
        move_step(step, S.DONE, text="x", now=timezone.now())


@pytest.fixture
def faulty(monkeypatch):
    """Let the reserve of one order end in a fault of our own; others are done."""
    orders: list[int] = []

    class Faulty:
        def perform(self, claim, peers):
            if claim.step.order_id in orders:
                raise KeyError("no such thing")
            return outcomes.done("done")

        def look(self, claim, peers):
            raise KeyError("no such thing")

    monkeypatch.setitem(HANDLERS, Step.Kind.RESERVE, Faulty())
    return orders


def test_a_fault_of_our_own_leaves_the_step_unknown_and_the_others_done(faulty):
    product, now = make_product("1"), timezone.now()
    bad = make_order((product, 1), accept_by=now + timedelta(minutes=5))
    good = make_order((product, 1), accept_by=now + timedelta(hours=2))
    faulty.append(bad.pk)
    process()
    assert step_of(good).status == S.DONE
    # Whether the peer was asked before it struck nobody knows: it is looked for.
    assert step_of(bad).status == S.UNKNOWN
    assert "KeyError" in step_of(bad).last_error


def test_looks_that_end_in_a_fault_come_to_a_person(faulty, settings):
    order = make_order((make_product("1"), 1))
    faulty.append(order.pk)
    for _ in range(settings.STEP_ATTEMPTS + 2):
        process()
        Step.objects.update(not_before=timezone.now())
    step = step_of(order)
    assert (step.status, step.attempts) == (S.NEEDS_PERSON, 1)


def test_a_settling_that_fails_leaves_nothing_half_done_and_aborts_nothing(
    performed, monkeypatch
):
    product, now = make_product("1"), timezone.now()
    bad = make_order((product, 1), accept_by=now + timedelta(minutes=5))
    good = make_order((product, 1), accept_by=now + timedelta(hours=2))

    def fail(now):
        raise RuntimeError("the disk is full")

    class Failing:
        def perform(self, claim, peers):
            apply = fail if claim.step.order_id == bad.pk else None
            return outcomes.done("x", apply=apply)

    monkeypatch.setitem(HANDLERS, Step.Kind.RESERVE, Failing())
    process()
    assert step_of(bad).status == S.IN_FLIGHT
    assert step_of(good).status == S.DONE
    # The sweep takes it when its claim has run out.
    late = timezone.now() + timedelta(seconds=CLAIM_S + 1)
    assert machine.sweep(now=late) == 1
    assert step_of(bad).status == S.UNKNOWN


def test_an_outcome_that_can_never_be_written_comes_to_a_person(monkeypatch, settings):
    order = make_order((make_product("1"), 1))

    def fail(now):
        raise RuntimeError("the disk is full")

    class Failing:
        def look(self, claim, peers):
            return outcomes.done("x", apply=fail)

    monkeypatch.setitem(HANDLERS, Step.Kind.RESERVE, Failing())
    Step.objects.update(status=S.UNKNOWN)
    for _ in range(settings.STEP_ATTEMPTS + 1):
        assert step_of(order).status == S.UNKNOWN
        process()
        Step.objects.update(claimed_by="", claimed_until=None)
    assert step_of(order).status == S.NEEDS_PERSON


# -- planning ----------------------------------------------------------------------


def test_a_problem_order_waits_for_a_person_and_still_counts(performed):
    order = make_order((make_product("1"), 1), problem="no lines could be read")
    step = step_of(order)
    assert (step.status, step.last_error) == (S.NEEDS_PERSON, "no lines could be read")
    assert order.reservations.get().lines.count() == 1


def test_papers_to_sign_are_reserved_but_not_accepted(performed, settings):
    order = make_order((make_product("1"), 1), state=Order.SIGN_REQUIRED)
    order.reservations.update(status="by_hand")
    replan(order, now=timezone.now())
    assert not order.steps.filter(kind=Step.Kind.ACCEPT).exists()
    order.state = Order.NEW
    order.save()
    replan(order, now=timezone.now())
    assert order.steps.filter(kind=Step.Kind.ACCEPT).count() == 1


def test_an_accept_without_effect_is_sent_again_but_not_for_ever(performed):
    order = make_order((make_product("1"), 1))
    order.reservations.update(status="by_hand")
    for _ in range(5):
        replan(order, now=timezone.now())
        order.steps.filter(kind=Step.Kind.ACCEPT, status=S.PENDING).update(
            status=S.DONE, finished_at=timezone.now()
        )
        order.last_seen = timezone.now()
        order.save()
    accepts = order.steps.filter(kind=Step.Kind.ACCEPT)
    assert [s.status for s in accepts] == [S.DONE, S.DONE, S.DONE, S.NEEDS_PERSON]


def test_assembling_is_asked_for_once(performed, settings):
    settings.AUTO_ASSEMBLE = True
    order = make_order(
        (make_product("1"), 1), state=Order.KASPI_DELIVERY, status=Order.ACCEPTED
    )
    order.reservations.update(status="by_hand")
    for _ in range(3):
        replan(order, now=timezone.now())
        order.steps.filter(kind=Step.Kind.ASSEMBLE).update(
            status=S.DONE, finished_at=timezone.now()
        )
    assert order.steps.filter(kind=Step.Kind.ASSEMBLE).count() == 1


def test_goods_on_their_way_to_the_buyer_are_not_released(performed):
    order = make_order((make_product("1"), 1))
    order.reservations.update(status="by_hand")
    order.status, order.handed_over_at = Order.CANCELLING, timezone.now()
    order.save()
    replan(order, now=timezone.now())
    assert not order.steps.filter(kind=Step.Kind.RELEASE).exists()
