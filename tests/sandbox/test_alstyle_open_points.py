"""What the contract leaves open: each point a switch."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import requests

from sandbox import AlStyleServer, wait_until
from sandbox.clock import Clock
from tests.sandbox.buyer import Buyer

# A Friday, 23:30 in Almaty, 21:30 in Moscow, 18:30 UTC.
FRIDAY = datetime(2026, 3, 13, 18, 30, 5, tzinfo=timezone.utc)


@pytest.fixture
def supplier():
    clock = Clock(start=FRIDAY, speed=0)
    with AlStyleServer(interval_s=0, clock=clock) as peer:
        yield peer
    assert peer.crashes == []


@pytest.fixture
def buyer(supplier, http):
    return Buyer(supplier, http)


@pytest.fixture
def article(supplier):
    return supplier.add_good(91_001, stock=10, price1=1000, price2=1500).article


def listed(buyer, **params):
    return [row["id"] for row in buyer.orders(**params)["elements"]]


@pytest.mark.parametrize(
    ("date_format", "date_zone", "shown"),
    [
        ("seconds", "almaty", "2026-03-13 23:30:05"),
        ("seconds", "moscow", "2026-03-13 21:30:05"),
        ("minutes", "utc", "13.03.2026 18:30"),
        ("day", "almaty", "2026-03-13"),
        ("iso", "utc", "2026-03-13T18:30:05"),
        ("iso-zone", "almaty", "2026-03-13T23:30:05+05:00"),
        ("empty", "almaty", None),
    ],
)
def test_dates_have_many_forms(buyer, article, supplier, date_format, date_zone, shown):
    supplier.change_settings(date_format=date_format, date_zone=date_zone)
    buyer.order(article, 1)
    assert buyer.orders()["elements"][0]["date"] == shown


def test_an_unknown_form_is_refused(supplier):
    with pytest.raises(ValueError, match="date_format is one of"):
        supplier.change_settings(date_format="roman")


def test_lists_stand_newest_or_oldest_first_or_shuffled_for_good(
    buyer, article, supplier
):
    made = [buyer.order(article, 1) for _ in range(8)]
    assert listed(buyer) == made[::-1]
    supplier.settings.list_order = "oldest"
    assert listed(buyer) == made
    supplier.settings.list_order = "shuffled"
    shuffled = listed(buyer)
    assert shuffled not in (made, made[::-1])
    newest = buyer.order(article, 1)
    assert [number for number in listed(buyer) if number != newest] == shuffled


def test_a_new_order_is_listed_late_and_read_later_still(buyer, article, supplier):
    supplier.change_settings(listed_after_s=120, order_hidden_s=60)
    number = buyer.order(article, 1)
    assert listed(buyer) == []
    supplier.clock.advance(119)
    assert listed(buyer) == []
    supplier.clock.advance(1)
    assert listed(buyer) == [number]
    assert buyer.send("api/order", id=number).status_code == 404
    supplier.clock.advance(60)
    assert buyer.send("api/order", id=number).json()["data"]["id"] == number


def test_submit_may_answer_the_long_id_too(buyer, article, supplier):
    supplier.change_settings(long_order_ids=True, long_submit_ids=True)
    number = buyer.order(article, 1)
    assert listed(buyer) == [number]


def test_an_order_may_be_read_by_the_listed_id_only(buyer, article, supplier):
    supplier.change_settings(long_order_ids=True, reads_submit_ids=False)
    number = buyer.order(article, 1)
    (long,) = listed(buyer)
    assert buyer.send("api/order", id=number).status_code == 404
    assert buyer.send("api/order", id=long).json()["data"]["id"] == long


@pytest.mark.parametrize("shows", [set(), {"external_id"}, {"comments"}])
def test_our_reference_comes_back_or_not(buyer, article, supplier, shows):
    supplier.change_settings(**{f"shows_{name}": True for name in shows})
    buyer.order(article, 1, external_id="703", comments="Kaspi 703")
    row = buyer.orders()["elements"][0]
    assert {"external_id", "comments"} & set(row) == shows


@pytest.mark.parametrize("goods", ["other", "equal"])
def test_other_people_order_around_a_filling(buyer, article, supplier, goods):
    supplier.change_settings(
        others_per_order=3, others_goods=goods, others_after_s=5, shows_comments=True
    )
    buyer.add(article, 4)
    buyer.cart()
    buyer.cart()
    number = buyer.submit()["data"]["id"]
    assert len(listed(buyer)) == 2
    supplier.clock.advance(5)
    others = [order for order in supplier.all_orders() if order.by == "other"]
    assert len(others) == 3
    assert min(order.id for order in others) < number
    lines = {(order.lines[0].article, order.lines[0].quantity) for order in others}
    assert (lines == {(article, 4)}) is (goods == "equal")
    # They take nothing of the shop's stock.
    assert supplier.free(article) == 6


def test_other_peoples_orders_may_have_words(buyer, article, supplier):
    supplier.change_settings(
        others_per_order=2, others_every=2, others_comments=True, others_after_s=0
    )
    for _ in range(3):
        buyer.add(article, 1)
        buyer.cart()
        buyer.submit()
    supplier.clock.advance(1)
    others = [order for order in supplier.all_orders() if order.by == "other"]
    assert len(others) == 4
    assert all(order.comments for order in others)


def test_a_lost_submit_may_work_half_a_minute_later(buyer, article, supplier):
    supplier.settings.late_submit_s = 30
    supplier.faults.add("drop_after_work", "submit", times=1)
    buyer.add(article, 2)
    with pytest.raises(requests.ConnectionError):
        buyer.submit()
    supplier.clock.advance(29)
    assert supplier.all_orders() == []
    assert len(buyer.cart()) == 1
    # It takes what the cart holds by then.
    supplier.add_foreign_row(812_000, 1)
    supplier.drop_foreign_rows()
    buyer.add(article, 3)
    supplier.clock.advance(1)
    (order,) = supplier.all_orders()
    assert order.lines[0].quantity == 3
    assert buyer.cart() == []


def test_late_work_finds_an_empty_cart_and_makes_nothing(buyer, article, supplier):
    supplier.faults.add("late_work", "submit", times=1, seconds=30)
    buyer.add(article, 2)
    with pytest.raises(requests.ConnectionError):
        buyer.submit()
    number = buyer.submit()["data"]["id"]
    supplier.clock.advance(30)
    assert [order.id for order in supplier.all_orders()] == [number]
    assert [call.worked for call in supplier.calls("submit")] == [True, True]


def test_late_work_is_done_though_nobody_asks(http):
    with AlStyleServer(interval_s=0) as peer:
        buyer = Buyer(peer, http)
        article = peer.add_good(91_001, stock=10).article
        peer.faults.add("late_work", "submit", seconds=0.1)
        buyer.add(article, 2)
        with pytest.raises(requests.ConnectionError):
            buyer.submit()
        assert wait_until(lambda: bool(peer.orders.orders))
    assert peer.crashes == []


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ("any", []),
        ("future", ["12.03.2026", "13.03.2026"]),
        ("working", ["12.03.2026", "13.03.2026", "15.03.2026"]),
    ],
)
def test_shipping_dates_are_refused(buyer, article, supplier, rule, refused):
    supplier.settings.shipping_days = rule
    days = [f"{day}.03.2026" for day in (12, 13, 14, 15, 16)]
    answers = {}
    for day in days:
        buyer.add(article, 1)
        answers[day] = buyer.submit(shipping_date=day)["status"]
    assert [day for day, made in answers.items() if not made] == refused


def test_plenty_may_never_fall(buyer, supplier):
    supplier.settings.plenty_falls = False
    article = supplier.add_good(91_001, stock=51, price1=1000).article
    number = buyer.order(article, 4)
    assert supplier.goods[article].quantity == ">50"
    buyer.send("cart-api/cancel", order=number)
    assert supplier.goods[article].stock == 51


def test_newer_methods_are_there_or_not(buyer, article, supplier):
    number = buyer.order(article, 4)
    ask = {"id": number, "article": article, "quantity": 1}
    path = "api/order-item-update"
    assert buyer.send(path, "POST", **ask).status_code == 404
    supplier.settings.newer_methods = True
    assert buyer.send(path, "POST", **ask).json() == {"status": True}
    assert supplier.goods[article].stock == 9
    other = buyer.order(article, 1)
    buyer.send("api/orders-merge", "POST", from_id=other, to_id=number)
    assert supplier.book()[1]["merge_with"] == number
    buyer.send("api/order-item-delete", "POST", id=number, article=article)
    assert supplier.book()[0]["status"] == "DA"
    tomorrow = f"{FRIDAY + timedelta(days=1):%d.%m.%Y}"
    assert listed(buyer, type="canceled", date_from=tomorrow) == []


@pytest.mark.parametrize(
    ("switches", "number_stays", "moment_stays", "is_new_one_told"),
    [
        ({}, True, True, True),
        ({"cart_marks": "changing"}, True, False, True),
        ({"cart_marks": "renumbered"}, False, False, True),
        ({"cart_numbers": "goods"}, True, True, False),
    ],
)
def test_a_row_may_keep_its_number_and_moment_or_not(
    buyer, article, supplier, switches, number_stays, moment_stays, is_new_one_told
):
    supplier.change_settings(**switches)
    buyer.add(article, 2)
    (first,), (again,) = buyer.cart().items(), buyer.cart().items()
    assert (first[0] == again[0]) is number_stays
    assert (first[1]["time"] == again[1]["time"]) is moment_stays
    assert all(number == str(row["id"]) for number, row in (first, again))
    buyer.send("cart-api/remove", item=article)
    buyer.add(article, 2)
    (new,) = buyer.cart()
    assert (new != again[0]) is is_new_one_told


# -- a manager at the same cart -------------------------------------------------------


def test_a_managers_pieces_go_when_add_replaces_and_stay_when_it_adds(
    buyer, article, supplier
):
    supplier.add_foreign_row(article, 2)
    buyer.add(article, 3)
    (touched,) = supplier.cart.foreign_touched
    assert (touched["by"], touched["quantity"], touched["seen"]) == ("add", 2, False)
    assert supplier.drop_foreign_rows() == 0
    supplier.settings.cart_adds = "add"
    supplier.add_foreign_row(article, 2)
    assert [row["quantity"] for row in buyer.cart().values()] == [5]
    buyer.add(article, 1)
    assert supplier.cart.foreign_touched[-1]["seen"] is True
    assert supplier.drop_foreign_rows() == 1
    assert [row["quantity"] for row in buyer.cart().values()] == [4]


def test_a_manager_replaces_our_pieces_too(buyer, article, supplier):
    buyer.add(article, 3)
    supplier.add_foreign_row(article, 2)
    assert [row["quantity"] for row in buyer.cart().values()] == [2]
    supplier.drop_foreign_rows()
    assert buyer.cart() == []


def test_what_went_along_stands_in_the_book(buyer, article, supplier):
    other = supplier.add_good(91_002, stock=5).article
    buyer.add(article, 3)
    buyer.cart()
    supplier.add_foreign_row(other, 2)
    number = buyer.submit()["data"]["id"]
    assert supplier.book()[0]["foreign"] == {other: 2}
    (touched,) = supplier.cart.foreign_touched
    assert (touched["by"], touched["seen"], touched["order"]) == (
        "submit",
        False,
        number,
    )


def test_a_manager_comes_orders_and_goes(buyer, article, supplier):
    buyer.add(article, 3)
    buyer.cart()
    buyer.submit()
    supplier.change_settings(
        manager_every_s=60, manager_stays_s=30, manager_same_goods=1, manager_orders=0
    )
    buyer.cart()
    supplier.clock.advance(90)
    assert [row["article"] for row in buyer.cart().values()] == [article]
    supplier.clock.advance(30)
    assert buyer.cart() == []
    supplier.settings.manager_orders = 1
    buyer.cart()
    supplier.clock.advance(90)
    (order,) = (order for order in supplier.all_orders() if order.by == "manager")
    assert (order.lines[0].article, order.lines[0].quantity) == (article, 3)
    assert supplier.others.visits == {"rows": 1, "orders": 1}
    supplier.others.go_home()
    supplier.clock.advance(900)
    assert buyer.cart() == []


def test_a_manager_who_wants_just_what_is_there_changes_nothing(
    buyer, article, supplier
):
    buyer.add(article, 3)
    supplier.add_foreign_row(article, 3)
    assert supplier.drop_foreign_rows() == 0
    buyer.send("cart-api/remove", item=article)
    assert supplier.cart.foreign_touched == []
