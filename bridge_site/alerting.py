"""Alerts: collects what the apps tell of themselves, for the watch to follow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import catalog.digest
import catalog.needs
import feeds.needs
import orders.alerting
import orders.digest
from alerts.dashboard import needs_of_channels
from alerts.following import Look
from alerts.watching import Watch
from backoffice.asking import ask
from backoffice.dashboard import DigestLine, Need, NeedKind, Role
from backoffice.formatting import Tone, grouped
from bridge_site.staff.needs import needs_of_sign_in
from bridge_site.workers import (
    ask_workers,
    needs_of_tasks,
    read_workers,
    silent_parts,
)
from feeds.models import Listing
from plumbing.models import Heartbeat

log = logging.getLogger(__name__)

UNSEEN = NeedKind(
    code="unseen", label=gettext_lazy("A part cannot be watched"), roles=(Role.OWNER,)
)


def make_watch() -> Watch:
    return Watch(look=look, digest=read_digest, is_alive=is_alive)


def look(now: datetime) -> Iterator[Look]:
    """Ask each part what needs a person; what cannot be asked is told, too."""
    sources: dict[str, Callable[[], Iterable[Need]]] = {
        # The watch shows life by looking.
        "workers": lambda: (
            need for need in read_workers(now=now).needs if need.subject != "watch"
        ),
        "tasks": lambda: needs_of_tasks(ask(ask_workers(now=now))),
        "sign-in": needs_of_sign_in,
        "catalog": lambda: catalog.needs.read_needs(now=now),
        "feeds": lambda: feeds.needs.read_needs(now=now),
        "orders": lambda: orders.alerting.read_needs(
            now=now, is_selling=Listing.objects.on_sale().exists()
        ),
        "channels": lambda: needs_of_channels(now=now),
    }
    unseen = []
    for name, read in sources.items():
        try:
            yield Look(source=name, needs=list(read()))
        except Exception:
            log.exception("the watch: %s cannot be looked at", name)
            yield Look(source=name, needs=None)
            text = _("The watch cannot look at “%(part)s”: the log says why")
            text %= {"part": name}
            need = Need(
                tone=Tone.BAD, text=text, kind=UNSEEN, subject=name, is_urgent=True
            )
            unseen.append(need)
    yield Look(source="watch", needs=unseen)


def is_alive(now: datetime) -> bool:
    """Tell whether every part shows life; the watch itself does by asking."""
    beats = {beat.name: beat for beat in Heartbeat.objects.all()}
    return set(silent_parts(beats, now=now)) <= {"watch"}


def read_digest(now: datetime) -> Sequence[DigestLine]:
    """Read yesterday's figures, and what waits now."""
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    since = today - timedelta(days=1)
    on_sale = grouped(Listing.objects.on_sale().count())
    return [
        *orders.digest.digest_of_day(since=since, until=today),
        *catalog.digest.digest_of_day(since=since, until=today),
        DigestLine(label=_("On sale now"), value=on_sale),
        *orders.digest.digest_of_now(),
        *catalog.digest.digest_of_now(),
    ]
