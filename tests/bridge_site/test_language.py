from __future__ import annotations

from datetime import date

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.formats import date_format, number_format, sanitize_separators

from tests.staff import log_in, page

pytestmark = pytest.mark.django_db
LOGIN = reverse("admin:login")


def language_of(client, **headers: str) -> str:
    return str(client.get(LOGIN, headers=headers).headers["Content-Language"])


def test_pages_are_russian_whatever_the_browser_asks_for(client):
    assert language_of(client, **{"accept-language": "en-US,en;q=0.9"}) == "ru"


@pytest.mark.parametrize(
    ("chosen", "shown"), [("en", "en"), ("ru", "ru"), ("kk", "kk"), ("xx", "ru")]
)
def test_the_switch_decides(client, chosen, shown):
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = chosen
    assert language_of(client) == shown


def test_kazakh_has_the_daily_screens_and_russian_the_rest(settings):
    client = log_in(settings, "operator", language="kk")
    text = page(client, reverse("admin:orders_order_changelist"))
    assert "Шешім күтіп тұр" in text
    assert "Жинау" in text
    # Of no daily use: shown in the first language.
    goods = page(client, reverse("admin:catalog_product_changelist"))
    assert "партномер" in goods


def test_kazakh_numbers_and_days_are_written_as_there():
    with translation.override("kk"):
        assert number_format(0.5, 1) == "0,5"
        assert date_format(date(2026, 11, 30), "j E Y") == "30 қараша 2026"
        assert sanitize_separators("234,5") == "234.5"


def test_the_switch_offers_each_language_by_its_own_name(client):
    text = client.get(LOGIN).content.decode()
    for name in ("РУ", "ҚАЗ", "EN"):
        assert f">{name}</button>" in text
