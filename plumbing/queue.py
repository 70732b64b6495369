"""Puts work into the task queue."""

from __future__ import annotations

from typing import Literal

from django_q.tasks import async_task

Cluster = Literal["orders", "imports"]


def enqueue(func: str, *args: object, cluster: Cluster) -> None:
    """Queue the function with this dotted name.

    Inside a transaction the task appears when it commits, and never if it does not:
    the queue is a table of the same database.
    """
    async_task(func, *args, cluster=cluster, group=func)
