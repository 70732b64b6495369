"""What people see when something is missing, forbidden or broken."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles import storage
from django.http import HttpRequest
from django.test import Client
from django.urls import path, reverse
from django.views.defaults import server_error

from tests.staff import log_in


def broken(request: HttpRequest):
    raise RuntimeError("broken on purpose")


def broken_with_secrets(request: HttpRequest):
    proxy = {"https": django_settings.OUTBOUND_PROXY}
    buyer = '{"firstName": "Айгуль", "cellPhone": "7012345678"}'
    raise RuntimeError(f"{buyer} by {proxy}, ?access-token={buyer[:0]}some-older-token")


urlpatterns = [
    path("broken/", broken),
    path("broken/with-secrets/", broken_with_secrets),
]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "said"), [("ru", "Такой страницы нет"), ("en", "no such page")]
)
def test_a_missing_page_says_so_in_the_persons_language(client, language, said):
    client.cookies[django_settings.LANGUAGE_COOKIE_NAME] = language
    answer = client.get("/no-such-page/")
    assert answer.status_code == 404
    assert said in answer.content.decode()


@pytest.mark.django_db
def test_a_forbidden_page_says_that_nothing_was_changed(settings):
    client = log_in(settings, "viewer", language="ru")
    answer = client.post(reverse("admin:build_feed_now"))
    assert answer.status_code == 403
    assert "Ничего не изменено" in answer.content.decode()


@pytest.mark.django_db
def test_a_form_of_another_sign_in_says_what_to_do():
    answer = Client(enforce_csrf_checks=True).post(reverse("admin:login"), {})
    assert answer.status_code == 403
    assert "Страница устарела" in answer.content.decode()


def test_a_failure_is_told_without_database_and_static_files(rf, monkeypatch):
    # pytest-django lets no test without its mark ask the database.
    def fail(*args: object, **kwargs: object) -> None:
        raise ValueError("no manifest")

    monkeypatch.setattr(storage.staticfiles_storage, "url", fail)
    answer = server_error(rf.get("/"))
    assert answer.status_code == 500
    assert "Сбой программы" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_a_view_that_breaks_shows_that_page():
    answer = Client(raise_request_exception=False).get("/broken/")
    assert answer.status_code == 500
    assert "broken on purpose" not in answer.content.decode()
    assert "Сбой программы" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.parametrize("accepts", ["text/html", "text/plain"])
def test_what_a_developer_sees_of_a_fault_holds_no_secret(settings, accepts):
    settings.DEBUG = True
    settings.OUTBOUND_PROXY = "http://shop:pa55-w0rd'&<@proxy.example:3128"
    settings.ALERT_URLS = ["tgram://123456789:of-the-messenger/42"]
    client = Client(raise_request_exception=False, headers={"accept": accepts})
    client.cookies["sessionid"] = "of-the-session"
    answer = client.post("/broken/with-secrets/", {"password": "typed-password"})
    text = answer.content.decode()
    assert answer.status_code == 500
    assert "RuntimeError" in text
    assert "broken_with_secrets" in text
    for hidden in (
        *("pa55-w0rd", "some-older-token", "of-the-messenger", "of-the-session"),
        *("Айгуль", "7012345678", django_settings.SECRET_KEY),
        *(django_settings.ALSTYLE_TOKEN, django_settings.KASPI_TOKEN),
    ):
        assert hidden not in text
