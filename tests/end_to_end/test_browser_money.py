"""The owner at the profit report and at Kaspi's commission, in a real browser."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from openpyxl import load_workbook
from playwright.sync_api import expect

from bridge_site.roles import set_staff, sync_roles
from catalog.models import CommissionRate, Product
from orders.models import Order
from orders.money.booking import book_orders
from tests.catalog.factories import make_category
from tests.end_to_end.judging import looked_at
from tests.orders.factories import make_order, make_product

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
REPORT = "/admin/orders/booking/"


def fill() -> None:
    """Sell for two months, with losses, returns and what is not known."""
    now = timezone.now()
    if not CommissionRate.objects.exists():
        CommissionRate.objects.create(percent="12.5", holds_from="2020-01-01")
    goods = [
        make_product(
            str(70_311 + n),
            name=name,
            brand=brand,
            cost_kzt=cost,
            category=make_category(str(n), name=branch, path=f"Товары / {branch}"),
        )
        for n, (name, brand, cost, branch) in enumerate(
            (
                ("Мышь беспроводная Zeta ZX-118B", "Zeta", 4_200, "Мыши"),
                ("Клавиатура механическая Delux KM-13", "Delux", 9_800, "Клавиатуры"),
                ('Монитор 27" Philips 271V8L', "Philips", 61_000, "Мониторы"),
                ("Кабель витая пара 305 м", "", 18_500, "Кабели"),
                ("Коммутатор 8 портов", "Zeta", None, "Сеть"),
            )
        )
    ]
    for day in range(64):
        for number in range(1 + day % 3):
            product = goods[(day + number) % len(goods)]
            _sell(product, now - timedelta(days=day), number=day * 7 + number)
    for product in goods[:3]:
        order = make_order((product, 1), delivery_fee_kzt=1_099)
        order.lines.update(price_kzt=int((product.cost_kzt or 0) * 1.05))
        book_orders([order], now=now)


def _sell(product: Product, at: datetime, *, number: int) -> None:
    share = 1.02 if number % 9 == 0 else 1.35
    order = make_order(
        (product, 1 + number % 2),
        created_at=at - timedelta(days=2),
        status=Order.COMPLETED,
        state=Order.ARCHIVE,
        ended_at=at,
        delivery_fee_kzt=1_099,
    )
    order.lines.update(price_kzt=int((product.cost_kzt or 20_000) * share))
    book_orders([order], now=at)
    if number % 11 == 5:
        order.status = Order.RETURNED
        order.save()
        book_orders([order], now=at + timedelta(days=3))


def open_as(browser: Any, url: str, *, role: str, width: int, theme: str) -> Any:
    sync_roles()
    set_staff(role, role=role, password=PASSWORD)
    context = browser.new_context(
        viewport={"width": width, "height": 900}, locale="ru-RU", color_scheme=theme
    )
    page = context.new_page()
    page.goto(f"{url}/admin/")
    page.fill("#id_username", role)
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
    return page


@pytest.mark.parametrize(
    ("width", "theme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
)
def test_the_report_is_whole_at_every_width_and_in_both_lights(
    live_server, chromium, width, theme
):
    fill()
    page = open_as(chromium, live_server.url, role="owner", width=width, theme=theme)
    page.goto(f"{live_server.url}{REPORT}")
    looked_at(page, "report")
    page.goto(f"{live_server.url}{REPORT}?p=30&by=product")
    looked_at(page, "report-product")
    # On a phone too a table to read down, with the columns that matter most.
    expect(page.locator(".money-table:not(.has-cards)")).to_have_count(1)
    page.goto(f"{live_server.url}/admin/catalog/commissionrate/")
    looked_at(page, "commission")
    page.goto(f"{live_server.url}/admin/orders/order/?money=below&tab=open")
    looked_at(page, "orders-below")


def test_the_owner_finds_what_a_product_earned_and_takes_it_along(
    live_server, chromium
):
    fill()
    page = open_as(chromium, live_server.url, role="owner", width=1440, theme="light")
    page.goto(f"{live_server.url}{REPORT}")
    page.get_by_role("link", name="по товарам").click()
    page.get_by_role("link", name="прибыль", exact=True).click()
    first = page.locator(".money-table tbody tr").first
    expect(first).to_contain_text("Монитор")
    with page.expect_download() as started:
        page.get_by_role("link", name="Скачать XLSX").click()
    book = load_workbook(BytesIO(Path(started.value.path()).read_bytes()))
    table = list(book.worksheets[0].values)
    assert table[-1][0] == "итого"
    assert table[-1][11] == sum(row[11] for row in table[1:-1])
    number = first.locator(".col-orders").inner_text()
    first.locator(".col-orders a").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(int(number))
    page.go_back()
    page.locator(".money-table tbody tr").first.locator("th a").click()
    expect(page.locator(".only")).to_contain_text("Монитор")


def test_a_loss_stands_out_in_the_list_of_orders(live_server, chromium):
    fill()
    page = open_as(chromium, live_server.url, role="owner", width=1440, theme="light")
    page.goto(f"{live_server.url}/admin/orders/order/")
    expect(page.locator("#result_list .pill.bad", has_text="убыток")).to_have_count(3)
    page.locator("details.filter summary", has_text="Прибыль").click()
    page.get_by_role("link", name="меньше наименьшей маржи").click()
    page.wait_for_url("**money=below**")
    expect(page.locator("#result_list tbody tr")).to_have_count(3)
