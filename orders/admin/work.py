"""The staff's work lists: which orders wait for what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders.models import Order, Reservation, Step

OPEN = Q(ended_at__isnull=True)
AT_KASPI = Q(state=Order.KASPI_DELIVERY, status=Order.ACCEPTED)
BY_US = Q(state__in=(Order.PICKUP, Order.DELIVERY), status=Order.ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A list of orders that wait for the same thing."""

    code: str
    label: str | Promise
    condition: Callable[[], Q]
    # Whether its number is shown: counting all orders ever would say little.
    is_counted: bool = True


def stuck_orders() -> QuerySet[Step, Any]:
    """Give the ids of the orders that have a step waiting for a person."""
    return Step.objects.filter(status__in=Step.STUCK).values("order")


def _to_reserve() -> Q:
    wanted = Reservation.objects.filter(status=Reservation.Status.WANTED)
    alive = Q(status__in=(Order.APPROVED, Order.ACCEPTED))
    return OPEN & alive & Q(pk__in=wanted.values("order"))


def _to_hand_over() -> Q:
    waits = (AT_KASPI & Q(is_assembled=True)) | BY_US
    return OPEN & waits & Q(handed_over_at__isnull=True)


def _to_assemble() -> Q:
    return OPEN & AT_KASPI & Q(is_assembled=False, handed_over_at__isnull=True)


def _returns() -> Q:
    returning = (Order.RETURN_REQUESTED, Order.RETURN_ACCEPTED)
    return OPEN & Q(status__in=returning)


WORKS = (
    Work(code="open", label=_("Open"), condition=lambda: OPEN),
    Work(
        code="person",
        label=_("Needs a person"),
        condition=lambda: Q(pk__in=stuck_orders()),
    ),
    Work(
        code="accept",
        label=_("To accept"),
        condition=lambda: OPEN & Order.AWAITS_ACCEPT,
    ),
    Work(code="reserve", label=_("To reserve"), condition=_to_reserve),
    Work(code="assemble", label=_("To assemble"), condition=_to_assemble),
    Work(code="hand_over", label=_("To hand over"), condition=_to_hand_over),
    Work(
        code="transit",
        label=_("Cancelled in transit"),
        condition=lambda: OPEN & Q(status=Order.CANCELLING),
    ),
    Work(code="returns", label=_("Returns"), condition=_returns),
    Work(
        code="ended",
        label=_("Ended"),
        condition=lambda: Q(ended_at__isnull=False),
        is_counted=False,
    ),
    Work(code="all", label=_("All"), condition=Q, is_counted=False),
)
BY_CODE = {work.code: work for work in WORKS}


def count_works() -> dict[str, int]:
    """Count the orders of each counted list, in one query."""
    counted = [work for work in WORKS if work.is_counted]
    of_interest = Order.objects.filter(OPEN | Q(pk__in=stuck_orders())).order_by()
    return of_interest.aggregate(
        **{w.code: Count("pk", filter=w.condition()) for w in counted}
    )


# Open orders first, the nearest deadline on top; ended ones by their end.
BY_TIME_LEFT = (
    F("ended_at").desc(nulls_first=True),
    F("due").asc(nulls_last=True),
    F("pk").desc(),
)
