"""What is asked of a peer, and the trail of what happened."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order


class Step(models.Model):
    """One thing we ask of a peer for an order, and what became of it."""

    class Peer(models.TextChoices):
        ALSTYLE = "alstyle", "Al-Style"
        KASPI = "kaspi", "Kaspi"

    class Kind(models.TextChoices):
        RESERVE = "reserve", _("reserve")
        RELEASE = "release", _("release")
        ACCEPT = "accept", _("accept")
        ASSEMBLE = "assemble", _("assemble")
        ARRIVE = "arrive", _("goods arrived")
        ARRIVE_BACK = "arrive_back", _("return arrived")
        SEND_CODE = "send_code", _("send the buyer a code")
        COMPLETE = "complete", _("hand over by the buyer's code")
        CANCEL = "cancel", _("cancel")
        REMOVE_LINE = "remove_line", _("remove part of a line")

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        IN_FLIGHT = "in_flight", _("under way")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")
        UNKNOWN = "unknown", _("outcome unknown")
        NEEDS_PERSON = "needs_person", _("needs a person")
        SKIPPED = "skipped", _("no longer needed")

    OPEN = (Status.PENDING, Status.IN_FLIGHT, Status.UNKNOWN, Status.NEEDS_PERSON)
    TERMINAL = (Status.DONE, Status.REFUSED, Status.SKIPPED)
    # Waiting for somebody to decide.
    STUCK = (Status.REFUSED, Status.NEEDS_PERSON)
    ALLOWED = {
        Status.PENDING: (Status.IN_FLIGHT, Status.NEEDS_PERSON, Status.SKIPPED),
        Status.IN_FLIGHT: (
            Status.DONE,
            Status.REFUSED,
            Status.UNKNOWN,
            Status.PENDING,
            Status.NEEDS_PERSON,
            Status.SKIPPED,
        ),
        Status.UNKNOWN: (
            Status.DONE,
            Status.PENDING,
            Status.REFUSED,
            Status.NEEDS_PERSON,
            Status.SKIPPED,
        ),
        Status.NEEDS_PERSON: (Status.PENDING, Status.DONE, Status.SKIPPED),
        Status.DONE: (),
        Status.REFUSED: (Status.SKIPPED,),
        Status.SKIPPED: (),
    }
    PEER_OF = {
        Kind.RESERVE: Peer.ALSTYLE,
        Kind.RELEASE: Peer.ALSTYLE,
        Kind.ACCEPT: Peer.KASPI,
        Kind.ASSEMBLE: Peer.KASPI,
        Kind.ARRIVE: Peer.KASPI,
        Kind.ARRIVE_BACK: Peer.KASPI,
        Kind.SEND_CODE: Peer.KASPI,
        Kind.COMPLETE: Peer.KASPI,
        Kind.CANCEL: Peer.KASPI,
        Kind.REMOVE_LINE: Peer.KASPI,
    }

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.CASCADE, related_name="steps"
    )
    peer = models.CharField(_("peer"), max_length=8, choices=Peer.choices)
    kind = models.CharField(_("what"), max_length=12, choices=Kind.choices)
    status = models.CharField(
        _("status"), max_length=12, choices=Status.choices, default=Status.PENDING
    )
    # {"reason": "MERCHANT_OUT_OF_STOCK", "comment": …}, {"places": 2}; no secrets.
    parameters = models.JSONField(_("parameters"), default=dict, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    # How often an unknown outcome was looked for at the peer.
    looks = models.PositiveSmallIntegerField(_("looks"), default=0)
    not_before = models.DateTimeField(_("not before"))
    claimed_by = models.CharField(_("claimed by"), max_length=120, blank=True)
    claimed_until = models.DateTimeField(_("claimed until"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    sent = models.JSONField(_("what was sent"), default=dict, blank=True)
    answered = models.JSONField(_("what was answered"), default=dict, blank=True)
    last_error = models.TextField(_("last error"), blank=True)
    created_at = models.DateTimeField(_("created"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["order", "kind"],
                name="step_one_open_of_a_kind",
                condition=Q(
                    status__in=["pending", "in_flight", "unknown", "needs_person"]
                ),
            ),
            models.CheckConstraint(
                name="step_in_flight_is_claimed",
                condition=~Q(status="in_flight") | Q(claimed_until__isnull=False),
            ),
            models.CheckConstraint(
                name="step_status_known",
                condition=Q(
                    status__in=[
                        "pending",
                        "in_flight",
                        "done",
                        "refused",
                        "unknown",
                        "needs_person",
                        "skipped",
                    ]
                ),
            ),
        ]
        indexes = [
            # machine.due_steps(): what is to be done or looked at now.
            models.Index(
                fields=["status", "not_before"],
                name="step_due",
                condition=Q(status__in=["pending", "in_flight", "unknown"]),
            ),
            # Admin and dashboard: what waits for a person.
            models.Index(
                fields=["order"],
                name="step_stuck",
                condition=Q(status__in=["refused", "needs_person"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_status_display()}"


class OrderEvent(models.Model):
    """What happened to an order; rows are added, never changed."""

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.CASCADE, related_name="events"
    )
    step = models.ForeignKey(
        Step,
        verbose_name=_("step"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="events",
    )
    happened_at = models.DateTimeField(_("when"))
    # A user's name, or "bridge".
    actor = models.CharField(_("who"), max_length=150, default="bridge")
    text = models.TextField(_("what happened"))

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text
