"""A buyer calls: the owner finds what is held, hands it out and erases it."""

from __future__ import annotations

import zipfile

import pytest
from playwright.sync_api import expect

from bridge_site.roles import set_staff, sync_roles
from orders.models import Buyer, Order
from orders.plan.events import record
from plumbing.leases import database_now
from tests.end_to_end.judging import follow, looked_at
from tests.orders.factories import make_order, make_product

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
PHONE = "7011234567"


@pytest.fixture
def orders():
    """Three orders of one buyer, the last of them still under way."""
    kettle = make_product("70311", name="Чайник Zeta ZK-12 белый")
    made = []
    for place in range(3):
        over = {"state": "ARCHIVE", "status": "COMPLETED", "ended_at": database_now()}
        order = make_order(
            (kettle, 1), code=f"70321{4 + place}588", **(over if place < 2 else {})
        )
        Buyer.objects.create(
            order=order, name="Асель Иванова", phone=PHONE, address="Алматы, Абая 10"
        )
        record(order, "Проверено", now=database_now())
        made.append(order)
    Order.objects.filter(pk=made[0].pk).update(note="просила звонить вечером")
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_a_buyer_gets_their_data_and_has_them_erased(
    orders, live_server, chromium, tmp_path, width, scheme
):
    sync_roles()
    set_staff("olga", role="owner", password=PASSWORD)
    context = chromium.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        locale="ru-RU",
        accept_downloads=True,
    )
    page = context.new_page()

    page.goto(f"{live_server.url}/admin/login/")
    page.fill("#id_username", "olga")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
    page.goto(f"{live_server.url}/admin/orders/buyerrequest/")
    looked_at(page, "buyers-requests")
    follow(page.get_by_role("link", name="Обратился покупатель"))
    looked_at(page, "buyers-find")
    page.get_by_label("Номер заказа или телефон покупателя").fill("+7 701 123 45 67")
    page.locator("form.confirm button.main").click()
    expect(page.get_by_text("заказ ещё в работе")).to_be_visible()
    assert PHONE not in page.url
    looked_at(page, "buyers-about")
    with page.expect_download() as download:
        page.get_by_role("button", name="Выгрузить одним файлом").click()
    download.value.save_as(tmp_path / "buyer.zip")
    with zipfile.ZipFile(tmp_path / "buyer.zip") as archive:
        assert "Асель Иванова" in archive.read("buyer.txt").decode()
    follow(page.get_by_role("button", name="Стереть…"))
    looked_at(page, "buyers-erase")
    page.get_by_label("Я убедился, что просит сам покупатель").check()
    page.get_by_role("button", name="Стереть данные покупателя").click()
    expect(page.get_by_text("Данные покупателя стёрты в 2 заказах.")).to_be_visible()
    looked_at(page, "buyers-trail")
    assert Buyer.objects.get().order == orders[2]
    page.goto(f"{live_server.url}/admin/orders/order/{orders[0].pk}/change/")
    expect(page.get_by_text("стёрты по просьбе покупателя").first).to_be_visible()
    looked_at(page, "buyers-order")
    context.close()
