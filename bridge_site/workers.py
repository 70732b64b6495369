"""What the overview shows of the worker clusters and their queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_q.models import Failure, OrmQ, Success

from backoffice.asking import Answers, Number, Questions, Rows, ask, objects
from backoffice.dashboard import DashboardSection, Need, NeedKind, Role, StatusCard
from backoffice.formatting import Tone, ago, grouped, span, when
from bridge_site.disks import read_disks
from bridge_site.hosts import needs_of_hosts
from bridge_site.last_update import needs_of_updates
from bridge_site.models import BackupRun
from plumbing import epoch
from plumbing.models import ClockApart, Epoch, Heartbeat, HostPart, TimeJump
from plumbing.queue import count_waiting
from plumbing.redaction import redact

TASKS_SHOWN = 5
FAILURES_TOLD_FOR = timedelta(days=1)
# What must show life, by the name of its heartbeat.
PARTS = {
    "dispatch-alstyle": gettext_lazy("Orders at Al-Style"),
    "dispatch-kaspi": gettext_lazy("Orders at Kaspi"),
    "orders": gettext_lazy("Orders"),
    "imports": gettext_lazy("Imports and price list"),
    "watch": gettext_lazy("The watch"),
}

SILENT = NeedKind(code="worker", label=gettext_lazy("Workers are silent"))
BACKUP = NeedKind(
    code="backup", label=gettext_lazy("No backup is made"), roles=(Role.OWNER,)
)
OFFSITE = NeedKind(
    code="backup-offsite",
    label=gettext_lazy("The backup does not leave the computer"),
    roles=(Role.OWNER,),
)
BACKUP_TAKES = timedelta(hours=3)
# Made every night.
BACKUP_LATE = timedelta(days=2)
GUARDED = NeedKind(code="guarded", label=gettext_lazy("Nothing is sent"))
CLOCK = NeedKind(
    code="clock", label=gettext_lazy("The clock was set"), roles=(Role.OWNER,)
)
DISK = NeedKind(
    code="disk", label=gettext_lazy("Disk almost full"), roles=(Role.OWNER,)
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


def ask_workers(*, now: datetime) -> Questions:
    """Name what the overview must know of the workers and their queue."""
    lately = Failure.objects.filter(stopped__gt=now - FAILURES_TOLD_FOR)
    jumps = TimeJump.objects.order_by("-pk").values("id", "noticed_at", "seconds")
    healed = Success.objects.filter(
        func=OuterRef("func"), stopped__gt=OuterRef("stopped")
    )
    return {
        "hosts": Rows(HostPart.objects.order_by("host", "since", "part").values()),
        "beats": Rows(Heartbeat.objects.values("name", "host", "beaten_at")),
        "jump": Rows(jumps[:1]),
        "backup": Rows(BackupRun.objects.values()[:1]),
        "clocks": Rows(ClockApart.objects.order_by("name").values()),
        "guard": Rows(Epoch.objects.exclude(guarded_for="").values()),
        "queued": Number(OrmQ.objects.all()),
        "failures": Number(lately.exclude(Exists(healed))),
    }


def read_workers(*, now: datetime, answers: Answers | None = None) -> DashboardSection:
    """Read whether the dispatchers work, both clusters take tasks, the watch looks."""
    answers = ask(ask_workers(now=now)) if answers is None else answers
    beats = {beat.name: beat for beat in objects(Heartbeat, answers["beats"])}
    silent = silent_parts(beats, now=now)
    needs = list(_needs_of_guard(objects(Epoch, answers["guard"])))
    needs += _needs_of_workers(silent, beats, now=now)
    needs += _needs_of_backups(objects(BackupRun, answers["backup"]), now=now)
    needs += _needs_of_time(objects(TimeJump, answers["jump"]), now=now)
    needs += _needs_of_clocks(objects(ClockApart, answers["clocks"]), now=now)
    needs += needs_of_hosts(objects(HostPart, answers["hosts"]), now=now)
    needs += _needs_of_disk()
    needs += needs_of_updates(now=now)
    details = []
    for name, label in PARTS.items():
        beat = beats.get(name)
        said = when(beat.beaten_at if beat else None, now=now)
        details.append(
            (str(label), format_html("{} {}", said, beat.host if beat else ""))
        )
    details.append((_("Tasks waiting"), _waiting(answers["queued"])))
    if not beats:
        tone, state = Tone.WARN, _("not begun yet")
    elif silent:
        tone, state = Tone.BAD, _("silent")
    else:
        tone, state = Tone.GOOD, _("working")
    card = StatusCard(title=_("Workers"), tone=tone, state=state, details=details)
    return DashboardSection(needs=needs, cards=[card])


def _waiting(in_database: int) -> SafeString:
    if not settings.BROKER_URL:
        return format_html("{}", grouped(in_database))
    waiting = count_waiting()
    if waiting is None:
        return format_html("{}", _("unknown: the queue cannot be reached"))
    return format_html("{}", grouped(sum(waiting.values())))


def silent_parts(beats: Mapping[str, Heartbeat], *, now: datetime) -> list[str]:
    """Name the parts that show no life, or never did."""
    return [name for name in PARTS if name not in beats or beats[name].is_late(now=now)]


def _needs_of_guard(guards: Sequence[Epoch]) -> Iterator[Need]:
    if settings.EPOCH_MARK is None:
        return
    for guard in guards:
        yield Need(
            tone=Tone.BAD,
            text=epoch.said(guard),
            url=reverse("recovery"),
            kind=GUARDED,
            is_urgent=True,
        )


def _needs_of_backups(runs: Sequence[BackupRun], *, now: datetime) -> Iterator[Need]:
    for run in runs:
        if run.error:
            text = _("The last backup failed: %(error)s") % {"error": run.error}
            yield Need(tone=Tone.BAD, text=text, kind=BACKUP)
        elif run.ended_at is None and now - run.begun_at > BACKUP_TAKES:
            text = _("The last backup was begun %(since)s and has not ended")
            text %= {"since": ago(run.begun_at, now=now)}
            yield Need(tone=Tone.BAD, text=text, kind=BACKUP)
        elif now - run.begun_at > BACKUP_LATE:
            since = ago(run.begun_at, now=now)
            text = _("No backup was made since %(since)s") % {"since": since}
            yield Need(tone=Tone.WARN, text=text, kind=BACKUP)
        if run.offsite_error:
            text = _("The backup was made, but is on this computer only: %(error)s")
            text %= {"error": run.offsite_error}
            yield Need(tone=Tone.BAD, text=text, kind=OFFSITE)


def _needs_of_workers(
    silent: Sequence[str], beats: Mapping[str, Heartbeat], *, now: datetime
) -> Iterator[Need]:
    if not beats:
        text = _("No worker has begun yet: nothing is read or sent by itself")
        yield Need(tone=Tone.WARN, text=text)
        return
    for name in silent:
        beat = beats.get(name)
        if beat is None:
            # In the first minutes after a start this is as it should be.
            text = _("Workers “%(name)s” have not begun yet") % {"name": PARTS[name]}
            yield Need(tone=Tone.WARN, text=text, kind=SILENT, subject=name)
            continue
        text = _("Workers “%(name)s” are silent; last sign of life: %(since)s")
        text %= {"name": PARTS[name], "since": ago(beat.beaten_at, now=now)}
        yield Need(tone=Tone.BAD, text=text, kind=SILENT, subject=name, is_urgent=True)


def _needs_of_time(jumps: Sequence[TimeJump], *, now: datetime) -> list[Need]:
    # Also one noticed in the future: the clock was set back since.
    jump = next((j for j in jumps if j.noticed_at > now - TimeJump.TOLD_FOR), None)
    if jump is None:
        return []
    back = _("The clock was set back by %(by)s (noticed %(at)s): check the time")
    ahead = _("The clock jumped ahead by %(by)s (noticed %(at)s): check the time")
    text = back if jump.seconds < 0 else ahead
    figures = {
        "by": span(timedelta(seconds=abs(jump.seconds))),
        "at": date_format(localtime(jump.noticed_at), "SHORT_DATETIME_FORMAT"),
    }
    need = Need(tone=Tone.BAD, text=text % figures, kind=CLOCK, subject=str(jump.pk))
    return [need]


def _needs_of_clocks(clocks: Sequence[ClockApart], *, now: datetime) -> Iterator[Need]:
    """Tell of hosts whose clock is wrong, and of peers by whom ours is."""
    for apart in clocks:
        if abs(now - apart.seen_at) > ClockApart.KEPT_FOR:
            continue
        if apart.host:
            ahead = _("The clock of host %(name)s is ahead by %(by)s: let NTP set it")
            behind = _("The clock of host %(name)s is behind by %(by)s: let NTP set it")
        else:
            # It is theirs that is behind then.
            behind = _("The clock is ahead of %(name)s's by %(by)s: let NTP set it")
            ahead = _("The clock is behind %(name)s's by %(by)s: let NTP set it")
        text = ahead if apart.seconds > 0 else behind
        by = span(timedelta(seconds=abs(apart.seconds)))
        figures = {"name": apart.host or apart.name, "by": by}
        yield Need(tone=Tone.BAD, text=text % figures, kind=CLOCK, subject=apart.name)


def _needs_of_disk() -> Iterator[Need]:
    """Tell before a disk is full: then neither orders nor price lists are written."""
    for disk in read_disks():
        if not disk.is_low:
            continue
        text = _("The disk is almost full: %(free)s MB are free")
        if disk.name != "VAR_DIR":
            text = _("The disk of %(name)s is almost full: %(free)s MB are free")
        yield Need(
            tone=Tone.BAD if disk.is_nearly_full else Tone.WARN,
            text=text % {"free": grouped(disk.free_mb), "name": disk.name},
            kind=DISK,
            subject=" ".join((settings.HOST_NAME, disk.name)).removesuffix(" VAR_DIR"),
            is_urgent=disk.is_urgent,
        )


def needs_of_tasks(answers: Answers) -> list[Need]:
    """Tell of tasks that failed, unless the same has worked since."""
    if not answers["failures"]:
        return []
    text = _("Tasks of the queue fail: look at the last of them")
    return [Need(tone=Tone.WARN, text=text, url="#health", kind=TASKS)]


def read_failed_tasks(*, now: datetime) -> list[FailedTask]:
    """Read the latest tasks that failed within a day, without secrets."""
    lately = Failure.objects.filter(stopped__gt=now - FAILURES_TOLD_FOR)
    tasks = []
    for task in lately.order_by("-stopped")[:TASKS_SHOWN]:
        # A traceback's first line says most.
        lines = [line for line in redact(str(task.result)).splitlines() if line.strip()]
        error = lines[0][:300] if lines else ""
        at = when(task.stopped, now=now)
        tasks.append(FailedTask(when=at, name=task.func, error=error))
    return tasks
