"""Which buyers were erased on request: kept beside the backups, without any of theirs.

A backup from before would bring them back; whoever restores it erases them again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from orders.forgetting import forget_buyers
from orders.models import Order
from plumbing.leases import database_now

AT_ONCE = 200


def note_erased() -> int:
    """Add to the list which orders' buyers were erased; returns how many it has.

    Only the orders' ids at Kaspi stand in it.
    """
    erased = Order.objects.filter(buyer_erased_at__isnull=False)
    known = read_erased() | set(erased.values_list("kaspi_id", flat=True))
    folder = settings.BACKUP_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".erased.{os.getpid()}.tmp"
    draft.write_text(json.dumps(sorted(known)), encoding="utf-8")
    draft.replace(_file())
    return len(known)


def note_erased_if_readable() -> None:
    """Add what the present database knows before it is replaced, if it can be read."""
    try:
        note_erased()
    except DatabaseError:
        return


def read_erased() -> set[str]:
    try:
        return set(map(str, json.loads(_file().read_text("utf-8"))))
    except FileNotFoundError:
        return set()


def erase_again() -> int:
    """Erase the buyers that a restored backup has brought back."""
    ids = sorted(read_erased())
    erased = 0
    for start in range(0, len(ids), AT_ONCE):
        back = Order.objects.filter(
            kaspi_id__in=ids[start : start + AT_ONCE], buyer_erased_at=None
        )
        pks = list(back.values_list("pk", flat=True))
        if pks:
            forget_buyers(pks, now=database_now(), on_request=True)
        erased += len(pks)
    return erased


def _file() -> Path:
    folder: Path = settings.BACKUP_DIR
    return folder / "erased.json"
