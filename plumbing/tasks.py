"""The plumbing's tasks."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django_q.models import Task

from plumbing.batches import delete_in_batches
from plumbing.clocks import note_host, when_time_is_sure
from plumbing.leases import database_now
from plumbing.models import Heartbeat


def beat(cluster: str) -> str:
    """Prove that this cluster takes and finishes tasks."""
    note_host()
    Heartbeat.objects.beat(cluster, host=settings.HOST_NAME, now=database_now())
    return f"{cluster} is alive"


@when_time_is_sure
def delete_old_tasks() -> str:
    """Delete the queue's notes on tasks that ended the set time ago, failed or not."""
    days = settings.FAILED_TASKS_KEPT_DAYS
    if not days:
        return "kept for ever"
    oldest = database_now() - timedelta(days=days)
    deleted = delete_in_batches(Task.objects.filter(stopped__lt=oldest))
    return f"{deleted} deleted"
