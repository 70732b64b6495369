"""Asks for steps: the one place where they are made."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from orders.models import Cause, Order, Step
from orders.models.step import StepParameters
from orders.plan.events import BRIDGE, record


def make_step(
    order: Order,
    kind: Step.Kind,
    *,
    now: datetime,
    parameters: StepParameters | None = None,
    needs_person: Cause | None = None,
) -> Step:
    """Make a step, unsaved; `needs_person`: why it waits for somebody, not a peer."""
    return Step(
        order=order,
        peer=Step.PEER_OF[kind],
        kind=kind,
        status=Step.Status.NEEDS_PERSON if needs_person else Step.Status.PENDING,
        parameters=parameters or {},
        last_error=needs_person.text if needs_person else "",
        reason=needs_person.reason if needs_person else "",
        not_before=now,
        created_at=now,
    )


def want_step(
    order: Order,
    kind: Step.Kind,
    *,
    now: datetime,
    parameters: StepParameters | None = None,
    needs_person: Cause | None = None,
    text: str = "",
    actor: str = BRIDGE,
) -> Step | None:
    """Ask for a step and note `text`, or else why it needs a person.

    None when one of its kind is open already: an order has at most one of each.
    """
    step = make_step(
        order, kind, now=now, parameters=parameters, needs_person=needs_person
    )
    try:
        with transaction.atomic():
            if order.steps.of_kind(kind).open().exists():
                return None
            step.save(force_insert=True)
    except IntegrityError:
        # Somebody else asked between our two questions.
        return None
    if words := text or (needs_person.text if needs_person else ""):
        record(order, words, now=now, step=step, actor=actor)
    return step
