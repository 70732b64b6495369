"""An alert from the moment it is noticed until it is over, by a real receiver."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.following import Look, acknowledge, follow
from alerts.models import Alert, Channel, Notice
from alerts.tasks import delete_old_alerts
from backoffice.dashboard import NeedKind, Role
from backoffice.formatting import Tone
from plumbing.leases import database_now
from tests.alerts.conftest import HOUR, MINUTE, NOON, need

pytestmark = pytest.mark.django_db


def test_it_opens_once_repeats_and_says_when_it_is_over(
    channel, receiver, round_at, settings
):
    settings.ALERT_REPEAT_MIN = [30, 120]
    for minute in (0, 1, 29):
        round_at(NOON + minute * MINUTE, need())
    (text,) = receiver.take_texts()
    assert text.startswith("Leak\nNew:\n• It drips")
    round_at(NOON + 30 * MINUTE, need())
    (text,) = receiver.take_texts()
    assert "not acknowledged" in text
    assert "It drips (30 minutes ago)" in text
    # The pauses grow, and the last one goes on.
    for minute, told in ((149, 0), (150, 1), (269, 0), (270, 1)):
        round_at(NOON + minute * MINUTE, need())
        assert len(receiver.take_texts()) == told, minute
    round_at(NOON + 280 * MINUTE)
    (text,) = receiver.take_texts()
    assert text.startswith("Over: Leak\nOver:\n✓ It drips (lasted 5 hours)")
    round_at(NOON + 10 * HOUR)
    assert receiver.take_texts() == []
    assert Alert.objects.get().told == 4


def test_an_acknowledged_one_is_not_repeated_and_its_end_is_told(
    channel, receiver, round_at
):
    round_at(NOON, need())
    assert len(receiver.take_texts()) == 1
    assert acknowledge(Alert.objects.all(), actor="anna", now=NOON + MINUTE)
    round_at(NOON + 3 * HOUR, need())
    assert receiver.take_texts() == []
    assert acknowledge(Alert.objects.all(), actor="bolat", now=NOON + HOUR) == []
    assert Alert.objects.get().acknowledged_by == "anna"
    round_at(NOON + 4 * HOUR)
    assert len(receiver.take_texts()) == 1


def test_what_comes_back_is_told_again(channel, receiver, round_at):
    round_at(NOON, need())
    round_at(NOON + MINUTE)
    round_at(NOON + 2 * MINUTE, need())
    assert [text.splitlines()[0] for text in receiver.texts()] == [
        "Leak",
        "Over: Leak",
        "Leak",
    ]
    assert Alert.objects.count() == 2


def test_ends_that_trickle_in_are_told_together(channel, receiver, round_at):
    drops = [need(f"Drop {n}", subject=str(n)) for n in range(6)]
    round_at(NOON, *drops)
    receiver.take_texts()
    told = []
    for minute in range(1, 8):
        round_at(NOON + minute * MINUTE, *drops[minute:])
        told.append(receiver.take_texts())
    assert [len(texts) for texts in told] == [1, 0, 0, 0, 0, 1, 0]
    assert "Drop 0" in told[0][0]
    assert told[5][0].count("✓") == 5


def test_what_gets_worse_speaks_up_although_it_was_acknowledged(
    channel, receiver, round_at
):
    round_at(NOON, need(tone=Tone.WARN))
    acknowledge(Alert.objects.all(), actor="anna", now=NOON)
    receiver.take_texts()
    round_at(NOON + MINUTE, need("It pours", tone=Tone.BAD))
    (text,) = receiver.take_texts()
    assert "It pours" in text
    assert not Alert.objects.get().is_acknowledged
    round_at(NOON + 2 * MINUTE, need(tone=Tone.WARN))
    assert receiver.take_texts() == []


def test_who_acknowledges_while_the_watch_looks_is_not_overruled(
    channel, receiver, round_at
):
    round_at(NOON, need("2 cups"))
    receiver.take_texts()

    def looks():
        # It has read the open alerts by then.
        acknowledge(Alert.objects.all(), actor="anna", now=NOON + MINUTE)
        yield Look(source="cellar", needs=[need("3 cups")])

    follow(looks(), now=NOON + MINUTE)
    assert Alert.objects.get().text == "3 cups"
    assert Alert.objects.get().acknowledged_by == "anna"
    round_at(NOON + 10 * HOUR, need("3 cups"))
    assert receiver.take_texts() == []


def test_the_text_follows_what_is_seen_without_a_new_message(
    channel, receiver, round_at
):
    round_at(NOON, need("2 cups"))
    round_at(NOON + MINUTE, need("3 cups"))
    assert Alert.objects.get().text == "3 cups"
    assert len(receiver.texts()) == 1


def test_what_cannot_be_looked_at_is_neither_new_nor_over(channel, receiver, round_at):
    round_at(NOON, need())
    follow([Look(source="cellar", needs=None)], now=NOON + MINUTE)
    follow([Look(source="roof", needs=[])], now=NOON + MINUTE)
    assert Alert.objects.get().is_open


def test_many_at_once_are_one_message(channel, receiver, round_at):
    round_at(NOON, *(need(f"Drop {n}", subject=str(n)) for n in range(40)))
    (text,) = receiver.take_texts()
    assert text.startswith("40 new alerts\n")
    assert "Drop 14" in text
    assert "Drop 15" not in text
    assert "and 25 more" in text
    assert len(text) < 4000
    assert Alert.objects.filter(told=1).count() == 40


def test_quiet_hours_let_through_what_is_urgent_only(
    channel, receiver, round_at, settings
):
    settings.ALERT_QUIET_HOURS = (22, 8)
    night = NOON + 11 * HOUR
    fire = need("Fire", subject="fire", is_urgent=True)
    passing = need("A noise", subject="noise")
    round_at(night, need(), fire, passing)
    (text,) = receiver.take_texts()
    assert text.startswith("Urgent: Leak")
    assert "Fire" in text
    assert "drips" not in text
    # Over before anybody was told: nothing to tell.
    round_at(night + HOUR, need(), fire)
    # Urgent ones are repeated, and their end is told, by night as well.
    receiver.take_texts()
    round_at(night + 2 * HOUR, need())
    (text,) = receiver.take_texts()
    assert text.startswith("Over: Leak")
    round_at(night + 8 * HOUR + 59 * MINUTE, need())
    assert receiver.take_texts() == []
    round_at(night + 9 * HOUR, need())
    (text,) = receiver.take_texts()
    assert "It drips" in text
    assert "noise" not in text


def test_the_end_of_what_was_told_by_day_waits_for_the_morning(
    channel, receiver, round_at, settings
):
    settings.ALERT_QUIET_HOURS = (22, 8)
    round_at(NOON, need())
    receiver.take_texts()
    round_at(NOON + 12 * HOUR)
    assert receiver.take_texts() == []
    round_at(NOON + 20 * HOUR)
    assert receiver.take_texts()[0].startswith("Over: Leak")


def test_who_gets_what_goes_by_role(channel, receiver, round_at):
    Channel.objects.update(audience=Channel.Audience.OPERATOR)
    owners = NeedKind(code="tax", label="Tax", roles=(Role.OWNER,))
    desks = NeedKind(code="desk", label="Desk", roles=(Role.OPERATOR,))
    needs = [
        need("the owner's", kind=owners),
        need("the desk's", kind=desks),
        need("everybody's"),
    ]
    round_at(NOON, *needs)
    (text,) = receiver.take_texts()
    assert "the desk's" in text
    assert "everybody's" in text
    assert "the owner's" not in text
    assert Alert.objects.get(kind="tax").told == 0
    # Somebody who is to know comes later, and is told then.
    Channel.objects.update(audience=Channel.Audience.OWNER)
    round_at(NOON + MINUTE, *needs)
    (text,) = receiver.take_texts()
    assert "the owner's" in text
    assert "the desk's" not in text


def test_a_phone_that_rings_is_told_what_is_urgent_only(channel, receiver, round_at):
    Channel.objects.update(urgent_only=True)
    round_at(NOON, need(), need("Fire", subject="fire", is_urgent=True))
    (text,) = receiver.take_texts()
    assert "Fire" in text
    assert "drips" not in text


def test_without_a_channel_alerts_are_kept_and_told_to_nobody(db, round_at):
    round_at(NOON, need())
    round_at(NOON + MINUTE)
    alert = Alert.objects.get()
    assert (alert.told, alert.is_end_told) == (0, True)
    assert Notice.objects.count() == 0


def test_a_channel_switched_off_is_told_nothing(channel, receiver, round_at):
    Channel.objects.update(is_active=False)
    round_at(NOON, need())
    assert receiver.asked == []


def test_messages_lead_to_the_pages_where_the_bridge_knows_its_address(
    channel, receiver, round_at, settings
):
    settings.CSRF_TRUSTED_ORIGINS = ["https://bridge.example"]
    round_at(NOON, need(url="/admin/orders/order/7/change/"))
    (text,) = receiver.take_texts()
    assert "https://bridge.example/admin/orders/order/7/change/" in text
    assert "Acknowledge: https://bridge.example/admin/alerts/alert/" in text


@pytest.mark.parametrize(
    "phone", ["+7 701 234-56-78", "87012345678", "+77012345678", "7 (701) 234 56 78"]
)
def test_no_token_and_no_phone_leaves_the_house(
    channel, receiver, round_at, settings, phone
):
    words = f"call {phone}, access-token={settings.ALSTYLE_TOKEN}, order 555111222"
    round_at(NOON, need(words))
    (text,) = receiver.take_texts()
    assert "order 555111222" in text
    assert "234" not in text
    assert settings.ALSTYLE_TOKEN not in text
    assert phone not in Alert.objects.get().text


def test_what_is_over_for_long_is_deleted_with_its_messages(
    channel, receiver, settings
):
    settings.EVENTS_KEPT_DAYS = 365
    now = database_now()
    old = {"source": "cellar", "title": "Leak", "text": "?", "tone": "bad"}
    for days, closed in ((366, True), (366, False), (10, True)):
        at = now - timedelta(days=days)
        alert = Alert.objects.create(
            kind="leak",
            subject=f"{days} {closed}",
            opened_at=at,
            closed_at=at if closed else None,
            **old,
        )
        notice = Notice.objects.create(
            channel=channel, kind="alerts", created_at=at, not_before=at
        )
        notice.alerts.add(alert)
    assert delete_old_alerts() == "1 alerts and 2 messages deleted"
    assert set(Alert.objects.values_list("subject", flat=True)) == {
        "366 False",
        "10 True",
    }
    settings.EVENTS_KEPT_DAYS = 0
    assert delete_old_alerts() == "kept for ever"
