from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import Task

from plumbing.batches import delete_in_batches
from plumbing.tasks import delete_old_tasks

pytestmark = pytest.mark.django_db


def note_tasks(*, number: int, days: float, success: bool = False) -> None:
    at = timezone.now() - timedelta(days=days)
    Task.objects.bulk_create(
        Task(
            id=f"{days}-{success}-{place}",
            name="x",
            func="orders.tasks.poll_orders",
            started=at,
            stopped=at,
            success=success,
        )
        for place in range(number)
    )


def test_many_rows_are_deleted_a_few_at_a_time():
    note_tasks(number=25, days=1)
    note_tasks(number=3, days=9)
    recent = Task.objects.filter(stopped__gt=timezone.now() - timedelta(days=5))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert delete_in_batches(recent, size=10) == 25
    deletes = [q for q in queries if q["sql"].startswith("DELETE")]
    assert len(deletes) == 3
    assert Task.objects.count() == 3
    assert delete_in_batches(recent, size=10) == 0


def test_a_row_that_changes_after_it_was_found_stays(monkeypatch):
    note_tasks(number=2, days=9)
    changed = Task.objects.first().pk
    delete = QuerySet.delete

    def change_and_delete(rows):
        Task.objects.filter(pk=changed).update(success=True)
        return delete(rows)

    monkeypatch.setattr(QuerySet, "delete", change_and_delete)
    assert delete_in_batches(Task.objects.filter(success=False)) == 1
    assert Task.objects.get().pk == changed


def test_the_queues_notes_go_after_the_set_time(settings):
    settings.FAILED_TASKS_KEPT_DAYS = 30
    for success in (True, False):
        note_tasks(number=2, days=31, success=success)
        note_tasks(number=1, days=29, success=success)
    assert delete_old_tasks() == "4 deleted"
    assert Task.objects.count() == 2
    settings.FAILED_TASKS_KEPT_DAYS = 0
    note_tasks(number=2, days=3100)
    assert delete_old_tasks() == "kept for ever"
    assert Task.objects.count() == 4
