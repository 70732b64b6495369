"""Writes the trail of an order: what happened, in a person's words."""

from __future__ import annotations

from datetime import datetime

from orders.models import Order, OrderEvent, Step
from plumbing import tracing
from plumbing.redaction import redact

BRIDGE = "bridge"


def make_event(
    order: Order,
    text: str,
    *,
    now: datetime,
    step: Step | None = None,
    actor: str = BRIDGE,
) -> OrderEvent:
    """Make an event, unsaved; secrets are taken out."""
    return OrderEvent(
        order=order,
        step=step,
        happened_at=now,
        actor=actor,
        text=redact(text),
        trace=tracing.trace(),
    )


def record(
    order: Order,
    text: str,
    *,
    now: datetime,
    step: Step | None = None,
    actor: str = BRIDGE,
) -> None:
    """Save an event."""
    make_event(order, text, now=now, step=step, actor=actor).save(force_insert=True)
