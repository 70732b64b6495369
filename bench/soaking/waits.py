"""Watches, while a soak runs, what people are told of and what waits unseen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a person is told of an order: a step that is stuck, with its words."""

    kind: str
    text: str
    # There are none, or they cost more than they bring.
    is_about_goods: bool


class Waits:
    """Looks at the bridge's database every now and then.

    `told` holds, by Kaspi's code, what a person was ever told, even if it was settled
    since; `unseen` what waited longer than it may though nobody was told: the bridge's
    own limits divided by `scale`, and `slack_s` of this world for a loaded machine.
    """

    def __init__(self, *, scale: float, slack_s: float) -> None:
        self.told: dict[str, dict[str, Told]] = {}
        self.unseen: dict[str, str] = {}
        self._scale, self._slack = scale, timedelta(seconds=slack_s)

    def turn(self) -> None:
        from django.utils import timezone

        from orders.models import Step

        for step in Step.objects.filter(status__in=Step.STUCK).select_related("order"):
            told = self.told.setdefault(step.order.code, {})
            told[step.kind] = Told(
                kind=step.kind,
                text=step.last_error,
                is_about_goods=bool(
                    step.answered.get("is_stock") or "cost_kzt" in step.answered
                ),
            )
        now = timezone.now()
        waiting = (Step.Status.PENDING, Step.Status.IN_FLIGHT, Step.Status.UNKNOWN)
        for step in Step.objects.filter(status__in=waiting).select_related("order"):
            code = step.order.code
            # Since it was asked for: it may have been under way and waited in turns.
            if code not in self.told and now - step.created_at > self.longest:
                self.unseen[code] = f"{step.kind} {step.status}: {step.last_error}"

    @property
    def longest(self) -> timedelta:
        """Return how long a step may wait, whatever for."""
        from orders.models import Step
        from orders.plan.ages import STEP_AGES

        return STEP_AGES[Step.Status.PENDING] / self._scale + self._slack

    def words(self, code: str) -> str:
        """Say what a person was told of an order; empty = nothing."""
        return "; ".join(told.text or "—" for told in self.told.get(code, {}).values())
