from __future__ import annotations

import pytest
from django.conf import settings
from django.urls import reverse

pytestmark = pytest.mark.django_db
LOGIN = reverse("admin:login")


def language_of(client, **headers: str) -> str:
    return str(client.get(LOGIN, headers=headers).headers["Content-Language"])


def test_pages_are_russian_whatever_the_browser_asks_for(client):
    assert language_of(client, **{"accept-language": "en-US,en;q=0.9"}) == "ru"


@pytest.mark.parametrize(
    ("chosen", "shown"), [("en", "en"), ("ru", "ru"), ("xx", "ru")]
)
def test_the_switch_decides(client, chosen, shown):
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = chosen
    assert language_of(client) == shown
