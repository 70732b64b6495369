from __future__ import annotations

import pytest
from django.utils import timezone

from orders.intake import poll_orders
from orders.kaspi.client import open_client
from orders.models import Order, ReadMark, Step
from tests.orders.factories import make_product

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def poll(kaspi):
    """Read Kaspi's new orders once."""

    def run(now=None):
        with open_client() as client:
            return poll_orders(client, now=now or timezone.now())

    return run


def test_a_new_order_is_stored_with_its_lines_and_its_first_step(kaspi, poll):
    product = make_product("70311")
    made = kaspi.new_order([{"sku": "70311", "quantity": 2, "price": 15990.0}])
    result = poll()
    order = Order.objects.get()
    assert (order.kaspi_id, order.code) == (made.id, made.code)
    assert (order.state, order.status, order.total_kzt) == (
        "NEW",
        "APPROVED_BY_BANK",
        31980,
    )
    line = order.lines.get()
    assert (line.product, line.quantity, line.price_kzt) == (product, 2, 15990)
    assert order.steps.get().kind == Step.Kind.RESERVE
    assert order.reservations.get().lines.get().quantity == 2
    assert order.events.exists()
    assert order.buyer.phone == made.buyer.phone
    assert order.accept_by is not None
    assert len(result.stored.new) == 1
    assert ReadMark.objects.get(state="NEW").failed_at is None
    assert kaspi.counters() == {"orders": 2}
