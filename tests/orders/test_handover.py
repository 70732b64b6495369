from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.utils import timezone, translation
from pypdf import PdfReader

from orders.handover.picking import picking_list
from orders.handover.printing import print_waybills
from orders.handover.sheet import read_sheet
from orders.handover.waiting import (
    Missing,
    by_urgency,
    end_of_day,
    read_parcels,
    reason_text,
    waiting_orders,
)
from orders.models import Order, Step
from tests.orders.factories import make_product
from tests.orders.parcels import asked_to_assemble, keep_waybill, make_parcel

pytestmark = pytest.mark.django_db


@pytest.fixture
def mouse():
    return make_product("70001", name="Мышь", barcode="4870000000017")


def parcel_of(order: Order):
    order.refresh_from_db()
    (parcel,) = read_parcels([order])
    return parcel


def print_all(*orders: Order, actor: str = "anna"):
    return print_waybills(orders, actor=actor, now=timezone.now())


def test_what_is_not_accepted_has_left_or_is_called_off_waits_for_no_packer(mouse):
    here = make_parcel((mouse, 1), waybill="1")
    make_parcel((mouse, 1), state=Order.NEW, status=Order.APPROVED)
    make_parcel((mouse, 1), waybill="2", handed_over_at=timezone.now())
    make_parcel((mouse, 1), waybill="3", status=Order.CANCELLING)
    make_parcel((mouse, 1), waybill="4", ended_at=timezone.now())
    assert list(waiting_orders()) == [here]


def test_what_is_due_tomorrow_does_not_wait_today(mouse):
    now = timezone.now()
    late = make_parcel((mouse, 1), hand_over_by=now - timedelta(days=1))
    undated = make_parcel((mouse, 1), hand_over_by=None)
    tomorrow = make_parcel((mouse, 1), hand_over_by=now + timedelta(days=1))
    assert list(waiting_orders(due_before=end_of_day(now))) == [late, undated]
    assert list(waiting_orders()) == [late, tomorrow, undated]


def test_what_is_not_printed_comes_first_then_the_nearest_deadline(mouse):
    now = timezone.now()

    def due_in(hours: int, number: str) -> Order:
        moment = now + timedelta(hours=hours)
        return make_parcel((mouse, 1), waybill=number, hand_over_by=moment)

    first, second, third = due_in(1, "1"), due_in(2, "2"), due_in(3, "3")
    print_all(first)
    parcels = by_urgency(read_parcels(waiting_orders()))
    assert [parcel.order for parcel in parcels] == [second, third, first]


@pytest.mark.parametrize(
    ("step", "fields", "missing"),
    [
        (None, {}, Missing.NOT_ASSEMBLED),
        (None, {"is_preorder": True}, Missing.NOT_ARRIVED),
        (Step.Status.PENDING, {}, Missing.ASKED),
        (Step.Status.REFUSED, {}, Missing.STUCK),
        (Step.Status.SKIPPED, {}, Missing.NOT_ASSEMBLED),
        (Step.Status.DONE, {}, Missing.NOT_MADE),
        (Step.Status.DONE, {"is_assembled": True}, Missing.NOT_MADE),
        (None, {"is_assembled": True, "waybill_number": "7"}, Missing.NOT_FETCHED),
    ],
)
def test_each_parcel_without_a_waybill_says_why(mouse, step, fields, missing):
    order = make_parcel((mouse, 1), **fields)
    if step:
        asked_to_assemble(order, status=step)
    parcel = parcel_of(order)
    assert parcel.missing == missing
    assert reason_text(parcel)


def test_a_parcel_with_a_waybill_and_one_that_needs_none_miss_nothing(mouse):
    with_waybill = make_parcel((mouse, 1), waybill="1")
    collected = make_parcel((mouse, 1), state=Order.PICKUP)
    for order in (with_waybill, collected):
        assert parcel_of(order).missing is None
        assert reason_text(parcel_of(order)) == ""


def test_the_places_are_those_the_waybill_was_asked_for(mouse):
    order = make_parcel((mouse, 1), waybill="1")
    assert parcel_of(order).places is None
    asked_to_assemble(order, places=3)
    assert parcel_of(order).places == 3


def test_printing_marks_who_and_when_and_says_it_in_the_history(mouse):
    order = make_parcel((mouse, 1), waybill="1")
    assert not parcel_of(order).is_printed
    printed = print_all(order)
    assert len(PdfReader(io.BytesIO(printed.pdf)).pages) == 1
    waybill = parcel_of(order).waybill
    assert (waybill.printed_by, waybill.printed_at is not None) == ("anna", True)
    assert order.events.filter(actor="anna").count() == 1
    print_all(order, actor="boris")
    assert parcel_of(order).waybill.printed_by == "boris"
    assert order.events.filter(actor__in=["anna", "boris"]).count() == 2


def test_the_file_says_how_many_have_no_waybill(mouse):
    with_waybill = make_parcel((mouse, 1), waybill="1")
    without = [make_parcel((mouse, 1)) for _number in range(2)]
    with translation.override("ru"):
        printed = print_all(without[0], with_waybill, without[1])
        assert printed.summary() == "В файле накладных: 1; без накладной: 2"
    assert printed.orders == (with_waybill,)
    assert printed.missing == tuple(without)


def test_a_waybill_that_kaspi_replaced_is_not_printed(mouse):
    order = make_parcel((mouse, 1), waybill="1")
    Order.objects.filter(pk=order.pk).update(waybill_number="2")
    order.refresh_from_db()
    assert print_all(order).pdf == b""
    assert parcel_of(order).missing == Missing.NOT_FETCHED
    keep_waybill(order, "2")
    assert print_all(order).orders == (order,)
    assert not order.waybills.get(number="1").printed_at


def test_a_new_waybill_is_to_be_printed_again(mouse):
    order = make_parcel((mouse, 1), waybill="1")
    print_all(order)
    Order.objects.filter(pk=order.pk).update(waybill_number="2")
    keep_waybill(order, "2")
    assert not parcel_of(order).is_printed


def test_a_broken_file_is_not_marked_as_printed(mouse):
    order = make_parcel((mouse, 1))
    keep_waybill(order, "", pdf=b"%PDF-1.4 cut")
    printed = print_all(order)
    assert printed.missing == (order,)
    assert not parcel_of(order).is_printed


def test_the_picking_list_adds_up_the_pieces_of_all_parcels(mouse):
    cable = make_product("70002", name="Кабель")
    first = make_parcel((mouse, 2), (cable, 1))
    second = make_parcel((mouse, 3))
    picks = picking_list(read_parcels([first, second]))
    assert [(pick.article, pick.pieces) for pick in picks] == [
        ("70002", 1),
        ("70001", 5),
    ]
    assert [(p.order, n) for p, n in picks[1].parcels] == [(first, 2), (second, 3)]


def test_the_picking_list_goes_along_the_shelves(mouse):
    goods = [
        make_product("70010", name="А", shelf="Б-2"),
        make_product("70011", name="Я", shelf="А-1"),
    ]
    order = make_parcel((mouse, 1), *((good, 1) for good in goods))
    picks = picking_list(read_parcels([order]))
    assert [pick.shelf for pick in picks] == ["А-1", "Б-2", ""]


def test_a_line_without_a_quantity_is_not_hidden_in_the_sum(mouse):
    order = make_parcel((mouse, 2))
    order.lines.update(quantity=None)
    (pick,) = picking_list(read_parcels([order]))
    assert pick.is_uncertain


def test_goods_that_nobody_has_mapped_are_picked_by_their_sku(mouse):
    order = make_parcel((mouse, 2))
    order.lines.update(product=None, sku="XX-1", name="Чужой товар")
    (pick,) = picking_list(read_parcels([order]))
    assert (pick.article, pick.name, pick.pieces) == ("XX-1", "Чужой товар", 2)


def test_the_sheet_of_a_day_holds_what_left_on_it_and_today_what_is_ready(mouse):
    now = timezone.now()
    ready = make_parcel((mouse, 1), waybill="1")
    make_parcel((mouse, 1))
    make_parcel((mouse, 1), state=Order.PICKUP)
    left = make_parcel((mouse, 1), waybill="2", handed_over_at=now)
    before = make_parcel(
        (mouse, 1), waybill="3", handed_over_at=now - timedelta(days=1)
    )
    asked_to_assemble(ready, places=2)
    today = read_sheet(timezone.localdate(now), now=now)
    assert [p.order for p in today.ready] == [ready]
    assert [p.order for p in today.handed_over] == [left]
    assert today.places == 3
    yesterday = read_sheet(timezone.localdate(now) - timedelta(days=1), now=now)
    assert [p.order for p in yesterday.parcels] == [before]


def test_many_parcels_are_read_in_a_few_queries(mouse, django_assert_num_queries):
    for number in range(5):
        make_parcel((mouse, 1), waybill=str(number + 1))
    with django_assert_num_queries(5):
        read_parcels(waiting_orders())
