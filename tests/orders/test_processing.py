from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orders import processing
from orders.models import Reservation, SupplierOrder
from orders.supply.following import Followed
from tests.orders.factories import make_order, make_product

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def followed(monkeypatch):
    """Count how often the supplier's orders are read."""
    count: list[int] = []

    def follow(cart, *, now):
        count.append(1)
        return Followed()

    monkeypatch.setattr(processing, "follow_supplier_orders", follow)
    return count


def hold_one(*, held_ago: timedelta, read_ago: timedelta | None) -> None:
    now = timezone.now()
    order = make_order((make_product("held"), 1))
    order.steps.all().delete()
    supplied = SupplierOrder.objects.create(
        supplier_order_id="100001",
        placed_at=now - held_ago,
        read_at=None if read_ago is None else now - read_ago,
    )
    order.reservations.update(
        status=Reservation.Status.HELD, supplier_order=supplied, held_at=now - held_ago
    )


def queue_orders(number: int) -> None:
    product = make_product("1")
    for _ in range(number):
        make_order((product, 1))


def test_following_leaves_the_clock_to_a_queue_of_orders(followed):
    # The stock reading waits behind it, and goods must not be sold by old figures.
    hold_one(held_ago=HOUR, read_ago=None)
    queue_orders(processing.MANY_STEPS)
    assert "put off" in processing.follow_supplier()
    assert followed == []


def test_a_few_orders_do_not_put_following_off(followed):
    queue_orders(processing.MANY_STEPS - 1)
    processing.follow_supplier()
    assert followed == [1]


@pytest.mark.parametrize("read_ago", [None, 3 * HOUR])
def test_following_is_not_put_off_for_ever(followed, read_ago):
    hold_one(held_ago=4 * HOUR, read_ago=read_ago)
    queue_orders(processing.MANY_STEPS)
    processing.follow_supplier()
    assert followed == [1]


def test_what_was_read_lately_can_wait(followed):
    hold_one(held_ago=4 * HOUR, read_ago=HOUR)
    queue_orders(processing.MANY_STEPS)
    assert "put off" in processing.follow_supplier()
