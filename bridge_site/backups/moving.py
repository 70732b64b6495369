"""Moves everything to another database, SQLite or PostgreSQL, and compares each row.

Begun again after it was cut off, it goes on where tables are not the same yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import environ
from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import Model
from django.db.models.fields.generated import GeneratedField

from plumbing.models import Epoch
from plumbing.redaction import redact

TARGET = "target"
AT_ONCE = 500
Say = Callable[[str], None]


class CannotMove(Exception):
    """The target is not what it must be; the text says why."""


def move(source: str, target: str, *, say: Say) -> dict[str, int]:
    """Copy all rows from one database alias to another; gives them by table.

    Nobody may use either meanwhile. At the end the source's guard is closed: whatever
    is started on it again sends nothing. Raises `CannotMove`.
    """
    _make_ours(source, target)
    rows: dict[str, int] = {}
    for model in models_in_order():
        table = model._meta.db_table
        number, digest = digest_of(model, source)
        if digest_of(model, target) != (number, digest):
            _copy(model, source, target)
            if digest_of(model, target) != (number, digest):
                raise CannotMove(f"{table} is not the same after copying")
        rows[table] = number
        say(f"{table}: {number}")
    _reset_sequences(target)
    # Where it came from must not go on by itself.
    guarded = {"guarded_for": Epoch.Reason.MOVED, "confirmed_at": None}
    Epoch.objects.using(source).update(**guarded)
    return rows


def add_target(url: str) -> str:
    """Make a database known by its URL, migrated; gives its alias."""
    try:
        config = environ.FileAwareEnv.db_url_config(url)
    except Exception:
        # Its own words repeat the URL, which holds the password.
        config = {}
    if config.get("ENGINE", "").rpartition(".")[2] not in ("sqlite3", "postgresql"):
        raise CannotMove("the target must begin with sqlite:/// or postgres://")
    every = {DEFAULT_DB_ALIAS: dict(settings.DATABASES[DEFAULT_DB_ALIAS])}
    configured = connections.configure_settings({**every, TARGET: config})
    connections.settings[TARGET] = configured[TARGET]
    # In a process of its own: data migrations write to the default database.
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "-v0"],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bridge_site.settings",
            "DATABASE_URL": url,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        words = redact(done.stderr.strip().replace(url, "…"))[-500:]
        raise CannotMove(f"the target cannot be migrated: {words}")
    return TARGET


def models_in_order() -> list[type[Model]]:
    """List the models, what others refer to first; the epoch's comes at once.

    Its identity tells whose a half-filled target is.
    """
    every = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    ]
    ordered: list[type[Model]] = [Epoch]

    def add(model: type[Model], above: tuple[type[Model], ...]) -> None:
        if model in ordered or model in above:
            return
        for field in model._meta.concrete_fields:
            related = field.related_model
            if isinstance(related, type):
                add(related, (*above, model))
        ordered.append(model)

    for model in every:
        add(model, ())
    return ordered


def digest_of(model: type[Model], alias: str) -> tuple[int, str]:
    """Count a table's rows and digest them, as Python sees them on any database."""
    # Added up: the two databases need not put texts into the same order.
    total, number = 0, 0
    names = [field.attname for field in _fields(model)]
    rows = model._base_manager.using(alias).order_by("pk").values_list(*names)
    for row in rows.iterator(chunk_size=AT_ONCE):
        plain = [
            bytes(v).hex() if isinstance(v, memoryview | bytes) else v for v in row
        ]
        text = json.dumps(plain, cls=_Encoder, sort_keys=True, ensure_ascii=False)
        total += int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        number += 1
    return number, f"{total % (1 << 256):064x}"


class _Encoder(DjangoJSONEncoder):
    """Django's own would cut moments to milliseconds."""

    def default(self, o: Any) -> Any:
        if hasattr(o, "isoformat"):
            return o.isoformat()
        if isinstance(o, bytes | memoryview):
            return bytes(o).hex()
        return super().default(o)


def _copy(model: type[Model], source: str, target: str) -> None:
    """Replace a table's rows in one transaction; keys are checked at its end."""
    table = connections[target].ops.quote_name(model._meta.db_table)
    with transaction.atomic(using=target):
        with connections[target].cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608
        batch: list[Model] = []
        for row in _rows(model, source):
            batch.append(row)
            if len(batch) == AT_ONCE:
                _insert(model, batch, target)
                batch = []
        _insert(model, batch, target)


def _rows(model: type[Model], source: str) -> Iterator[Model]:
    rows = model._base_manager.using(source).order_by("pk")
    yield from rows.iterator(chunk_size=AT_ONCE)


def _insert(model: type[Model], rows: list[Model], target: str) -> None:
    for row in rows:
        row._state.db, row._state.adding = target, True
    model._base_manager.using(target).bulk_create(rows)


def _fields(model: type[Model]) -> list[Any]:
    return [
        field
        for field in model._meta.concrete_fields
        if not isinstance(field, GeneratedField)
    ]


def _make_ours(source: str, target: str) -> None:
    """Empty the target; raises `CannotMove` if somebody else's rows are in it."""
    ours = Epoch.objects.using(source).values_list("identity", flat=True).first()
    theirs = Epoch.objects.using(target).values_list("identity", flat=True).first()
    if theirs is not None and theirs == ours:
        return
    for label in ("auth.User", "catalog.Product", "orders.Order"):
        model = apps.get_model(label)
        if model._base_manager.using(target).exists():
            raise CannotMove("the target is in use: name an empty database")
    # What its migrations put there would stand beside the source's own.
    with transaction.atomic(using=target), connections[target].cursor() as cursor:
        for model in models_in_order():
            table = connections[target].ops.quote_name(model._meta.db_table)
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608


def _reset_sequences(target: str) -> None:
    connection = connections[target]
    statements = connection.ops.sequence_reset_sql(no_style(), models_in_order())
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
