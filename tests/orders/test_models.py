from __future__ import annotations

import random
from datetime import timedelta
from itertools import product

import pytest
from django.utils import timezone

from orders.models import Order

STATES = (
    Order.NEW,
    Order.SIGN_REQUIRED,
    Order.PICKUP,
    Order.DELIVERY,
    Order.KASPI_DELIVERY,
    Order.ARCHIVE,
    "SOMETHING_NEW",
)
STATUSES = (
    Order.APPROVED,
    Order.ACCEPTED,
    *Order.ENDED,
    Order.CANCELLING,
    Order.RETURN_REQUESTED,
    Order.RETURN_ACCEPTED,
    "SOMETHING_NEW",
)


@pytest.mark.django_db
def test_an_orders_rules_are_the_same_in_python_and_in_sql():
    now = timezone.now()
    names = (
        *("ended_at", "handed_over_at", "arrived_at"),
        *("accept_by", "arrive_by", "collect_by", "fetch_by"),
        *("hand_over_by", "planned_delivery_at"),
    )
    moments = {name: now + timedelta(hours=hours) for hours, name in enumerate(names)}
    dice = random.Random(7)
    # Every second field of some orders, every second flag: 2⁹ × 63 would be too many.
    known = [
        {name: dice.choice((None, moment)) for name, moment in moments.items()}
        | {name: dice.random() < 0.5 for name in ("is_preorder", "is_assembled")}
        | dict.fromkeys(dice.choice((("ended_at",), ("ended_at", "handed_over_at"))))
        for _ in range(24)
    ]
    known += [{**fields, "ended_at": now} for fields in known[:3]]
    Order.objects.bulk_create(
        Order(
            kaspi_id=str(number),
            code=str(number),
            state=state,
            status=status,
            created_at=now,
            first_seen=now,
            last_seen=now,
            **fields,
        )
        for number, (state, status, fields) in enumerate(
            product(STATES, STATUSES, known)
        )
    )
    orders = list(Order.objects.all())
    # The type checker knows no annotated names.
    due = dict(Order.objects.with_due().values_list("pk", "due"))  # type: ignore[misc]
    assert {order.pk: order.due_at for order in orders} == due
    assert set(due.values()) == {None, *(moments[name] for name in names[3:])}
    awaiting = {order.pk for order in orders if order.awaits_accept}
    assert awaiting == set(Order.objects.awaiting_accept().values_list("pk", flat=True))
    still_open = {order.pk for order in orders if order.ended_at is None}
    assert still_open == set(Order.objects.open().values_list("pk", flat=True))
