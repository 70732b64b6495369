"""The watch: one of many tells, every part's silence is noticed, and its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from django.utils import timezone

from alerts.deadman import call_outside
from alerts.following import Look
from alerts.models import Alert, Channel, Notice
from alerts.watching import Watch
from backoffice.dashboard import DigestLine
from plumbing.leases import LeaseLost, LeaseTaken, under_lease
from plumbing.models import Heartbeat, Lease
from tests.alerts.conftest import HOUR, MINUTE, NOON, need


def make_watch(*needs, is_alive: bool = True) -> Watch:
    return Watch(
        look=lambda _now: [Look(source="cellar", needs=needs)],
        digest=lambda _now: [
            DigestLine(label="Orders", value="7"),
            DigestLine(label="Profit", value="900 ₸", is_owners=True),
        ],
        is_alive=lambda _now: is_alive,
    )


def look_once(watch: Watch, now: datetime = NOON) -> None:
    with under_lease("watch") as lease:
        watch.round(lease, now=now)


def stop_after(rounds: int) -> Iterator[bool]:
    yield from [False] * rounds
    while True:
        yield True


def run_for(watch: Watch, *, rounds: int) -> None:
    answers = stop_after(rounds)
    watch.run(wait=lambda _seconds: next(answers))


@pytest.mark.django_db(transaction=True)
def test_two_watches_at_once_tell_once(channel, receiver, in_threads):
    watch = make_watch(need())

    def look() -> str:
        try:
            look_once(watch)
        except LeaseTaken:
            return "taken"
        return "looked"

    results = in_threads([look] * 4)
    assert "looked" in results
    assert set(results) <= {"looked", "taken"}
    assert Alert.objects.count() == 1
    assert len(receiver.messages) == 1


@pytest.mark.django_db(transaction=True)
def test_who_lost_the_lease_writes_nothing(channel, receiver):
    with under_lease("watch") as lease:
        Lease.objects.update(owner="another host")
        with pytest.raises(LeaseLost):
            make_watch(need()).round(lease, now=NOON)
    assert Alert.objects.count() == Notice.objects.count() == 0
    assert receiver.asked == []


@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_send_once(channel, receiver, in_threads):
    from alerts.following import follow
    from alerts.sending import send_due
    from alerts.telling import tell

    follow([Look(source="cellar", needs=[need()])], now=NOON)
    tell(now=NOON)
    sent = in_threads([lambda: send_due(now=NOON)] * 4)
    assert sorted(sent) == [0, 0, 0, 1]
    assert len(receiver.messages) == 1


@pytest.mark.django_db(transaction=True)
def test_it_shows_life_after_a_round_and_not_after_a_fault(channel, caplog):
    run_for(make_watch(), rounds=2)
    assert Heartbeat.objects.get(name="watch").host
    Heartbeat.objects.all().delete()

    def fail(_now: datetime) -> list[Look]:
        raise ValueError("no look")

    broken = Watch(look=fail, digest=lambda _now: [], is_alive=lambda _now: True)
    run_for(broken, rounds=2)
    assert not Heartbeat.objects.exists()
    assert "a fault ended the round" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_the_digest_comes_once_a_day_to_those_who_take_it(channel, receiver, settings):
    settings.DIGEST_AT = time(9, 0)
    settings.ALERT_QUIET_HOURS = None
    nine = NOON - 3 * HOUR
    look_once(make_watch(), now=nine - MINUTE)
    assert receiver.take_texts() == []
    look_once(make_watch(), now=nine)
    (text,) = receiver.take_texts()
    assert text == "The day: 1 March\nOrders: 7\nProfit: 900 ₸"
    look_once(make_watch(), now=nine + HOUR)
    assert receiver.take_texts() == []
    channel.takes_digest = False
    channel.save()
    look_once(make_watch(), now=nine + timedelta(days=1))
    assert receiver.take_texts() == []
    channel.takes_digest = True
    channel.save()
    # What is earned is not told to operators.
    Channel.objects.update(audience=Channel.Audience.OPERATOR)
    look_once(make_watch(), now=nine + timedelta(days=1))
    (text,) = receiver.take_texts()
    assert text == "The day: 2 March\nOrders: 7"
    # What could not be told in the morning is not told in the evening.
    look_once(make_watch(), now=nine + timedelta(days=2, hours=4))
    assert receiver.take_texts() == []
    settings.DIGEST_AT = None
    look_once(make_watch(), now=nine + timedelta(days=3))
    assert receiver.take_texts() == []


@pytest.mark.django_db(transaction=True)
def test_a_digest_of_the_late_evening_comes_after_midnight_as_the_same_days(
    channel, receiver, settings
):
    """A watch that was just starting when it was due must not lose it."""
    settings.DIGEST_AT = time(23, 59)
    settings.ALERT_QUIET_HOURS = None
    asked = []
    watch = make_watch()

    def read(moment: datetime) -> Sequence[DigestLine]:
        asked.append(moment)
        return watch.digest(moment)

    midnight = NOON + 12 * HOUR
    late = replace(watch, digest=read)
    look_once(late, now=midnight + MINUTE)
    (text,) = receiver.take_texts()
    assert text.startswith("The day: 1 March\n")
    assert [f"{timezone.localtime(at):%d.%m %H:%M}" for at in asked] == ["02.03 23:59"]
    look_once(late, now=midnight + HOUR)
    assert receiver.take_texts() == []
    # The next one is the next day's.
    look_once(late, now=midnight + 24 * HOUR - MINUTE)
    (text,) = receiver.take_texts()
    assert text.startswith("The day: 2 March\n")


@pytest.mark.django_db(transaction=True)
def test_the_dead_mans_switch_hears_only_of_a_bridge_that_is_alive(receiver, settings):
    settings.ALERT_URLS = []
    look_once(make_watch())
    assert receiver.asked == []
    settings.HEARTBEAT_URL = receiver.url
    look_once(make_watch(is_alive=False))
    assert receiver.asked == []
    look_once(make_watch())
    assert len(receiver.asked) == 1


def test_a_switch_that_does_not_hear_breaks_nothing_and_stays_secret(
    receiver, settings, caplog
):
    settings.HEARTBEAT_URL = receiver.url
    receiver.status = 404
    assert not call_outside()
    assert "HTTP 404" in caplog.text
    settings.HEARTBEAT_URL = "http://127.0.0.1:9/5ecre7-uuid"
    assert not call_outside()
    assert "ConnectionError" in caplog.text
    assert "5ecre7" not in caplog.text
