"""Alerts in a real browser: a channel is added and tried, an alert acknowledged."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from alerts.following import Look, follow
from alerts.models import Alert, Channel
from backoffice.dashboard import Need, NeedKind
from backoffice.formatting import Tone
from bridge_site.roles import set_staff, sync_roles
from plumbing.leases import database_now
from tests.alerts.receiver import PATH, Receiver

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"


@pytest.fixture
def open_as(chromium, live_server):
    """Give a page of somebody who typed name and password."""
    sync_roles()
    contexts = []

    def log_in(role, *, width=1440):
        set_staff(role, role=role, password=PASSWORD)
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, locale="ru-RU"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.goto(urljoin(live_server.url, reverse("admin:index")))
        page.fill("#id_username", role)
        page.fill("#id_password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(urljoin(live_server.url, reverse("admin:index")))
        return page

    yield log_in
    for context in contexts:
        context.close()


def test_an_owner_adds_a_channel_tries_it_and_never_sees_its_address_again(open_as):
    page = open_as("owner")
    with Receiver() as receiver:
        page.get_by_role("link", name="Каналы").first.click()
        page.get_by_role("link", name="Новый канал").click()
        page.get_by_label("Название").fill("Телеграм склада")
        page.get_by_label("Адрес").fill(receiver.address)
        page.get_by_label("Получает").select_option(label="что касается операторов")
        page.get_by_role("button", name="Сохранить", exact=True).click()
        expect(page.locator("#result_list")).to_contain_text("ещё не проверен")
        page.locator("#result_list .field-show_name a").click()
        page.get_by_role("button", name="Отправить проверочное сообщение").click()
        said = page.locator(".messagelist")
        expect(said).to_contain_text("Сообщение принято службой", timeout=40_000)
        assert "Проверочное сообщение" in receiver.texts()[0]
    assert PATH not in page.content()
    expect(page.locator(".field-address")).to_contain_text("json://***")
    assert Channel.objects.get().audience == "operator"


@pytest.mark.parametrize("width", [1440, 390])
def test_an_operator_acknowledges_what_was_told(open_as, width):
    kind = NeedKind(code="leak", label="Протечка")
    needs = [
        Need(tone=Tone.BAD, text=f"Капает из трубы {n}", kind=kind, subject=str(n))
        for n in range(3)
    ]
    follow([Look(source="cellar", needs=needs)], now=database_now())
    page = open_as("operator", width=width)
    page.goto(urljoin(page.url, reverse("admin:alerts_alert_changelist")))
    page.get_by_role("link", name="Протечка").first.click()
    page.get_by_role("button", name="Взять в работу").click()
    expect(page.locator(".messagelist")).to_contain_text("повторов не будет")
    page.goto(urljoin(page.url, reverse("admin:alerts_alert_changelist")))
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option(label="Взять в работу")
    page.get_by_role("button", name="Выполнить").click()
    expect(page.locator(".messagelist")).to_contain_text("сделано 2, пропущено 1")
    assert not Alert.objects.unacknowledged().exists()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
