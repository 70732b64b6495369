"""Contradictions that the reconciler found: rows for a person to see."""

from __future__ import annotations

import re
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order
from orders.models.purchase import Purchase
from orders.models.step import Step

# How `reconciling` names what a finding is about: "purchase 3, order 703214588".
SUBJECT = re.compile(r"\b(?:order|step|reservation|purchase)\b")


class FindingQuerySet(models.QuerySet["Finding"]):
    def open(self) -> FindingQuerySet:
        return self.filter(status=Finding.Status.OPEN)

    def at_peers(self) -> FindingQuerySet:
        """Those that only a peer's lists can show, or show to be settled."""
        return self.filter(kind__in=Finding.AT_PEERS)

    def in_database(self) -> FindingQuerySet:
        return self.exclude(kind__in=Finding.AT_PEERS)


class Finding(models.Model):
    """One state that contradicts a promise, as long as it does."""

    class Kind(models.TextChoices):
        NOT_RELEASED = "not_released", _("called off, goods still held")
        OPEN_OF_ENDED = "open_of_ended", _("ended, goods still reserved")
        NO_GOODS = "no_goods", _("without its goods")
        ORDER_LINES = "order_lines", _("order and reservation differ")
        PURCHASE_LINES = "purchase_lines", _("reservation and purchase differ")
        SUPPLIER_LINES = "supplier_lines", _("reservation and Al-Style's order differ")
        OTHER_NUMBER = "other_number", _("purchase under another number")
        BOUGHT_TWICE = "bought_twice", _("bought twice")
        NOT_HELD = "not_held", _("bought, held for nobody")
        TOO_LONG = "too_long", _("waits too long")
        NOBODYS = "nobodys", _("nobody's order at Al-Style")
        GIVEN_UP = "given_up", _("fits a purchase that was given up")
        STILL_LIVE = "still_live", _("released, yet alive at Al-Style")
        NOT_SHOWN = "not_shown", _("no longer shown by Kaspi")
        UNKNOWN_STATE = "unknown_state", _("in a state unknown to the bridge")
        NOT_TAKEN_IN = "not_taken_in", _("order at Kaspi that is unknown here")

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        SETTLED = "settled", _("settled by itself")
        ACCEPTED = "accepted", _("seen, right so")

    AT_PEERS = (Kind.NOBODYS, Kind.GIVEN_UP, Kind.STILL_LIVE, Kind.NOT_TAKEN_IN)

    kind = models.CharField(_("what"), max_length=20, choices=Kind.choices)
    # Which row or peer's number it is about: one open finding of a kind for each.
    subject = models.CharField(_("about"), max_length=120)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.OPEN
    )
    text = models.TextField(_("reason"))
    # What it rests on; a person's "right so" holds as long as these stay the same.
    facts = models.JSONField(_("rests on"), default=dict, blank=True)
    order = models.ForeignKey(
        Order,
        verbose_name=_("order"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="findings",
    )
    purchase = models.ForeignKey(
        Purchase,
        verbose_name=_("purchase"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="findings",
    )
    # The step by which it stands on its order.
    step = models.ForeignKey(
        Step,
        verbose_name=_("step"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="findings",
    )
    raised_at = models.DateTimeField(_("found"))
    seen_at = models.DateTimeField(_("last seen so"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    closed_by = models.CharField(_("closed by"), max_length=150, blank=True)
    note = models.TextField(_("note"), blank=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        verbose_name = _("contradiction")
        verbose_name_plural = _("contradictions")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                name="finding_one_open",
                condition=Q(status="open"),
            ),
            models.CheckConstraint(
                name="finding_status_known",
                condition=Q(status__in=["open", "settled", "accepted"]),
            ),
        ]
        indexes = [
            # raising.keep(): what a person has seen of a subject.
            models.Index(fields=["subject", "kind"], name="finding_of_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} №{self.pk}"

    @property
    def about(self) -> str:
        """Say the subject in the staff's language."""
        words = {
            "order": _("order"),
            "step": _("step"),
            "reservation": _("reservation"),
            "purchase": _("purchase"),
        }
        return SUBJECT.sub(lambda found: str(words[found[0]]), self.subject)

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN

    def rests_on(self, facts: dict[str, Any]) -> bool:
        return bool(self.facts == facts)
