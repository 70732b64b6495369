"""Writes differences into the database: only what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models import Max

from catalog.alstyle.schema import Element
from catalog.comparing import Differences, UnsavedChange
from catalog.models import ImportRun, Product, ProductChange, ProductWords
from plumbing.rows import INSERTED_AT_ONCE, insert_rows, tell_planner, update_rows

# A live good's `last_seen` is exact to this, so that an import does not rewrite every
# row; when a good vanishes, `gone_at` says when.
SEEN_AGAIN_AFTER = timedelta(hours=12)


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
