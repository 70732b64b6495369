from __future__ import annotations

import zipfile
from datetime import datetime, timezone
from decimal import Decimal
from io import BytesIO

import pytest
from django.utils import translation
from openpyxl import Workbook, load_workbook

from backoffice.spreadsheets import BadSpreadsheet, Sheet, read_xlsx, write_xlsx

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def read(content: bytes, *, max_bytes: int = MIB, max_rows: int = 10):
    return read_xlsx(
        BytesIO(content),
        size_bytes=len(content),
        max_bytes=max_bytes,
        max_rows=max_rows,
    )


def written(*rows, headers=("a", "b")):
    return write_xlsx(Sheet(title="T", headers=headers, rows=iter(rows)))


def test_what_is_written_is_read_again():
    moment = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
    content = written([1, "Мышь"], [Decimal("12.5"), moment], [None, ""], ["x", None])
    headers, rows = read(content)
    assert headers[:2] == ["a", "b"]
    assert [(number, cells[:2]) for number, cells in rows] == [
        (2, [1, "Мышь"]),
        # The clock of Almaty.
        (3, [12.5, datetime(2026, 3, 2, 14, 0)]),  # noqa: DTZ001
        (5, ["x", None]),
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_a_text_never_becomes_a_formula_and_comes_back_as_it_was(start):
    text = f"{start}HYPERLINK(1)"
    content = written([text, -5])
    page = load_workbook(BytesIO(content)).active
    assert page["A2"].data_type == "s"
    assert not page["A2"].value.startswith(start)
    assert page["B2"].value == -5
    assert read(content)[1][0][1][0] == text


def test_characters_that_no_cell_may_hold_do_not_stop_the_writing():
    assert read(written(["a\x00b", 1]))[1][0][1][0] == "a b"


def test_more_rows_than_allowed_are_refused():
    content = written(*([n, n] for n in range(11)))
    with pytest.raises(BadSpreadsheet, match="more than 10 rows"):
        read(content)
    assert len(read(content, max_rows=11)[1]) == 11


def test_a_file_too_large_is_refused_unread():
    with pytest.raises(BadSpreadsheet, match="larger than 1 MB"):
        read_xlsx(BytesIO(b""), size_bytes=2 * MIB, max_bytes=MIB, max_rows=1)


def packed(**members: bytes) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


GENUINE = {"[Content_Types].xml": b"", "xl/workbook.xml": b""}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"article;price\n70311;100\n", "no XLSX table"),
        (packed(readme=b"hello"), "no XLSX table"),
        (packed(**GENUINE), "cannot be read"),
        (packed(**GENUINE, **{"xl/vbaProject.bin": b"x"}), "macros"),
        (packed(**GENUINE, **{"xl/bomb": b"0" * 201 * MIB}), "far too large"),
    ],
    ids=["text", "another archive", "a shell of one", "macros", "a bomb"],
)
def test_the_content_decides_what_a_file_is(content, why):
    with pytest.raises(BadSpreadsheet, match=why):
        read(content)


def test_a_table_without_rows_is_refused():
    book, content = Workbook(), BytesIO()
    book.active.append(["a", "b"])
    book.save(content)
    with pytest.raises(BadSpreadsheet, match="no rows"):
        read(content.getvalue())


def book_of(fill):
    book, content = Workbook(), BytesIO()
    book.active.append(["a", "b"])
    book.active.append([1, 2])
    fill(book)
    book.save(content)
    return content.getvalue()


def test_the_first_sheet_that_is_shown_is_read():
    """What a program hides nobody has looked at."""

    def hide_a_former_one(book):
        former = book.create_sheet("before", 0)
        former.append(["a", "b"])
        former.append([8, 9])
        former.sheet_state = "hidden"

    _headers, rows = read(book_of(hide_a_former_one))
    assert [cells[:2] for _number, cells in rows] == [[1, 2]]


def test_cells_that_only_look_filled_are_not_taken_for_blank():
    def merge(book):
        book.active.append([3, None])
        book.active.merge_cells("B2:B3")

    def put_a_formula(book):
        book.active["B2"] = "=A2*2"

    for fill, why in ((merge, "merged cells"), (put_a_formula, "never worked out")):
        with pytest.raises(BadSpreadsheet, match=why):
            read(book_of(fill))


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('<c r="B2"><f>A2*2</f><v>2</v></c>', 2),
        ('<c r="B2" t="str"><f>IF(A2,"","x")</f><v></v></c>', None),
        ('<c r="B2"><f t="shared" si="0"/><v>4</v></c>', 4),
    ],
)
def test_the_result_of_a_formula_is_read(cell, value):
    whole, content = BytesIO(book_of(lambda _book: None)), BytesIO()
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(content, "w") as target:
        for member in source.namelist():
            text = source.read(member)
            if member.endswith("sheet1.xml"):
                plain = b'<c r="B2" t="n"><v>2</v></c>'
                assert plain in text
                text = text.replace(plain, cell.encode())
            target.writestr(member, text)
    _headers, ((_number, cells),) = read(content.getvalue())
    assert cells[:2] == [1, value]
