"""Writes tables as XLSX, and reads those that staff bring: with care, both ways."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from plumbing.lazily import lazily

if TYPE_CHECKING:
    import openpyxl
    from openpyxl import cell as cells
    from openpyxl import styles, utils
else:
    openpyxl, cells = lazily("openpyxl"), lazily("openpyxl.cell")
    styles, utils = lazily("openpyxl.styles"), lazily("openpyxl.utils")

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# A program that opens the table would take such a text for a formula and run it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# What the cells of an honest table of the allowed size never come near.
LARGEST_UNPACKED_BYTES = 200 * 1024 * 1024
MOST_COLUMNS = 60
# Whoever cleared the cells below a table left its rows behind.
BLANK_ROWS_READ = 1000
# A formula beside which its result does not stand; that of a text may be "".
NOT_WORKED_OUT = re.compile(
    rb"""<c(?![^>]* t=["']str)[^>]*>\s*<f(?:[^>]*/>|[^>]*>[^<]*</f>)\s*"""
    rb"(?:<v\s*/>|<v>\s*</v>)?\s*</c>"
)
WIDEST, NARROWEST = 60, 9
MEASURED_ROWS = 50


class BadSpreadsheet(Exception):
    """The file cannot be taken; the message tells staff why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One sheet to write; `rows` may be a stream and hold anything that is shown."""

    title: str
    headers: Sequence[str]
    rows: Iterable[Sequence[Any]]


def write_xlsx(*sheets: Sheet) -> bytes:
    """Write the sheets; texts that would run as formulas become plain texts."""
    book = openpyxl.Workbook(write_only=True)
    try:
        return _written(book, sheets)
    except Exception:
        # On a full disk, above all, they shall not stay until this process's end.
        for page in book.worksheets:
            if (writer := page._writer) is not None:
                with suppress(Exception):
                    writer.xf.close()
                writer.cleanup()
        raise


def _written(book: Any, sheets: Sequence[Sheet]) -> bytes:
    for sheet in sheets:
        page = book.create_sheet(sheet.title[:31])
        page.freeze_panes = "A2"
        waiting = iter(sheet.rows)
        # Widths must be known before the first row is written.
        first = [list(row) for row in islice(waiting, MEASURED_ROWS)]
        for number, header in enumerate(sheet.headers):
            texts = [header, *(row[number] for row in first if number < len(row))]
            longest = max(len(str(text if text is not None else "")) for text in texts)
            width = min(max(longest + 2, NARROWEST), WIDEST)
            page.column_dimensions[utils.get_column_letter(number + 1)].width = width
        bold = []
        for header in sheet.headers:
            cell = cells.WriteOnlyCell(page, value=_cell_value(header))
            cell.font = styles.Font(bold=True)
            bold.append(cell)
        page.append(bold)
        for row in first:
            page.append([_cell_value(value) for value in row])
        for stream_row in waiting:
            page.append([_cell_value(value) for value in stream_row])
    written = BytesIO()
    book.save(written)
    return written.getvalue()


def xlsx_response(filename: str, *sheets: Sheet) -> HttpResponse:
    """Answer with the sheets as a file to save."""
    response = HttpResponse(write_xlsx(*sheets), content_type=CONTENT_TYPE)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _cell_value(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    if isinstance(value, datetime):
        # A cell knows no zones: the moment as the clock of Almaty showed it.
        return timezone.localtime(value).replace(tzinfo=None)
    text = cells.cell.ILLEGAL_CHARACTERS_RE.sub(" ", str(value))
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def read_xlsx(
    file: BinaryIO, *, size_bytes: int, max_bytes: int, max_rows: int
) -> tuple[list[str], list[tuple[int, list[Any]]]]:
    """Read the first sheet that is shown: its headers, and the rows below.

    Of each the number as the program shows it, and the cells.
    Raises `BadSpreadsheet` for what is no XLSX, whatever its name says, or too large.
    """
    if size_bytes > max_bytes:
        words = _("The file is larger than %(limit)d MB.")
        raise BadSpreadsheet(words % {"limit": max_bytes // (1024 * 1024)})
    _require_xlsx(file)
    file.seek(0)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        page = next(p for p in book.worksheets if p.sheet_state == "visible")
        _refuse_untold(file, page._worksheet_path)
        numbered = _non_blank(page)
        _number, headers = next(numbered, (0, []))
        rows = list(islice(numbered, max_rows + 1))
    except BadSpreadsheet:
        raise
    except Exception as error:
        # openpyxl has no family of errors of its own: it lets everything through.
        raise BadSpreadsheet(_("The file cannot be read as an XLSX table.")) from error
    if len(rows) > max_rows:
        words = _("The table has more than %(limit)d rows; divide it.")
        raise BadSpreadsheet(words % {"limit": max_rows})
    if not rows:
        raise BadSpreadsheet(_("The table has no rows below its headers."))
    return [str(header or "").strip() for header in headers], rows


def _require_xlsx(file: BinaryIO) -> None:
    """Look into the file: its name and what the browser says of it prove nothing."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as packed:
            members = packed.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        words = _("This is no XLSX table. In the program, save it as “.xlsx”.")
        raise BadSpreadsheet(words) from error
    names = {member.filename for member in members}
    if not {"[Content_Types].xml", "xl/workbook.xml"} <= names:
        raise BadSpreadsheet(
            _("This is no XLSX table. In the program, save it as “.xlsx”.")
        )
    if any(name.endswith("vbaProject.bin") for name in names):
        raise BadSpreadsheet(_("A table with macros is not taken."))
    if sum(member.file_size for member in members) > LARGEST_UNPACKED_BYTES:
        raise BadSpreadsheet(_("The table is far too large when it is unpacked."))


def _refuse_untold(file: BinaryIO, member: str) -> None:
    """Refuse cells that look filled and would be read as blank, which clears fields."""
    with zipfile.ZipFile(file) as packed:
        text = packed.read(member)
    if b"<mergeCell " in text:
        words = _("The table has merged cells: unmerge them, and fill in each.")
        raise BadSpreadsheet(words)
    if b"<f" in text and NOT_WORKED_OUT.search(text):
        words = _(
            "The table has formulas that were never worked out: open it in a "
            "spreadsheet program and save it."
        )
        raise BadSpreadsheet(words)


def _non_blank(page: Any) -> Iterator[tuple[int, list[Any]]]:
    blank = 0
    rows = page.iter_rows(max_col=MOST_COLUMNS, values_only=True)
    for number, cells in enumerate(rows, start=1):
        if any(cell not in (None, "") for cell in cells):
            blank = 0
            yield number, [_read_value(cell) for cell in cells]
            continue
        blank += 1
        if blank > BLANK_ROWS_READ:
            return


def _read_value(value: Any) -> Any:
    """Give the cell as it was before `write_xlsx` guarded it."""
    if isinstance(value, str):
        value = value.strip()
        if value.startswith("'") and value[1:].startswith(FORMULA_STARTS):
            return value[1:]
    return value
