"""What the support file tells, part by part; each can be read without the others."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, QuerySet
from django_q.models import Failure, Schedule

from alerts.models import Alert, Notice
from bridge_site.backups.making import settings_without_secrets
from bridge_site.disks import read_disks
from bridge_site.doctor.examination import examine_bridge
from bridge_site.models import BackupRun
from bridge_site.revision import revision
from catalog.models import ImportRun
from feeds.models import FeedBuild, FeedFetch
from orders.models import (
    Finding,
    LearnedFact,
    Order,
    OrderEvent,
    Purchase,
    ReadMark,
    Step,
    SupplierOrder,
)
from plumbing.models import (
    CallCount,
    ClockApart,
    Epoch,
    Heartbeat,
    Lease,
    PeerClock,
    TimeJump,
)
from plumbing.queue import count_waiting

# Of each part's log, the newest.
LOG_BYTES = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of a table: just the columns that are named, the newest so many."""

    rows: Callable[[], QuerySet[Any]]
    columns: str
    most: int

    def read(self) -> list[dict[str, Any]]:
        return list(
            self.rows().order_by("-pk").values(*self.columns.split())[: self.most]
        )


STEP = (
    "id order__code peer kind status reason attempts looks not_before claimed_by "
    "claimed_until sent_at last_error created_at finished_at"
)
# No column in which staff write freely, none of buyers, accounts or addresses.
ROWS: Mapping[str, Rows] = {
    "runs/imports": Rows(
        rows=ImportRun.objects.all,
        columns="id kind status is_dry_run started_at finished_at counts message "
        "failure supplier_date",
        most=60,
    ),
    "runs/price-lists": Rows(
        rows=FeedBuild.objects.all,
        columns="id status started_at published_at seconds counts sha256 size_bytes "
        "reason pinned_until",
        most=40,
    ),
    "runs/fetches": Rows(
        rows=FeedFetch.objects.all,
        columns="id fetched_at times is_kaspi status_code bytes_sent build_id",
        most=60,
    ),
    "runs/readings": Rows(
        rows=ReadMark.objects.all,
        columns="state read_until first_read_at failed_at failure error",
        most=20,
    ),
    "runs/backups": Rows(
        rows=BackupRun.objects.all,
        columns="id begun_at ended_at name size_bytes error",
        most=30,
    ),
    "queue/failures": Rows(
        rows=Failure.objects.all,
        columns="name func cluster started stopped attempt_count result",
        most=60,
    ),
    "queue/schedules": Rows(
        rows=Schedule.objects.all,
        columns="name func cluster schedule_type minutes next_run",
        most=100,
    ),
    "orders/stuck": Rows(rows=Step.objects.stuck, columns=STEP, most=200),
    "orders/steps": Rows(rows=Step.objects.all, columns=STEP, most=200),
    "orders/events": Rows(
        rows=OrderEvent.objects.all,
        columns="order__code happened_at actor text trace",
        most=300,
    ),
    "orders/purchases": Rows(
        rows=Purchase.objects.all,
        columns="id status reference lines sum_kzt cart_before cart_after submits "
        "looks candidates number adopted_by reason stage paused_at created_at "
        "settled_at cleared_at verified_at",
        most=40,
    ),
    "orders/supplier-orders": Rows(
        rows=SupplierOrder.objects.all,
        columns="id supplier_order_id listed_id status sum_kzt listed_sum_kzt lines "
        "merged_into_id placed_at read_at",
        most=60,
    ),
    "orders/findings": Rows(
        rows=Finding.objects.all,
        columns="id kind subject status text facts raised_at seen_at closed_at",
        most=100,
    ),
    "learned": Rows(
        rows=LearnedFact.objects.all,
        columns="name value evidence learned_at previous confirmations",
        most=100,
    ),
    "alerts": Rows(
        rows=Alert.objects.all,
        columns="id kind subject title text opened_at closed_at told acknowledged_at",
        most=100,
    ),
    "messages": Rows(
        rows=Notice.objects.all,
        columns="id kind channel__scheme created_at attempts sent_at given_up_at error",
        most=60,
    ),
    "state/signs-of-life": Rows(
        rows=Heartbeat.objects.all, columns="name host beaten_at", most=100
    ),
    "state/leases": Rows(rows=Lease.objects.all, columns="name owner until", most=100),
    "state/calls": Rows(
        rows=CallCount.objects.all,
        columns="peer method outcome under_ms calls seconds waited_s last_at",
        most=2000,
    ),
    "state/peer-clocks": Rows(
        rows=PeerClock.objects.all,
        columns="name next_at closed_until order_calls written_at",
        most=20,
    ),
    "state/guard": Rows(
        rows=Epoch.objects.all,
        columns="identity sequence wrote_at marked_at vouched_at begun_at guarded_for "
        "guarded_at known_until confirmed_at progress lifted_for lifted_at",
        most=1,
    ),
    "state/clock": Rows(
        rows=TimeJump.objects.all, columns="noticed_at seconds host", most=20
    ),
    "state/clocks-apart": Rows(
        rows=ClockApart.objects.all, columns="name seconds seen_at", most=40
    ),
}


def read_versions() -> dict[str, Any]:
    return {
        "revision": revision(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "django": django.get_version(),
        "packages": {each.name: each.version for each in distributions()},
    }


def read_database() -> dict[str, Any]:
    """Tell what it is, what is applied and missing there, and how many rows it has."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    with connection.cursor() as cursor:
        query = {"sqlite": "SELECT sqlite_version()"}.get(
            connection.vendor, "SELECT version()"
        )
        cursor.execute(query)
        (version,) = cursor.fetchone()
    return {
        "kind": connection.vendor,
        "version": version,
        "applied": sorted(map(".".join, executor.loader.applied_migrations)),
        "missing": [f"{each.app_label}.{each.name}" for each, _back in missing],
        "rows": {
            model._meta.db_table: model._base_manager.count()
            for model in apps.get_models(include_auto_created=True)
            if not model._meta.proxy
        },
    }


def read_orders() -> dict[str, int]:
    counted = Order.objects.values_list("state", "status").annotate(Count("pk"))
    rows = counted.order_by("state", "status")
    return {f"{state} {status}": number for state, status, number in rows}


def read_examination() -> list[dict[str, str]]:
    return [finding.as_json() for finding in examine_bridge(with_calls=False)]


def read_room() -> list[dict[str, Any]]:
    return [
        {"folder": disk.name, "free_mb": disk.free_mb, "is_low": disk.is_low}
        for disk in read_disks()
    ]


PARTS: dict[str, Callable[[], Any]] = {
    "versions": read_versions,
    "settings": settings_without_secrets,
    "database": read_database,
    "doctor": read_examination,
    "disks": read_room,
    # What tasks carry is signed, and not shown.
    "queue/waiting": count_waiting,
    "orders/counted": read_orders,
    **{name: rows.read for name, rows in ROWS.items()},
}


def read_logs() -> Iterator[tuple[str, str]]:
    """Give the newest lines of each part's log; a file that was moved aside as well."""
    if settings.LOG_FILE == "-":
        return
    pattern = settings.HOME_DIR / settings.LOG_FILE.replace("{part}", "*")
    for file in sorted(pattern.parent.glob(pattern.name)):
        older = file.with_name(f"{file.name}.1")
        yield file.name, "".join(_last_lines((older, file), LOG_BYTES))


def _last_lines(files: Iterable[Path], most: int) -> list[str]:
    text = b""
    for file in files:
        try:
            with file.open("rb") as opened:
                opened.seek(max(0, file.stat().st_size - most))
                text = (text + opened.read(most))[-most:]
        except OSError:
            continue
    lines = text.decode("utf-8", errors="replace").splitlines(keepends=True)
    # The first one may be cut.
    return lines[1:] if len(text) == most else lines


def name_of(now: datetime) -> str:
    return f"bridge-support-{now:%Y-%m-%dT%H-%M-%SZ}"
