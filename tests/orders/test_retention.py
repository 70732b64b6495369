from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orders.models import Buyer, Order
from orders.retention import delete_buyer_data
from orders.tasks import delete_buyer_data as delete_task
from tests.orders.factories import make_order


@pytest.mark.django_db
def test_a_buyers_data_go_the_set_time_after_the_end(settings):
    settings.BUYER_DATA_KEPT_DAYS = 30
    now = timezone.now()
    kept = {}
    for name, ended_at in (
        ("open", None),
        ("recent", now - timedelta(days=29)),
        ("old", now - timedelta(days=31)),
    ):
        order = make_order(ended_at=ended_at)
        kept[name] = Buyer.objects.create(order=order, name="Тест", phone="7000000001")
    assert delete_buyer_data(now=now) == 1
    assert set(Buyer.objects.all()) == {kept["open"], kept["recent"]}
    assert Order.objects.count() == 3
    assert delete_task() == "0 deleted"
