from __future__ import annotations

from datetime import timedelta

import pytest

from plumbing import timekeeping
from plumbing.leases import database_now, steady_s
from plumbing.models import Heartbeat, TimeJump
from plumbing.timekeeping import TimeWatch

pytestmark = pytest.mark.django_db
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
def clocks(monkeypatch):
    """Let a test set the database's clock and let steady time pass."""

    class Clocks:
        set_by, passed_s = timedelta(0), 0.0

    began, real = database_now(), Clocks()
    monkeypatch.setattr(
        timekeeping,
        "database_now",
        lambda: began + real.set_by + timedelta(seconds=real.passed_s),
    )
    monkeypatch.setattr(timekeeping, "steady_s", lambda: 1000 + real.passed_s)
    return real


@pytest.mark.parametrize("by", [-DAY, DAY, -4 * MINUTE])
def test_a_clock_that_was_set_is_noticed_once(clocks, by):
    watch = TimeWatch()
    assert watch.look() == timedelta(0)
    clocks.set_by, clocks.passed_s = by, 15
    assert watch.look() == by
    assert TimeJump.objects.get().seconds == by.total_seconds()
    clocks.passed_s = 30
    assert watch.look() == timedelta(0)
    assert TimeJump.objects.count() == 1


def test_a_clock_put_right_by_seconds_or_time_that_just_passes_is_no_jump(clocks):
    watch = TimeWatch()
    for number in range(5):
        # Also a look after hours: a computer that slept.
        clocks.passed_s, clocks.set_by = number * 7200, number * timedelta(seconds=40)
        assert watch.look() == timedelta(0)
    assert not TimeJump.objects.exists()


def test_a_look_that_was_interrupted_tells_nothing(clocks, monkeypatch):
    watch = TimeWatch()
    watch.look()
    moments = iter([1000, 4000])
    monkeypatch.setattr(timekeeping, "steady_s", lambda: next(moments))
    assert watch.look() == timedelta(0)


def test_the_steady_clock_goes_on():
    assert 0 <= steady_s() - steady_s() + 1 <= 1


def test_a_beat_in_the_future_is_no_sign_of_life():
    now = database_now()
    beat = Heartbeat(name="orders", host="srv", beaten_at=now + DAY)
    assert beat.is_late(now=now)
    beat.beaten_at = now + timedelta(seconds=2)
    assert not beat.is_late(now=now)


def test_a_cluster_that_crawls_is_silent_for_longer_before_it_is_told():
    now = database_now()
    crawling = Heartbeat(
        name="imports", host="srv", beaten_at=now - timedelta(minutes=12)
    )
    working = Heartbeat(
        name="orders", host="srv", beaten_at=now - timedelta(minutes=12)
    )
    assert not crawling.is_late(now=now)
    assert working.is_late(now=now)
    assert crawling.is_late(now=now + timedelta(minutes=9))
