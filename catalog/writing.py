"""Writes differences into the database: only what changed, in few statements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, models

from catalog.alstyle.schema import Element
from catalog.comparing import Differences, UnsavedChange
from catalog.models import ImportRun, Product, ProductChange

INSERTED_AT_ONCE = 2000
LOCKED_AT_ONCE = 10_000
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
    prepared = [
        tuple(
            field.get_db_prep_save(value, connection)
            for field, value in zip(fields, row, strict=True)
        )
        for row in rows
    ]
    if not prepared:
        return
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    *names, key = (quote(str(field.column)) for field in fields)
    # Names come from our own models, values are parameters.
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # One statement: each of many would cost a turn of its own.
            settings = ", ".join(f"{name} = v.{name}" for name in names)
            kinds = (f"%s::{field.cast_db_type(connection)}[]" for field in fields)
            cursor.execute(
                f"UPDATE {table} SET {settings} FROM unnest({', '.join(kinds)}) "  # noqa: S608 - our models' names; values are parameters
                f"AS v({', '.join([*names, key])}) WHERE {table}.{key} = v.{key}",
                [list(values) for values in zip(*prepared, strict=True)],
            )
        else:
            settings = ", ".join(f"{name} = %s" for name in names)
            statement = f"UPDATE {table} SET {settings} WHERE {key} = %s"  # noqa: S608 - our models' names; values are parameters
            cursor.executemany(statement, prepared)


def lock_products(pks: Iterable[int]) -> None:
    """Lock rows by primary key, as pricing does: no deadlock between the two."""
    if not connection.features.has_select_for_update:
        return
    ordered = iter(sorted(pks))
    while chunk := list(islice(ordered, LOCKED_AT_ONCE)):
        rows = Product.objects.select_for_update().filter(pk__in=chunk).order_by("pk")
        list(rows.values_list("pk"))


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
    products = (
        _new_product(
            element,
            now=now,
            category_pk=categories.get(element.category or ""),
            sku=skus.get(element.article, element.article),
        )
        for element in found.new
    )
    _insert(Product, products)
    _insert(ProductChange, (_change(item, run=run, now=now) for item in found.changes))


def touch_seen(*, now: datetime) -> None:
    """Note for all live goods, in one statement, that they were seen."""
    long_ago = now - SEEN_AGAIN_AFTER
    update_in_order(
        Product.objects.present().filter(last_seen__lt=long_ago), last_seen=now
    )


def _insert(model: type[models.Model], objects: Iterable[models.Model]) -> None:
    waiting = iter(objects)
    while chunk := list(islice(waiting, INSERTED_AT_ONCE)):
        model._default_manager.bulk_create(chunk)


def _with_our_ids(
    rows: Iterable[tuple[Any, ...]], at: int, categories: Mapping[str, int]
) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        yield (*row[:at], row[at] and categories[row[at]], *row[at + 1 :])


def _new_product(
    element: Element, *, now: datetime, category_pk: int | None, sku: str
) -> Product:
    values = element._asdict()
    del values["category"]
    return Product(
        **values, category_id=category_pk, sku=sku, first_seen=now, last_seen=now
    )


def _change(item: UnsavedChange, *, run: ImportRun, now: datetime) -> ProductChange:
    return ProductChange(
        product_id=item.product_id,
        run_id=run.pk,
        field=item.field,
        old=item.old,
        new=item.new,
        changed_at=now,
        reason=item.reason,
    )
