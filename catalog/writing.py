"""Writes differences into the database: only what changed, in few statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice
from typing import Any

from django.db import connection, models
from django.db.models import Max

from catalog.alstyle.schema import Element
from catalog.comparing import Differences, UnsavedChange
from catalog.models import ImportRun, Product, ProductChange, ProductWords

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
# A live good's `last_seen` is exact to this, so that an import does not rewrite every
# row; when a good vanishes, `gone_at` says when.
SEEN_AGAIN_AFTER = timedelta(hours=12)


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
    one = f"({', '.join(['%s'] * len(varying))})"
    rows = f"(VALUES {', '.join([one] * len(columns[0]))}) AS v"
    each = chain.from_iterable(zip(*varying, strict=True))
    return _Given(values=values, rows=rows, parameters=[*constants, *each])


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


def lock_products(pks: Iterable[int]) -> None:
    """Lock rows by primary key, as pricing does: no deadlock between the two."""
    if connection.vendor != "postgresql":
        return
    table = connection.ops.quote_name(Product._meta.db_table)
    with connection.cursor() as cursor:
        # An array: of a place for each, Django's writing and PostgreSQL's reading take
        # longer than the locks. Counted: the rows themselves are of no use here.
        cursor.execute(
            f"SELECT count(*) FROM (SELECT FROM {table} WHERE id = ANY(%s) "  # noqa: S608 - our model's name; values are parameters
            "ORDER BY id FOR UPDATE) AS locked",
            [sorted(pks)],
        )


def update_in_order(products: models.QuerySet[Product], **values: Any) -> None:
    """Update products, having locked them by primary key."""
    if connection.features.has_select_for_update:
        # Not as a subquery of the update: PostgreSQL would run it anew for each row.
        locked = products.select_for_update().order_by("pk").values_list("pk")
        list(locked.iterator())
    products.update(**values)


def write_differences(
    found: Differences,
    *,
    run: ImportRun,
    now: datetime,
    categories: Mapping[str, int] | None = None,
    skus: Mapping[str, str] | None = None,
) -> None:
    """Write changed goods, new goods and their story.

    `categories` maps Al-Style's ids to ours; `skus` names the new goods whose SKU is
    not their article.
    """
    categories, skus = categories or {}, skus or {}
    lock_products(row[-1] for rows in found.updates.values() for row in rows)
    for columns, rows in found.updates.items():
        if "category" in columns:
            at = columns.index("category")
            update_rows(Product, columns, _with_our_ids(rows, at, categories))
        else:
            update_rows(Product, columns, rows)
    insert_rows(
        Product,
        (*Element._fields, "sku", "first_seen", "last_seen"),
        (
            (
                *element._replace(category=categories.get(element.category or "")),  # type: ignore[arg-type]
                skus.get(element.article, element.article),
                now,
                now,
            )
            for element in found.new
        ),
    )
    tell_planner(Product, written=len(found.new))
    write_words(found)
    insert_changes(found.changes, run=run, now=now)


def write_words(found: Differences) -> None:
    """Keep new and changed names for the search as well."""
    if found.new:
        add_words()
    for columns, rows in found.updates.items():
        if "name" in columns:
            at = columns.index("name")
            texts = ((row[at].lower(), row[-1]) for row in rows)
            update_rows(ProductWords, ("text",), texts)


def add_words() -> None:
    """Keep for the search the names of goods that came since it was done last."""
    last = ProductWords.objects.aggregate(last=Max("pk"))["last"] or 0
    fresh = Product.objects.filter(pk__gt=last).order_by("pk")
    names = fresh.values_list("pk", "name").iterator(chunk_size=INSERTED_AT_ONCE)
    number = insert_rows(
        ProductWords, ("product", "text"), ((pk, name.lower()) for pk, name in names)
    )
    tell_planner(ProductWords, written=number)


def insert_changes(
    changes: Iterable[UnsavedChange], *, now: datetime, run: ImportRun | None = None
) -> None:
    """Add to the story of goods."""
    run_pk = run and run.pk
    insert_rows(
        ProductChange,
        ("product", "field", "old", "new", "reason", "run", "changed_at"),
        (
            (pk, str(field), old, new, reason, run_pk, now)
            for pk, field, old, new, reason in changes
        ),
    )


def touch_seen(*, now: datetime) -> None:
    """Note for all live goods, in one statement, that they were seen."""
    long_ago = now - SEEN_AGAIN_AFTER
    update_in_order(
        Product.objects.present().filter(last_seen__lt=long_ago), last_seen=now
    )


def _with_our_ids(
    rows: Iterable[tuple[Any, ...]], at: int, categories: Mapping[str, int]
) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        yield (*row[:at], row[at] and categories[row[at]], *row[at + 1 :])
