"""What Prometheus is told: all of it, by name, with no secret and no buyer."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from bridge_site.metrics import page
from orders.kaspi.client import open_client
from orders.models import Buyer, Order
from plumbing.calls import STEPS_MS
from plumbing.models import PeerClock
from tests.conftest import REQUIRE_ALL
from tests.full_house import furnish_house

pytestmark = pytest.mark.django_db
DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
RULES = DEPLOY / "kaspi-bridge.rules.yml"
DASHBOARD = DEPLOY / "kaspi-bridge.dashboard.json"
TOKEN = "a-token-for-prometheus"
BUYER = {"name": "Айгуль Сериковна", "phone": "7011234567", "address": "Абая 5"}


@pytest.fixture
def token(settings):
    settings.METRICS_TOKEN = TOKEN


def scrape(client) -> str:
    response = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    return str(response.content.decode())


def samples(text: str) -> dict[tuple[str, frozenset[str]], float]:
    """Give all values by name and labels, in whichever order these are written."""
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(told: dict[tuple[str, frozenset[str]], float], name: str, *labels) -> float:
    return told[name, frozenset(labels)]


@pytest.fixture
def full_house(alstyle, kaspi, settings, tmp_path, token):
    # Between two calls there is a clock, as in earnest.
    settings.KASPI_INTERVAL_S = 0.001
    furnish_house(settings, alstyle, tmp_path / "feed")
    for order in Order.objects.all():
        Buyer.objects.update_or_create(order=order, defaults=BUYER)
    with open_client() as client:
        client.order_by_code("703999999")


def test_without_the_token_there_is_no_such_page(client, settings):
    asked = {"authorization": "Bearer "}
    assert client.get("/metrics", headers=asked).status_code == 404
    settings.METRICS_TOKEN = TOKEN
    for wrong in ("", "Bearer ", f"Bearer {TOKEN}x", "Bearer токен", TOKEN[:-1]):
        # A proxy may pass on any bytes.
        asked = {"authorization": wrong}
        assert client.get("/metrics", headers=asked).status_code == 404
    assert scrape(client)


def test_whatever_host_and_scheme_it_is_asked_by(client, settings, token):
    settings.SECURE_SSL_REDIRECT = True
    asked = {"authorization": f"Bearer {TOKEN}", "host": "10.0.0.9"}
    assert client.get("/metrics", headers=asked).status_code == 200


def test_everything_that_was_promised_is_told(client, full_house):
    told = samples(scrape(client))
    assert value(told, "bridge_database_up") == 1
    calls = "bridge_peer_call_seconds_count"
    assert value(told, calls, "alstyle", "GET cart-api/get", "ok") >= 1
    assert value(told, calls, "kaspi", "GET v2/orders", "ok") >= 1
    assert (
        value(told, "bridge_peer_call_seconds_sum", "kaspi", "GET v2/orders", "ok") > 0
    )
    assert value(told, "bridge_peer_wait_seconds_total", "kaspi") >= 0
    assert value(told, "bridge_steps", "kaspi", "accept", "needs_person") == 1
    assert (
        value(told, "bridge_step_age_seconds", "kaspi", "accept", "needs_person") >= 0
    )
    assert sum(v for (n, _l), v in told.items() if n == "bridge_purchases_unsettled")
    assert value(told, "bridge_orders_awaiting_accept") >= 1
    assert 0 < value(told, "bridge_order_accept_seconds_left") <= 20 * 60
    assert value(told, "bridge_feed_builds", "refused") == 1
    assert value(told, "bridge_feed_fetches", "kaspi", "200") == 1
    assert value(told, "bridge_feed_age_seconds") >= 0
    assert value(told, "bridge_queue_tasks", "imports") >= 0
    assert value(told, "bridge_job_late_seconds", "poll-orders") >= 0
    assert value(told, "bridge_beat_age_seconds", "watch") >= 0
    assert value(told, "bridge_disk_free_bytes", "VAR_DIR") > 0


def test_the_histogram_counts_upwards(client, full_house):
    told = samples(scrape(client))
    name = {"kaspi", "GET v2/orders", "ok"}
    bucket = "bridge_peer_call_seconds_bucket"
    steps = [v for (n, labels), v in told.items() if n == bucket and name < labels]
    assert len(steps) == len(STEPS_MS) + 1
    assert steps == sorted(steps)
    assert steps[-1] == value(told, "bridge_peer_call_seconds_count", *name)


def test_no_secret_and_no_buyer_is_told(client, full_house, settings):
    text = scrape(client)
    order = Order.objects.first()
    secrets = (settings.SECRET_KEY, settings.ALSTYLE_TOKEN, settings.KASPI_TOKEN)
    for hidden in (
        *secrets,
        TOKEN,
        *BUYER.values(),
        "Айгуль",
        "7011234567",
        order.code,
    ):
        assert hidden not in text
    assert re.search(r"\b[78]?7\d{9}\b", text) is None
    for clock in PeerClock.objects.all():
        assert clock.name.partition(":")[2] not in text


def test_it_asks_little_however_much_there_is(client, full_house):
    with CaptureQueriesContext(connection) as asked:
        scrape(client)
    assert len(asked) <= 24


def test_without_a_database_it_tells_what_it_can(client, token, monkeypatch):
    def gone(**_options):
        raise DatabaseError("gone")

    monkeypatch.setattr(page, "read_calls", gone)
    told = samples(scrape(client))
    assert value(told, "bridge_database_up") == 0
    assert value(told, "bridge_disk_free_bytes", "VAR_DIR") > 0


def test_a_bridge_that_is_not_scraped_does_not_carry_the_library():
    code = "import bridge_site.wsgi, sys; print('prometheus_client' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=DEPLOY.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


def expressions() -> dict[str, str]:
    rules = re.findall(r"expr: (\|\n(?: {10}.*\n)+|.*)", RULES.read_text("utf-8"))
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    asked = {f"rule {n}": text for n, text in enumerate(rules)}
    for panel in panels:
        for target in panel["targets"]:
            asked[f"{panel['title']} {target['refId']}"] = target["expr"]
    assert len(rules) > 15
    assert len(asked) > 45
    return asked


def test_rules_and_dashboard_name_what_is_told(client, full_house, alstyle):
    text = scrape(client)
    known = {family.name for family in text_string_to_metric_families(text)}
    known |= {name for name, _labels in samples(text)}
    # Told only of a whole bridge: tests run no parts, and import no goods by HTTP.
    known |= {"up"}
    for where, expression in expressions().items():
        named = set(re.findall(r"\b(bridge_\w+|up)\b", expression))
        assert named, where
        assert named <= known, where
    unused = {
        name
        for name in known
        if not re.search(rf"\b{name}", RULES.read_text("utf-8") + DASHBOARD.read_text())
    }
    assert {name for name in unused if not name.endswith(("_count", "_sum"))} == set()


@pytest.mark.once
def test_prometheus_itself_understands_rules_and_scrape(client, token):
    program = shutil.which("promtool")
    if program is None:
        (pytest.fail if REQUIRE_ALL else pytest.skip)("no promtool was found")

    def check(*arguments: str, given: str = "") -> None:
        done = subprocess.run(
            [program, "check", *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    check("rules", str(RULES))
    check("metrics", given=scrape(client))
