from __future__ import annotations

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
    moments = [now + timedelta(hours=hours) for hours in range(5)]
    names = (
        "ended_at",
        "handed_over_at",
        "accept_by",
        "hand_over_by",
        "planned_delivery_at",
    )
    known = [
        dict(zip(names, values, strict=True))
        for values in product(*((None, moment) for moment in moments))
    ]
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
    assert set(due.values()) == {None, *moments[2:]}
    awaiting = {order.pk for order in orders if order.awaits_accept}
    assert awaiting == set(Order.objects.awaiting_accept().values_list("pk", flat=True))
    still_open = {order.pk for order in orders if order.ended_at is None}
    assert still_open == set(Order.objects.open().values_list("pk", flat=True))
