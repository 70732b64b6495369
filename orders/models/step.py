"""What is asked of a peer, and the trail of what happened."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order
from orders.models.reason import Reason

# So long a worker has a step to itself. Longer than one wait for the supplier's clock
# and one call; so short that a killed worker's step is looked at within two minutes.
CLAIM_S = 110


class StepParameters(TypedDict, total=False):
    """What a step is to be done with."""

    reason: str
    comment: str
    places: int
    # The buyer's; deleted when it has served.
    code: str
    # Whether somebody, or the owner's setting, wants it accepted without its goods.
    unreserved: bool
    # Al-Style's order that a person has made for it.
    number: str
    # A person wants the goods bought up to this cost, whatever the order earns.
    accept_cost_kzt: int
    # It could not be bought together with other orders.
    alone: bool
    # Of one line: what stays of it, in pieces and, for weighed goods, in grams.
    entry_id: str
    remained: int
    weight_g: int
    # Of one line: a list of numbers for each piece.
    imei: list[list[str]]


class Candidate(TypedDict):
    """An order at Al-Style that may be the one a doubtful submit made."""

    id: str
    sum: int | None
    placed_at: str | None
    lines: list[list[str | int | None]]


class StepAnswer(TypedDict, total=False):
    """What the peer answered, as far as anybody needs it later."""

    supplier_order_id: str
    adopted: bool
    is_stock: bool
    # Kaspi said that it has taken it; the order does not show it yet.
    is_taken: bool
    candidates: list[Candidate]
    # After a restore: what may have been bought for it. Buying again is a way out.
    maybe_bought: list[Candidate]
    # What the goods would cost that wait because their order earns too little.
    cost_kzt: int
    # The stage at which a supervised purchase waits for "go on".
    supervised: str
    # Who has seen to it otherwise: it is not asked for again by itself.
    dropped_by: str


class SentToPeer(TypedDict, total=False):
    """What was sent, as far as a later look at the peer needs it; no secrets."""

    kind: str
    phase: str
    lines: list[list[str | int]]
    sum: int
    reference: str


class StepQuerySet(models.QuerySet["Step"]):
    """Steps by what can happen to them next."""

    def of_kind(self, *kinds: str) -> StepQuerySet:
        return self.filter(kind__in=kinds)

    def open(self) -> StepQuerySet:
        return self.filter(status__in=Step.OPEN)

    def idle(self) -> StepQuerySet:
        return self.filter(status__in=Step.IDLE)

    def unsettled(self) -> StepQuerySet:
        return self.filter(status__in=Step.UNSETTLED)

    def stuck(self) -> StepQuerySet:
        return self.filter(status__in=Step.STUCK)

    def asked(self) -> StepQuerySet:
        """Those that were not dropped: asked for, whatever became of it."""
        return self.exclude(status=Step.Status.SKIPPED)

    def asked_or_dropped_by_person(self) -> StepQuerySet:
        """Those asked for, and those of which a person has said: not by yourself."""
        dropped = Q(status=Step.Status.SKIPPED)
        return self.filter(~dropped | Q(answered__has_key="dropped_by"))

    def unclaimed(self, *, now: datetime) -> StepQuerySet:
        """Those a worker may claim, now or later."""
        pending = Q(status=Step.Status.PENDING)
        unknown = Q(status=Step.Status.UNKNOWN)
        free = Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)
        return self.filter(pending | (unknown & free))


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
        CHECK = "check", _("compare with Al-Style")
        TRIM = "trim", _("take out of Al-Style's order")
        IMEI = "imei", _("name the devices")

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
    # Nobody is at it: it may be dropped, or what it asks for may be changed.
    IDLE = (Status.PENDING, Status.NEEDS_PERSON, Status.REFUSED)
    # A peer was asked, and what came of it is not known yet.
    UNSETTLED = (Status.IN_FLIGHT, Status.UNKNOWN)
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
        Kind.CHECK: Peer.ALSTYLE,
        Kind.TRIM: Peer.ALSTYLE,
        Kind.IMEI: Peer.KASPI,
    }

    # How a mere "no" of the peer is called.
    REFUSED_AS = {
        Kind.RESERVE: Reason.RESERVE_REFUSED,
        Kind.RELEASE: Reason.RELEASE_REFUSED,
        Kind.ACCEPT: Reason.ACCEPT_REFUSED,
        Kind.ASSEMBLE: Reason.ASSEMBLE_REFUSED,
        Kind.ARRIVE: Reason.ARRIVE_REFUSED,
        Kind.ARRIVE_BACK: Reason.RETURN_REFUSED,
        Kind.SEND_CODE: Reason.CODE_NOT_SENT,
        Kind.COMPLETE: Reason.WRONG_CODE,
        Kind.CANCEL: Reason.CANCEL_REFUSED,
        Kind.REMOVE_LINE: Reason.REMOVE_REFUSED,
        Kind.CHECK: Reason.CHECK_REFUSED,
        Kind.TRIM: Reason.NOT_TRIMMED,
        Kind.IMEI: Reason.IMEI_REFUSED,
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
    # Why it waits, or waited, for a person; empty = it does not, or nobody wrote it.
    reason = models.CharField(_("reason"), max_length=24, blank=True)
    created_at = models.DateTimeField(_("created"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = StepQuerySet.as_manager()

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

    @property
    def is_idle(self) -> bool:
        return self.status in self.IDLE

    @property
    def is_unsettled(self) -> bool:
        return self.status in self.UNSETTLED

    @property
    def is_stuck(self) -> bool:
        return self.status in self.STUCK

    @property
    def stuck_for(self) -> Reason:
        """Why it waits for a person; the general reason where none was written."""
        known = self.reason in Reason.values
        return Reason(self.reason) if known else Reason.OTHER

    @property
    def is_over(self) -> bool:
        """Tell whether nothing comes of it any more; a refused one is a person's."""
        return self.status in (self.Status.DONE, self.Status.SKIPPED)

    @property
    def is_dropped(self) -> bool:
        return self.status == self.Status.SKIPPED

    @property
    def was_dropped_by_person(self) -> bool:
        return self.is_dropped and bool(self.answered.get("dropped_by"))

    @property
    def waits_for_price(self) -> bool:
        """Tell whether a person may have the goods bought at what they cost now."""
        asks = self.kind == self.Kind.RESERVE and self.is_stuck
        return asks and "cost_kzt" in self.answered


class OrderEvent(models.Model):
    """What happened to an order; rows are added, never changed."""

    order = models.ForeignKey(
        Order, verbose_name=_("order"), on_delete=models.CASCADE, related_name="events"
    )
    # It tells what happened when the step itself is forgotten.
    step = models.ForeignKey(
        Step,
        verbose_name=_("step"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="events",
    )
    happened_at = models.DateTimeField(_("when"))
    # A user's name, or "bridge".
    actor = models.CharField(_("who"), max_length=150, default="bridge")
    text = models.TextField(_("what happened"))
    # By which the log tells more: "request=…" or "task=…"; a step has its own number.
    trace = models.CharField(_("in the log"), max_length=80, blank=True, default="")

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["pk"]
        indexes = [
            # Who did what: a person's newest.
            models.Index(fields=["actor", "-id"], name="orderevent_by_actor"),
        ]

    def __str__(self) -> str:
        return self.text
