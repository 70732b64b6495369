"""The search box: whatever staff know of an order or a good leads to it."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backoffice.searching import SHOWN, Sought
from orders.models import Buyer, Order, Reservation, SupplierOrder, Waybill
from tests.orders.factories import make_order, make_product
from tests.staff import HOSTILE, log_in, log_in_without_role, page

pytestmark = pytest.mark.django_db
PRODUCTS, ORDERS = "/admin/catalog/product/", "/admin/orders/order/"


@pytest.fixture
def kettle():
    return make_product(
        "70311",
        name="Чайник Zeta ZK-12 белый",
        sku="AB-70311",
        part_number="ZK12/W",
        barcode="4607177450017",
    )


@pytest.fixture
def order(kettle):
    """One order among others that bear none of its marks."""
    for number in range(3):
        other = make_product(f"8000{number}", name="Кофемолка", sku=f"X{number}")
        make_order((other, 1), code=f"90000000{number}", waybill_number=f"W{number}")
    order = make_order(
        (kettle, 1), code="703214588", waybill_number="KSP-00042", total_kzt=15_990
    )
    Buyer.objects.create(order=order, name="Асель Иванова", phone="7011234567")
    supplied = SupplierOrder.objects.create(
        supplier_order_id="1100042", listed_id="00-1100042", placed_at=timezone.now()
    )
    Reservation.objects.filter(order=order).update(
        status=Reservation.Status.HELD, supplier_order=supplied
    )
    Waybill.objects.create(
        order=order, number="KSP-00043", pdf=b"", fetched_at=timezone.now()
    )
    return order


@pytest.fixture
def operator(settings):
    return log_in(settings, "operator")


def look(client, typed):
    return client.post("/admin/search/", {"q": typed}, follow=True)


def leads_to(client, typed) -> str:
    """Say which page a search ends at; its own page counts as none."""
    response = look(client, typed)
    url = response.redirect_chain[-1][0]
    return "" if url.startswith("/admin/search/") else url


@pytest.mark.parametrize(
    "typed",
    [
        "703214588",
        "№703214588",
        "№ 703214588",
        "#703214588",
        "703 214 588",
        " 703-214-588 ",
        "Заказ № 703214588",
        "4588",
        "214588",
        "KSP-00042",
        "ksp-00042",
        "KSP-00043",
        "1100042",
        "00-1100042",
        "+7 (701) 123-45-67",
        "87011234567",
        "701 123 45 67",
        "Асель",
        "иванова",
        "Иванова Асель",
        # In the other keyboard layout: "Асель", "KSP-00042"; and Cyrillic letters that
        # look Latin.
        "Fctkm",
        "лыз-00042",
        "КSР-00042",
    ],
)
def test_an_order_is_found_by_whatever_is_known_of_it(order, operator, typed):
    assert leads_to(operator, typed) == f"{ORDERS}{order.pk}/change/"


@pytest.mark.parametrize(
    "typed",
    [
        "70311",
        "AB-70311",
        "ab-70311",
        "АВ-70311",
        "ZK12/W",
        "zk12/w",
        "4607177450017",
        "чайник",
        "ЧАЙНИК zeta",
        "xfqybr",
        "703",
    ],
)
def test_a_good_is_found_by_its_numbers_and_words(kettle, operator, typed):
    assert leads_to(operator, typed) == f"{PRODUCTS}{kettle.pk}/change/"


def test_goods_lead_to_their_orders_too_which_come_first(order, kettle, operator):
    for typed in ("70311", "AB-70311", "чайник"):
        response = look(operator, typed)
        html = response.content.decode()
        ours, theirs = f"{ORDERS}{order.pk}/change/", f"{PRODUCTS}{kettle.pk}/change/"
        assert 0 < html.index(ours) < html.index(theirs), typed
        assert "Асель Иванова · +7 701 123 45 67" in html


def test_an_orders_own_code_leads_to_it_whatever_else_bears_the_number(order, operator):
    make_product("999", sku="703214588")
    assert leads_to(operator, "703214588") == f"{ORDERS}{order.pk}/change/"


def test_several_orders_stand_newest_first_and_the_rest_is_named(operator, kettle):
    now = timezone.now()
    codes = [
        make_order(
            (kettle, 1), code=f"{7000 + n}4588", created_at=now - timedelta(n)
        ).code
        for n in range(SHOWN + 2)
    ]
    html = look(operator, "4588").content.decode()
    places = [html.find(f">{code}<") for code in codes]
    assert places[:SHOWN] == sorted(places[:SHOWN])
    assert -1 not in places[:SHOWN]
    assert places[SHOWN:] == [-1, -1]
    assert f"{SHOWN}+" in html
    assert "There are more" in html


def test_orders_at_al_style_that_are_for_no_order_are_found(operator):
    one = SupplierOrder.objects.create(
        supplier_order_id="1100077", placed_at=timezone.now()
    )
    url = f"/admin/orders/supplierorder/{one.pk}/change/"
    assert leads_to(operator, "№1100077") == url


def test_buyers_are_found_only_by_those_who_may_know_them(order, operator, settings):
    viewer = log_in(settings, "viewer")
    for typed in ("+7 701 123 45 67", "Асель", "Fctkm"):
        assert leads_to(operator, typed)
        html = look(viewer, typed).content.decode()
        assert "Nothing was found" in html
    make_order((make_product("5"), 1), code="100004588")
    assert "Асель" in look(operator, "4588").content.decode()
    html = look(viewer, "4588").content.decode()
    assert order.code in html
    assert "Асель" not in html
    assert "701 123" not in html


@pytest.mark.parametrize(
    ("right", "typed", "found"),
    [
        ("catalog.view_product", "чайник", True),
        ("catalog.view_product", "703214588", False),
        ("orders.view_order", "703214588", True),
        ("feeds.view_feedbuild", "чайник", False),
    ],
)
def test_each_finds_what_they_may_view(order, right, typed, found):
    assert bool(leads_to(log_in_without_role(right), typed)) == found


def test_what_is_typed_is_in_no_address_and_no_log(order, operator, caplog):
    caplog.set_level(logging.DEBUG)
    phone = "701 123 45 67"
    make_order((make_product("5"), 1))
    Buyer.objects.create(order=Order.objects.latest("pk"), phone="7011234567")
    response = look(operator, phone)
    ((url, _status),) = response.redirect_chain
    assert "701" not in url
    assert not [r for r in caplog.records if phone in r.getMessage()]
    # It is there again on the way back.
    assert order.code in operator.get(url).content.decode()
    # No other search's page shows it: each has an address and a cookie of its own.
    assert look(operator, phone).redirect_chain[-1][0] != url


def test_a_page_that_is_not_this_browsers_asks_anew(order, operator, settings):
    make_order((make_product("5"), 1), code="100004588")
    url = look(operator, "4588").redirect_chain[-1][0]
    stranger = log_in(settings, "viewer")
    response = stranger.get(url)
    assert response.status_code == 302
    assert response.headers["location"] == "/admin/search/"


def test_a_stranger_finds_nothing(client, order):
    response = client.post("/admin/search/", {"q": "4588"})
    assert response.headers["location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    "typed", ["", "   ", "№", "'", "%", "_", "\\", "%%%%", "ж" * 999]
)
def test_odd_texts_find_nothing_and_break_nothing(order, operator, typed):
    assert look(operator, typed).status_code == 200
    assert leads_to(operator, typed) == ""


def test_names_that_would_like_to_be_code_are_text(operator, kettle):
    for _number in range(2):
        order = make_order((kettle, 1))
        Buyer.objects.create(order=order, name=f"Зухра {HOSTILE}")
    html = look(operator, "Зухра").content.decode()
    assert html.count("Зухра") >= 2
    assert "<script>alert" not in html


def test_the_box_is_on_every_page_for_those_who_may_find(operator, settings):
    for url in ("/admin/", PRODUCTS, "/admin/search/"):
        assert 'id="search-everywhere"' in page(operator, url)
    newcomer = log_in_without_role("feeds.view_feedbuild")
    assert 'id="search-everywhere"' not in page(newcomer, "/admin/")


def test_a_search_takes_twelve_queries_at_most_and_no_more_for_more(
    order, operator, kettle
):
    def count(typed: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            operator.post("/admin/search/", {"q": typed})
        return len(queries)

    for typed in ("4588", "чайник", "xfqybr pzzz", "70311", "нет такого", "Fctkm"):
        few = count(typed)
        assert few <= 12, typed
        for number in range(5):
            one = make_order((kettle, 1), code=f"{typed[:2]}{number}4588")
            Buyer.objects.create(order=one, name="Асель", phone="7011234567")
        assert count(typed) <= 12, typed


@pytest.mark.parametrize(
    ("typed", "digits", "phone"),
    [
        ("№ 703 214 588", "703214588", ""),
        ("+7 701 123-45-67", "77011234567", "7011234567"),
        ("8 (701) 123 45 67", "87011234567", "7011234567"),
        ("7011234567", "7011234567", "7011234567"),
        ("KSP-00042", "", ""),
        ("чайник", "", ""),
    ],
)
def test_numbers_are_read_through_their_signs(typed, digits, phone):
    sought = Sought.of(typed)
    assert (sought.digits, sought.phone) == (digits, phone)
