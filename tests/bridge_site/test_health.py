"""What a watcher outside is told: that it works, and no more than he may know."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from bridge_site import health
from plumbing.models import Heartbeat
from tests.staff import furnish

pytestmark = pytest.mark.django_db


def test_it_answers_while_web_and_database_do(client):
    response = client.get("/healthz")
    assert response.status_code == 200
    told = response.json()
    assert (told["web"], told["database"]) == (True, True)
    assert "no-store" in response["Cache-Control"]


def test_without_a_database_it_says_so(client, monkeypatch):
    def gone(*_args, **_options):
        raise DatabaseError("gone")

    monkeypatch.setattr(connection, "cursor", gone)
    response = client.get("/healthz")
    assert (response.status_code, response.json()["database"]) == (503, False)


def test_whatever_host_and_scheme_it_is_asked_by(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz", headers={"host": "10.0.0.9"}).status_code == 200


@pytest.fixture
def furnished(settings, tmp_path):
    furnish(settings, tmp_path / "feed")


def test_everything_well_is_ready(client, furnished):
    response = client.get("/readyz")
    told = response.json()
    assert told["parts"]["beat orders"]["ok"]
    assert told["parts"]["price list"]["built_at"]
    assert told["parts"]["disk"]["free_mib"] > 0
    assert response.status_code == (200 if told["ready"] else 503)


def test_a_silent_worker_is_not_ready(client, furnished):
    Heartbeat.objects.filter(name="orders").update(
        beaten_at=timezone.now() - timedelta(hours=1)
    )
    response = client.get("/readyz")
    assert response.status_code == 503
    assert not response.json()["parts"]["beat orders"]["ok"]


def test_strangers_learn_only_whether(client, furnished, settings):
    settings.HEALTH_TOKEN = "a-long-token"
    far = {"REMOTE_ADDR": "203.0.113.9"}
    assert "parts" not in client.get("/readyz", **far).json()
    wrong = {"authorization": "Bearer another"}
    assert "parts" not in client.get("/readyz", headers=wrong, **far).json()
    right = {"authorization": "Bearer a-long-token"}
    assert "parts" in client.get("/readyz", headers=right, **far).json()


def test_no_secret_and_no_buyer_is_told(client, furnished, settings):
    text = client.get("/readyz").content.decode()
    for secret in (settings.SECRET_KEY, settings.ALSTYLE_TOKEN, settings.KASPI_TOKEN):
        assert secret not in text


def test_the_revision_is_read_without_git(tmp_path, monkeypatch):
    monkeypatch.setattr(health, "GIT", tmp_path)
    names = {
        "HEAD": "ref: refs/heads/main\n",
        "packed-refs": f"{'a' * 40} refs/heads/main",
    }
    for name, text in names.items():
        (tmp_path / name).write_text(text)
    health.revision.cache_clear()
    assert health.revision() == "a" * 12
    health.revision.cache_clear()
