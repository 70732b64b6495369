"""A step in the hands of one worker."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings

from orders.models import Step
from orders.models.step import CLAIM_S
from orders.plan.transitions import StepFields, move_step
from plumbing.call_deadlines import prolong_claim
from plumbing.leases import LeaseHandle, database_now, steady_s

if TYPE_CHECKING:
    from typing_extensions import Unpack

# In the last part of a claim nothing is sent any more: it might arrive after the end.
SURELY = 0.9


class ClaimLost(Exception):
    """The claim ran out and somebody else has the step: stop before writing."""


class Claim:
    """The right to work on a step, renewed before each write."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._lease: LeaseHandle | None = None

    @contextmanager
    def under(self, lease: LeaseHandle) -> Iterator[None]:
        """Confirm `lease` too before each write in the block."""
        self._lease = lease
        try:
            yield
        finally:
            self._lease = None

    def renew(self, **fields: Unpack[StepFields]) -> None:
        """Renew the claim, saving `fields` with it. Raises `ClaimLost`, `LeaseLost`."""
        step, asked_s = self.step, steady_s()
        if self._lease is not None:
            self._lease.confirm()
        fields["claimed_until"] = database_now() + timedelta(seconds=CLAIM_S)
        ours = Step.objects.filter(
            pk=step.pk, status=step.status, claimed_by=step.claimed_by
        )
        if ours.update(**fields) != 1:
            raise ClaimLost(f"step {step.pk}")
        _hold(since_s=asked_s)
        for name, value in fields.items():
            setattr(step, name, value)


def claim_step(step: Step, *, text: str) -> Claim | None:
    """Take a waiting step, or one whose outcome is unknown; None if another did."""
    asked_s, now = steady_s(), database_now()
    owner = f"{settings.HOST_NAME}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    until = now + timedelta(seconds=CLAIM_S)
    if step.status == Step.Status.PENDING:
        won = move_step(
            step,
            Step.Status.IN_FLIGHT,
            text=text,
            now=now,
            attempts=step.attempts + 1,
            claimed_by=owner,
            claimed_until=until,
        )
        if not won:
            return None
        _hold(since_s=asked_s)
        return Claim(step)
    free = Step.objects.filter(
        pk=step.pk, status=Step.Status.UNKNOWN, claimed_by=step.claimed_by
    )
    looks = step.looks + 1
    if free.update(claimed_by=owner, claimed_until=until, looks=looks) != 1:
        return None
    step.claimed_by, step.claimed_until, step.looks = owner, until, looks
    _hold(since_s=asked_s)
    return Claim(step)


def _hold(*, since_s: float) -> None:
    """Let what is sent be sent under the claim, from when it was asked for."""
    prolong_claim(since_s=since_s, seconds=CLAIM_S * SURELY)
