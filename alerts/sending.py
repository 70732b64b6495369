"""Sends the messages that wait: claimed, sent with no transaction open, settled."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from alerts.channels import address_of
from alerts.couriers import TIME_LIMIT_S, Answer, send_all
from alerts.models import Channel, Notice
from plumbing.leases import database_now

log = logging.getLogger(__name__)

# At once; the others go in the next round.
MOST_AT_ONCE = 20
# A sender killed in the middle leaves its messages to others after this time.
CLAIMED_FOR = timedelta(seconds=TIME_LIMIT_S + 30)


def send_due(*, now: datetime) -> int:
    """Send what is due; returns how many messages arrived."""
    due = Notice.objects.due(now=now).select_related("channel")
    return _send(list(due[:MOST_AT_ONCE]), now=now)


def send_test(channel: Channel, *, actor: str, now: datetime) -> Notice:
    """Send a test message now, and return it with what became of it."""
    with override(channel.language):
        title = _("Test message")
        body = _("Messages of the bridge arrive here. Sent by %(who)s.")
    notice = Notice.objects.create(
        channel=channel,
        kind=Notice.Kind.TEST,
        title=title,
        body=body % {"who": actor},
        created_at=now,
        not_before=now,
    )
    # Also by a channel that is switched off: to try it is how one learns to trust it.
    if Notice.objects.filter(pk=notice.pk).update(
        attempts=1, not_before=now + CLAIMED_FOR
    ):
        notice.attempts = 1
        _deliver([notice], now=now)
    notice.refresh_from_db()
    return notice


def _send(notices: Sequence[Notice], *, now: datetime) -> int:
    claimed = []
    for notice in notices:
        if Notice.objects.claim(notice.pk, now=now, until=now + CLAIMED_FOR):
            notice.attempts += 1
            claimed.append(notice)
    return _deliver(claimed, now=now)


def _deliver(notices: Sequence[Notice], *, now: datetime) -> int:
    if not notices:
        return 0
    answers = send_all(
        [
            {
                "title": notice.title,
                "body": notice.body,
                **address_of(notice.channel),
            }
            for notice in notices
        ]
    )
    for notice, answer in zip(notices, answers, strict=True):
        settle(notice, answer, now=database_now())
    return sum(answer.ok for answer in answers)


@transaction.atomic
def settle(notice: Notice, answer: Answer, *, now: datetime) -> None:
    """Write down what became of a message, on it and on its channel."""
    mine, channel = Notice.objects.filter(pk=notice.pk), notice.channel
    rows = Channel.objects.filter(pk=channel.pk)
    if answer.ok:
        mine.update(sent_at=now, error="")
        rows.update(last_sent_at=now, failing_since=None, last_error="")
        return
    log.warning("channel %s: %s", channel.pk, answer.error)
    is_over = (
        notice.kind == Notice.Kind.TEST
        or notice.attempts >= Notice.MOST_ATTEMPTS
        or now - notice.created_at > Notice.KEPT_TRYING
    )
    pause = Notice.RETRY_AFTER * 2 ** (notice.attempts - 1)
    pause = min(pause, Notice.LONGEST_PAUSE)
    mine.update(
        error=answer.error,
        given_up_at=now if is_over else None,
        not_before=now + pause,
    )
    rows.update(last_error=answer.error)
    rows.filter(failing_since__isnull=True).update(failing_since=now)
