"""Writes many rows with few statements, as each database takes them best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any

from django.db import connection, models

INSERTED_AT_ONCE = 2000
# SQLite takes 32,766 values with a statement.
VALUES_AT_ONCE = 20_000
# Values that the drivers take as they are: a call for each takes most of the time.
PLAIN = (
    (models.IntegerField, int),
    (models.CharField, str),
    (models.TextField, str),
    (models.BooleanField, bool),
    (models.ForeignKey, int),
)
# Rows written at once after which nothing holds that was known of a table.
MANY = 5_000


def update_rows(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Set `columns` to each row's values where the primary key is the row's last.

    `bulk_update` builds a CASE per row and column and takes many times as long.
    """
    by_name = {field.name: field for field in model._meta.concrete_fields}
    fields = [*(by_name[name] for name in columns), model._meta.pk]
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    *names, key = (quote(str(field.column)) for field in fields)
    # Names come from our own models, values are parameters.
    with connection.cursor() as cursor:
        for given in _give(fields, _prepared(fields, rows)):
            *values, row = given.values
            settings = ", ".join(map("{} = {}".format, names, values))
            cursor.execute(
                f"UPDATE {table} SET {settings} FROM {given.rows} "  # noqa: S608 - our models' names; values are parameters
                f"WHERE {table}.{key} = {row}",
                given.parameters,
            )


def insert_rows(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> int:
    """Insert rows of these columns; the others get the model's defaults.

    Returns how many. `bulk_create` needs an object of each row and takes several times
    as long.
    """
    by_name = {
        field.name: field
        for field in model._meta.concrete_fields
        if (field.name in columns or not field.primary_key) and not field.generated
    }
    fields = [by_name.pop(name) for name in columns]
    others = list(by_name.values())
    defaults = [
        field.get_db_prep_save(field.get_default(), connection) for field in others
    ]
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    # Given first: what tells rows apart comes last.
    names = ", ".join(quote(str(field.column)) for field in (*others, *fields))
    waiting, number = iter(rows), 0
    with connection.cursor() as cursor:
        while chunk := list(islice(waiting, INSERTED_AT_ONCE)):
            prepared, number = _prepared(fields, chunk), number + len(chunk)
            if connection.vendor == "postgresql":
                # As parameters the driver would write them a value at a time.
                copying = f"COPY {table} ({names}) FROM STDIN"
                with connection.wrap_database_errors, cursor.copy(copying) as copy:
                    for row in zip(*prepared, strict=True):
                        copy.write_row((*defaults, *row))
                continue
            whole = [*([value] * len(chunk) for value in defaults), *prepared]
            for given in _give([*others, *fields], whole):
                values = ", ".join(given.values)
                cursor.execute(
                    f"INSERT INTO {table} ({names}) SELECT {values} FROM {given.rows}",  # noqa: S608 - our models' names; values are parameters
                    given.parameters,
                )
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """Rows as a statement is given them: `values` selects from `rows`, in this order.

    What has the same value in each row, as moments and reasons have, goes in once.
    """

    values: list[str]
    rows: str
    parameters: list[Any]


def _give(
    fields: Sequence[models.Field[Any, Any]], columns: list[list[Any]]
) -> Iterator[_Given]:
    """Give rows, column by column, to few statements; the last column tells them apart.

    PostgreSQL is given all at once: each statement would be a turn of its own. SQLite
    some hundred, for after each statement it notes the last number that it gave.
    """
    if not columns:
        return
    number = len(columns[0])
    is_sqlite = connection.vendor == "sqlite"
    at_once = VALUES_AT_ONCE // len(columns) if is_sqlite else number
    for start in range(0, number, at_once):
        yield _give_some(fields, [c[start : start + at_once] for c in columns])


def _give_some(
    fields: Sequence[models.Field[Any, Any]], columns: list[list[Any]]
) -> _Given:
    is_postgresql = connection.vendor == "postgresql"
    values, kinds = [], []
    constants: list[Any] = []
    varying: list[list[Any]] = []
    for field, column in zip(fields, columns, strict=True):
        kind = field.cast_db_type(connection)
        is_last = len(varying) + len(constants) == len(columns) - 1
        if not is_last and column.count(column[0]) == len(column):
            values.append(f"%s::{kind}" if is_postgresql else "%s")
            constants.append(column[0])
            continue
        varying.append(column)
        kinds.append(f"%s::{kind}[]")
        # As SQLite names them by itself.
        values.append(f"v.column{len(varying)}")
    if is_postgresql:
        # An array each: the driver takes long to write a value.
        names = ", ".join(f"column{n}" for n in range(1, len(varying) + 1))
        rows = f"unnest({', '.join(kinds)}) AS v({names})"
        return _Given(values=values, rows=rows, parameters=[*constants, *varying])
    rows = f"({places(len(columns[0]), of=len(varying))}) AS v"
    each = chain.from_iterable(zip(*varying, strict=True))
    return _Given(values=values, rows=rows, parameters=[*constants, *each])


def places(number: int, *, of: int) -> str:
    """Write the places of so many rows; SQLite names them `column1`, `column2`, …"""
    one = f"({', '.join(['%s'] * of)})"
    return f"VALUES {', '.join([one] * number)}"


def _prepared(
    fields: Sequence[models.Field[Any, Any]], rows: Iterable[tuple[Any, ...]]
) -> list[list[Any]]:
    """Give the rows by column, as the database's driver takes them."""
    prepared = []
    for field, values in zip(fields, zip(*rows, strict=True), strict=False):
        prepare = partial(field.get_db_prep_save, connection=connection)
        if _are_plain(field, values):
            prepared.append([*values])
        elif isinstance(field, models.DateTimeField):
            # Mostly one and the same moment.
            known = {value: prepare(value) for value in {*values}}
            prepared.append([known[value] for value in values])
        else:
            prepared.append([prepare(value) for value in values])
    return prepared


def _are_plain(field: models.Field[Any, Any], values: Sequence[Any]) -> bool:
    kinds = {*map(type, values)} - {type(None)}
    return any(isinstance(field, known) and kinds <= {plain} for known, plain in PLAIN)


def tell_planner(model: type[models.Model], *, written: int) -> None:
    """Let PostgreSQL look at a table into which so many rows were written at once.

    By itself it looks a minute later, and plans until then as if it held a few.
    """
    if written >= MANY and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(model._meta.db_table)}")
