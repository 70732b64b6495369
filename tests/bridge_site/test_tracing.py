"""One id joins what a request leaves behind: its answer, the log and the events."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from bridge_site import sentry
from orders.models import OrderEvent
from orders.plan.events import record
from plumbing import tracing
from tests.orders.factories import make_order, make_product
from tests.staff import log_in

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
GIVEN = "nginx-0123456789abcdef"


def asked_by(address: str, name: str = GIVEN) -> dict[str, Any]:
    return {"REMOTE_ADDR": address, "headers": {"X-Request-ID": name}}


@pytest.fixture
def requests_told(caplog, monkeypatch):
    log = logging.getLogger("bridge.requests")
    monkeypatch.setattr(log, "handlers", [caplog.handler])
    return caplog


def test_a_trusted_web_server_names_the_request(client, settings):
    answer = client.get("/i18n/", **asked_by("127.0.0.1"))
    assert answer["X-Request-ID"] == GIVEN


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("203.0.113.9", GIVEN),
        ("127.0.0.1", "a b"),
        ("127.0.0.1", "x\nERROR y"),
        ("", ""),
    ],
)
def test_nobody_else_does(client, address, name):
    answer = client.get("/i18n/", **asked_by(address, name))
    assert answer["X-Request-ID"] not in (name, "")
    assert len(answer["X-Request-ID"]) == 16


def test_a_request_is_one_line_without_what_was_asked_for(requests_told, settings):
    client = log_in(settings, "operator")
    client.get("/admin/orders/order/?q=77011234567")
    client.get("/healthz")
    (line,) = [
        r.getMessage() for r in requests_told.records if r.name == "bridge.requests"
    ]
    assert line.startswith("GET /admin/orders/order/: 200 in ")
    assert "77011234567" not in line


def test_an_event_keeps_the_id_under_which_the_log_tells_more():
    order = make_order((make_product("70311"), 1))
    with tracing.traced(request=GIVEN), tracing.traced(step="7"):
        record(order, "Проверено", now=order.created_at)
    assert OrderEvent.objects.last().trace == f"request={GIVEN}"
    with tracing.traced(task="f" * 16, job="poll-orders"):
        record(order, "Прочитано", now=order.created_at)
    assert OrderEvent.objects.last().trace == f"task={'f' * 16}"


class _Sentry(BaseHTTPRequestHandler):
    told: list[bytes]

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.server.told.append(body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_args):
        pass


@pytest.fixture
def receiver():
    with HTTPServer(("127.0.0.1", 0), _Sentry) as server:
        server.told = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


FAULTS = """
import django, logging, sys
django.setup()
import sentry_sdk
from plumbing import tracing

def break_down(phone):
    customer = {"firstName": "Айгуль", "cellPhone": phone}
    raise RuntimeError(f"not JSON: {sys.argv[1]} ?access-token=alstyle-test-token")

with tracing.traced(request="abcdef0123456789"):
    try:
        break_down("77011234567")
    except RuntimeError:
        logging.getLogger("orders").exception("kaspi-test-token, %s", "77011234567")

from django.test import Client
cookie = {"cookie": "sessionid=secret-cookie"}
client = Client(raise_request_exception=False, headers=cookie)
import bridge_site.views as views
from django.urls import path
import bridge_site.urls as urls

def broken(request):
    raise ValueError("broken page")

urls.urlpatterns.insert(0, path("broken/", broken))
print(client.post("/broken/?q=77011234567", {"name": "Айгуль"}).status_code)
sentry_sdk.flush(10)
"""


def test_sentry_is_told_of_faults_and_of_nothing_secret(receiver, bridge_env):
    dsn = f"http://publickey@127.0.0.1:{receiver.server_port}/1"
    quoted = '{"firstName": "Айгуль", "cellPhone": "7011234567"}'
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, quoted],
        cwd=ROOT,
        env=bridge_env(
            SENTRY_DSN=dsn, SENTRY_ENVIRONMENT="shop", ALLOWED_HOSTS="testserver"
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "500" in done.stdout
    told = [json.loads(line) for body in receiver.told for line in body.splitlines()]
    events = [event for event in told if "exception" in event]
    assert len(events) >= 2
    assert {event["environment"] for event in events} == {"shop"}
    assert events[0]["tags"]["request"] == "abcdef0123456789"
    assert events[0]["exception"]["values"][0]["type"] == "RuntimeError"
    text = json.dumps(told, ensure_ascii=False)
    hidden = ("Айгуль", "7011234567", "alstyle-test", "kaspi-test", "secret-cookie")
    for word in (*hidden, '"vars"', "q=", os.environ["SECRET_KEY"]):
        assert word not in text


def test_a_wanted_sentry_that_is_not_installed_is_told_at_the_start(
    settings, monkeypatch
):
    settings.SENTRY_DSN = "https://key@sentry.example/1"
    assert run_checks(tags=["bridge"]) == []
    monkeypatch.setattr(sentry, "find_spec", lambda _name: None)
    (problem,) = run_checks(tags=["bridge"])
    assert "pip install sentry-sdk" in (problem.hint or "")
    sentry.start_sentry()
