"""Deletes many rows a few at a time, so that nobody waits long for the database."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

# On SQLite a delete holds up every writer; PostgreSQL keeps its transactions short.
BATCH = 500


def delete_in_batches(rows: QuerySet[Any], *, size: int = BATCH) -> int:
    """Delete the rows, each batch in a transaction of its own; return how many."""
    deleted = 0
    oldest = rows.order_by("pk").values_list("pk", flat=True)
    while pks := list(oldest[:size]):
        # Asked once more: what has changed since must stay.
        _all, by_model = rows.filter(pk__in=pks).delete()
        deleted += by_model.get(rows.model._meta.label, 0)
        if len(pks) < size:
            break
    return deleted
