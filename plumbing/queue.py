"""Puts work into the task queue."""

from __future__ import annotations

from typing import Any, Literal

from django_q.tasks import async_task

Cluster = Literal["orders", "imports"]


def enqueue(func: str, *args: Any, cluster: Cluster) -> str:
    """Queue the function with this dotted name and return the task's id.

    Inside a transaction the task appears when it commits, and never if it does not:
    the queue is a table of the same database.
    """
    task_id: str = async_task(func, *args, cluster=cluster, group=func)
    return task_id
