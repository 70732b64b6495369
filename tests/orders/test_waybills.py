from __future__ import annotations

import io

import pytest
from django.utils import timezone
from pypdf import PdfReader

from orders.models import Order, Waybill
from orders.reading.waybills import merged_waybills
from sandbox.kaspi.orders import Waybill as Issued
from sandbox.kaspi.waybills import waybill_pdf
from tests.orders.factories import make_order

pytestmark = pytest.mark.django_db
# Longer than an order's code, which is printed too and may have any digits.
FIRST, SECOND = "1" * 14, "2" * 14


def with_waybill(order: Order, number: str, *, places: int = 1, pdf: bytes = b""):
    issued = Issued(number=number, places=places, issued=0, ready_at=0)
    return Waybill.objects.create(
        order=order,
        number=number,
        pdf=pdf or waybill_pdf(issued, code=order.code),
        fetched_at=timezone.now(),
    )


def pages_of(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


def test_many_waybills_become_one_file_in_the_orders_order():
    first, second = make_order(), make_order()
    with_waybill(first, FIRST, places=2)
    with_waybill(second, SECOND)
    merged = merged_waybills([second, first])
    pages = pages_of(merged.pdf)
    assert [(SECOND in p, FIRST in p) for p in pages] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    assert merged.missing == ()


def test_the_newest_waybill_of_an_order_counts():
    order = make_order()
    with_waybill(order, FIRST)
    with_waybill(order, SECOND)
    (page,) = pages_of(merged_waybills([order]).pdf)
    assert SECOND in page and FIRST not in page


@pytest.mark.parametrize("broken", [b"%PDF-1.4 cut", b"%PDF", b"<html>"])
def test_orders_without_a_readable_waybill_are_named(broken):
    good, bad, none = make_order(), make_order(), make_order()
    with_waybill(good, "11")
    with_waybill(bad, "22", pdf=broken)
    merged = merged_waybills([bad, good, none])
    assert len(pages_of(merged.pdf)) == 1
    assert merged.missing == (bad.code, none.code)


def test_without_any_waybill_there_is_no_file():
    order = make_order()
    assert merged_waybills([order]).pdf == b""
    assert merged_waybills([]).missing == ()
