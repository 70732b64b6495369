"""Who did what: the admin's log and the orders' events as one list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.auth.models import User
from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from orders.models import Order, OrderEvent
from plumbing.redaction import redact

PAGE = 50
# A button on an order's page writes both: the event, and at once the log.
SAME_DEED = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that somebody did."""

    at: datetime
    who: str
    what: str
    about: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deeds:
    """A page of deeds, newest first, and where the next one begins."""

    rows: list[Deed]
    # The rows of either table below which the next page begins, or None at the end.
    older: tuple[int, int] | None


def read_deeds(people: Iterable[User], *, below: tuple[int, int] | None) -> Deeds:
    """Read a page of what these people did."""
    people = list(people)
    logged = LogEntry.objects.filter(user__in=people)
    events = OrderEvent.objects.filter(actor__in=[user.username for user in people])
    if below is not None:
        logged, events = logged.filter(pk__lt=below[0]), events.filter(pk__lt=below[1])
    first_logged = list(
        logged.select_related("user", "content_type").order_by("-pk")[: PAGE + 1]
    )
    first_events = list(events.select_related("order").order_by("-pk")[: PAGE + 1])
    both: list[LogEntry | OrderEvent] = [*first_logged, *first_events]
    both.sort(key=_moment, reverse=True)
    page, rest = both[:PAGE], both[PAGE:]
    return Deeds(rows=_told(page), older=_below(page, below) if rest else None)


def _moment(row: LogEntry | OrderEvent) -> datetime:
    return row.action_time if isinstance(row, LogEntry) else row.happened_at


def _below(
    page: list[LogEntry | OrderEvent], before: tuple[int, int] | None
) -> tuple[int, int]:
    newest = before or (2**62, 2**62)
    logged = [row.pk for row in page if isinstance(row, LogEntry)]
    events = [row.pk for row in page if isinstance(row, OrderEvent)]
    return min([newest[0], *logged]), min([newest[1], *events])


def _told(page: list[LogEntry | OrderEvent]) -> list[Deed]:
    known = {
        (row.actor, str(row.order_id)): row.happened_at
        for row in page
        if isinstance(row, OrderEvent)
    }
    deeds = []
    for row in page:
        if isinstance(row, OrderEvent):
            deeds.append(_of_event(row))
            continue
        is_order = row.content_type and row.content_type.model_class() is Order
        at = known.get((row.user.get_username(), str(row.object_id)))
        if is_order and at and abs(at - row.action_time) < SAME_DEED:
            continue
        deeds.append(_of_log(row))
    return deeds


def _of_event(event: OrderEvent) -> Deed:
    return Deed(
        at=event.happened_at,
        who=event.actor,
        what=redact(event.text),
        about=_("order %(code)s") % {"code": event.order.code},
        url=reverse("admin:orders_order_change", args=[event.order_id]),
    )


def _of_log(entry: LogEntry) -> Deed:
    model = entry.content_type.model_class() if entry.content_type else None
    kind = model._meta.verbose_name if model else ""
    about = f"{kind} {entry.object_repr}" if entry.object_id else entry.object_repr
    words = {ADDITION: _("Added."), DELETION: _("Deleted.")}
    said = redact(entry.get_change_message())
    return Deed(
        at=entry.action_time,
        who=entry.user.get_username(),
        what=said or words.get(entry.action_flag, ""),
        about=str(capfirst(about.strip())),
        url=_address(entry),
    )


def _address(entry: LogEntry) -> str:
    if entry.action_flag == DELETION or not entry.content_type:
        return ""
    name = f"admin:{entry.content_type.app_label}_{entry.content_type.model}"
    try:
        if entry.object_id:
            return reverse(f"{name}_change", args=[entry.object_id])
        return reverse(f"{name}_changelist")
    except NoReverseMatch:
        return ""
