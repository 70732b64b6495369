"""The work that recurs, declared here and put into the database at deploy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from plumbing.queue import Cluster

SLACK = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """One recurring task: every so many minutes, or daily at an hour of Almaty."""

    name: str
    func: str
    cluster: Cluster
    minutes: int = 0
    minutes_setting: str = ""
    daily_at: tuple[int, int] | None = None
    args: str = ""

    @property
    def every_min(self) -> int:
        """Return the minutes between two runs, the owner's if there is a setting."""
        if self.minutes_setting:
            return int(getattr(settings, self.minutes_setting))
        return self.minutes

    def first_run(self, *, now: datetime) -> datetime:
        if self.daily_at is None:
            return now
        hour, minute = self.daily_at
        local = timezone.localtime(now)
        due = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return due if due > local else due + timedelta(days=1)


SCHEDULES = (
    Recurring(
        name="beat-orders",
        func="plumbing.tasks.beat",
        cluster="orders",
        minutes=2,
        args="('orders',)",
    ),
    Recurring(
        name="beat-imports",
        func="plumbing.tasks.beat",
        cluster="imports",
        minutes=2,
        args="('imports',)",
    ),
    Recurring(
        name="poll-orders",
        func="orders.tasks.poll_orders",
        cluster="orders",
        minutes_setting="POLL_ORDERS_EVERY_MIN",
    ),
    Recurring(
        name="refresh-orders",
        func="orders.tasks.refresh_orders",
        cluster="orders",
        minutes_setting="REFRESH_ORDERS_EVERY_MIN",
    ),
    Recurring(
        name="sweep-orders",
        func="orders.tasks.sweep_orders",
        cluster="orders",
        minutes=1,
    ),
    Recurring(
        name="reconcile",
        func="orders.tasks.reconcile",
        cluster="orders",
        minutes=5,
    ),
    Recurring(
        name="follow-supplier",
        func="orders.tasks.follow_supplier",
        cluster="imports",
        minutes_setting="REFRESH_ORDERS_EVERY_MIN",
    ),
    Recurring(
        name="sync-stock",
        func="catalog.tasks.sync_stock",
        cluster="imports",
        minutes_setting="SYNC_STOCK_EVERY_MIN",
    ),
    Recurring(
        name="sync-catalog",
        func="catalog.tasks.sync_catalog",
        cluster="imports",
        daily_at=(3, 20),
    ),
    # A night without the supplier shall not leave a day without his new goods.
    Recurring(
        name="retry-catalog",
        func="catalog.tasks.retry_catalog",
        cluster="imports",
        minutes=60,
    ),
    # Also by time: old stock figures must take the goods off sale by themselves.
    Recurring(
        name="build-feed", func="feeds.tasks.build_feed", cluster="imports", minutes=10
    ),
    Recurring(
        name="reconcile-with-peers",
        func="orders.tasks.reconcile_with_peers",
        cluster="imports",
        daily_at=(5, 10),
    ),
    Recurring(
        name="backup",
        func="bridge_site.backups.tasks.back_up",
        cluster="imports",
        daily_at=(2, 30),
    ),
    # So that a restore after the disk is lost erases again whom it must.
    Recurring(
        name="note-erased",
        func="bridge_site.backups.tasks.note_erased",
        cluster="imports",
        minutes=60,
    ),
    Recurring(
        name="recover",
        func="orders.tasks.recover",
        cluster="imports",
        minutes=2,
    ),
    Recurring(
        name="recount-money",
        func="orders.tasks.recount_money",
        cluster="imports",
        daily_at=(4, 10),
    ),
    Recurring(
        name="mend-words",
        func="catalog.tasks.mend_words",
        cluster="imports",
        daily_at=(4, 0),
    ),
    Recurring(
        name="delete-old-changes",
        func="catalog.tasks.delete_old_changes",
        cluster="imports",
        daily_at=(4, 30),
    ),
    Recurring(
        name="delete-old-fetches",
        func="feeds.tasks.delete_old_fetches",
        cluster="imports",
        daily_at=(4, 40),
    ),
    Recurring(
        name="delete-buyer-data",
        func="orders.tasks.delete_buyer_data",
        cluster="imports",
        daily_at=(4, 50),
    ),
    Recurring(
        name="delete-old-history",
        func="orders.tasks.delete_old_history",
        cluster="imports",
        daily_at=(5, 0),
    ),
    Recurring(
        name="delete-old-alerts",
        func="alerts.tasks.delete_old_alerts",
        cluster="imports",
        daily_at=(5, 20),
    ),
    Recurring(
        name="delete-old-tasks",
        func="plumbing.tasks.delete_old_tasks",
        cluster="imports",
        daily_at=(5, 10),
    ),
)


def sync_schedules(*, now: datetime) -> int:
    """Make the schedule rows what `SCHEDULES` says; returns how many were changed.

    A row that nobody declares is deleted: one malformed row stops all of them.
    """
    changed = 0
    with transaction.atomic():
        known = {row.name: row for row in Schedule.objects.select_for_update()}
        for recurring in SCHEDULES:
            row = known.pop(recurring.name, None)
            changed += _sync_one(recurring, row, now=now)
        changed += len(known)
        Schedule.objects.filter(pk__in=[row.pk for row in known.values()]).delete()
    return changed


def _sync_one(recurring: Recurring, row: Schedule | None, *, now: datetime) -> bool:
    wanted = {
        "func": recurring.func,
        "cluster": recurring.cluster,
        "args": recurring.args,
        "kwargs": None,
        "hook": None,
        "repeats": -1,
        "schedule_type": Schedule.DAILY if recurring.daily_at else Schedule.MINUTES,
        "minutes": recurring.every_min or None,
    }
    if row is None:
        Schedule.objects.create(
            name=recurring.name, next_run=recurring.first_run(now=now), **wanted
        )
        return True
    differing = {k: v for k, v in wanted.items() if getattr(row, k) != v}
    next_run = timezone.localtime(row.next_run)
    hour = (next_run.hour, next_run.minute)
    has_moved = recurring.daily_at not in (None, hour)
    if has_moved or "minutes" in differing or "schedule_type" in differing:
        differing["next_run"] = recurring.first_run(now=now)
    if differing:
        Schedule.objects.filter(pk=row.pk).update(**differing)
    return bool(differing)


def bring_back(*, now: datetime) -> int:
    """Bring near what waits longer than it can: the clock was set back.

    A clock set back by a day would otherwise stop all recurring work for a day.
    """
    brought = 0
    for row in Schedule.objects.filter(next_run__gt=now + SLACK):
        period = timedelta(minutes=row.minutes) if row.minutes else timedelta(days=1)
        if row.next_run > now + period + SLACK:
            same = Schedule.objects.filter(pk=row.pk, next_run=row.next_run)
            brought += same.update(next_run=now)
    for name in get_args(Cluster):
        # A task that is taken is locked for this long; one that waits, not at all.
        usual: dict[str, Any] = settings.Q_CLUSTER
        options = {**usual, **usual["ALT_CLUSTERS"].get(name, {})}
        latest = now + SLACK + timedelta(seconds=options["retry"])
        lost = OrmQ.objects.filter(key=name, lock__gt=latest)
        brought += lost.update(lock=now)
    return brought
