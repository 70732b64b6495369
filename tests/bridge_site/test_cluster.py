from __future__ import annotations

import threading
import time

import pytest
from django.db import DatabaseError
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule, Task

from bridge_site import cluster
from bridge_site.cluster import Allowance, do_tasks
from bridge_site.processes import START_ANEW
from plumbing.adjusting import settled
from plumbing.models import Heartbeat
from plumbing.queue import enqueue
from plumbing.tracing import traced

pytestmark = pytest.mark.django_db(transaction=True)


class UntilEmpty(threading.Event):
    """Tells a cluster to stop as soon as its queue is empty."""

    def is_set(self) -> bool:
        return not OrmQ.objects.exists()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(Conf, "POLL", 0)
    monkeypatch.setattr(cluster, "REST_S", 0)


def work_off() -> None:
    # What a task settles for its thread shall not outlive it here.
    with traced(), settled():
        do_tasks_until_empty()


def do_tasks_until_empty() -> None:
    do_tasks(
        stop=UntilEmpty(),
        allowance=Allowance(),
        may_work=lambda: True,
    )


def test_tasks_are_done_one_by_one_and_how_they_ended_is_written_down():
    enqueue("plumbing.tasks.beat", "orders", cluster="orders")
    enqueue("plumbing.tasks.no_such_thing", cluster="orders")
    enqueue("plumbing.tasks.beat", "imports", cluster="orders")
    work_off()
    assert Heartbeat.objects.count() == 2
    ended = {task.args: task.success for task in Task.objects.all()}
    assert ended == {("orders",): True, (): False, ("imports",): True}
    assert not OrmQ.objects.exists()


def test_what_the_schedules_ask_for_is_done_without_waiting():
    Schedule.objects.create(
        name="beat", func="plumbing.tasks.beat", args="('orders',)", cluster="orders"
    )
    enqueue("plumbing.tasks.beat", "imports", cluster="orders")
    work_off()
    assert Heartbeat.objects.count() == 2


def test_a_task_that_we_did_not_sign_is_not_done():
    OrmQ.objects.create(
        key="orders", payload="gARLAS4:forged", lock="2020-01-01T00:00Z"
    )
    work_off()
    assert not Task.objects.exists()


def test_a_database_that_is_away_for_a_moment_loses_no_task(monkeypatch):
    enqueue("plumbing.tasks.beat", "orders", cluster="orders")
    away = [DatabaseError("gone"), DatabaseError("gone")]
    dequeue = ORM.dequeue

    def sometimes(self: ORM) -> object:
        if away:
            raise away.pop()
        return dequeue(self)

    monkeypatch.setattr(ORM, "dequeue", sometimes)
    monkeypatch.setattr("django.db.connection.close", lambda: None)
    work_off()
    assert Heartbeat.objects.count() == 1


def test_a_task_that_takes_too_long_is_broken_off_and_the_part_ends(monkeypatch):
    monkeypatch.setattr(Conf, "TIMEOUT", 1)
    enqueue("time.sleep", 20, cluster="orders")
    began = time.monotonic()
    with pytest.raises(SystemExit):
        work_off()
    assert time.monotonic() - began < 10
    task = Task.objects.get()
    assert not task.success
    assert "exceeded maximum timeout" in task.result


def test_a_part_that_large_tasks_made_grow_asks_to_be_started_anew(monkeypatch):
    monkeypatch.setattr(cluster, "GROWS_BY", -1)
    enqueue("plumbing.tasks.beat", "orders", cluster="orders")
    with pytest.raises(SystemExit) as ended, traced(), settled():
        do_tasks(stop=threading.Event(), allowance=Allowance(), may_work=lambda: True)
    assert ended.value.code == START_ANEW
    assert Heartbeat.objects.count() == 1


def test_where_no_signal_can_break_a_task_off_the_part_ends(monkeypatch):
    ended: list[str] = []
    monkeypatch.setattr(cluster, "end_part", ended.append)
    allowance = Allowance()
    allowance.value = 300
    allowance.look()
    allowance.value = -1
    allowance.look()
    assert ended == []
    allowance.value = 1e-9
    allowance.look()
    assert ended == ["a task takes too long"]
