"""Channels that fail, hang or lie, and messages that are sent once."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from alerts import couriers, sending
from alerts.channels import WrongAddress, address_of, seal_address, sync_environment
from alerts.courier import without_secrets
from alerts.couriers import Answer, fingerprint, seal
from alerts.dashboard import needs_of_channels
from alerts.models import Alert, Channel, Notice
from alerts.sending import send_due, send_test, settle
from plumbing.leases import database_now
from plumbing.redaction import redact
from tests.alerts.conftest import HOUR, MINUTE, NOON, need
from tests.alerts.receiver import PATH, Receiver

pytestmark = pytest.mark.django_db


def wait(channel: Channel, **values: object) -> Notice:
    now = database_now()
    return Notice.objects.create(
        **{
            "channel": channel,
            "kind": Notice.Kind.ALERTS,
            "title": "Leak",
            "body": "It drips",
            "created_at": now,
            "not_before": now,
            **values,
        }
    )


def test_a_refusing_channel_is_seen_and_tried_again(channel, receiver, caplog):
    receiver.status = 500
    notice = wait(channel)
    assert send_due(now=database_now()) == 0
    notice.refresh_from_db()
    channel.refresh_from_db()
    assert notice.attempts == 1
    assert notice.error
    assert notice.given_up_at is None
    assert channel.failing_since is not None
    (told,) = needs_of_channels(now=database_now())
    assert "ALERT_URLS №1" in told.text
    assert told.url.endswith(f"/alerts/channel/{channel.pk}/change/")
    # Not before its pause is over; then it arrives, and the channel is well again.
    receiver.status = 200
    assert send_due(now=database_now()) == 0
    assert send_due(now=database_now() + 2 * MINUTE) == 1
    channel.refresh_from_db()
    assert channel.failing_since is None
    assert list(needs_of_channels(now=database_now())) == []
    assert PATH not in caplog.text + notice.error + told.text


def test_pauses_grow_and_old_news_is_given_up(channel):
    now = database_now()
    notice = wait(channel)
    pauses = []
    for attempts in range(1, Notice.MOST_ATTEMPTS + 1):
        notice.attempts = attempts
        settle(notice, Answer(ok=False, error="HTTP 500"), now=now)
        notice.refresh_from_db()
        pauses.append(notice.not_before - now)
    assert pauses[:3] == [MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert notice.given_up_at == now
    old = wait(channel, created_at=now - 4 * HOUR, attempts=1)
    settle(old, Answer(ok=False, error="HTTP 500"), now=now)
    old.refresh_from_db()
    assert old.given_up_at == now


def test_a_message_is_tried_for_as_long_as_it_is_news(channel):
    """A line that is out for an hour takes neither a digest nor an end with it."""
    begun = now = database_now()
    notice, attempts = wait(channel, created_at=begun), 0
    while notice.given_up_at is None:
        attempts += 1
        notice.attempts = attempts
        settle(notice, Answer(ok=False, error="HTTP 500"), now=now)
        notice.refresh_from_db()
        assert notice.not_before - now <= 15 * MINUTE
        now = notice.not_before
    assert Notice.KEPT_TRYING <= notice.given_up_at - begun <= 4 * HOUR


def test_what_did_not_arrive_is_told_by_the_next_message_as_it_is_by_then(
    channel, receiver, round_at, settings
):
    """Else a reminder that waits its pause out comes after the end that it denies."""
    settings.ALERT_QUIET_HOURS = None
    settings.ALERT_REPEAT_MIN = [30]
    begun = database_now()
    receiver.status = 500
    leak, draught = need(), need("It blows", subject="window")
    round_at(begun, leak)
    round_at(begun + MINUTE, leak, draught)
    round_at(begun + 31 * MINUTE, leak, draught)
    receiver.status = 200
    round_at(begun + 32 * MINUTE, draught)
    (text,) = receiver.take_texts()
    assert "New:\n• It blows" in text
    assert "Over:\n✓ It drips" in text
    assert not Notice.objects.waiting().exists()
    round_at(begun + 50 * MINUTE, draught)
    assert receiver.take_texts() == []


def test_an_end_that_did_not_arrive_is_told_by_the_next_message(
    channel, receiver, round_at, settings
):
    settings.ALERT_QUIET_HOURS = None
    begun = database_now()
    round_at(begun, need())
    receiver.take_texts()
    receiver.status = 500
    round_at(begun + MINUTE)
    receiver.status = 200
    round_at(begun + 90 * timedelta(seconds=1), need("It blows", subject="window"))
    (text,) = receiver.take_texts()
    assert "New:\n• It blows" in text
    assert "Over:\n✓ It drips" in text


def test_a_hanging_channel_is_ended_and_delays_no_other(channel, receiver, settings):
    receiver.hangs.set()
    with Receiver() as other:
        settings.ALERT_URLS = [receiver.address, other.address]
        sync_environment()
        notices = [wait(row) for row in Channel.objects.order_by("pk")]
        asked = [
            {"title": n.title, "body": n.body, **address_of(n.channel)} for n in notices
        ]
        hung, arrived = couriers.send_all(asked)
        assert (hung.ok, arrived.ok) == (False, True)
        # Apprise gives up by itself, or is ended.
        assert hung.error
        assert other.texts() == ["Leak\nIt drips"]


def test_a_courier_that_hangs_for_ever_is_ended_by_force(receiver, settings):
    receiver.hangs.set()
    message = {"title": "t", "body": "b", "url": f"{receiver.address}?rto=600"}
    (answer,) = couriers.send_all([message], time_limit_s=4)
    assert answer == Answer(ok=False, error="no answer in time")


def test_messages_go_by_the_proxy_where_one_is_set(db, receiver, settings):
    """The receiver plays the proxy: it is asked for another host's address."""
    settings.OUTBOUND_PROXY = receiver.url.rpartition("/")[0]
    message = {"title": "t", "body": "b", "url": "json://far.example/path-far-away"}
    (answer,) = couriers.send_all([message])
    assert answer.ok
    assert receiver.asked == ["http://far.example/path-far-away"]


def test_a_courier_knows_none_of_our_secrets(db, monkeypatch):
    monkeypatch.setenv("KASPI_TOKEN", "a-token")
    monkeypatch.setenv("SECRET_KEY", "a-key")
    assert not {"KASPI_TOKEN", "SECRET_KEY"} & set(couriers._environment())


def test_what_is_too_long_for_a_service_goes_in_parts(receiver):
    body = "\n".join(f"Line {number} {'of a night ' * 9}" for number in range(500))
    (answer,) = couriers.send_all(
        [{"title": "t", "body": body, "url": receiver.address}]
    )
    assert answer.ok
    # Apprise's limit of this service: 32 768 characters.
    assert len(receiver.messages) == 2
    assert "Line 499" in receiver.messages[-1]["message"]


def test_a_failing_channel_breaks_nothing(channel, receiver, round_at):
    receiver.status = 404
    round_at(NOON, need())
    round_at(NOON + MINUTE)
    assert Alert.objects.get().closed_at == NOON + MINUTE


def test_a_message_claimed_by_a_killed_sender_is_sent_by_another(channel, receiver):
    notice = wait(channel)
    now = database_now()
    until = now + sending.CLAIMED_FOR
    assert Notice.objects.claim(notice.pk, now=now, until=until)
    assert not Notice.objects.claim(notice.pk, now=now, until=until)
    assert send_due(now=now) == 0
    assert send_due(now=until + timedelta(seconds=1)) == 1
    assert send_due(now=until + HOUR) == 0
    assert len(receiver.messages) == 1


def test_a_test_message_tells_at_once_what_became_of_it(channel, receiver):
    sent = send_test(channel, actor="anna", now=database_now())
    assert sent.sent_at is not None
    assert "Sent by anna" in receiver.texts()[0]
    receiver.status = 500
    failed = send_test(channel, actor="anna", now=database_now())
    assert (failed.sent_at, failed.given_up_at is None) == (None, False)
    assert failed.error
    assert not Notice.objects.waiting().exists()


def test_an_address_is_kept_unreadable_and_still_serves(db, receiver, settings):
    sealed, scheme = seal_address(receiver.address)
    assert scheme == "json"
    assert PATH not in sealed
    assert receiver.address not in sealed
    channel = Channel.objects.create(name="Desk", sealed_url=sealed, scheme=scheme)
    assert send_test(channel, actor="anna", now=database_now()).sent_at is not None
    assert channel.shown_address == "json://***"
    # Under another SECRET_KEY nobody can open it, and that is said.
    settings.SECRET_KEY = "x" * 60
    notice = send_test(channel, actor="anna", now=database_now())
    assert "SECRET_KEY has changed" in notice.error


@pytest.mark.parametrize("url", ["nothing", "nosuch://host/path", "tgram://short"])
def test_an_address_that_apprise_does_not_know_is_refused(url):
    with pytest.raises(WrongAddress, match="does not understand"):
        seal_address(url)
    assert url not in seal(url).error


def test_the_rows_follow_the_environment(db, settings):
    settings.ALERT_URLS = ["json://one.example/aaaaaaaa", "tgram://bbbbbbbb/cccccccc"]
    sync_environment()
    first, second = Channel.objects.order_by("pk")
    assert (first.scheme, second.scheme) == ("json", "tgram")
    assert first.sealed_url == ""
    Channel.objects.filter(pk=second.pk).update(audience=Channel.Audience.OWNER)
    settings.ALERT_URLS = settings.ALERT_URLS[1:]
    sync_environment()
    (kept,) = Channel.objects.all()
    assert (kept.pk, kept.audience) == (second.pk, "owner")
    assert kept.fingerprint == fingerprint(settings.ALERT_URLS[0])
    settings.ALERT_URLS = []
    sync_environment()
    assert not Channel.objects.exists()


def test_what_apprise_says_is_told_without_the_address():
    url = "tgram://123456789:AbCdEfGh-token/55512345"
    said = "HTTPSConnectionPool: /bot123456789:AbCdEfGh-token/sendMessage 401"
    told = without_secrets(said, url=url)
    assert told == "HTTPSConnectionPool: /bot***:***/sendMessage 401"


def test_addresses_are_masked_in_every_log(settings, caplog):
    settings.ALERT_URLS = ["tgram://123456789:AbCdEfGh-token/55512345"]
    settings.HEARTBEAT_URL = "https://beat.example/5ecre7-uuid-of-the-switch"
    line = redact(
        "POST /bot123456789:AbCdEfGh-token/x; "
        "Max retries with url: /5ecre7-uuid-of-the-switch at beat.example"
    )
    for secret in ("123456789", "AbCdEfGh", "5ecre7"):
        assert secret not in line
    assert "beat.example" in line


def test_nothing_of_an_address_is_logged(channel, receiver, caplog):
    receiver.status = 503
    with caplog.at_level(logging.DEBUG):
        send_test(channel, actor="anna", now=database_now())
    assert "channel" in caplog.text
    assert PATH not in caplog.text
