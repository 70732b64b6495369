"""What doing a step, or looking for its effect, came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _

from orders.models import Reason, Step
from orders.models.step import StepAnswer

Status = Step.Status
# Each look whether the cancel is settled leaves two events; one may wait for days.
AFTER_CANCEL_S = 300
Apply = Callable[[datetime], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The status a step gets, why, and what else is written with it.

    `apply` runs in the transaction that settles the step. `is_attempt` False: the
    peer was surely not asked, so the try is given back.
    """

    status: str
    text: str
    reason: Reason | None = None
    after_s: float = 0
    answered: StepAnswer = field(default_factory=StepAnswer)
    is_attempt: bool = True
    apply: Apply | None = None


def done(
    text: str, *, answered: StepAnswer | None = None, apply: Apply | None = None
) -> Outcome:
    """The peer has done it."""
    return Outcome(status=Status.DONE, text=text, answered=answered or {}, apply=apply)


def refused(reason: Reason, text: str, *, apply: Apply | None = None) -> Outcome:
    """The peer said no: a person decides what now."""
    return Outcome(
        status=Status.REFUSED,
        text=text,
        reason=reason,
        answered={"is_stock": reason == Reason.OUT_OF_STOCK},
        apply=apply,
    )


def needs_person(
    reason: Reason,
    text: str,
    *,
    answered: StepAnswer | None = None,
    apply: Apply | None = None,
) -> Outcome:
    """Only a person can tell what is right."""
    return Outcome(
        status=Status.NEEDS_PERSON,
        text=text,
        reason=reason,
        answered=answered or {},
        apply=apply,
    )


def retry(text: str, *, after_s: float, is_attempt: bool = True) -> Outcome:
    """Surely not done: do it again later."""
    return Outcome(
        status=Status.PENDING, text=text, after_s=after_s, is_attempt=is_attempt
    )


def after_cancel(step: Step) -> Outcome:
    """The order may be cancelled at Kaspi: do it when that has come to nothing."""
    text = _("%(step)s: waits until it is settled whether the order is cancelled")
    figures = {"step": step.get_kind_display()}
    return retry(text % figures, after_s=AFTER_CANCEL_S, is_attempt=False)


def after_release(step: Step) -> Outcome:
    """Its goods may be let go: promise them when that has come to nothing."""
    text = _("%(step)s: waits until it is settled whether the goods are released")
    figures = {"step": step.get_kind_display()}
    return retry(text % figures, after_s=AFTER_CANCEL_S, is_attempt=False)


def unknown(
    text: str, *, look_after_s: float, answered: StepAnswer | None = None
) -> Outcome:
    """It may have been done: look at the peer before anything else."""
    return Outcome(
        status=Status.UNKNOWN,
        text=text,
        after_s=look_after_s,
        answered=answered or {},
    )


def skipped(text: str) -> Outcome:
    """It need not be done any more."""
    return Outcome(status=Status.SKIPPED, text=text)
