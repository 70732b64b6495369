from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts.following import Look, follow
from alerts.models import Channel
from alerts.sending import send_due
from alerts.telling import tell
from backoffice.dashboard import Need, NeedKind
from backoffice.formatting import Tone
from tests.alerts.receiver import Receiver

NOON = datetime.fromisoformat("2026-03-02T12:00:00+05:00")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LEAK = NeedKind(code="leak", label="Leak")


@pytest.fixture(autouse=True)
def in_english(settings: Any) -> None:
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def channel(db: None, receiver: Receiver, settings: Any) -> Channel:
    """A channel of ALERT_URLS that tells everything."""
    from alerts.channels import sync_environment

    settings.ALERT_URLS = [receiver.address]
    sync_environment()
    return Channel.objects.get()


def need(text: str = "It drips", **values: Any) -> Need:
    return Need(**{"tone": Tone.BAD, "text": text, "kind": LEAK, **values})


@pytest.fixture
def round_at() -> Callable[..., None]:
    """Look once at these needs, tell and send what is due, as the watch does."""

    def run(now: datetime, *needs: Need) -> None:
        follow([Look(source="cellar", needs=needs)], now=now)
        tell(now=now)
        send_due(now=now)

    return run
