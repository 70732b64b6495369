"""Reads many small things of many tables in one query, for a page of all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, TypeAlias, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    DateTimeField,
    Field,
    IntegerField,
    JSONField,
    Model,
    QuerySet,
    Subquery,
)

M = TypeVar("M", bound=Model)
Questions: TypeAlias = Mapping[str, Subquery]
Answers: TypeAlias = Mapping[str, Any]


class Rows(Subquery):
    """All rows of a short queryset, made by `values()` of columns or annotations.

    The answer is a list of dictionaries; `objects()` makes a model's objects of them.
    """

    output_field = JSONField()

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        super().__init__(queryset)
        chosen = self.query
        self.names = (*chosen.values_select, *chosen.annotation_select)

    def as_sql(
        self,
        compiler: Any,
        connection: BaseDatabaseWrapper,
        template: str | None = None,
        **extra: Any,
    ) -> tuple[str, Any]:
        quoted = connection.ops.quote_name
        pairs = ", ".join(f"'{name}', of_rows.{quoted(name)}" for name in self.names)
        if connection.vendor == "sqlite":
            gathered = f"json_group_array(json_object({pairs}))"
        else:
            gathered = f"coalesce(jsonb_agg(jsonb_build_object({pairs})), '[]')"
        # Column names only; values come in as the sub-query's parameters.
        template = f"(SELECT {gathered} FROM (%(subquery)s) of_rows)"  # noqa: S608 - names of columns only
        return super().as_sql(compiler, connection, template, **extra)


class Number(Subquery):
    """How many rows a queryset has."""

    template = "(SELECT count(*) FROM (%(subquery)s) of_rows)"
    output_field = IntegerField()

    def __init__(self, queryset: QuerySet[Any]) -> None:
        super().__init__(queryset.order_by().values("pk"))


def ask(questions: Questions) -> Answers:
    """Answer all questions in one query."""
    # Any one row does; those of the content types are always there.
    base = ContentType.objects.order_by("pk").annotate(**questions)
    answers: Answers = base.values(*questions)[:1].get()
    return answers


def objects(model: type[M], rows: Iterable[Mapping[str, Any]]) -> list[M]:
    """Make objects of the rows' columns; other fields are read when touched."""
    found = []
    for row in rows:
        # In the model's own order, as `from_db()` wants them.
        fields = [f for f in model._meta.concrete_fields if f.attname in row]
        values = [_python(field, row[field.attname]) for field in fields]
        found.append(model.from_db(None, [f.attname for f in fields], values))
    return found


def _python(field: Field[Any, Any], value: Any) -> Any:
    """Make of what a database writes into JSON what it gives for the field itself."""
    if value is None:
        return None
    if isinstance(field, JSONField):
        # SQLite keeps JSON as text.
        return json.loads(value) if isinstance(value, str) else value
    if isinstance(field, DateTimeField):
        moment = datetime.fromisoformat(value)
        # SQLite keeps moments in UTC, without saying so.
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return field.to_python(value)
