"""What a new price list changes in the listings, written down as the list is."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

from django.db import connection, transaction

from feeds.models import Listing
from plumbing.rows import places, tell_planner

BATCH, PIECE_BYTES = 500, 1 << 18
# How an SKU is listed: on sale, stock, price, withdrawn long enough to be dropped.
Listed: TypeAlias = "tuple[bool | None, int, int, bool | None]"
COLUMNS = (
    "sku, product_id, is_available, stock_count, price_kzt, first_listed_at, "
    "withdrawn_at"
)
ROWS = """
SELECT sku, product_id, units > 0, units, price_kzt, {moment},
    CASE WHEN units > 0 THEN NULL ELSE {moment} END
FROM {changed} WHERE price_kzt IS NOT NULL
"""
# SQLite works out what follows from the figures: what is no number and no text, as
# truths and blanks are, Python's driver looks at for as long as it takes to write it.
# Many in a statement: after each it notes the last number that it gave to a row.
FEW_CHANGED = """
(SELECT column1 AS sku, column2 AS product_id, column3 AS units, column4 AS price_kzt
    FROM ({places})) AS changed
"""
SOME_CHANGED = """
unnest(%s::varchar[], %s::bigint[], %s::integer[], %s::integer[])
    AS changed (sku, product_id, units, price_kzt)
"""
ALL_CHANGED = "changed_listings"
MAKE_ALL_CHANGED = f"""
CREATE TEMPORARY TABLE {ALL_CHANGED}
    (sku varchar, product_id bigint, units integer, price_kzt integer)
"""
SETTINGS = """
    product_id = {new}.product_id,
    is_available = {new}.is_available,
    stock_count = {new}.stock_count,
    price_kzt = {new}.price_kzt,
    withdrawn_at = CASE WHEN {new}.is_available THEN NULL
        ELSE COALESCE({table}.withdrawn_at, {new}.withdrawn_at) END
"""
UPSERT = """
INSERT INTO {table} ({columns}) {rows} ON CONFLICT (sku) DO UPDATE SET {settings}
"""
UPDATE = """
UPDATE {table} SET {settings} FROM ({rows}) AS new ({columns})
WHERE {table}.sku = new.sku
"""
INSERT = """
INSERT INTO {table} ({columns}) SELECT * FROM ({rows}) AS new ({columns})
WHERE NOT EXISTS (SELECT FROM {table} WHERE {table}.sku = new.sku)
"""


class Changed(NamedTuple):
    """An SKU as it stands in the list from now on; no units: not on sale."""

    sku: str
    product_id: int
    units: int
    price_kzt: int


class ListingChanges:
    """What a new list changes in the listings, in a file beside it.

    A line for each SKU: itself, its product, units and price, which are blank where it
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
                self._write((sku, None, None, None))
        elif (
            is_moved
            or old_price != price_kzt
            or old_units != units
            or was_available != (units > 0)
        ):
            self._write((sku, product_id, units, price_kzt))


def follow_changes(path: Path, *, now: datetime, confirm: Callable[[], object]) -> None:
    """Make the listings say what a new list does, by the changes it was written with.

    May be repeated from the start after any interruption. `confirm` raises in a
    transaction that is not this process's to make any more.
    """
    if connection.vendor == "postgresql":
        with transaction.atomic():
            confirm()
            _follow_at_once(path, now=now)
        return
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        # In small transactions: others wait for the one writer.
        while batch := list(islice(lines, BATCH)):
            with transaction.atomic():
                confirm()
                gone = [sku for sku, *_rest, price in batch if not price]
                if gone:
                    Listing.objects.filter(sku__in=gone).delete()
                upsert([_changed(line) for line in batch if line[3]], now=now)


def _follow_at_once(path: Path, *, now: datetime) -> None:
    """Let PostgreSQL read the file: a turn of its own for some rows costs far more."""
    table = Listing._meta.db_table
    with connection.cursor() as cursor, path.open("rb") as file:
        cursor.execute(MAKE_ALL_CHANGED)
        reading = f"COPY {ALL_CHANGED} FROM STDIN (FORMAT csv, ENCODING 'UTF8')"
        with connection.wrap_database_errors, cursor.copy(reading) as copy:
            while piece := file.read(PIECE_BYTES):
                copy.write(piece)
        cursor.execute(
            f"DELETE FROM {table} USING {ALL_CHANGED} changed "  # noqa: S608 - our names
            f"WHERE {table}.sku = changed.sku AND changed.price_kzt IS NULL"
        )
        # A row that may be there already is written half as fast.
        cursor.execute(_with_rows(UPDATE, ALL_CHANGED, new="new"), [now, now])
        written = cursor.rowcount
        cursor.execute(_with_rows(INSERT, ALL_CHANGED, new="new"), [now, now])
        written += cursor.rowcount
        cursor.execute(f"DROP TABLE {ALL_CHANGED}")
        tell_planner(Listing, written=written)


def _changed(line: list[str]) -> Changed:
    sku, product_id, units, price_kzt = line
    return Changed(sku, int(product_id), int(units), int(price_kzt))


def upsert(changed: list[Changed], *, now: datetime) -> None:
    """Make the listings of some hundred SKUs what they are now, new or known.

    `bulk_create` makes an object of each row, and takes ten times as long.
    """
    if not changed:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = map(list, zip(*changed, strict=True))
            cursor.execute(_with_rows(UPSERT, SOME_CHANGED), [now, now, *columns])
            return
        moment = connection.ops.adapt_datetimefield_value(now)
        rows = FEW_CHANGED.format(places=places(len(changed), of=4))
        values: Iterable[Any] = chain.from_iterable(changed)
        cursor.execute(_with_rows(UPSERT, rows), [moment, moment, *values])


def _with_rows(statement: str, changed: str, *, new: str = "excluded") -> str:
    """Complete a statement that writes `changed`; it names a row's new values `new`."""
    table = Listing._meta.db_table
    moment = "%s::timestamptz" if connection.vendor == "postgresql" else "%s"
    return statement.format(
        table=table,
        columns=COLUMNS,
        rows=ROWS.format(changed=changed, moment=moment),
        settings=SETTINGS.format(table=table, new=new),
    )
