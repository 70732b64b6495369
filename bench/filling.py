"""Fills tables with a million rows in seconds: past models, with COPY on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

AT_ONCE = 10_000


def fill_table(
    model: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows of these columns, by attribute; the others get the model's defaults.

    `rows` hold what the model's own objects would: aware times, truths, numbers, texts.
    """
    from django.db import connection, transaction

    fields = [field for field in model._meta.concrete_fields if not field.generated]
    by_name = {field.attname: field for field in fields}
    given = [by_name.pop(name) for name in columns]
    rest = list(by_name.values())
    if "id" in by_name:
        # The database numbers them.
        rest = [field for field in rest if not field.primary_key]
    prepare = [_preparing(field) for field in given]
    defaults = tuple(
        field.get_db_prep_save(field.get_default(), connection) for field in rest
    )
    quote = connection.ops.quote_name
    names = ", ".join(quote(field.column) for field in [*given, *rest])
    table = quote(model._meta.db_table)
    prepared = (
        (*(to(value) for to, value in zip(prepare, row, strict=True)), *defaults)
        for row in rows
    )
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in prepared:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * (len(given) + len(rest)))
            statement = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 - our models' names
            for batch in _batches(prepared):
                cursor.executemany(statement, batch)
    if "id" not in by_name:
        _count_on(model)


def _preparing(field: Any) -> Callable[[Any], Any]:
    """Give what the database's driver needs done to a value; mostly nothing."""
    from django.db import connection

    if field.get_internal_type() == "DateTimeField":
        adapt: Callable[[Any], Any] = connection.ops.adapt_datetimefield_value
        return adapt
    return lambda value: value


def _batches(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(rows, AT_ONCE)):
        yield batch


def _count_on(model: Any) -> None:
    """Let the database number on behind the rows that came with a number."""
    from django.core.management.color import no_style
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [model]):
            cursor.execute(statement)
