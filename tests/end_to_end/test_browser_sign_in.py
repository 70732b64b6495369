"""Signing in, in a real browser: the code from the phone, its loss, wrong passwords."""

from __future__ import annotations

import re
from base64 import b32decode
from binascii import unhexlify
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import expect

from bridge_site.roles import set_staff, sync_roles
from tests.end_to_end.judging import follow, looked_at
from tests.end_to_end.test_browser_settings import goto

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
SCREENS = [(1440, False), (390, True)]


@pytest.fixture
def bridge(live_server):
    """Serve a bridge with an owner and an operator; returns its address."""
    sync_roles()
    for role in ("owner", "operator"):
        set_staff(role, role=role, password=PASSWORD)
    return live_server.url


def give_password(page, username, password=PASSWORD):
    page.fill("#id_username", username)
    page.fill("#id_password", password)
    page.keyboard.press("Enter")


def shown_code(username):
    """Give what the phone shows, as if half a minute had gone by since it was used."""
    devices = TOTPDevice.objects.filter(user__username=username)
    devices.update(last_t=-1)
    return f"{totp(unhexlify(devices.get().key)):06}"


def take_on_phone(page):
    """Do what the page says; gives the recovery codes."""
    key = page.locator("code.key").inner_text().replace(" ", "")
    page.get_by_label("Введите шесть цифр").fill(f"{totp(b32decode(key)):06}")
    page.get_by_role("button", name="Включить").click()
    expect(page.locator(".codes-kept li")).to_have_count(10)
    return page.locator(".codes-kept li").all_inner_texts()


def press(page, name):
    """Follow a button of a person's page; on a phone the seldom ones wait."""
    more = page.get_by_text("Ещё", exact=True)
    if not page.get_by_role("link", name=name).count():
        more.click()
    follow(page.get_by_role("link", name=name))


def is_inside(page):
    return expect(page.locator("#user-tools")).to_have_count(1)


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_a_phone_is_set_up_asked_for_and_lost(browse, width, dark):
    page = browse(width=width, dark=dark)
    looked_at(page, "sign-in")
    give_password(page, "operator")
    page.locator("details.account summary").click()
    follow(page.get_by_role("link", name="Вход и безопасность"))
    looked_at(page, "security-off")
    page.get_by_role("link", name="Включить…").click()
    page.get_by_label("Введите шесть цифр").fill("000000")
    page.get_by_role("button", name="Включить").click()
    expect(page.get_by_role("alert")).to_contain_text("другой код")
    looked_at(page, "second-factor-set-up")
    codes = take_on_phone(page)
    looked_at(page, "recovery-codes")
    page.get_by_role("link", name="Я их сохранил").click()
    expect(page.locator("#content")).to_contain_text("осталось 10 запасных кодов")
    looked_at(page, "security-on")

    again = browse(width=width, dark=dark)
    give_password(again, "operator")
    expect(again.get_by_role("heading", name="Код из телефона")).to_be_visible()
    looked_at(again, "second-factor")
    again.get_by_label("Шесть цифр").fill("000000")
    again.keyboard.press("Enter")
    expect(again.locator(".errorlist")).to_contain_text("Код неверный")
    looked_at(again, "second-factor-wrong")
    TOTPDevice.objects.update(throttling_failure_count=0)
    again.get_by_label("Шесть цифр").fill(shown_code("operator"))
    again.keyboard.press("Enter")
    is_inside(again)

    lost = browse(width=width, dark=dark)
    give_password(lost, "operator")
    follow(lost.get_by_role("link", name="Телефона нет под рукой"))
    looked_at(lost, "second-factor-recovery")
    lost.get_by_label("Запасной код").fill(codes[0])
    lost.get_by_role("button", name="Дальше").click()
    is_inside(lost)
    expect(lost.locator(".messagelist")).to_contain_text("Осталось 9 запасных кодов")
    goto(lost, "security")
    expect(lost.locator("#content")).to_contain_text("Здесь и ещё на 2 устройствах")
    lost.get_by_role("button", name="Выйти на других устройствах").click()
    expect(lost.locator("#content")).to_contain_text("Только здесь")
    goto(lost, "turn_second_factor_off")
    looked_at(lost, "second-factor-off")
    lost.get_by_label("Код из телефона или").fill(codes[1])
    lost.get_by_role("button", name="Выключить").click()
    expect(lost.get_by_role("link", name="Включить…")).to_be_visible()


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_the_owner_requires_it_of_a_role_and_takes_a_lost_phone_away(
    browse, width, dark
):
    owner = browse(width=width, dark=dark)
    give_password(owner, "owner")
    is_inside(owner)
    goto(owner, "owner_settings")
    owner.get_by_role("group", name="Код из телефона обязателен").get_by_label(
        "оператор"
    ).check()
    owner.get_by_role("button", name="Проверить и сохранить…").click()
    owner.get_by_role("button", name="Сохранить").click()
    expect(owner.locator(".messagelist")).to_have_text("Изменена 1 настройка.")

    worker = browse(width=width, dark=dark)
    give_password(worker, "operator")
    expect(worker.locator("#content")).to_contain_text("владелец требует код")
    looked_at(worker, "second-factor-required")
    assert worker.locator("#user-tools, #nav-sidebar").count() == 0
    worker.goto(urljoin(worker.url, reverse("admin:orders_order_changelist")))
    assert worker.url.endswith(reverse("second_factor_set_up"))
    take_on_phone(worker)
    worker.get_by_role("link", name="Я их сохранил").click()
    is_inside(worker)

    operator = User.objects.get(username="operator")
    goto(owner, "admin:auth_user_changelist")
    looked_at(owner, "staff-second-factor")
    goto(owner, "admin:auth_user_change", operator.pk)
    press(owner, "Убрать код из телефона…")
    looked_at(owner, "second-factor-take-away")
    owner.get_by_role("button", name="Убрать код из телефона").click()
    expect(owner.locator(".messagelist")).to_contain_text("без кода из телефона")
    worker.reload()
    expect(worker.locator("#content")).to_contain_text("владелец требует код")


@pytest.mark.parametrize(("width", "dark"), SCREENS)
def test_wrong_passwords_close_sign_in_until_the_owner_opens_it(browse, width, dark):
    page = browse(width=width, dark=dark)
    for number in range(5):
        give_password(page, "operator", f"wrong-{number}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Вход временно закрыт")
    assert re.search(r"через 30 минут", page.locator("main").inner_text())
    looked_at(page, "locked-out")
    page.get_by_role("link", name="На страницу входа").click()
    give_password(page, "operator")
    expect(page.get_by_role("heading", level=1)).to_have_text("Вход временно закрыт")

    # The owner sits at another address; here that of the test is everybody's.
    owner = browse(width=width, dark=dark)
    give_password(owner, "owner")
    is_inside(owner)
    goto(owner, "admin:auth_user_changelist")
    expect(owner.locator("#result_list")).to_contain_text("вход закрыт")
    looked_at(owner, "staff-locked")
    operator = User.objects.get(username="operator")
    goto(owner, "admin:auth_user_change", operator.pk)
    looked_at(owner, "person-locked")
    press(owner, "Открыть вход…")
    looked_at(owner, "unlock")
    owner.get_by_role("button", name="Открыть вход").click()
    expect(owner.locator(".messagelist")).to_contain_text("снова может войти")

    page.get_by_role("link", name="На страницу входа").click()
    give_password(page, "operator")
    is_inside(page)
