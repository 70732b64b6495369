"""Whether something failed only because a disk is full: then it passes by itself."""

from __future__ import annotations

import errno

from django.db import DatabaseError

# Windows knows no quota by this name.
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
# In the words of SQLite and of PostgreSQL.
WORDS = ("disk is full", "No space left", "disk full")


def is_full_disk(error: BaseException | None) -> bool:
    """Tell whether a file could not be written for want of room.

    Where no folder for temporary files takes one, Python says that there is none;
    lxml knows but a word of libxml2's.
    """
    if not isinstance(error, OSError):
        return str(error) == "IO_ENOSPC"
    return error.errno in FULL or "temporary directory" in str(error)


def is_full_database(error: BaseException | None) -> bool:
    """Tell whether the database could not write something for want of room."""
    is_databases = isinstance(error, DatabaseError)
    return is_databases and any(words in str(error) for words in WORDS)
