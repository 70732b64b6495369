"""Lets django-q ask the database's clock, as everything else here does.

It asks the host's. With several hosts on one database, one whose clock is a day ahead
would run each schedule at once and put the next run a day off for the others, take
tasks that others are at, and queue tasks that nobody takes for a day.
"""

from __future__ import annotations

from datetime import datetime

import django_q.brokers.orm
import django_q.scheduler
from django.utils import timezone

from plumbing.leases import database_now


class _DatabaseTime:
    """What django-q uses of `django.utils.timezone`."""

    @staticmethod
    def now() -> datetime:
        return database_now()


def _local_now() -> datetime:
    return timezone.localtime(database_now())


def share_the_clock() -> None:
    """Replace the clock in the two modules that decide what is due."""
    django_q.scheduler.timezone = _DatabaseTime
    django_q.scheduler.localtime = _local_now
    django_q.brokers.orm.timezone = _DatabaseTime
