from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from plumbing import leases
from plumbing.leases import (
    LEASE_S,
    LeaseLost,
    LeaseTaken,
    database_now,
    is_taken,
    take_lease,
    under_lease,
)
from plumbing.models import Lease

pytestmark = pytest.mark.django_db(transaction=True)


def expire(name: str) -> None:
    Lease.objects.filter(name=name).update(until=database_now() - timedelta(seconds=1))


def test_only_one_holds_a_lease():
    with under_lease("work"):
        assert is_taken("work")
        with pytest.raises(LeaseTaken, match="work"), under_lease("work"):
            pass
    assert not is_taken("work")
    with under_lease("work"):
        pass


def test_leases_of_other_work_are_independent():
    with under_lease("one"), under_lease("two"):
        pass


def test_a_dead_holders_lease_is_taken_over():
    take_lease("work")
    expire("work")
    with under_lease("work"):
        assert is_taken("work")


def test_a_killed_holder_blocks_for_less_than_two_minutes():
    assert LEASE_S <= 120
    take_lease("work")
    until = Lease.objects.get(name="work").until
    assert until <= database_now() + timedelta(seconds=120)


def test_whoever_finds_it_taken_writes_nothing():
    take_lease("work")
    with CaptureQueriesContext(connection) as asked, pytest.raises(LeaseTaken):
        take_lease("work")
    assert all(query["sql"].startswith("SELECT") for query in asked)


def test_whoever_lost_the_lease_learns_it_and_leaves_the_new_holder_alone():
    with under_lease("work") as lease:
        expire("work")
        take_lease("work")
        with pytest.raises(LeaseLost):
            lease.confirm()
    assert is_taken("work")


def test_a_held_lease_is_renewed_in_the_background(monkeypatch):
    monkeypatch.setattr(leases, "RENEW_EVERY_S", 0.05)
    with under_lease("work"):
        near = database_now() + timedelta(seconds=1)
        Lease.objects.filter(name="work").update(until=near)
        for _ in range(100):
            threading.Event().wait(0.05)
            if Lease.objects.get(name="work").until > near:
                break
        assert Lease.objects.get(name="work").until > near


def race(take) -> int:
    """Let eight threads take the same expired lease; count the winners."""
    take_lease("work")
    expire("work")
    barrier, wins = threading.Barrier(8), []

    def run():
        try:
            barrier.wait()
            take()
            wins.append(1)
        except LeaseTaken:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(wins)


def test_an_expired_lease_has_one_new_holder():
    assert race(lambda: take_lease("work")) == 1


def test_looking_before_taking_would_have_had_many():
    looked = threading.Barrier(8)

    def take_after_looking():
        row = Lease.objects.get(name="work")
        looked.wait()
        if row.until > database_now():
            raise LeaseTaken("work", owner=row.owner)
        Lease.objects.filter(name="work").update(
            owner="me", until=database_now() + timedelta(seconds=9)
        )

    assert race(take_after_looking) > 1


# -- time that jumps ---------------------------------------------------------------


def set_back(by: timedelta) -> None:
    """Let the rows look as after the database's clock was set back."""
    for row in Lease.objects.all():
        Lease.objects.filter(pk=row.pk).update(until=row.until + by)


def test_a_dead_owners_lease_ends_though_the_clock_was_set_back():
    take_lease("work")
    set_back(timedelta(days=1))
    assert not is_taken("work")
    # Its owner may be alive and renew it: it is given as long as any other.
    with pytest.raises(LeaseTaken):
        take_lease("work")
    until = Lease.objects.get(name="work").until
    assert until <= database_now() + timedelta(seconds=LEASE_S)
    expire("work")
    with under_lease("work"):
        pass


def test_a_living_owner_keeps_its_lease_when_the_clock_is_set_back():
    with under_lease("work") as lease:
        set_back(timedelta(days=1))
        with pytest.raises(LeaseTaken):
            take_lease("work")
        lease.confirm()
        assert is_taken("work")
