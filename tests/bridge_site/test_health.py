"""What a watcher outside is told: that it works, and no more than he may know."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone
from django_q.models import Schedule, Success

from bridge_site.revision import revision
from bridge_site.schedules import sync_schedules
from plumbing.models import CallCount, Heartbeat
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
    assert told["parts"]["disk VAR_DIR"]["free_mb"] > 0
    assert told["parts"]["price list"]["age_s"] >= 0
    assert told["parts"]["peer kaspi"]["ok"]
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


def test_each_job_is_told_with_its_last_good_end(client, furnished):
    now = timezone.now()
    sync_schedules(now=now)
    Schedule.objects.filter(name="sync-stock").update(next_run=now - timedelta(hours=2))
    Success.objects.create(
        id="1",
        name="x",
        func="f",
        group="poll-orders",
        started=now,
        stopped=now - timedelta(minutes=7),
        success=True,
    )
    told = client.get("/readyz").json()["parts"]
    assert told["job poll-orders"]["ok"]
    assert 420 <= told["job poll-orders"]["age_s"] <= 440
    assert told["job build-feed"]["succeeded_at"] is None
    assert not told["job sync-stock"]["ok"]
    assert told["job sync-stock"]["late_s"] >= 7200


def test_a_peer_that_has_failed_for_a_while_is_not_ready(client, furnished):
    now = timezone.now()
    hour_ago = now - timedelta(hours=1)
    for outcome, at in (("ok", hour_ago), ("lost", now)):
        CallCount.objects.create(
            peer="kaspi",
            method="GET v2/orders",
            outcome=outcome,
            under_ms=0,
            last_at=at,
        )
    assert not client.get("/readyz").json()["parts"]["peer kaspi"]["ok"]
    CallCount.objects.filter(outcome="ok").update(last_at=now - timedelta(minutes=5))
    assert client.get("/readyz").json()["parts"]["peer kaspi"]["ok"]


def test_a_disk_that_fills_up_is_not_ready(client, furnished, settings):
    settings.DISK_LOW_MB = 10**9
    response = client.get("/readyz")
    assert response.status_code == 503
    assert not response.json()["parts"]["disk VAR_DIR"]["ok"]


@pytest.mark.parametrize("is_linked", [False, True])
def test_the_revision_is_read_without_git(tmp_path, is_linked):
    git = tmp_path / ".git"
    if is_linked:
        # A second checkout of one repository.
        git.write_text(f"gitdir: {tmp_path / 'linked'}")
        git = tmp_path / "linked"
    git.mkdir()
    names = {
        "HEAD": "ref: refs/heads/main\n",
        "packed-refs": f"{'a' * 40} refs/heads/main",
    }
    for name, text in names.items():
        (git / name).write_text(text)
    revision.cache_clear()
    assert revision(tmp_path) == "a" * 12
    revision.cache_clear()
