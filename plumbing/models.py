"""What the plumbing keeps in the database, so that every process and host shares it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords


class Failure(models.TextChoices):
    """Why a reading of a peer came to nothing, as far as it matters who acts on it."""

    ACCESS = "access", _("access refused")
    DOWN = "down", _("out of reach")
    INCOMPLETE = "incomplete", _("incomplete")
    OTHER = "other", _("something else")


class Lease(models.Model):
    """The right to do one kind of work, taken by one process until a moment."""

    name = models.CharField(_("name"), max_length=80, primary_key=True)
    owner = models.CharField(_("owner"), max_length=120)
    until = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("lease")
        verbose_name_plural = _("leases")

    def __str__(self) -> str:
        return self.name


class PeerClock(models.Model):
    """When a token may be used next, for all processes and hosts together."""

    name = models.CharField(_("name"), max_length=80, primary_key=True)
    # While a call is under way: when its caller, if killed, is given up.
    next_at = models.DateTimeField(_("next call not before"))
    # The peer asked us to slow down.
    closed_until = models.DateTimeField(_("no call before"))
    # Calls that wait announce themselves here; the others let them pass.
    order_waits_until = models.DateTimeField(_("an order call waits until"))
    crawl_waits_until = models.DateTimeField(_("a reading's call waits until"))
    # Since the last crawl call; counted no further than it matters.
    order_calls = models.PositiveSmallIntegerField(_("order calls in a row"), default=0)
    # Counts the calls: who was given which turn knows whether it is still his.
    turn = models.PositiveBigIntegerField(_("turns taken"), default=0, db_default=0)
    # When `next_at` was written, and by how many seconds that was ahead of whose count:
    # from these it is known by what the clock was set since (`plumbing.clock_set`).
    written_at = models.DateTimeField(_("written"))
    ahead_s = models.FloatField(_("ahead of a count, s"), default=0, db_default=0)
    counted_by = models.CharField(
        _("whose count"), max_length=120, blank=True, default="", db_default=""
    )

    MOMENTS = (
        *("next_at", "closed_until", "order_waits_until"),
        *("crawl_waits_until", "written_at"),
    )

    class Meta:
        verbose_name = _("peer clock")
        verbose_name_plural = _("peer clocks")

    def __str__(self) -> str:
        return self.name


class PeerSlot(models.Model):
    """One of the calls that may be under way at once with a token."""

    name = models.CharField(_("name"), max_length=80)
    number = models.PositiveSmallIntegerField(_("number"))
    until = models.DateTimeField(_("taken until"))

    class Meta:
        verbose_name = _("peer slot")
        verbose_name_plural = _("peer slots")
        constraints = [
            models.UniqueConstraint(fields=["name", "number"], name="peerslot_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class CallCount(models.Model):
    """How many calls of a kind all processes have made, and how long they took."""

    peer = models.CharField(_("peer"), max_length=20)
    # "GET v2/orders": never with an id, nor with anything of a buyer's.
    method = models.CharField(_("method"), max_length=80)
    outcome = models.CharField(_("outcome"), max_length=12)
    # The step of the histogram: calls that took no longer than this; 0 = longer.
    under_ms = models.PositiveIntegerField(_("answered within, ms"))
    calls = models.BigIntegerField(_("calls"), default=0)
    seconds = models.FloatField(_("seconds"), default=0)
    waited_s = models.FloatField(_("seconds of waiting for a turn"), default=0)
    last_at = models.DateTimeField(_("last"))

    # Outcomes of calls to which no answer came.
    UNANSWERED = ("lost", "busy", "unknown")

    class Meta:
        verbose_name = _("count of calls")
        verbose_name_plural = _("counts of calls")
        constraints = [
            models.UniqueConstraint(
                fields=["peer", "method", "outcome", "under_ms"], name="callcount_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.peer} {self.method} {self.outcome}"


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def beat(self, name: str, *, host: str, now: datetime) -> None:
        """Note that it lives; it beats for years, so nothing is read first."""
        if not self.filter(name=name).update(host=host, beaten_at=now):
            values = {"host": host, "beaten_at": now}
            self.update_or_create(name=name, defaults=values)


class Heartbeat(models.Model):
    """Proof that a worker cluster still takes and finishes tasks."""

    name = models.CharField(_("cluster"), max_length=40, primary_key=True)
    host = models.CharField(_("host"), max_length=120)
    beaten_at = models.DateTimeField(_("last beat"))

    # The beat comes every two minutes; a long task may keep it waiting a little, and a
    # crawl of the whole catalogue, at a page per 5 seconds, for longer: every night.
    LATE_AFTER = timedelta(minutes=6)
    LATE_AFTER_CRAWLS = timedelta(minutes=20)
    CRAWLS = "imports"

    objects = HeartbeatQuerySet.as_manager()

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")
        permissions = [("examine_bridge", _("Can have the bridge examined"))]

    def __str__(self) -> str:
        return self.name

    def is_late(self, *, now: datetime) -> bool:
        # A beat in the future is from before the clock was set back: no sign of life.
        crawls = self.name == self.CRAWLS
        limit = self.LATE_AFTER_CRAWLS if crawls else self.LATE_AFTER
        return abs(now - self.beaten_at) > limit


class HostPart(models.Model):
    """A part of the bridge on one of the hosts, as it last told of itself."""

    class Fit(models.TextChoices):
        """How the part's code fits the database's migrations."""

        FITS = "fits", _("as the database")
        OLDER = "older", _("older than the database")
        NEWER = "newer", _("newer than the database")

    host = models.CharField(_("host"), max_length=120)
    part = models.CharField(_("part"), max_length=20)
    since = models.DateTimeField(_("runs since"))
    seen_at = models.DateTimeField(_("last sign of life"))
    revision = models.CharField(_("revision"), max_length=40, blank=True)
    memory_bytes = models.BigIntegerField(_("memory"), default=0)
    # Ahead of the database's; behind it is negative.
    clock_apart_s = models.FloatField(_("clock apart, s"), default=0)
    fit = models.CharField(_("code"), max_length=5, choices=Fit.choices)
    works = models.BooleanField(_("takes work"), default=True)

    # It tells twice a minute.
    LATE_AFTER = timedelta(minutes=2)
    KEPT_FOR = timedelta(days=1)

    class Meta:
        verbose_name = _("part of a host")
        verbose_name_plural = _("parts of hosts")
        constraints = [
            models.UniqueConstraint(fields=["host", "part"], name="hostpart_once"),
        ]

    def __str__(self) -> str:
        return f"{self.host} {self.part}"

    def is_late(self, *, now: datetime) -> bool:
        # In the future: from before the clock was set back.
        return abs(now - self.seen_at) > self.LATE_AFTER


class TimeJump(models.Model):
    """The database's clock was set, back or ahead, by more than a few minutes."""

    noticed_at = models.DateTimeField(_("noticed"))
    # Back is negative.
    seconds = models.BigIntegerField(_("by seconds"))
    host = models.CharField(_("host"), max_length=120)

    TOLD_FOR = timedelta(days=1)

    class Meta:
        verbose_name = _("time jump")
        verbose_name_plural = _("time jumps")

    def __str__(self) -> str:
        return f"{self.noticed_at:%d.%m.%Y %H:%M} {self.seconds:+} s".replace("-", "−")


class ClockApart(models.Model):
    """A clock that differs from the database's: a host's or a peer's."""

    # Before a host's name; a peer's stands alone.
    HOST = "host "

    name = models.CharField(_("whose"), max_length=80, primary_key=True)
    # Ahead of the database's; behind it is negative.
    seconds = models.BigIntegerField(_("by seconds"))
    seen_at = models.DateTimeField(_("seen"))

    KEPT_FOR = timedelta(days=1)

    class Meta:
        verbose_name = _("clock that differs")
        verbose_name_plural = _("clocks that differ")

    def __str__(self) -> str:
        return f"{self.name} {self.seconds:+} s".replace("-", "−")

    @property
    def host(self) -> str:
        """The host whose clock it is; empty for a peer."""
        is_host = self.name.startswith(self.HOST)
        return self.name.removeprefix(self.HOST) if is_host else ""


class AdjustedSetting(models.Model):
    """A setting that the owner has changed; without a row the default counts.

    The value is text as it would stand in the environment.
    """

    name = models.CharField(_("name"), max_length=80, primary_key=True)
    value = models.TextField(_("value"), blank=True)
    changed_at = models.DateTimeField(_("changed"))
    history = HistoricalRecords(verbose_name=_("change of a setting"))

    class Meta:
        verbose_name = _("setting")
        verbose_name_plural = _("settings")

    def __str__(self) -> str:
        return self.name


def new_identity() -> str:
    return uuid.uuid4().hex


class Epoch(models.Model):
    """Which deployment's life the database belongs to; there is one row.

    The same stands in a mark outside the database: what was taken back, copied, emptied
    or moved shows by it, and nothing is written to a peer until `guarded_for` is empty.
    """

    class Reason(models.TextChoices):
        RESTORED = "restored", _("the database is older than the last thing sent")
        EMPTIED = "emptied", _("the database was begun anew")
        FOREIGN = "foreign", _("the database is another bridge's")
        UNMARKED = "unmarked", _("the mark beside the database is missing")
        MOVED = "moved", _("the bridge was moved or copied to another place")
        BEGINNING = "beginning", _("the shop was at work before the bridge")
        TWIN = "twin", _("a second bridge works with the same accounts")

    # Another bridge may be at work: only a person can say that it is not.
    MAY_HAVE_TWIN = (Reason.FOREIGN, Reason.UNMARKED, Reason.MOVED, Reason.TWIN)
    ONLY = 1

    identity = models.CharField(_("identity"), max_length=32, default=new_identity)
    # Identities of marks that hosts may still have from before a lift.
    formerly = models.JSONField(_("former identities"), default=list, blank=True)
    # Writes to the peers, counted before each.
    sequence = models.BigIntegerField(_("writes"), default=0)
    wrote_at = models.DateTimeField(_("last write"), null=True, blank=True)
    # When the first mark was made, and when a host last saw that its mark agrees.
    marked_at = models.DateTimeField(_("marked since"), null=True, blank=True)
    vouched_at = models.DateTimeField(_("mark agreed"), null=True, blank=True)
    # When it was known that the shop's orders from before are no concern of ours.
    begun_at = models.DateTimeField(_("begun"), null=True, blank=True)
    guarded_for = models.CharField(
        _("nothing is written, for"), max_length=12, choices=Reason.choices, blank=True
    )
    guarded_at = models.DateTimeField(_("nothing is written since"), null=True)
    # The last write of the life that the database does not know whole; null = unknown.
    known_until = models.DateTimeField(_("last write outside"), null=True, blank=True)
    # Who said that no other bridge works with these accounts.
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    confirmed_by = models.CharField(_("confirmed by"), max_length=150, blank=True)
    # What the last reconciling came to: "at", "summary", "lines".
    progress = models.JSONField(_("so far"), default=dict, blank=True)
    lifted_for = models.CharField(_("last reason"), max_length=12, blank=True)
    lifted_at = models.DateTimeField(_("reconciled"), null=True, blank=True)
    lifted_by = models.CharField(_("reconciled by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("epoch")
        verbose_name_plural = _("epochs")
        constraints = [
            models.CheckConstraint(name="epoch_only_one", condition=Q(pk=1)),
        ]
        permissions = [("reconcile_epoch", _("Can let writes go out after a restore"))]

    def __str__(self) -> str:
        return self.identity[:8]

    @property
    def is_guarded(self) -> bool:
        return bool(self.guarded_for)

    @property
    def may_have_twin(self) -> bool:
        return self.guarded_for in self.MAY_HAVE_TWIN

    @property
    def needs_word(self) -> bool:
        """Tell whether a person must say first that no other bridge is at work."""
        is_asked = self.may_have_twin or bool(self.progress.get("needs_word"))
        return is_asked and self.is_guarded and self.confirmed_at is None

    @property
    def reason_label(self) -> str:
        known = self.guarded_for in self.Reason.values
        return str(self.Reason(self.guarded_for).label) if known else ""
