"""Brings the database back, after a test that commits, to what migrations left.

Django's own flush empties every table and builds content types and permissions anew,
which takes longer than many a test, and leaves those after it without the rest of what
migrations bring.
"""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import TransactionTestCase

Rows = list[tuple[Any, ...]]


class Clearing:
    """The rows of a database as it is, and the way back to them."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            self.rows: dict[str, Rows] = {
                table: _rows(cursor, table) for table in _filled(cursor, _tables())
            }

    def install(self) -> None:
        """Let Django's test cases, which pytest-django's build on, clear up by it."""
        setattr(  # noqa: B010 - the stubs do not know it
            TransactionTestCase, "_fixture_teardown", lambda _case: self.clear()
        )

    def clear(self) -> None:
        """Empty what was filled since, and fill again what was changed."""
        # Foreign keys are looked at when the transaction ends, so any order does.
        with transaction.atomic(), connection.cursor() as cursor:
            changed = [
                table
                for table, rows in self.rows.items()
                if _rows(cursor, table) != rows
            ]
            others = [table for table in _tables() if table not in self.rows]
            for table in [*changed, *_filled(cursor, others)]:
                cursor.execute(f"DELETE FROM {_quoted(table)}")
            for table in changed:
                rows = self.rows[table]
                places = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(
                    f"INSERT INTO {_quoted(table)} VALUES ({places})", rows
                )
        ContentType.objects.clear_cache()


def _tables() -> list[str]:
    return connection.introspection.django_table_names(
        only_existing=True, include_views=False
    )


def _filled(cursor: Any, tables: list[str]) -> list[str]:
    cursor.execute(
        " UNION ALL ".join(
            f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {_quoted(table)})"
            for table in tables
        )
    )
    return [table for (table,) in cursor.fetchall()]


def _rows(cursor: Any, table: str) -> Rows:
    cursor.execute(f"SELECT * FROM {_quoted(table)} ORDER BY 1")
    return list(cursor.fetchall())


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
