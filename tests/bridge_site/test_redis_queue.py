"""The queue in a Redis: what is asked for is done, and its absence costs a delay."""

from __future__ import annotations

import gc
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import transaction
from django.utils import timezone, translation
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule, Task

from bridge_site import cluster
from bridge_site.cluster import Allowance, do_tasks
from bridge_site.doctor import house
from bridge_site.env import queue_at
from bridge_site.health import read_parts
from bridge_site.workers import read_workers
from launch.ports import free_port
from plumbing.adjusting import settled
from plumbing.models import Heartbeat
from plumbing.queue import count_waiting, enqueue
from plumbing.redaction import redact
from plumbing.tracing import traced
from tests.bridge_site.test_processes import RunningBridge, wait_for
from tests.conftest import REQUIRE_ALL

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]
PASSWORD = "redis-password-12"


class Redis:
    """A server of the test's own, which can be stopped and comes back empty."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            (pytest.fail if REQUIRE_ALL else pytest.skip)("redis-server is not there")
        self.port, self.folder, self.program = free_port(), folder, str(program)
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/1"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        told = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen(
            [self.program, *told, "--requirepass", PASSWORD, "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def server(tmp_path, settings, monkeypatch) -> Iterator[Redis]:
    server = Redis(tmp_path)
    settings.BROKER_URL = server.url
    monkeypatch.setattr(Conf, "ORM", None)
    monkeypatch.setattr(Conf, "REDIS", queue_at(server.url)["redis"])
    monkeypatch.setattr(cluster, "REST_S", 0.2)
    server.start()
    try:
        wait_for(lambda: count_waiting() is not None, timeout_s=60)
        yield server
    finally:
        server.stop()
        # django-q makes a client each time and closes none. Asking isinstance would
        # wake the lazy objects of other tests.
        for pool in gc.get_objects():
            if issubclass(type(pool), redis.ConnectionPool):
                pool.disconnect()


class UntilDone(threading.Event):
    """Tells a cluster to stop as soon as so many tasks have ended."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def is_set(self) -> bool:
        return bool(Task.objects.count() >= self.number)


def work_off(number: int) -> None:
    # What a task settles for its thread shall not outlive it here.
    with traced(), settled():
        do_tasks(stop=UntilDone(number), allowance=Allowance(), may_work=lambda: True)


def test_tasks_wait_in_redis_are_done_and_appear_only_once_all_is_written(server):
    Schedule.objects.create(
        name="beat", func="plumbing.tasks.beat", args="('orders',)", cluster="orders"
    )
    with transaction.atomic():
        enqueue("plumbing.tasks.beat", "imports", cluster="orders")
        assert count_waiting() == {"orders": 0, "imports": 0}
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        enqueue("plumbing.tasks.no_such_thing", cluster="orders")
        raise ZeroDivisionError
    enqueue("plumbing.tasks.beat", "watch", cluster="imports")
    assert count_waiting() == {"orders": 1, "imports": 1}
    work_off(2)
    assert {beat.name for beat in Heartbeat.objects.all()} == {"orders", "imports"}
    assert count_waiting() == {"orders": 0, "imports": 1}
    assert not OrmQ.objects.exists()


def test_while_redis_is_away_it_is_told_and_work_goes_on_when_it_is_back(
    server, monkeypatch
):
    server.stop()
    # The schedules ask for it anew.
    enqueue("plumbing.tasks.beat", "orders", cluster="orders")
    assert count_waiting() is None
    now = timezone.now()
    assert not read_parts(now=now)["queue"]["ok"]
    with translation.override("en"):
        assert "unknown" in str(read_workers(now=now).cards)
        (check,) = (each for each in house.CHECKS if each.code == "workers")
        found = [finding for finding in check.look(check) if "queue" in finding.text]
    assert [finding.state.name for finding in found] == ["FAIL"]
    threading.Timer(1, server.start).start()
    Schedule.objects.create(
        name="beat", func="plumbing.tasks.beat", args="('orders',)", cluster="orders"
    )
    monkeypatch.setattr(cluster, "SCHEDULES_EVERY_S", 0.2)
    work_off(1)
    assert Heartbeat.objects.filter(name="orders").exists()
    assert PASSWORD not in redact(server.url)


@pytest.mark.slow
def test_the_whole_bridge_works_with_it(server, bridge_env):
    bridge = RunningBridge(bridge_env(BROKER_URL=server.url))
    try:
        for name in ("orders", "imports"):
            enqueue("plumbing.tasks.beat", name, cluster=name)
        wait_for(lambda: Heartbeat.objects.count() >= 4, timeout_s=60)
        assert not OrmQ.objects.exists()
        assert PASSWORD not in bridge.text
    finally:
        bridge.close()
