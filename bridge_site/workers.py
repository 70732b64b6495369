"""What the overview shows of the worker clusters and their queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_q.models import Failure, OrmQ

from backoffice.dashboard import DashboardSection, Need, NeedKind, Role, StatusCard
from backoffice.formatting import Tone, ago, grouped, when
from plumbing.models import Heartbeat, TimeJump
from plumbing.redaction import redact

TASKS_SHOWN = 5

SILENT = NeedKind(code="worker", label=gettext_lazy("Workers are silent"))
CLOCK = NeedKind(
    code="clock", label=gettext_lazy("The clock was set"), roles=(Role.OWNER,)
)
TASKS = NeedKind(
    code="tasks", label=gettext_lazy("Tasks of the queue fail"), roles=(Role.OWNER,)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """A task of the queue that ended with an error."""

    when: SafeString
    name: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTasks(DashboardSection):
    """The latest of them, newest first."""

    tasks: list[FailedTask]


def read_workers(*, now: datetime) -> DashboardSection:
    """Read whether the dispatchers work and both clusters take tasks."""
    beats = {beat.name: beat for beat in Heartbeat.objects.all()}
    labels = {
        "dispatch-alstyle": _("Orders at Al-Style"),
        "dispatch-kaspi": _("Orders at Kaspi"),
        "orders": _("Orders"),
        "imports": _("Imports and price list"),
    }
    needs, details = [], []
    for name, label in labels.items():
        beat = beats.get(name)
        if beat is None or beat.is_late(now=now):
            since = ago(beat.beaten_at, now=now) if beat else _("never")
            text = _("Workers “%(name)s” are silent; last sign of life: %(since)s")
            text %= {"name": label, "since": since}
            silent = Need(
                tone=Tone.BAD, text=text, kind=SILENT, subject=name, is_urgent=True
            )
            needs.append(silent)
        said = when(beat.beaten_at if beat else None, now=now)
        host = beat.host if beat else ""
        details.append((label, format_html("{} {}", said, host)))
    is_silent = bool(needs)
    needs += _needs_of_time(now=now)
    waiting = grouped(OrmQ.objects.count())
    details.append((_("Tasks waiting"), format_html("{}", waiting)))
    card = StatusCard(
        title=_("Workers"),
        tone=Tone.BAD if is_silent else Tone.GOOD,
        state=_("silent") if is_silent else _("working"),
        details=details,
    )
    return DashboardSection(needs=needs, cards=[card])


def _needs_of_time(*, now: datetime) -> list[Need]:
    # Also one noticed in the future: the clock was set back since.
    jump = TimeJump.objects.filter(noticed_at__gt=now - TimeJump.TOLD_FOR).last()
    if jump is None:
        return []
    back = _("The clock was set back by %(by)s (noticed %(at)s): check the time")
    ahead = _("The clock jumped ahead by %(by)s (noticed %(at)s): check the time")
    text = back if jump.seconds < 0 else ahead
    figures = {
        "by": timesince(now - timedelta(seconds=abs(jump.seconds)), now),
        "at": date_format(localtime(jump.noticed_at), "SHORT_DATETIME_FORMAT"),
    }
    need = Need(tone=Tone.BAD, text=text % figures, kind=CLOCK, subject=str(jump.pk))
    return [need]


def read_failed_tasks(*, now: datetime) -> FailedTasks:
    """Read the latest tasks that failed within a day, without secrets."""
    lately = Failure.objects.filter(stopped__gt=now - timedelta(days=1))
    tasks = []
    for task in lately.order_by("-stopped")[:TASKS_SHOWN]:
        # A traceback's first line says most.
        lines = [line for line in redact(str(task.result)).splitlines() if line.strip()]
        error = lines[0][:300] if lines else ""
        at = when(task.stopped, now=now)
        tasks.append(FailedTask(when=at, name=task.func, error=error))
    text = _("Tasks of the queue failed within a day")
    need = Need(tone=Tone.WARN, text=text, url="#failed-tasks", kind=TASKS)
    return FailedTasks(needs=[need] if tasks else [], tasks=tasks)
