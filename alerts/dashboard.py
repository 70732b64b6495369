"""What the overview says of the channels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from alerts.models import Channel
from backoffice.asking import Answers, Questions, Rows, ask, objects
from backoffice.dashboard import Need, NeedKind, Role
from backoffice.formatting import Tone, absolute

CHANNEL = NeedKind(
    code="channel", label=gettext_lazy("Channel fails"), roles=(Role.OWNER,)
)


def ask_channels() -> Questions:
    """Name what the overview must know of the channels."""
    fields = ("id", "name", "failing_since", "last_error")
    return {"channels": Rows(Channel.objects.failing().order_by("pk").values(*fields))}


def needs_of_channels(
    *, now: datetime, answers: Answers | None = None
) -> Iterator[Need]:
    """Tell of the channels by which nothing arrives."""
    answers = ask(ask_channels()) if answers is None else answers
    for channel in objects(Channel, answers["channels"]):
        text = _("Messages by “%(channel)s” do not arrive (since %(since)s): %(error)s")
        figures = {
            "channel": channel.name,
            "since": absolute(channel.failing_since or now, now=now),
            "error": channel.last_error or "—",
        }
        yield Need(
            tone=Tone.WARN,
            text=text % figures,
            url=reverse("admin:alerts_channel_change", args=[channel.pk]),
            kind=CHANNEL,
            subject=str(channel.pk),
        )
