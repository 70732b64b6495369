"""Moves everything to another database, SQLite or PostgreSQL, and compares each row.

Begun again after it was cut off, it goes on where tables are not the same yet. Until
all are, the guard of the target is closed: started on it, the bridge sends nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import BinaryField, Model
from django.db.models.fields.generated import GeneratedField

from bridge_site.env import parse_database, with_our_options
from plumbing.leases import database_now
from plumbing.models import Epoch
from plumbing.redaction import redact

TARGET = "target"
# Rows in memory at a time; of those that hold files, such as waybills, far fewer.
AT_ONCE, FEW = 500, 20
# Where nobody but us has put rows after the migrations.
NOBODYS = ("auth.User", "catalog.Product", "catalog.Category", "orders.Order")
# In the guard's notes: which moving it was closed for.
MOVING = "moving"
Say = Callable[[str], None]
Digest = tuple[int, str]


class CannotMove(Exception):
    """The one database or the other is not what it must be; the text says why."""


def move(source: str, target: str, *, say: Say) -> dict[str, int]:
    """Copy all rows from one database alias to another; gives them by table.

    Nothing can be written to the source meanwhile. At the end its guard is closed:
    whatever is started on it again sends nothing. Raises `CannotMove`.
    """
    with _held(source):
        key = _begin(source, target)
        rows = _copy_what_differs(source, target, say=say)
        _reset_sequences(target)
        _close(source, key)
    # Killed before this line, neither sends anything: begun again, it comes here.
    _open(source, target)
    return rows


def add_target(url: str) -> str:
    """Make a database known by its URL; gives its alias. Raises `CannotMove`."""
    try:
        config = parse_database(url)
    except ValueError as error:
        raise CannotMove(f"the target {error}") from None
    every = {DEFAULT_DB_ALIAS: dict(settings.DATABASES[DEFAULT_DB_ALIAS])}
    configured = connections.configure_settings(
        {**every, TARGET: with_our_options(config)}
    )
    connections.settings[TARGET] = configured[TARGET]
    return TARGET


def migrate_target(url: str) -> None:
    """Make the tables there. Raises `CannotMove`.

    In a process of its own: data migrations write to the default database.
    """
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--no-input", "-v0"],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bridge_site.settings",
            "DATABASE_URL": url,
            # A file would count for more.
            "DATABASE_URL_FILE": "",
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


def models_in_order() -> list[type[Model]]:
    """List the models whose rows are carried, what others refer to first."""
    ordered: list[type[Model]] = []

    def add(model: type[Model], above: tuple[type[Model], ...]) -> None:
        if model in ordered or model in above:
            return
        for other in _referred_to(model):
            add(other, (*above, model))
        ordered.append(model)

    for model in apps.get_models(include_auto_created=True):
        # The epoch's one row is written at the beginning and at the end.
        is_carried = model._meta.managed and not model._meta.proxy
        if is_carried and model is not Epoch:
            add(model, ())
    return ordered


def digest_of(model: type[Model], alias: str) -> Digest:
    """Count a table's rows and digest them, as Python sees them on any database."""
    # Added up: the two databases need not put texts into the same order.
    total, number = 0, 0
    names = [field.attname for field in _fields(model)]
    rows = model._base_manager.using(alias).order_by("pk").values_list(*names)
    for row in rows.iterator(chunk_size=_at_once(model)):
        text = json.dumps(row, cls=_Encoder, sort_keys=True, ensure_ascii=False)
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


@contextmanager
def _held(source: str) -> Iterator[None]:
    """Let nobody write to the source, by the database's own means."""
    connection = connections[source]
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise CannotMove("this database is not migrated: `run.py manage migrate` first")
    # On SQLite a transaction of ours holds the only right to write from its beginning.
    with transaction.atomic(using=source):
        if connection.vendor == "postgresql":
            models: list[type[Model]] = [Epoch, *models_in_order()]
            names = (model._meta.db_table for model in models)
            tables = ", ".join(map(connection.ops.quote_name, names))
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {tables} IN SHARE MODE")
        yield


def _begin(source: str, target: str) -> str:
    """Make the target ours, its guard closed; gives the key of this moving.

    Raises `CannotMove` if somebody's rows are in it, or if either has had its day.
    """
    ours = Epoch.objects.using(source).get_or_create(pk=Epoch.ONLY)[0]
    theirs = Epoch.objects.using(target).first()
    begun = None if theirs is None else theirs.progress.get(MOVING)
    is_same = theirs is not None and theirs.identity == ours.identity
    if ours.is_guarded and not (is_same and begun and _moved_by(ours) == begun):
        raise CannotMove(
            "nothing is sent from this database until it is reconciled "
            f"({ours.guarded_for}): do that first, on the page or by `run.py manage "
            "reconcile`"
        )
    if is_same and begun:
        return str(begun)
    if is_same:
        raise CannotMove(
            "all was moved to the target before, and it may be newer by now: to move "
            "there again, name an empty database"
        )
    for label in NOBODYS:
        if apps.get_model(label)._base_manager.using(target).exists():
            raise CannotMove("the target is in use: name an empty database")
    key = secrets.token_hex(8)
    with transaction.atomic(using=target):
        # What its migrations put there would stand beside the source's own.
        _empty(models_in_order(), target)
        Epoch.objects.using(target).all().delete()
        _write_epoch(ours, target, guarded_for=Epoch.Reason.MOVED, key=key)
    return key


def _copy_what_differs(source: str, target: str, *, say: Say) -> dict[str, int]:
    models = models_in_order()
    wanted = {model: digest_of(model, source) for model in models}
    other: set[type[Model]] = {
        model for model in models if digest_of(model, target) != wanted[model]
    }
    for model in models:
        # Rows that refer to what is copied anew must not stand in its way.
        if not other.isdisjoint(_referred_to(model)):
            other.add(model)
    with transaction.atomic(using=target):
        _empty([model for model in models if model in other], target)
    for model in models:
        table, number = model._meta.db_table, wanted[model][0]
        if model in other:
            _copy(model, source, target)
            if digest_of(model, target) != wanted[model]:
                raise CannotMove(f"{table} is not the same after copying")
        say(f"{table}: {number}")
    return {model._meta.db_table: wanted[model][0] for model in models}


def _copy(model: type[Model], source: str, target: str) -> None:
    """Copy an empty table's rows in one transaction; keys are checked at its end."""
    rows = model._base_manager.using(source).order_by("pk")
    at_once = _at_once(model)
    try:
        with transaction.atomic(using=target):
            batch: list[Model] = []
            for row in rows.iterator(chunk_size=at_once):
                batch.append(row)
                if len(batch) == at_once:
                    _insert(model, batch, target)
                    batch = []
            _insert(model, batch, target)
    except (DatabaseError, ValueError) as error:
        # Further lines may tell a row's values.
        words = (str(error).splitlines() or [""])[0]
        text = f"{model._meta.db_table} cannot be copied: {words}"
        raise CannotMove(redact(text)) from error


def _insert(model: type[Model], rows: list[Model], target: str) -> None:
    for row in rows:
        row._state.db, row._state.adding = target, True
    model._base_manager.using(target).bulk_create(rows)


def _empty(models: Collection[type[Model]], alias: str) -> None:
    with connections[alias].cursor() as cursor:
        for model in reversed([*models]):
            table = connections[alias].ops.quote_name(model._meta.db_table)
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - a table of ours


def _referred_to(model: type[Model]) -> list[type[Model]]:
    related = [field.related_model for field in model._meta.concrete_fields]
    return [other for other in related if isinstance(other, type) and other != model]


def _at_once(model: type[Model]) -> int:
    has_files = any(isinstance(f, BinaryField) for f in model._meta.concrete_fields)
    return FEW if has_files else AT_ONCE


def _fields(model: type[Model]) -> list[Any]:
    return [
        field
        for field in model._meta.concrete_fields
        if not isinstance(field, GeneratedField)
    ]


def _reset_sequences(target: str) -> None:
    connection = connections[target]
    statements = connection.ops.sequence_reset_sql(no_style(), models_in_order())
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _close(source: str, key: str) -> None:
    """Where it came from must not go on by itself."""
    epoch = Epoch.objects.using(source).get()
    _write_epoch(epoch, source, guarded_for=Epoch.Reason.MOVED, key=key)


def _open(source: str, target: str) -> None:
    """Let the target go on with the life of the source."""
    epoch = Epoch.objects.using(source).get()
    _write_epoch(epoch, target, guarded_for="", key="")


def _moved_by(epoch: Epoch) -> str:
    return str(epoch.progress.get(MOVING, ""))


def _write_epoch(epoch: Epoch, alias: str, *, guarded_for: str, key: str) -> None:
    epoch.guarded_for = guarded_for
    epoch.guarded_at = database_now() if guarded_for else None
    epoch.known_until = epoch.confirmed_at = None
    epoch.confirmed_by, epoch.progress = "", {MOVING: key} if key else {}
    epoch.save(using=alias)
