"""Lets a host live through what happens to PostgreSQL, and not stand in others' way."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

# A host that was suspended or cut off in the middle of a transaction keeps its locks
# no longer: the database ends it, and the host begins anew.
IDLE_IN_TRANSACTION = "60s"
# In PostgreSQL's words: a standby, or a primary that is about to become one.
READ_ONLY_STATE = "25006"


def prepare_session(
    sender: type[BaseDatabaseWrapper], connection: BaseDatabaseWrapper, **_signal: Any
) -> None:
    """Tell a new session to give up what it holds when nothing comes any more."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, false)",
                [IDLE_IN_TRANSACTION],
            )


def is_read_only(error: BaseException | None) -> bool:
    """Tell whether a write failed because the database takes none for a while."""
    cause = error.__cause__ if isinstance(error, DatabaseError) else None
    return getattr(cause, "sqlstate", None) == READ_ONLY_STATE
