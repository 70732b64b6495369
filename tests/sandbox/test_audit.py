from __future__ import annotations

import pytest

from sandbox import AlStyleServer, Clock, KaspiServer
from sandbox.audit import StockWatch, audit
from tests.sandbox.feedhost import FeedHost, offer

ARTICLE = 91_001


@pytest.fixture
def peers():
    clock = Clock()
    with (
        AlStyleServer(interval_s=0, clock=clock) as supplier,
        KaspiServer(clock=clock) as kaspi,
    ):
        supplier.add_good(ARTICLE, stock=100)
        yield supplier, kaspi


def order_of(kaspi, quantity=2):
    return kaspi.new_order([{"sku": str(ARTICLE), "quantity": quantity}])


def reserve(supplier, order, quantity=2, **fields):
    made = supplier.manager_order({ARTICLE: quantity}, external_id=order.code, **fields)
    made.by = "api"
    return made


def judged(supplier, kaspi):
    touched = len(supplier.cart.foreign_touched)
    return audit(supplier.book(), kaspi.book(), foreign_touched=touched)


def test_one_live_supplier_order_for_each_order_is_clean(peers):
    supplier, kaspi = peers
    for _ in range(3):
        reserve(supplier, order_of(kaspi))
    found = judged(supplier, kaspi)
    assert (found.orders, found.served_once) == (3, 3)
    assert not any(
        value for name, value in found.as_dict().items() if isinstance(value, list)
    ), found


def test_each_way_of_going_wrong_is_named(peers):
    supplier, kaspi = peers
    unserved, twice, gone, wrong = (order_of(kaspi) for _ in range(4))
    kaspi.set_order(unserved.code, status="ACCEPTED_BY_MERCHANT")
    reserve(supplier, twice)
    reserve(supplier, twice)
    reserve(supplier, gone)
    kaspi.happen(gone.code, "deadline")
    bad = reserve(supplier, wrong, quantity=3)
    supplier.manager_order({ARTICLE: 1}).by = "api"
    supplier.manager_order({ARTICLE: 1})
    found = judged(supplier, kaspi)

    assert found.unserved == [unserved.code]
    assert found.served_twice == [twice.code]
    assert found.unreleased == [gone.code]
    assert found.cancelled_short == [gone.code]
    assert found.wrong_lines == [str(bad.id)]
    assert len(found.owned_by_nobody) == 1


def test_merged_orders_live_as_long_as_the_one_they_went_into(peers):
    supplier, kaspi = peers
    one, other = order_of(kaspi), order_of(kaspi)
    first, second = reserve(supplier, one), reserve(supplier, other)
    supplier.merge_orders(first.id, second.id)
    found = judged(supplier, kaspi)
    assert (found.unserved, found.wrong_lines) == ([], [])
    supplier.set_order(second.id, "DA")
    assert judged(supplier, kaspi).unserved == [one.code, other.code]


def test_orders_merged_one_after_another_keep_their_own_goods(peers):
    supplier, kaspi = peers
    made = [reserve(supplier, order_of(kaspi)) for _ in range(3)]
    supplier.merge_orders(made[0].id, made[1].id)
    supplier.merge_orders(made[1].id, made[2].id)
    found = judged(supplier, kaspi)
    assert (found.served_once, found.wrong_lines) == (3, [])


def test_quantities_may_be_rounded_up_to_the_multiple(peers):
    supplier, kaspi = peers
    reserve(supplier, order_of(kaspi, quantity=2), quantity=5)
    assert audit(supplier.book(), kaspi.book()).wrong_lines
    rounded = audit(supplier.book(), kaspi.book(), multiple_of=lambda article: 5)
    assert rounded.wrong_lines == []


def test_offers_beyond_free_stock_are_noticed_after_the_lag(peers):
    supplier, kaspi = peers
    watch = StockWatch(supplier, kaspi, lag_s=60)
    with FeedHost(offer(str(ARTICLE), stock=100)) as host:
        kaspi.set_feed(host.url)
        kaspi.fetch_now()
        assert watch.excesses == []
        reserve(supplier, order_of(kaspi))
        kaspi.fetch_now()
        assert watch.excesses == []
        supplier.clock.advance(61)
        kaspi.fetch_now()
    (excess,) = watch.excesses
    assert (excess.offered, excess.free) == (100, 98)
    # By what the pieces are held, and since when.
    ((number, age),) = excess.held.items()
    assert number == supplier.book()[-1]["id"]
    assert age >= 61
    assert watch.as_dict()["lists"] == 3
