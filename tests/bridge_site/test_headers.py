"""What every answer tells the browser, and that no page needs more than it allows."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings as live
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from lxml import html

from bridge_site.gate import Gate
from bridge_site.middleware import FOR_MACHINES
from tests.full_house import furnish_house, sign_in, walk_answers
from tests.header_rules import faults_of

OUTSIDE = re.compile(r"(https?:)?//")


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


urlpatterns = [
    path("broken/", broken),
    path("", include("bridge_site.urls")),
]


def inline_parts(text: str) -> list[str]:
    """Find what the policy would forbid: scripts and styles that stand in the page."""
    found = []
    for element in html.fromstring(text).iter("*"):
        attributes = {str(name): str(value) for name, value in element.attrib.items()}
        named = f"<{element.tag} id={element.get('id')} class={element.get('class')}>"
        found += [
            f"{named} {name}"
            for name, value in attributes.items()
            if name == "style"
            or name.startswith("on")
            or value.lower().lstrip().startswith("javascript:")
        ]
        is_data = element.get("type") == "application/json"
        if element.tag == "style" or (
            element.tag == "script" and not element.get("src") and not is_data
        ):
            found.append(named)
        loaded = element.get("src") or (
            element.get("href") if element.tag == "link" else None
        )
        if loaded and OUTSIDE.match(loaded):
            found.append(f"{named} from elsewhere: {loaded}")
    return found


def test_what_is_forbidden_in_pages_is_found():
    text = (
        '<p style="color:red" onclick="x()">a<a href=" JavaScript:x()">b</a></p>'
        '<script>x()</script><style>p{}</style><script src="//cdn.example/x.js">'
        '</script><script src="/static/x.js"></script>'
        '<script type="application/json">{}</script>'
    )
    assert len(inline_parts(text)) == 6


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_no_page_holds_script_or_style_and_all_answers_please_the_scanner(
    settings, alstyle, tmp_path
):
    furnish_house(settings, alstyle, tmp_path / "feed")
    found, seen = [], 0
    for url, answer in walk_answers(sign_in("owner", "a-long-password")):
        seen += 1
        found += [f"{url}: {fault}" for fault in faults_of(answer, is_https=False)]
        if answer.headers["Content-Type"].startswith("text/html"):
            found += [
                f"{url}: {part}" for part in inline_parts(answer.content.decode())
            ]
    assert seen >= 150
    assert found == []


@pytest.fixture
def by_https(settings):
    """Let the site be as behind a web server with a certificate."""
    settings.HTTPS_ONLY = settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.LANGUAGE_COOKIE_SECURE = True
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.WHITENOISE_USE_FINDERS = True
    return Client(raise_request_exception=False, headers={"X-Forwarded-Proto": "https"})


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("get", "/", 302),
        ("get", "/admin/", 302),
        ("get", "/admin/login/", 200),
        ("post", "/admin/login/", 200),
        ("get", "/admin/manifest.webmanifest", 200),
        ("get", "/kaspi_price_list.xml", 503),
        ("put", "/kaspi_price_list.xml", 405),
        ("get", "/healthz", 200),
        ("get", "/readyz", 503),
        ("post", "/i18n/setlang/", 302),
        ("get", "/static/bridge/fault.css", 200),
        ("get", "/no-such-page/", 404),
        ("get", "/broken/", 500),
    ],
)
def test_whoever_comes_meets_answers_that_please_the_scanner(
    by_https, settings, tmp_path, method, url, status
):
    settings.FEED_DIR = tmp_path
    answer = getattr(by_https, method)(url, {"language": "ru", "username": "x"})
    assert answer.status_code == status
    assert answer.getvalue() or answer.status_code in (302, 405, 503)
    assert list(faults_of(answer, is_https=True)) == []


@pytest.mark.parametrize(
    ("url", "allowed"),
    [(url, "GET, HEAD") for url in FOR_MACHINES]
    + [("/admin/login/", "GET, HEAD, POST")],
)
def test_who_comes_with_another_method_hears_which_there_are(by_https, url, allowed):
    answer = by_https.delete(url)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.django_db
def test_a_host_that_is_not_ours_and_an_old_form_are_refused_as_strictly(by_https):
    answer = by_https.get("/admin/login/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert list(faults_of(answer, is_https=True)) == []
    strict = Client(enforce_csrf_checks=True, headers={"X-Forwarded-Proto": "https"})
    answer = strict.post("/admin/login/", {})
    assert answer.status_code == 403
    assert list(faults_of(answer, is_https=True)) == []


@pytest.mark.django_db
def test_a_session_begins_with_cookies_that_please_the_scanner(by_https):
    sign_in("viewer", "a-long-password")
    given = {"username": "viewer", "password": "a-long-password"}
    answer = by_https.post("/admin/login/", given)
    assert answer.status_code == 302
    assert {"sessionid", "csrftoken"} <= set(answer.cookies)
    assert list(faults_of(answer, is_https=True)) == []


def test_who_is_turned_away_at_the_gate_gets_the_same(rf):
    told: dict[str, str] = {}
    gate = Gate(lambda *_: [], threads=3)
    environ = rf.get("/admin/").environ
    gate(environ, lambda _status, headers: told.update(headers))
    assert told["X-Content-Type-Options"] == "nosniff"
    assert told["Content-Security-Policy"] == "default-src 'none'"


def test_http_leads_to_the_same_host_by_https(by_https):
    answer = by_https.get("/admin/", headers={"X-Forwarded-Proto": "http"})
    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://testserver/admin/"


def test_hsts_reaches_beyond_the_host_only_when_asked():
    assert live.HSTS_SCOPE == "host"
    assert not live.SECURE_HSTS_INCLUDE_SUBDOMAINS
    assert not live.SECURE_HSTS_PRELOAD


@pytest.mark.once
@pytest.mark.parametrize(
    ("scope", "told"),
    [
        ("host", "max-age=31536000"),
        ("subdomains", "max-age=31536000; includeSubDomains"),
        ("preload", "max-age=31536000; includeSubDomains; preload"),
    ],
)
def test_what_the_owner_asks_for_is_what_browsers_hear(tmp_path, scope, told):
    code = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "answer = Client().get('/healthz', secure=True)\n"
        "print(answer.headers['Strict-Transport-Security'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=live.BASE_DIR,
        env={
            "DJANGO_SETTINGS_MODULE": "bridge_site.settings",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": os.urandom(40).hex(),
            "VAR_DIR": str(tmp_path),
            "HSTS_SCOPE": scope,
            "SYSTEMROOT": "",
            "PATH": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == told, done.stderr
