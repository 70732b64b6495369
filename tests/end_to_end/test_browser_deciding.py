"""Somebody decides about orders that need a person, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

from bridge_site.roles import set_staff, sync_roles
from orders.models import Order, Reason, Reservation, Step
from tests.end_to_end.judging import SCREENS, follow, looked_at, new_page, problems_of
from tests.orders.factories import make_product, reservation_of, step_of
from tests.orders.stuck import not_bought, states_of
from tests.staff import make_category, make_import

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
TYPICAL = (
    Reason.OUT_OF_STOCK,
    Reason.UNKNOWN_SKU,
    Reason.LOSES_MONEY,
    Reason.WHICH_ORDER,
    Reason.WATCHED,
    Reason.NOT_SHOWN,
    Reason.CANCEL_REFUSED,
)


@pytest.fixture
def product():
    category = make_category("Чайники")
    make_import()
    for number in range(3):
        make_product(
            f"7040{number}",
            name=f"Чайник электрический Redmond RK-M17{number}",
            brand="Redmond",
            part_number=f"RK-M17{number}",
            category=category,
            cost_kzt=9_000 + 700 * number,
            price_kzt=13_990,
        )
    return make_product(
        "70311",
        name="Чайник электрический Redmond RK-M1721, серебристый",
        brand="Redmond",
        part_number="RK-M1721",
        category=category,
        stock=0,
        cost_kzt=8_700,
    )


def log_in(browser: Any, url: str, *, width: int = 1440, scheme: str = "light") -> Any:
    sync_roles()
    set_staff("anna", role="operator", password=PASSWORD)
    page = new_page(browser)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{url}/admin/")
    page.fill("#id_username", "anna")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
    return page


def page_of(url: str, order: Order) -> str:
    return f"{url}/admin/orders/order/{order.pk}/change/"


def test_every_reason_has_a_card_that_can_be_read(product, live_server, chromium):
    page = log_in(chromium, live_server.url)
    problems: list[str] = []
    for reason in Reason:
        for order, _step in states_of(reason, product):
            page.goto(page_of(live_server.url, order))
            card = page.locator(".stuck-card").first
            assert card.locator(".decide-main").count() == 1, reason
            assert "cabinet" not in card.inner_text()
            # Beside the card one order's page is like another's.
            is_typical = reason in TYPICAL
            problems += problems_of(
                page,
                f"reason-{reason}",
                within="" if is_typical else ".stuck-card",
                screens=SCREENS if is_typical else SCREENS[:1],
            )
            break
    assert not problems, "\n".join(problems)


def test_a_shortage_is_cancelled_with_its_consequence_told(
    product, live_server, chromium
):
    order, _step = not_bought(Reason.OUT_OF_STOCK, product)
    page = log_in(chromium, live_server.url)
    page.goto(f"{live_server.url}/admin/orders/order/?tab=person")
    page.click(f"text={order.code}")
    card = page.locator(".stuck-card")
    assert "Нет у поставщика" in card.inner_text()
    assert "RK-M170" in card.locator(".similar").inner_text()
    link = card.locator(".outside a").first
    address = link.get_attribute("href")
    assert address == f"https://kaspi.kz/mc/#/orders/{order.code}"
    assert link.get_attribute("target") == "_blank"
    card.locator(".decide-main a").click()
    page.check("input[value=MERCHANT_OUT_OF_STOCK]")
    page.get_by_role("button", name="Отменить заказ").click()
    page.wait_for_selector(".messagelist .success")
    assert step_of(order, Step.Kind.CANCEL).status == Step.Status.PENDING


@pytest.mark.parametrize("width", [1440, 390])
def test_an_unknown_sku_is_given_its_product_in_three_clicks(
    product, live_server, chromium, width
):
    order, _step = not_bought(Reason.UNKNOWN_SKU, product)
    order.lines.update(name="Чайник Redmond RK-M1721")
    page = log_in(chromium, live_server.url, width=width)
    page.goto(page_of(live_server.url, order))
    follow(page.locator(".decide-main a"))
    looked_at(page, "choose-product")
    page.fill("#id_q", "redmond m17")
    page.keyboard.press("Enter")
    page.locator("tbody tr", has_text="RK-M1721").wait_for()
    looked_at(page, "choose-product-found")
    page.get_by_role("button", name="Это он: 70311").click()
    page.wait_for_selector(".messagelist .success")
    assert page.locator(".stuck-card").count() == 0
    assert step_of(order).status == Step.Status.PENDING


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_many_are_decided_about_at_once(product, live_server, chromium, width, scheme):
    short = [not_bought(Reason.OUT_OF_STOCK, product)[0] for _ in range(3)]
    other, _step = not_bought(Reason.WHICH_ORDER, product)
    page = log_in(chromium, live_server.url, width=width, scheme=scheme)
    page.goto(f"{live_server.url}/admin/orders/order/?tab=person")
    looked_at(page, "person-tab")
    page.check("#action-toggle")
    page.select_option("select[name=action]", "decide")
    follow(page.locator(".actions button").first)
    looked_at(page, "decide-which")
    page.check("input[value='order:cancel']")
    page.get_by_role("button", name="Дальше").click()
    told = page.locator(".each").inner_text()
    assert told.count("идёт магазину в минус") == 3
    assert told.count("не подходит: останется как есть") == 1
    looked_at(page, "decide-whether")
    page.check("input[value=MERCHANT_OUT_OF_STOCK]")
    page.get_by_role("button", name="Отменить заказ").click()
    page.wait_for_selector(".messagelist .success")
    for order in short:
        step = step_of(order, Step.Kind.CANCEL)
        assert step.parameters["reason"] == "MERCHANT_OUT_OF_STOCK"
    assert not other.steps.filter(kind=Step.Kind.CANCEL).exists()


def test_an_order_kaspi_no_longer_shows_is_closed(product, live_server, chromium):
    order, _step = next(iter(states_of(Reason.NOT_SHOWN, product)))
    page = log_in(chromium, live_server.url)
    page.goto(page_of(live_server.url, order))
    follow(page.locator(".decide-main a"))
    looked_at(page, "close-order")
    page.check("input[value=release]")
    page.get_by_role("button", name="Закрыть заказ").click()
    page.wait_for_selector(".messagelist .success")
    looked_at(page, "closed-order")
    assert reservation_of(order).status == Reservation.Status.HELD
    assert step_of(order, Step.Kind.RELEASE).status == Step.Status.PENDING
    page.goto(f"{live_server.url}/admin/orders/order/")
    assert order.code not in page.locator("#content").inner_text()
