"""Migrations leave a database on which the release before works, too.

An update that fails after something was sent to a peer goes back to the old code and
keeps the database; so does a rollback. What the old code reads must stay, and what it
does not know must have a value in the database itself, and hold no row of its.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.apps import apps
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.constraints import BaseConstraint
from django.db.models.fields import NOT_PROVIDED

from plumbing.hosts import is_ours

pytestmark = pytest.mark.once
# The first release's: nothing older is ever gone back to.
FIRST_RELEASE = {
    "alerts": "0004_speak_the_receivers_language",
    "bridge": "0003_keep_backup_runs",
    "bridge_site": "0010_know_clocks_apart",
    "catalog": "0013_find_by_barcode",
    "feeds": "0006_sum_visits",
    "orders": "0024_trace_events",
}
# Why what is found below may stand nevertheless, by migration: say that the release
# before does not use the column any more, and which one stopped; or that it forbade the
# same.
ALLOWED = {
    "feeds.0010_keep_one_index_of_listed_skus": "0001 made each SKU unique, too",
}
GOES = (
    migrations.RemoveField,
    migrations.DeleteModel,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


def what_hinders(operation: Operation, app: str, before: ProjectState) -> str:
    """Say why the release before could not work after this; empty if it could."""
    if isinstance(operation, GOES):
        return "the old code still reads it: stop using it one release earlier"
    if isinstance(operation, migrations.RunSQL):
        return "only a person can tell what it does"
    if isinstance(operation, migrations.CreateModel):
        found = (_of_link(field, before) for _name, field in operation.fields)
        return next(filter(None, found), "")
    if isinstance(operation, migrations.AddField):
        return _of_new(operation.field) or _of_link(operation.field, before)
    if isinstance(operation, migrations.AddConstraint):
        return _of_constraint(operation.constraint)
    if isinstance(operation, migrations.AlterUniqueTogether):
        return "the old code may write what it forbids"
    if isinstance(operation, migrations.AlterField):
        model = before.models[app, operation.model_name.lower()]
        return _of_altered(model.fields[operation.name], operation.field)
    return ""


def _of_new(field: models.Field[Any, Any]) -> str:
    if isinstance(field, models.GeneratedField):
        # The database writes it, whoever writes the row.
        return ""
    if field.many_to_many or field.null or field.db_default is not NOT_PROVIDED:
        return ""
    return "the old code writes rows without it: null=True or db_default="


def _of_link(field: models.Field[Any, Any], before: ProjectState) -> str:
    """Django deletes what points at a row; code that knows nothing of it does not."""
    remote = field.remote_field
    if remote is None:
        return ""
    is_held = getattr(field, "db_constraint", getattr(remote, "db_constraint", True))
    named = remote.model if isinstance(remote.model, str) else remote.model._meta.label
    if not is_held or tuple(named.lower().split(".")) not in before.models:
        return ""
    return "the old code cannot delete what it points at: db_constraint=False"


def _of_constraint(constraint: BaseConstraint) -> str:
    return f"the old code may write what {constraint.name} forbids"


def _of_altered(old: models.Field[Any, Any], new: models.Field[Any, Any]) -> str:
    if old.null and not new.null:
        return "the old code may write nothing there"
    if old.get_internal_type() != new.get_internal_type():
        return "the old code reads another type"
    if new.unique and not old.unique:
        return "the old code may write the same twice"
    longest = (getattr(old, "max_length", None), getattr(new, "max_length", None))
    if None not in longest and longest[0] > longest[1]:
        return "the old code may write more than fits"
    return ""


def flattened(operations: Sequence[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from flattened(operation.database_operations)
        else:
            yield operation


def hindrances(loader: MigrationLoader, last: dict[str, str]) -> list[str]:
    found = []
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        is_known = name <= last.get(app, "") or f"{app}.{name}" in ALLOWED
        if is_known or not is_ours(apps.get_app_config(app)):
            continue
        before = loader.project_state((app, name), at_end=False)
        for operation in flattened(migration.operations):
            if why := what_hinders(operation, app, before):
                found.append(f"{app}.{name}: {operation.describe()}: {why}")
            operation.state_forwards(app, before)
    return found


def test_the_release_before_works_on_what_migrations_leave():
    found = hindrances(MigrationLoader(None), FIRST_RELEASE)
    assert found == []


def test_what_was_allowed_is_there():
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    assert known >= {*ALLOWED}
    assert known >= {f"{app}.{name}" for app, name in FIRST_RELEASE.items()}


def a_model(**fields: models.Field[Any, Any]) -> ProjectState:
    state = ProjectState()
    made = migrations.CreateModel("Thing", [("id", models.AutoField(primary_key=True))])
    made.state_forwards("orders", state)
    for name, field in fields.items():
        migrations.AddField("thing", name, field).state_forwards("orders", state)
    return state


def to_things(
    target: str = "orders.Thing", *, is_held: bool = True
) -> models.ForeignKey[Any, Any]:
    return models.ForeignKey(target, models.CASCADE, null=True, db_constraint=is_held)


GENERATED = models.GeneratedField(
    expression=models.ExpressionWrapper(models.F("id"), models.IntegerField()),
    output_field=models.IntegerField(),
    db_persist=True,
)


@pytest.mark.parametrize(
    ("operation", "is_fine"),
    [
        (migrations.AddField("thing", "a", models.IntegerField(default=0)), False),
        (migrations.AddField("thing", "a", models.IntegerField(db_default=0)), True),
        (migrations.AddField("thing", "a", models.IntegerField(null=True)), True),
        (migrations.AddField("thing", "a", GENERATED), True),
        (migrations.RemoveField("thing", "text"), False),
        (migrations.RenameField("thing", "text", "words"), False),
        (migrations.DeleteModel("Thing"), False),
        (migrations.CreateModel("Part", [("thing", to_things())]), False),
        (migrations.CreateModel("Part", [("thing", to_things(is_held=False))]), True),
        (migrations.CreateModel("Part", [("other", to_things("orders.New"))]), True),
        (migrations.AddField("thing", "next", to_things()), False),
        (
            migrations.AddField("thing", "all", models.ManyToManyField("orders.Thing")),
            False,
        ),
        (migrations.AlterField("thing", "text", models.CharField(max_length=5)), False),
        (migrations.AlterField("thing", "text", models.CharField(max_length=20)), True),
        (migrations.AlterField("thing", "text", models.IntegerField()), False),
        (migrations.AlterField("thing", "maybe", models.IntegerField()), False),
        (migrations.RunSQL("SELECT 1"), False),
        (migrations.RunPython(migrations.RunPython.noop), True),
    ],
)
def test_each_kind_of_change_is_judged(operation, is_fine):
    state = a_model(
        text=models.CharField(max_length=10), maybe=models.IntegerField(null=True)
    )
    assert (what_hinders(operation, "orders", state) == "") == is_fine
