from __future__ import annotations

import pytest
from django.utils import timezone, translation

from orders.clients import Clients
from orders.models import Purchase, Reservation, SupplierOrder
from orders.supply.by_hand import check_by_hand
from plumbing.peers import PeerAccessRefused, PeerUnavailable
from tests.orders.factories import doubt, make_order, make_product, reservation_of

pytestmark = pytest.mark.django_db(transaction=True)
WANTED = {"91001": 2, "91002": 1}
GOODS = {91_001: 2, 91_002: 1}


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def shop(supplier):
    supplier.change_settings(statuses_move=False)
    for article in (91_001, 91_002, 91_003):
        supplier.add_good(article, stock=50, price1=1000, price2=1500)
    return supplier


@pytest.fixture
def placed(shop):
    """A manager's order of just what is wanted."""
    return shop.manager_order(GOODS)


def check(number, wanted=WANTED, **options):
    with Clients() as clients:
        return check_by_hand(clients.cart, str(number), wanted, **options)


def known(number, **fields) -> SupplierOrder:
    return SupplierOrder.objects.create(
        supplier_order_id=str(number), placed_at=timezone.now(), **fields
    )


def test_an_order_of_just_what_is_wanted_counts(shop, placed):
    assert check(placed.id) == ""
    assert check(placed.long_id) == ""
    for status in ("N", "R", "SV", "OS", "OK", "some day a new one"):
        shop.set_order(placed.id, status)
        assert check(placed.id) == ""


def test_nothing_is_written_by_looking(shop, placed):
    check(placed.id)
    assert [arrival.method for arrival in shop.arrivals] == ["order"]
    assert SupplierOrder.objects.count() == 0


@pytest.mark.parametrize("number", ["999999", "41200l", "../order", "", "1 OR 1=1"])
def test_a_mistyped_number_holds_nothing(placed, number):
    assert f"shows no order {number}" in check(number)


@pytest.mark.parametrize(
    ("status", "words"),
    [("DA", "is cancelled"), ("P", "shipped already"), ("F", "shipped already")],
)
def test_what_lives_no_more_holds_nothing(shop, placed, status, words):
    shop.set_order(placed.id, status)
    assert words in check(placed.id)
    # Made in a time that is not known here, it may have been shipped since.
    assert (check(placed.id, may_have_left=True) == "") is (status != "DA")


def test_a_merged_order_names_where_its_goods_went(shop, placed):
    other = shop.manager_order({91_003: 1})
    shop.merge_orders(placed.id, other.id)
    assert f"was merged into {other.id}" in check(placed.id)
    assert "holds other goods too: 91003 × 1" in check(other.id)


@pytest.mark.parametrize(
    ("goods", "words"),
    [
        ({91_001: 1, 91_002: 1}, "lacks 91001 × 1"),
        ({91_001: 2}, "lacks 91002 × 1"),
        ({91_003: 3}, "lacks 91001 × 2, 91002 × 1"),
        (GOODS | {91_003: 4}, "holds other goods too: 91003 × 4"),
        (GOODS | {91_001: 12}, "holds other goods too: 91001 × 10"),
    ],
)
def test_other_goods_than_wanted_are_named(shop, goods, words):
    assert words in check(shop.manager_order(goods).id)


def hold(order, supplied: SupplierOrder) -> None:
    reservation = reservation_of(order)
    reservation.supplier_order, reservation.status = supplied, Reservation.Status.HELD
    reservation.save()


@pytest.mark.parametrize("column", ["supplier_order_id", "listed_id"])
def test_an_order_that_holds_anothers_goods_is_not_ours_too(placed, column):
    """Under either of its numbers."""
    numbers = {"supplier_order_id": "short", column: str(placed.id)}
    supplied = SupplierOrder.objects.create(placed_at=timezone.now(), **numbers)
    assert check(placed.id) == ""
    order = make_order((make_product("70311"), 1))
    hold(order, supplied)
    assert "another order's goods" in check(placed.id)
    order.reservations.update(status=Reservation.Status.RELEASED)
    assert check(placed.id) == ""


@pytest.mark.parametrize("status", ["shipped", "by_hand", "wanted"])
def test_an_order_that_served_another_buyer_is_not_ours_too(placed, status):
    """Shipped to him, or bought for him and not noted on his reservation yet."""
    product = make_product("70311")
    ours, other = make_order((product, 1)), make_order((product, 1))
    supplied, reservation = known(placed.id), reservation_of(other)
    reservation.status = status
    if status == "wanted":
        doubt(other, status=Purchase.Status.MADE, supplier_order=supplied)
    else:
        reservation.supplier_order = supplied
    reservation.save()
    assert "another order's goods" in check(placed.id, code=ours.code)
    # Bought for it, it is its own.
    assert check(placed.id, code=other.code) == ""
    reservation.status = Reservation.Status.DROPPED
    reservation.save()
    assert check(placed.id, code=ours.code) == ""


def young(placed, order) -> SupplierOrder:
    """An order of ours, known by the number that submit answered and by no other."""
    supplied = known(placed.id)
    lines = [[article, number, 1000] for article, number in WANTED.items()]
    doubt(order, status=Purchase.Status.MADE, supplier_order=supplied, lines=lines)
    return supplied


def test_a_young_order_of_ours_is_known_by_the_number_that_lists_show(shop, placed):
    shop.change_settings(long_order_ids=True)
    product = make_product("70311")
    ours, other = make_order((product, 1)), make_order((product, 1))
    supplied = young(placed, other)
    assert "another order's goods" in check(placed.long_id, code=ours.code)
    supplied.refresh_from_db()
    assert supplied.listed_id == placed.long_id
    # A manager's order of the same goods is another one.
    assert check(shop.manager_order(GOODS).long_id, code=ours.code) == ""


def test_a_number_that_may_be_a_young_order_of_ours_waits(shop, placed, monkeypatch):
    product = make_product("70311")
    ours, other = make_order((product, 1)), make_order((product, 1))
    his = shop.manager_order(GOODS)
    supplied = young(placed, other)
    find = shop.orders.find
    unknown = str(placed.id)
    monkeypatch.setattr(
        shop.orders, "find", lambda number: None if number == unknown else find(number)
    )
    assert f"may be order {placed.id}" in check(his.id, code=ours.code)
    # Other goods cannot be it, nor can any where both numbers are the same.
    Purchase.objects.update(lines=[["91003", 1, 1000]])
    assert check(his.id, code=ours.code) == ""
    assert supplied.listed_id == ""


def test_an_order_that_others_were_merged_into_is_shared(placed):
    target = known(placed.id)
    product = make_product("70311")
    for number in ("1", "2"):
        hold(make_order((product, 1)), known(number, merged_into=target))
    assert "another order's goods" in check(placed.id)


def test_an_order_that_names_another_buyer_is_his(shop):
    shop.change_settings(shows_comments=True)
    product = make_product("70311")
    ours, other = make_order((product, 1)), make_order((product, 1))
    placed = shop.manager_order(GOODS, comments=f"Kaspi {other.code} забрать")
    assert f"made for order {other.code}" in check(placed.id, code=ours.code)
    assert check(placed.id, code=other.code) == ""


def test_an_order_that_a_doubtful_purchase_may_have_made_is_not_taken_from_it(placed):
    product = make_product("70311")
    ours, other = make_order((product, 1)), make_order((product, 1))
    purchase = doubt(other, candidates=[{"id": str(placed.id)}])
    assert f"that of purchase №{purchase.pk}" in check(placed.id, code=ours.code)
    # One's own purchase is settled by this very number.
    assert check(placed.id, code=other.code) == ""
    Purchase.objects.update(candidates=[], number=str(placed.id))
    assert "settle that one first" in check(placed.id, code=ours.code)


def test_a_supplier_who_does_not_answer_says_nothing_of_the_order(shop, placed):
    shop.faults.add("drop_before_work", method="order")
    with pytest.raises(PeerUnavailable):
        check(placed.id)


def test_a_token_refused_says_nothing_of_the_order(shop, placed, settings):
    settings.ALSTYLE_TOKEN = "another-token"
    with pytest.raises(PeerAccessRefused):
        check(placed.id)
