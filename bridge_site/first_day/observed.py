"""What the bridge would have done while it only observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Min, Sum

from orders.models import Order, ReservationLine, Step

STEPS_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The withheld steps: how many of each kind, and the first of them by order."""

    kinds: Sequence[tuple[str, int]]
    orders: Sequence[tuple[Order, list[Step]]]
    number: int
    since: datetime | None
    # What the goods to be reserved would cost; None when their prices are unknown.
    cost_kzt: int | None

    @property
    def is_cut(self) -> bool:
        return self.number > STEPS_SHOWN


def read_observed() -> Observed:
    """Read what is withheld, nearest deadline first, in a few queries."""
    withheld = Step.objects.filter(status=Step.Status.PENDING, attempts=0)
    counts = withheld.values("kind").annotate(n=Count("pk"), since=Min("created_at"))
    rows = list(counts.order_by("-n"))
    cost = ReservationLine.objects.filter(
        reservation__order__in=withheld.filter(kind=Step.Kind.RESERVE).values("order")
    ).aggregate(sum=Sum(F("quantity") * F("product__cost_kzt")))["sum"]
    steps = withheld.select_related("order").order_by(
        F("order__accept_by").asc(nulls_last=True), "order_id", "pk"
    )
    by_order: dict[int, tuple[Order, list[Step]]] = {}
    for step in steps[:STEPS_SHOWN]:
        by_order.setdefault(step.order_id, (step.order, []))[1].append(step)
    return Observed(
        kinds=[(str(Step.Kind(row["kind"]).label), row["n"]) for row in rows],
        orders=list(by_order.values()),
        number=sum(row["n"] for row in rows),
        since=min((row["since"] for row in rows), default=None),
        cost_kzt=cost,
    )
