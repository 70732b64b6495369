"""Puts work into the task queue, and counts what waits there."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Count
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.tasks import async_task

from plumbing.lazily import lazily

if TYPE_CHECKING:
    import redis
else:
    redis = lazily("redis")

log = logging.getLogger(__name__)

Cluster = Literal["orders", "imports"]


def enqueue(func: str, *args: object, cluster: Cluster) -> None:
    """Queue the function with this dotted name.

    Inside a transaction the task appears when it commits, and never if it does not:
    the queue is a table of the same database. In a Redis it appears after the commit,
    or not at all if that cannot be reached: what must not be lost is no task but a row.
    """
    if settings.BROKER_URL:
        transaction.on_commit(partial(_push, func, args, cluster))
    else:
        async_task(func, *args, cluster=cluster, group=func)


def _push(func: str, args: tuple[object, ...], cluster: Cluster) -> None:
    try:
        async_task(func, *args, cluster=cluster, group=func)
    except redis.RedisError as error:
        log.warning("%s was not queued, its schedule will do it: %s", func, error)


def queue_errors() -> tuple[type[Exception], ...]:
    """Give what is raised while the queue cannot be reached."""
    if settings.BROKER_URL:
        return DatabaseError, redis.RedisError
    return (DatabaseError,)


def count_waiting() -> dict[str, int] | None:
    """Count what waits in each cluster's queue; None while a Redis is away.

    In the database, what is being done counts as well.
    """
    names = get_args(Cluster)
    if not settings.BROKER_URL:
        counted = OrmQ.objects.values_list("key").annotate(Count("pk"))
        return {**dict.fromkeys(names, 0), **dict(counted.order_by("key"))}
    try:
        return {name: int(get_broker(name).queue_size()) for name in names}
    except redis.RedisError as error:
        log.warning("the queue cannot be reached: %s", error)
        return None
