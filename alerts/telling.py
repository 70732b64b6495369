"""Puts what is to be told into messages, one for each channel it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.dateformat import format as format_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from alerts.models import Alert, Channel, Notice
from alerts.schedule import is_quiet, repeated_at
from backoffice.dashboard import DigestLine
from backoffice.formatting import Tone, ago, span

# A message stays below what Telegram takes at once (4096 characters).
LINES_SHOWN = 15
LINE_LENGTH = 200
# Good news can wait to be told together: orders handed over one by one would else be a
# message each.
ENDS_APART = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be told now."""

    fresh: Sequence[Alert]
    again: Sequence[Alert]
    over: Sequence[Alert]

    def for_channel(self, channel: Channel) -> Due:
        def chosen(alerts: Iterable[Alert]) -> list[Alert]:
            return [
                alert
                for alert in alerts
                if alert.concerns(channel)
                and (alert.is_urgent or not channel.urgent_only)
            ]

        return Due(
            fresh=chosen(self.fresh), again=chosen(self.again), over=chosen(self.over)
        )

    def with_unheard(self, unheard: Iterable[Alert]) -> Due:
        """Add what was to be told before and did not arrive, as it stands now."""
        known = {alert.pk for alert in self.all}
        missing = [alert for alert in unheard if alert.pk not in known]
        fresh = [a for a in missing if a.is_open and not a.is_acknowledged]
        # Else its end is yet to be told.
        over = [a for a in missing if not a.is_open and a.is_end_told]
        return replace(self, fresh=[*fresh, *self.fresh], over=[*over, *self.over])

    @property
    def all(self) -> list[Alert]:
        return [*self.fresh, *self.again, *self.over]


def tell(*, now: datetime) -> int:
    """Write the messages that are due; returns how many.

    Call it under the lease of the watch, in the transaction that follows the alerts.
    """
    due = find_due(now=now)
    if not due.all:
        return 0
    told: set[int] = set()
    notices = []
    for channel in Channel.objects.active():
        its = due.for_channel(channel)
        if its.all:
            its = its.with_unheard(_take_over_unheard(channel, now=now))
            with override(channel.language):
                title, body = write_title(its), write_body(its, now=now)
            notice = Notice.objects.create(
                channel=channel,
                kind=Notice.Kind.ALERTS,
                title=title,
                body=body,
                created_at=now,
                not_before=now,
            )
            notice.alerts.set(its.all)
            notices.append(notice)
            told.update(alert.pk for alert in its.all)
    for alert in (*due.fresh, *due.again):
        if alert.pk in told:
            alert.told, alert.told_at = alert.told + 1, now
    Alert.objects.bulk_update([*due.fresh, *due.again], ["told", "told_at"])
    # Nobody may be left to be told; then there is nothing to wait for.
    Alert.objects.filter(pk__in=[a.pk for a in due.over]).update(is_end_told=True)
    return len(notices)


def _take_over_unheard(channel: Channel, *, now: datetime) -> list[Alert]:
    """Give the alerts of messages that have not arrived, and let those messages go.

    Sent later, each after its own pause, they would tell of what is over by then.
    """
    unheard = Notice.objects.waiting().filter(channel=channel, kind=Notice.Kind.ALERTS)
    pks = list(unheard.values_list("pk", flat=True))
    if not pks:
        return []
    Notice.objects.filter(pk__in=pks).update(
        given_up_at=now, error=_("A later message tells of it")
    )
    return list(Alert.objects.filter(notices__in=pks).distinct().order_by("pk"))


def find_due(*, now: datetime) -> Due:
    """Find what is to be told at this moment; in quiet hours only what is urgent."""
    waiting = Alert.objects.unacknowledged().order_by("pk")
    ended = Alert.objects.filter(is_end_told=False, closed_at__isnull=False)
    if is_quiet(now, settings.ALERT_QUIET_HOURS):
        waiting, ended = waiting.filter(is_urgent=True), ended.filter(is_urgent=True)
    fresh, again = [], []
    for alert in waiting:
        if alert.told_at is None:
            fresh.append(alert)
        elif now >= repeated_at(
            alert.told_at, told=alert.told, after_min=settings.ALERT_REPEAT_MIN
        ):
            again.append(alert)
    over = list(ended.order_by("pk"))
    is_news = bool(fresh or again) or any(alert.is_urgent for alert in over)
    if over and not is_news and _was_end_just_told(now=now):
        over = []
    return Due(fresh=fresh, again=again, over=over)


def _was_end_just_told(*, now: datetime) -> bool:
    just = Alert.objects.filter(is_end_told=True, told__gt=0)
    return just.filter(closed_at__gt=now - ENDS_APART).exists()


def tell_digest(
    lines: Sequence[DigestLine],
    *,
    channels: Sequence[Channel],
    day: date,
    now: datetime,
) -> None:
    """Write the day's digest for these channels, in the language spoken now."""
    Notice.objects.bulk_create(
        [
            Notice(
                channel=channel,
                kind=Notice.Kind.DIGEST,
                title=_("The day: %(day)s") % {"day": format_date(before(day), "j E")},
                body=_digest_body(lines, channel),
                day=day,
                created_at=now,
                not_before=now,
            )
            for channel in channels
        ],
        ignore_conflicts=True,
    )


def _digest_body(lines: Sequence[DigestLine], channel: Channel) -> str:
    is_desks = channel.audience == Channel.Audience.OPERATOR
    shown = [
        f"{line.label}: {line.value}"
        for line in lines
        if not (line.is_owners and is_desks)
    ]
    return "\n".join([*shown, "", link(reverse("admin:index"))]).strip()


def lacking_digest(*, day: date) -> list[Channel]:
    """List the channels that are to get the day's digest and have not."""
    takers = Channel.objects.active().filter(takes_digest=True)
    return list(takers.exclude(notices__day=day))


def before(day: date) -> date:
    """The day that a digest tells of."""
    return day - timedelta(days=1)


def write_title(due: Due) -> str:
    if len(due.all) == 1:
        (alert,) = due.all
        if due.over:
            return _("Over: %(what)s") % {"what": alert.words[0]}
        is_urgent = alert.is_urgent and alert.tone == Tone.BAD.value
        words = _("Urgent: %(what)s") if is_urgent else "%(what)s"
        return words % {"what": alert.words[0]}
    parts = []
    if due.fresh:
        number = len(due.fresh)
        text = ngettext("%(n)d new alert", "%(n)d new alerts", number)
        parts.append(text % {"n": number})
    if due.again:
        number = len(due.again)
        text = ngettext("%(n)d reminder", "%(n)d reminders", number)
        parts.append(text % {"n": number})
    if due.over:
        parts.append(_("over: %(n)d") % {"n": len(due.over)})
    return ", ".join(parts)


def write_body(due: Due, *, now: datetime) -> str:
    sections = []
    if due.fresh:
        lines = (f"• {_short(a.words[1])}{_page(a)}" for a in due.fresh)
        sections.append(_section(_("New:"), lines, number=len(due.fresh)))
    if due.again:
        lines = (
            f"• {_short(a.words[1])} ({ago(a.opened_at, now=now)}){_page(a)}"
            for a in due.again
        )
        heading = _("Still so, and not acknowledged:")
        sections.append(_section(heading, lines, number=len(due.again)))
    if due.over:
        lines = (_ended(alert, now=now) for alert in due.over)
        sections.append(_section(_("Over:"), lines, number=len(due.over)))
    if due.fresh or due.again:
        url = link(reverse("admin:alerts_alert_changelist"))
        sections.append(_("Acknowledge: %(url)s") % {"url": url} if url else "")
    return "\n\n".join(section for section in sections if section)


def link(path: str) -> str:
    """Make a page's whole address; empty when the bridge does not know its own."""
    base = next(iter(settings.CSRF_TRUSTED_ORIGINS), "").rstrip("/")
    return f"{base}{path}" if base and path.startswith("/") and "*" not in base else ""


def _section(heading: str, lines: Iterator[str], *, number: int) -> str:
    shown = [line for line, _place in zip(lines, range(LINES_SHOWN), strict=False)]
    if number > LINES_SHOWN:
        rest = number - LINES_SHOWN
        shown.append(_("and %(n)d more") % {"n": rest})
    return "\n".join([heading, *shown])


def _ended(alert: Alert, *, now: datetime) -> str:
    text = _("%(text)s (lasted %(span)s)")
    took = (alert.closed_at or now) - alert.opened_at
    return "✓ " + text % {"text": _short(alert.words[1]), "span": span(took)}


def _page(alert: Alert) -> str:
    url = link(alert.url)
    return f"\n  {url}" if url else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…"
