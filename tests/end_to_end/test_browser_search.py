"""The search box in a real browser: from whatever is known to the order's page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from bridge_site.roles import set_staff, sync_roles
from orders.models import Buyer, Order, Reservation, SupplierOrder
from tests.end_to_end.judging import looked_at
from tests.orders.factories import make_order, make_product

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
WIDTHS = {"desktop": 1440, "phone": 390}


@pytest.fixture
def bridge(live_server):
    """Serve a bridge with a few kettles and their orders."""
    now = timezone.now()
    kettle = make_product(
        "70311", name="Чайник Zeta ZK-12 белый", sku="AB-70311", part_number="ZK12/W"
    )
    make_product("70312", name="Чайник Zeta ZK-14, сталь, 1,7 л, терморегулятор")
    mouse = make_product("80100", name="Мышь Orion M-5")
    for place, (name, product) in enumerate(
        (
            ("Асель Иванова", kettle),
            ("Данияр Ахметов", kettle),
            ("Мария Ким", mouse),
        )
    ):
        order = make_order(
            (product, 1 + place),
            code=f"70321{4 + place}588",
            waybill_number=f"KSP-0004{place}",
            total_kzt=15_990 + place,
            created_at=now - timedelta(days=2 * place),
        )
        order.lines.update(name=product.name)
        Buyer.objects.create(order=order, name=name, phone=f"701123456{place}")
        supplied = SupplierOrder.objects.create(
            supplier_order_id=f"110004{place}", placed_at=now
        )
        Reservation.objects.filter(order=order).update(
            status=Reservation.Status.HELD, supplier_order=supplied
        )
    sync_roles()
    set_staff("anna", role="operator", password=PASSWORD)
    return live_server.url


@pytest.fixture
def open_page(chromium, bridge):
    def log_in(*, width: int = 1440, dark: bool = False) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            locale="ru-RU",
            color_scheme="dark" if dark else "light",
        )
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.goto(f"{bridge}/admin/")
        page.fill("#id_username", "anna")
        page.fill("#id_password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{bridge}/admin/")
        return page

    return log_in


def look(page: Any, text: str) -> None:
    """Type as people do: the key that leads to the box, the text, Enter."""
    page.locator("h1").first.click()
    page.keyboard.press("/")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(
    "text",
    [
        "703214588",
        "№ 703 214 588",
        "214588",
        "KSP-00040",
        "1100040",
        "+7 701 123-45-60",
        "асель",
        "Fctkm",
    ],
)
def test_each_kind_of_word_leads_straight_to_the_order(open_page, bridge, text):
    page = open_page()
    order = Order.objects.get(code="703214588")
    look(page, text)
    page.wait_for_url(f"{bridge}/admin/orders/order/{order.pk}/change/")
    expect(page.locator("h1").first).to_contain_text("703214588")


def test_several_are_shown_by_kind_and_stay_on_the_way_back(open_page):
    page, other = open_page(), None
    look(page, "чайник")
    expect(page.locator("h1").first).to_have_text("Поиск: «чайник»")
    kinds = page.locator(".found h2")
    expect(kinds).to_have_text(["Заказы 2", "Товары 2"])
    first = page.locator(".found li").first
    expect(first).to_contain_text("703214588")
    expect(first).to_contain_text("Асель Иванова · +7 701 123 45 60")
    assert "%" not in page.url
    other = page.context.new_page()
    other.goto(page.url.split("/admin/")[0] + "/admin/catalog/product/")
    look(other, "4588")
    other.locator("#search-everywhere").fill("588")
    other.keyboard.press("Enter")
    expect(other.locator("h1").first).to_have_text("Поиск: «588»")
    first.locator("a").click()
    page.wait_for_url("**/orders/order/*/change/")
    page.go_back()
    expect(page.locator("h1").first).to_have_text("Поиск: «чайник»")


def test_the_key_is_an_ordinary_letter_where_somebody_types(open_page):
    page = open_page()
    page.goto(page.url + "orders/order/")
    box = page.locator("#searchbar")
    box.fill("1")
    page.keyboard.type("/2")
    expect(box).to_have_value("1/2")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_what_is_found_fits_and_has_no_accessibility_violations(open_page, width, dark):
    page = open_page(width=width, dark=dark)
    for text, name in (("чайник", "several"), ("телескоп", "nothing")):
        page.locator("#search-everywhere").fill(text)
        page.keyboard.press("Enter")
        expect(page.locator("h1").first).to_have_text(f"Поиск: «{text}»")
        looked_at(page, f"search-{name}")
