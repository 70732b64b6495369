"""The owner's pages of settings in a real browser."""

from __future__ import annotations

from functools import partial
from urllib.parse import urljoin

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from bridge_site.roles import set_staff, sync_roles
from orders.models import Step
from plumbing.adjusting import settled
from plumbing.models import AdjustedSetting
from tests.end_to_end.judging import follow, keep_picture, looked_at
from tests.orders.factories import make_order
from tests.staff import furnish, make_product

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"


@pytest.fixture
def bridge(live_server, settings, tmp_path):
    """Serve a furnished bridge with an owner; returns its address."""
    furnish(settings, tmp_path / "feed")
    sync_roles()
    set_staff("owner", role="owner", password=PASSWORD)
    return live_server.url


@pytest.fixture
def open_as_owner(open_as):
    return partial(open_as, "owner")


def goto(page, name, *args):
    response = page.goto(urljoin(page.url, reverse(name, args=args)))
    assert response.status == 200


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_owner_changes_settings_and_takes_them_back(open_as_owner, width, dark):
    page = open_as_owner(width=width, dark=dark)
    goto(page, "owner_settings")
    looked_at(page, "settings")
    page.get_by_label("Показывать одного товара не больше").fill("30")
    page.get_by_label("Отменять заказы").select_option(label="да")
    page.get_by_label("Нерабочие дни").fill("01.01.2027, 02.01.2027")
    page.get_by_role("group", name="Часы работы").get_by_label("Вс").fill("11-15")
    page.get_by_label("Продавать, если есть хотя бы").fill("8")
    page.get_by_role("button", name="Проверить и сохранить…").click()
    expect(page.locator(".confirm-settings .roomy tbody tr")).to_have_count(5)
    expect(page.locator(".effects tbody tr").first).to_contain_text(
        "снимается с продажи"
    )
    looked_at(page, "settings-confirm")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator(".messagelist")).to_have_text("Изменено 5 настроек.")
    looked_at(page, "settings-changed")
    page.get_by_label("Показывать одного товара не больше").fill("0")
    page.get_by_role("button", name="Проверить и сохранить…").click()
    expect(page.locator(".errornote")).to_be_visible()
    looked_at(page, "settings-wrong")
    goto(page, "owner_settings_history")
    looked_at(page, "settings-history")
    page.get_by_role("button", name="Вернуть «Показывать одного").click()
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator(".messagelist")).to_contain_text("500")
    assert not AdjustedSetting.objects.filter(name="STOCK_CAP").exists()


def test_observing_is_switched_on_at_a_click_and_off_after_a_question(open_as_owner):
    page = open_as_owner()
    goto(page, "owner_settings")
    page.get_by_role("button", name="Теперь только наблюдать").click()
    expect(page.locator(".banner")).to_be_visible()
    follow(page.get_by_role("link", name="Начать работать по-настоящему…"))
    looked_at(page, "settings-observing")
    page.get_by_role("button", name="Начать работать по-настоящему").click()
    expect(page.locator(".banner")).to_have_count(0)
    with settled() as adjusted:
        assert adjusted.values == {}


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_owner_has_the_bridge_examined(
    open_as_owner, settings, alstyle, kaspi, live_server, width, dark
):
    settings.PUBLIC_URL = live_server.url
    page = open_as_owner(width=width, dark=dark)
    goto(page, "doctor")
    looked_at(page, "doctor")
    page.get_by_role("button", name="Проверить и связь").click()
    expect(page.get_by_text("Токен работает")).to_have_count(2)
    looked_at(page, "doctor-with-calls")


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_owner_is_led_through_the_first_day(open_as_owner, settings, width, dark):
    settings.OBSERVE_ONLY = True
    product = make_product()
    for _number in range(3):
        make_order((product, 2))
    text = "Резерв: не отправлено; было бы отправлено: заказ 70311 × 2"
    Step.objects.update(last_error=text)
    page = open_as_owner(width=width, dark=dark)
    expect(page.locator(".first-day")).to_contain_text("Первый день")
    keep_picture(page, f"first-day-box-{width}")
    follow(page.locator(".first-day h2 a"))
    looked_at(page, "first-day")
    page.get_by_role("link", name="Что было бы сделано").first.click()
    expect(page.locator(".findings tbody tr")).to_have_count(3)
    looked_at(page, "observed")
    goto(page, "first_day")
    page.get_by_role("button", name="Убрать с обзора").click()
    goto(page, "admin:index")
    expect(page.locator(".first-day")).to_have_count(0)
