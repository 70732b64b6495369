"""What staff are told of: alerts, the channels they go by, and each message sent."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from backoffice.dashboard import Role
from backoffice.formatting import Tone


def usual_language() -> str:
    """The language of whoever has not chosen another."""
    return settings.LANGUAGE_CODE


class AlertQuerySet(models.QuerySet["Alert"]):
    def open(self) -> AlertQuerySet:
        return self.filter(closed_at__isnull=True)

    def unacknowledged(self) -> AlertQuerySet:
        return self.open().filter(acknowledged_at__isnull=True)


class Alert(models.Model):
    """One thing that went wrong, from the moment it was noticed until it was over."""

    # Worse ones last: an alert that gets worse speaks up again.
    TONES = (Tone.INFO.value, Tone.WARN.value, Tone.BAD.value)

    kind = models.CharField(_("kind"), max_length=40)
    subject = models.CharField(_("about"), max_length=120, blank=True)
    # Who noticed it: what cannot be looked at now is neither new nor over.
    source = models.CharField(_("noticed by"), max_length=20)
    title = models.CharField(_("what"), max_length=120)
    text = models.TextField(_("what happened"))
    # Title and text in the other languages that channels ask for, by their codes.
    translations = models.JSONField(default=dict, blank=True, editable=False)
    url = models.CharField(_("page"), max_length=300, blank=True)
    tone = models.CharField(
        _("severity"),
        max_length=4,
        choices=[
            (Tone.BAD.value, _("urgent")),
            (Tone.WARN.value, _("to do")),
            (Tone.INFO.value, _("look")),
        ],
    )
    # By night, too.
    is_urgent = models.BooleanField(_("at any hour"), default=False)
    for_operator = models.BooleanField(_("for operators"), default=True)
    for_owner = models.BooleanField(_("for the owner"), default=True)
    opened_at = models.DateTimeField(_("noticed"))
    closed_at = models.DateTimeField(_("over"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True)
    # How often it was told, and when it will be again; null = not told to anybody yet.
    told = models.PositiveSmallIntegerField(_("told"), default=0)
    told_at = models.DateTimeField(_("last told"), null=True, blank=True)
    # Whether its end was told, or needs not be.
    is_end_told = models.BooleanField(_("end told"), default=False)

    objects = AlertQuerySet.as_manager()

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-pk"]
        permissions = [("acknowledge_alert", _("Can acknowledge alerts"))]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                name="alert_one_open",
                condition=Q(closed_at__isnull=True),
            ),
        ]
        indexes = [
            # following.follow(): those whose end is still to be told.
            models.Index(
                fields=["closed_at"],
                name="alert_end_untold",
                condition=Q(is_end_told=False, closed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} №{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def words(self) -> tuple[str, str]:
        """Title and text in the language that is spoken now, else in the usual one."""
        title, text = self.translations.get(get_language(), (self.title, self.text))
        return title, text

    @property
    def is_acknowledged(self) -> bool:
        return self.acknowledged_at is not None

    def concerns(self, channel: Channel) -> bool:
        """Tell whether the channel's people are told of it."""
        if channel.audience == Channel.Audience.OPERATOR:
            return self.for_operator
        if channel.audience == Channel.Audience.OWNER:
            return self.for_owner
        return True


class ChannelQuerySet(models.QuerySet["Channel"]):
    def active(self) -> ChannelQuerySet:
        return self.filter(is_active=True)

    def failing(self) -> ChannelQuerySet:
        """Those whose last message did not arrive."""
        return self.active().filter(failing_since__isnull=False)

    def languages(self) -> list[str]:
        """Name the languages that messages are written in, the usual one first."""
        chosen = set(self.active().order_by().values_list("language", flat=True))
        usual = usual_language()
        return [usual, *sorted(chosen - {usual})]


class Channel(models.Model):
    """Where messages go: one address of Apprise's, and whose it is."""

    class Audience(models.TextChoices):
        ALL = "all", _("everything")
        OPERATOR = Role.OPERATOR.value, _("what concerns operators")
        OWNER = Role.OWNER.value, _("what concerns the owner")

    name = models.CharField(_("name"), max_length=80)
    # The address bears a token or a password: sealed, and never shown again.
    sealed_url = models.TextField(_("address"), blank=True)
    scheme = models.CharField(_("service"), max_length=40, blank=True)
    # Of an address of ALERT_URLS, which itself is not kept.
    fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    audience = models.CharField(
        _("receives"), max_length=8, choices=Audience.choices, default=Audience.ALL
    )
    urgent_only = models.BooleanField(
        _("only what is told at any hour"),
        default=False,
        help_text=_("For a phone that rings: deadlines, workers, lost access."),
    )
    takes_digest = models.BooleanField(_("daily digest"), default=True)
    language = models.CharField(
        _("language of the messages"),
        max_length=8,
        choices=settings.LANGUAGES,
        default=usual_language,
    )
    is_active = models.BooleanField(_("switched on"), default=True)
    last_sent_at = models.DateTimeField(_("last arrived"), null=True, blank=True)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True)
    last_error = models.TextField(_("error"), blank=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ["pk"]
        permissions = [("test_channel", _("Can send test messages"))]
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint"],
                name="channel_once",
                condition=~Q(fingerprint=""),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_from_environment(self) -> bool:
        return bool(self.fingerprint)

    @property
    def shown_address(self) -> str:
        """The address without anything secret."""
        return f"{self.scheme}://***" if self.scheme else "***"


class NoticeQuerySet(models.QuerySet["Notice"]):
    def waiting(self) -> NoticeQuerySet:
        return self.filter(sent_at__isnull=True, given_up_at__isnull=True)

    def due(self, *, now: datetime) -> NoticeQuerySet:
        """Those to be sent now, by a channel that is still there."""
        ready = self.waiting().filter(not_before__lte=now)
        return ready.filter(channel__is_active=True).order_by("pk")

    def claim(self, pk: int, *, now: datetime, until: datetime) -> bool:
        """Take a notice for one attempt, which is counted before it begins.

        By its own columns only: what is joined PostgreSQL would not judge anew when
        another sender was first.
        """
        mine = self.waiting().filter(pk=pk, not_before__lte=now)
        return bool(mine.update(attempts=F("attempts") + 1, not_before=until))


class Notice(models.Model):
    """One message to one channel."""

    class Kind(models.TextChoices):
        ALERTS = "alerts", _("alerts")
        DIGEST = "digest", _("daily digest")
        TEST = "test", _("test")

    MOST_ATTEMPTS = 20
    RETRY_AFTER, LONGEST_PAUSE = timedelta(minutes=1), timedelta(minutes=15)
    # What could not be delivered for so long is old news.
    KEPT_TRYING = timedelta(hours=3)

    channel = models.ForeignKey(
        Channel,
        verbose_name=_("channel"),
        on_delete=models.CASCADE,
        related_name="notices",
    )
    kind = models.CharField(_("kind"), max_length=6, choices=Kind.choices)
    title = models.CharField(_("heading"), max_length=200)
    body = models.TextField(_("text"))
    alerts = models.ManyToManyField(
        Alert, verbose_name=_("alerts"), related_name="notices", blank=True
    )
    # Of a digest: the day it tells of.
    day = models.DateField(_("day"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))
    not_before = models.DateTimeField(_("not before"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    given_up_at = models.DateTimeField(_("given up"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages sent")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "day"],
                name="notice_one_digest_a_day",
                condition=Q(day__isnull=False),
            ),
        ]
        indexes = [
            # sending.send_due(): what is still to be sent.
            models.Index(
                fields=["not_before"],
                name="notice_waiting",
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"№{self.pk}"
