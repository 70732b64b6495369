"""Whose request it is behind web servers, and who may reach the admin."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_network

import pytest
from django.conf import settings as live
from django.test import Client
from django.urls import reverse

from bridge_site.callers import true_address
from feeds.models import FeedFetch
from tests.staff import log_in

NEAR = (ip_network("127.0.0.1"), ip_network("::1"))
FARM = (*NEAR, ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("neighbour", "forwarded", "trusted", "caller"),
    [
        ("203.0.113.9", "", NEAR, "203.0.113.9"),
        # Who is not trusted speaks for nobody.
        ("203.0.113.9", "127.0.0.1", NEAR, "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9", NEAR, "203.0.113.9"),
        ("::1", "2001:db8::7", NEAR, "2001:db8::7"),
        # What the caller himself wrote stands first and is not believed.
        ("127.0.0.1", "127.0.0.1, 203.0.113.9", NEAR, "203.0.113.9"),
        ("127.0.0.1", "10.1.1.1, 203.0.113.9", FARM, "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9, 10.1.1.1", FARM, "203.0.113.9"),
        ("10.1.1.2", "198.51.100.1, 203.0.113.9, 10.1.1.1", FARM, "203.0.113.9"),
        ("127.0.0.1", "10.1.1.2, 10.1.1.1", FARM, "10.1.1.2"),
        ("::ffff:127.0.0.1", "::ffff:203.0.113.9", NEAR, "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9:4711", NEAR, "203.0.113.9"),
        ("127.0.0.1", "[2001:db8::7]:4711", NEAR, "2001:db8::7"),
        ("127.0.0.1", "203.0.113.9, nonsense", NEAR, "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9, <script>, 10.1.1.1", FARM, "10.1.1.1"),
        ("", "203.0.113.9", NEAR, ""),
        ("127.0.0.1", "203.0.113.9", (), "127.0.0.1"),
    ],
)
def test_the_caller_is_the_last_that_no_trusted_server_is(
    neighbour, forwarded, trusted, caller
):
    assert true_address(neighbour, forwarded, trusted) == caller


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("neighbour", "noted"), [("127.0.0.1", "203.0.113.9"), ("192.0.2.1", "192.0.2.1")]
)
def test_the_journal_notes_the_true_caller(settings, tmp_path, neighbour, noted):
    settings.FEED_DIR = tmp_path
    client = Client(REMOTE_ADDR=neighbour, headers={"X-Forwarded-For": "203.0.113.9"})
    answer = client.get("/kaspi_price_list.xml")
    assert answer.getvalue() == b""
    assert FeedFetch.objects.get().address == noted


@pytest.mark.django_db
def test_only_a_trusted_server_says_that_it_came_by_https(settings):
    settings.SECURE_SSL_REDIRECT = True
    said = {"X-Forwarded-Proto": "https"}
    assert Client(headers=said).get("/admin/login/").status_code == 200
    far = Client(headers=said, REMOTE_ADDR="192.0.2.1")
    assert far.get("/admin/login/").status_code == 301


@pytest.mark.django_db
def test_the_admin_is_nowhere_to_be_found_from_other_networks(settings):
    settings.ADMIN_NETWORKS = (ip_network("203.0.113.0/24"),)
    client = log_in(settings, "owner")
    for url in (
        "admin:index",
        "admin:login",
        "manifest",
        "admin:orders_order_changelist",
    ):
        statuses = {
            caller: client.get(
                reverse(url), headers={"X-Forwarded-For": caller}
            ).status_code
            for caller in ("198.51.100.7", "203.0.113.7", "127.0.0.1")
        }
        assert statuses["198.51.100.7"] == 404, url
        assert {statuses["203.0.113.7"], statuses["127.0.0.1"]} <= {200, 302}, url
    away = {"X-Forwarded-For": "198.51.100.7"}
    assert client.get("/healthz", headers=away).status_code == 200
    missing = client.get("/nowhere/", headers=away)
    assert b"/admin/" not in client.get("/admin/", headers=away).content
    assert missing.status_code == 404


def test_another_address_of_the_admin_is_told_to_no_stranger(tmp_path):
    code = (
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "from django.test import Client\n"
        "from django.urls import reverse\n"
        "from bridge_site.context import help_url\n"
        "client = Client(raise_request_exception=False)\n"
        "for url in ('/', '/admin/', '/admin/login/', '/nowhere/', '/i18n/setlang/'):\n"
        "    answer = client.get(url)\n"
        "    assert answer.status_code in (302, 404), (url, answer.status_code)\n"
        "    assert b'back-door' not in answer.content, url\n"
        "    assert 'back-door' not in str(answer.headers), url\n"
        "assert client.get('/back-door/login/').status_code == 200\n"
        "assert client.get('/back-door/').url == '/back-door/login/?next=/back-door/'\n"
        "assert '#orders' in help_url(reverse('admin:orders_order_changelist'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=live.BASE_DIR,
        env={
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "ADMIN_PATH": "/back-door/",
            "TEST_VAR_DIR": str(tmp_path),
            "SYSTEMROOT": "",
            "PATH": "",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
