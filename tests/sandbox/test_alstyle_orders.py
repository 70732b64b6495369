from __future__ import annotations

import pytest
import requests

from tests.sandbox.buyer import Buyer


@pytest.fixture
def buyer(supplier, http):
    return Buyer(supplier, http)


@pytest.fixture
def article(supplier):
    return supplier.add_good(91_001, stock=10, price1=1000, price2=1500).article


def test_cart_row_has_the_contracts_shape(buyer, article):
    assert buyer.cart() == []
    answer = buyer.add(article, 3)
    assert answer["success"] is True
    assert list(answer["data"][0]) == ["hash"]
    ((key, row),) = buyer.cart().items()
    assert key == str(row["id"]) != str(article)
    assert (row["article"], row["quantity"], row["price"]) == (article, 3, 1000)
    assert (row["price2"], row["balance"], row["total"]) == ("1500", "10", 3000)
    assert row["is_markdown"] == 0


def test_several_articles_go_in_by_comma_lists(buyer, article, supplier):
    supplier.add_good(91_002, stock=5)
    buyer.add(f"{article},91002", "2,4")
    assert {r["article"]: r["quantity"] for r in buyer.cart().values()} == {
        article: 2,
        91_002: 4,
    }


@pytest.mark.parametrize(("switch", "quantity"), [("replace", 3), ("add", 5)])
def test_second_add_replaces_or_adds(buyer, article, supplier, switch, quantity):
    supplier.settings.cart_adds = switch
    buyer.add(article, 2)
    buyer.add(article, 3)
    assert [row["quantity"] for row in buyer.cart().values()] == [quantity]


@pytest.mark.parametrize(
    ("change", "quantity"),
    [({}, 11), ({"price1": 1}, 1), ({"multiplicity": 4}, 6), ({}, 0), ({}, -1)],
)
def test_refused_add_is_silent_by_default(buyer, article, supplier, change, quantity):
    supplier.set_good(article, **change)
    assert buyer.add(article, quantity)["success"] is True
    assert buyer.cart() == []


def test_unknown_article_is_refused_in_every_style(buyer, supplier):
    supplier.settings.add_refusal = "message"
    assert buyer.add(5, 1)["success"] is False
    supplier.settings.add_refusal = "http"
    assert buyer.send("cart-api/add", add=5, quantity=1).status_code == 400
    supplier.settings.add_refusal = "clamp"
    assert buyer.add(5, 1)["success"] is False
    assert buyer.cart() == []


def test_refusal_may_clamp_or_accept(buyer, article, supplier):
    supplier.set_good(article, multiplicity=4)
    supplier.settings.add_refusal = "clamp"
    buyer.add(article, 99)
    assert [row["quantity"] for row in buyer.cart().values()] == [8]
    supplier.settings.add_refusal = "accept"
    buyer.add(article, 99)
    assert [row["quantity"] for row in buyer.cart().values()] == [99]


def test_markdown_row_can_slip_in(buyer, article, supplier):
    supplier.set_good(article, quantity_markdown=2, price_markdown=700)
    supplier.settings.adds_markdown = True
    buyer.add(article, 1)
    (row,) = buyer.cart().values()
    assert (row["is_markdown"], row["price"], row["balance"]) == (1, 700, "2")


def test_remove_takes_one_article_out(buyer, article):
    buyer.add(article, 1)
    answer = buyer.send("cart-api/remove", item=article).json()
    assert answer["data"][0]["success"] is True
    assert buyer.cart() == []


def test_touching_a_managers_rows_is_remembered(buyer, article, supplier):
    supplier.add_foreign_row(article, 2)
    assert [row["quantity"] for row in buyer.cart().values()] == [2]
    assert supplier.cart.foreign_touched == []
    assert buyer.send("cart-api/clear").json() == {"status": True, "data": True}
    assert [touched["by"] for touched in supplier.cart.foreign_touched] == ["clear"]
    supplier.add_foreign_row(article, 2)
    buyer.submit()
    assert [touched["by"] for touched in supplier.cart.foreign_touched][1:] == [
        "submit"
    ]
    supplier.add_foreign_row(article, 1)
    assert supplier.drop_foreign_rows() == 1


def test_submit_makes_an_order_and_empties_the_cart(buyer, article, supplier):
    buyer.add(article, 3)
    answer = buyer.submit(external_id="703214588", comments="Kaspi 703214588")
    number = answer["data"]["id"]

    assert answer == {"status": True, "data": {"status": "ok", "id": number}}
    assert 100_000 <= number <= 999_999
    assert buyer.cart() == []
    assert supplier.goods[article].stock == 7
    listed = buyer.orders()
    assert listed["pagination"]["pageSize"] == 20
    row = listed["elements"][0]
    assert (row["id"], row["sum"], row["status"], row["date_status"]) == (
        number,
        3000,
        None,
        None,
    )
    assert "external_id" not in row
    detail = buyer.send("api/order", id=number).json()["data"]
    assert detail["cart"] == [{"article": article, "price": 1000, "quantity": 3}]
    assert supplier.book()[0]["external_id"] == "703214588"


def test_submit_reads_a_form_body_too(buyer, article, supplier, http):
    buyer.add(article, 1)
    url = f"{supplier.url}/cart-api/submit?access-token={supplier.token}"
    answer = http.post(url, data=buyer.papers(), timeout=5).json()
    assert answer["data"]["status"] == "ok"


@pytest.mark.parametrize(
    "spoil",
    [
        {"shipping_date": ""},
        {"shipping_date": "2030-03-11"},
        {"attorney_json": "{"},
        {"attorney_json": "{}"},
        {"delivery_json": "[]"},
        {"delivery_json": '{"empty": true}'},
    ],
)
def test_submit_without_good_papers_is_refused(buyer, article, supplier, spoil):
    buyer.add(article, 1)
    answer = buyer.submit(**spoil)
    assert answer["status"] is False
    assert answer["message"]
    assert supplier.book() == []
    assert buyer.cart()


def test_expired_power_of_attorney_is_refused(buyer, article, supplier):
    supplier.user_data.variant = "expired"
    buyer.add(article, 1)
    assert "довер" in buyer.submit()["message"]
    supplier.settings.checks_attorney = False
    assert buyer.submit()["status"] is True


def test_get_on_submit_is_not_allowed_and_an_empty_cart_is_refused(buyer, supplier):
    assert buyer.send("cart-api/submit").status_code == 405
    assert buyer.submit()["status"] is False


def test_dropped_submit_leaves_the_order_behind(buyer, article, supplier):
    buyer.add(article, 1)
    papers = buyer.papers()
    supplier.faults.add("drop_after_work", "submit", times=1)
    with pytest.raises(requests.ConnectionError):
        buyer.send("cart-api/submit", "POST", **papers)
    assert len(supplier.book()) == 1
    assert buyer.orders()["pagination"]["totalCount"] == 1
    assert buyer.cart() == []


def test_garbage_from_submit_hides_a_real_order(buyer, article, supplier):
    buyer.add(article, 1)
    supplier.faults.add("garbage", "submit", body='{"status": true, "data": []}')
    assert buyer.submit() == {"status": True, "data": []}
    assert len(supplier.book()) == 1


def test_submit_with_too_little_stock_refuses_cuts_or_oversells(
    buyer, article, supplier
):
    def short(switch):
        supplier.settings.submit_short = switch
        supplier.set_good(article, quantity=10)
        buyer.add(article, 10)
        supplier.set_good(article, quantity=4)
        return buyer.submit()

    assert short("refuse")["status"] is False
    assert short("partial")["status"] is True
    assert supplier.book()[-1]["lines"][0]["quantity"] == 4
    assert short("oversell")["status"] is True
    assert supplier.goods[article].stock == -6


def test_price_is_that_of_the_moment_of_submit(buyer, article, supplier):
    buyer.add(article, 1)
    supplier.set_good(article, price1=1300)
    buyer.submit()
    assert supplier.book()[0]["lines"][0]["price"] == 1300


def test_long_ids_differ_from_submits_and_both_are_understood(buyer, article, supplier):
    supplier.settings.long_order_ids = True
    number = buyer.order(article, 1)
    shown = buyer.orders()["elements"][0]["id"]
    assert isinstance(shown, str)
    assert len(shown) == 11
    assert str(number) not in shown
    assert buyer.send("api/order", id=shown).json()["data"]["sum"] == 1000
    assert buyer.send("cart-api/cancel", order=number).json() == {"status": True}


def test_orders_are_paged_by_twenty_newest_first(buyer, article, supplier):
    supplier.set_good(article, quantity=100)
    for _ in range(25):
        supplier.manager_order({article: 1})
    first, second = buyer.orders(page=1), buyer.orders(page=2)
    assert first["pagination"] == {
        "totalCount": 25,
        "totalPages": 2,
        "pageSize": 20,
        "currentPage": 1,
    }
    numbers = [row["id"] for row in first["elements"] + second["elements"]]
    assert numbers == sorted(numbers, reverse=True)
    assert buyer.orders(page=9)["elements"] == []
    supplier.settings.clamps_page = True
    assert len(buyer.orders(page=9)["elements"]) == 5


def test_statuses_move_with_time_through_the_types(buyer, article, supplier):
    number = buyer.order(article, 1)
    seen = []
    for status, _ in supplier.settings.life:
        while supplier.book()[0]["status"] != status:
            supplier.clock.advance(300)
        seen.append(status)
    assert seen == ["N", "R", "SV", "OS", "P", "F"]
    assert buyer.orders(type="archive")["elements"][0]["id"] == number
    assert buyer.orders(type="index")["elements"] == []


def test_cancel_at_once_gives_the_stock_back(buyer, article, supplier):
    number = buyer.order(article, 4)
    buyer.send("cart-api/cancel", order=number)
    assert buyer.orders(type="canceled")["elements"][0]["status"] == "DA"
    assert supplier.goods[article].stock == 10


def test_cancel_may_come_later_never_or_be_refused(buyer, article, supplier):
    supplier.settings.cancel_mode = "later"
    later = buyer.order(article, 1)
    assert buyer.send("cart-api/cancel", order=later).json() == {"status": True}
    assert supplier.book()[0]["status"] is None
    supplier.clock.advance(61)
    assert supplier.book()[0]["status"] == "DA"

    supplier.settings.cancel_mode = "never"
    never = buyer.order(article, 1)
    assert buyer.send("cart-api/cancel", order=never).json() == {"status": True}
    supplier.clock.advance(200)
    assert supplier.book()[1]["status"] is None
    assert len(supplier.book()[1]["cancel_asked"]) == 1

    supplier.settings.cancel_mode = "refused"
    assert buyer.send("cart-api/cancel", order=never).json()["status"] is False


def test_cancel_is_too_late_once_ready_to_ship(buyer, article, supplier):
    number = buyer.order(article, 1)
    supplier.set_order(number, "SV")
    assert buyer.send("cart-api/cancel", order=number).json()["status"] is False


def test_order_expires_when_told_to(buyer, article, supplier):
    supplier.settings.expire_after_s = 600
    buyer.order(article, 2)
    supplier.clock.advance(601)
    assert supplier.book()[0]["status"] == "DA"
    assert supplier.goods[article].stock == 10


def test_merged_order_points_to_the_other(buyer, article, supplier):
    one, other = buyer.order(article, 1), buyer.order(article, 2)
    supplier.merge_orders(one, other)
    rows = {row["id"]: row for row in buyer.orders()["elements"]}
    assert (rows[one]["status"], rows[one]["merge_with"]) == ("Un", other)
    assert rows[other]["sum"] == 3000
    supplier.orders.cancel(supplier.orders.find(other))
    assert supplier.goods[article].stock == 10


def test_visible_stock_falls_when_the_switch_says(buyer, article, supplier):
    supplier.settings.stock_falls = "shipping"
    number = buyer.order(article, 4)
    assert supplier.goods[article].stock == 10
    assert supplier.free(article) == 6
    buyer.add(article, 7)
    assert buyer.submit()["status"] is False
    supplier.set_order(number, "OS")
    assert supplier.goods[article].stock == 6

    supplier.settings.stock_falls = "later"
    supplier.manager_order({article: 2})
    assert supplier.goods[article].stock == 6
    supplier.clock.advance(3601)
    assert supplier.free(article) == 4
    assert supplier.goods[article].stock == 4


def test_confirm_turns_an_order_into_a_delivery_note(buyer, article, supplier):
    number = buyer.order(article, 1)
    papers = buyer.papers(id=number, date_delivery="11.03.2030")
    answer = buyer.send("api/order-confirm", "POST", **papers).json()
    assert answer["data"]["status"] == "ok"
    assert buyer.orders(type="current")["elements"][0]["status"] == "SV"
    supplier.set_order(number, "DA")
    assert buyer.send("api/order-confirm", "POST", **papers).json()["status"] is False


def test_pdf_is_taken_for_an_order_and_other_files_are_not(buyer, article):
    number = buyer.order(article, 1)
    form = {"order": (None, str(number)), "index": (None, "1")}
    pdf = form | {"file": ("a.pdf", b"%PDF-1.4 test", "application/pdf")}
    assert buyer.send("api/orders-files", "POST", files=pdf).json()["file_name"]
    bad = form | {"file": ("a.pdf", b"<html>", "application/pdf")}
    assert buyer.send("api/orders-files", "POST", files=bad).json()["status"] is False


def test_unknown_order_is_refused(buyer):
    assert buyer.send("api/order", id=1).json()["status"] is False
    assert buyer.send("cart-api/cancel", order=1).json()["status"] is False


def test_misspelt_switches_are_refused(supplier):
    with pytest.raises(ValueError, match="replace, add"):
        supplier.settings.cart_adds = "adds"
    with pytest.raises(AttributeError):
        supplier.settings.cart_add = "add"
