"""Follows what is wrong: each thing is a row from when it is seen until it is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.models import Alert
from backoffice.dashboard import Need, NeedKind, Role
from plumbing.redaction import redact, without_phones

SEEN = ("source", "title", "text", "translations", "url", "tone", "is_urgent")
AUDIENCE = ("for_operator", "for_owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one part of the bridge says of itself; None = it could not be looked at."""

    source: str
    needs: Sequence[Need] | None


# What is told, by kind and subject: title and text.
Words = dict[tuple[str, str], tuple[str, str]]


def words_of(looks: Iterable[Look]) -> Words:
    """Give each need's title and text, in the language that is spoken now."""
    return {
        (need.kind.code, need.subject): (
            str(need.kind.label),
            without_secrets(need.text),
        )
        for look in looks
        for need in look.needs or ()
        if need.kind is not None
    }


def follow(
    looks: Iterable[Look],
    *,
    now: datetime,
    translated: Mapping[str, Words] | None = None,
) -> None:
    """Open what is new, keep what goes on, close what is over.

    `translated`: the same looks' words in other languages, by their codes; what was
    not seen in one of them is told in the usual one. Call it under the lease of the
    watch, in a transaction.
    """
    open_alerts = {(a.kind, a.subject): a for a in Alert.objects.open()}
    fresh, changed, worse, over = [], [], [], []
    for look in looks:
        if look.needs is None:
            continue
        seen: dict[tuple[str, str], tuple[NeedKind, Need]] = {}
        for need in look.needs:
            if need.kind is not None:
                seen.setdefault((need.kind.code, need.subject), (need.kind, need))
        for key, (kind, need) in seen.items():
            alert = open_alerts.get(key)
            values = _values(kind, need, source=look.source)
            values["translations"] = {
                language: list(words[key])
                for language, words in (translated or {}).items()
                if key in words
            }
            if alert is None:
                code, subject = key
                fresh.append(Alert(kind=code, subject=subject, opened_at=now, **values))
                continue
            before = _urgency(alert)
            if _take_over(alert, values):
                changed.append(alert)
            if _urgency(alert) > before:
                worse.append(alert.pk)
        over += [
            alert
            for key, alert in open_alerts.items()
            if alert.source == look.source and key not in seen
        ]
    Alert.objects.bulk_create(fresh)
    Alert.objects.bulk_update(changed, [*SEEN, *AUDIENCE])
    # What got worse is told anew, acknowledged or not. Of the others nothing is written
    # that somebody may acknowledge at this moment.
    Alert.objects.filter(pk__in=worse).update(
        told_at=None, acknowledged_at=None, acknowledged_by=""
    )
    for alert in over:
        # Whoever was not told that it began needs not be told that it is over.
        alert.closed_at, alert.is_end_told = now, alert.told == 0
    Alert.objects.bulk_update(over, ["closed_at", "is_end_told"])


def acknowledge(alerts: Iterable[Alert], *, actor: str, now: datetime) -> list[Alert]:
    """Stop the repeating of open alerts; returns those that were not acknowledged."""
    done = []
    for alert in alerts:
        mine = Alert.objects.unacknowledged().filter(pk=alert.pk)
        if mine.update(acknowledged_at=now, acknowledged_by=actor):
            done.append(alert)
    return done


def _values(kind: NeedKind, need: Need, *, source: str) -> dict[str, object]:
    return {
        "source": source,
        "title": str(kind.label),
        "text": without_secrets(need.text),
        "url": need.url,
        "tone": need.tone.value,
        "is_urgent": need.is_urgent,
        "for_operator": Role.OPERATOR in kind.roles,
        "for_owner": Role.OWNER in kind.roles,
    }


def without_secrets(text: str) -> str:
    """Take tokens and phones out of what leaves the house."""
    return without_phones(redact(text))


def _take_over(alert: Alert, values: dict[str, object]) -> bool:
    """Take the values over; tells whether any is another."""
    differing = {k: v for k, v in values.items() if getattr(alert, k) != v}
    for name, value in differing.items():
        setattr(alert, name, value)
    return bool(differing)


def _urgency(alert: Alert) -> tuple[bool, int]:
    return (alert.is_urgent, Alert.TONES.index(alert.tone))
