"""What a new price list changes in the listings, written down as the list is."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

from django.db import connection, transaction

from feeds.models import Listing

BATCH = 500
# How an SKU is listed: on sale, stock, price, withdrawn long enough to be dropped.
Listed: TypeAlias = "tuple[bool | None, int, int, bool | None]"
COLUMNS = (
    "sku, product_id, is_available, stock_count, price_kzt, first_listed_at, "
    "withdrawn_at"
)
UPSERT = """
INSERT INTO {table} ({columns}) VALUES {values}
ON CONFLICT (sku) DO UPDATE SET
    product_id = excluded.product_id,
    is_available = excluded.is_available,
    stock_count = excluded.stock_count,
    price_kzt = excluded.price_kzt,
    withdrawn_at = CASE WHEN excluded.is_available THEN NULL
        ELSE COALESCE({table}.withdrawn_at, excluded.withdrawn_at) END
"""


class Changed(NamedTuple):
    """An SKU as it stands in the list from now on; no units: not on sale."""

    sku: str
    product_id: int
    units: int
    price_kzt: int


class ListingChanges:
    """What a new list changes in the listings, in a file beside it.

    A line for each SKU: itself, its product, units and price; the SKU alone where it
    leaves the list. A context manager: whole and on the disk when left without error.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._write = csv.writer(self._file).writerow

    def __enter__(self) -> ListingChanges:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if error is None:
                self._file.flush()
                os.fsync(self._file.fileno())

    def note(
        self,
        sku: str,
        product_id: int,
        listed: Listed,
        units: int,
        price_kzt: int | None,
        *,
        is_moved: bool = False,
    ) -> None:
        """Write down what becomes of an SKU, if it is not what it was.

        `price_kzt` None: it does not stand in the list. `is_moved`: it was listed as
        another product's.
        """
        was_available, old_units, old_price, _is_expired = listed
        if price_kzt is None:
            if was_available is not None:
                self._write((sku,))
        elif (
            is_moved
            or old_price != price_kzt
            or old_units != units
            or was_available != (units > 0)
        ):
            self._write((sku, product_id, units, price_kzt))


def follow_changes(path: Path, *, now: datetime, confirm: Callable[[], object]) -> None:
    """Make the listings say what a new list does, by the changes it was written with.

    In small transactions; may be repeated from the start after any interruption.
    `confirm` raises in one that is not this process's to make any more.
    """
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        while batch := list(islice(lines, BATCH)):
            with transaction.atomic():
                confirm()
                gone = [line[0] for line in batch if len(line) == 1]
                if gone:
                    Listing.objects.filter(sku__in=gone).delete()
                upsert([_changed(line) for line in batch if len(line) > 1], now=now)


def _changed(line: list[str]) -> Changed:
    sku, product_id, units, price_kzt = line
    return Changed(sku, int(product_id), int(units), int(price_kzt))


def upsert(changed: list[Changed], *, now: datetime) -> None:
    """Make the listings of some hundred SKUs what they are now, new or known."""
    if not changed:
        return
    moment = connection.ops.adapt_datetimefield_value(now)
    values: list[Any] = []
    for sku, product_id, units, price_kzt in changed:
        is_available = units > 0
        withdrawn_at = None if is_available else moment
        values += (sku, product_id, is_available, units, price_kzt)
        values += (moment, withdrawn_at)
    row = f"({', '.join(['%s'] * 7)})"
    # One statement for all: bulk_create makes an object of each row, and takes ten
    # times as long.
    statement = UPSERT.format(
        table=Listing._meta.db_table,
        columns=COLUMNS,
        values=", ".join([row] * len(changed)),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
