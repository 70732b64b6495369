"""A parcel's whole way: packed in the list, its waybill fetched, printed, checked."""

from __future__ import annotations

import io

import pytest
from django.urls import reverse
from pypdf import PdfReader

from orders.clients import Clients
from orders.models import Order, ParcelCheck
from orders.reading.refreshing import refresh_order
from tests.orders.test_kaspi_steps import take_in
from tests.staff import log_in, messages_of, page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def packer(settings):
    settings.KASPI_TIMEOUT_S = 1
    settings.PEER_LONGEST_WAIT_S = 1
    return log_in(settings, "packer", language="ru")


def read_again(order: Order) -> None:
    with Clients() as clients:
        refresh_order(order.pk, clients.kaspi)


def test_from_packing_to_the_sheet(kaspi, packer, process):
    kaspi.change_settings(states_move=False, waybill_after_s=0)
    order = take_in(kaspi, {"sku": "70311", "quantity": 2})
    assert "ещё не собран" in page(packer, reverse("hand_over"), scope="all")
    url = reverse("hand_over_assemble", args=[order.pk])
    packer.post(url, {"places": "3", "scope": "all"})
    process()
    read_again(order)
    order.refresh_from_db()
    assert order.is_assembled
    assert order.waybill_number
    text = page(packer, reverse("hand_over"), scope="all")
    assert "не напечатана" in text
    assert "мест: 3" in text
    answer = packer.post(reverse("hand_over_print"), {"what": "new", "scope": "all"})
    labels = PdfReader(io.BytesIO(answer.content)).pages
    assert len(labels) == 3
    assert all(order.waybill_number in label.extract_text() for label in labels)
    article = order.lines.get().product.article
    scanned = reverse("hand_over_check")
    packer.post(scanned, {"code": order.waybill_number})
    check = ParcelCheck.objects.get()
    packer.post(scanned, {"code": f"2*{article}", "check": check.pk})
    check.refresh_from_db()
    assert check.is_finished
    kaspi.happen(order.code, "hand-over")
    read_again(order)
    assert order.code not in page(packer, reverse("hand_over"), scope="all")
    sheet = page(packer, reverse("hand_over_sheet"))
    assert order.code in sheet
    assert order.waybill_number in sheet
    asked_of_kaspi = kaspi.orders[order.code].accepted_writes("ASSEMBLE")
    assert len(asked_of_kaspi) == 1


def test_a_waybill_that_does_not_come_is_waited_for_and_said(kaspi, packer, process):
    kaspi.change_settings(states_move=False, waybill_after_s=3600)
    order = take_in(kaspi)
    packer.post(reverse("hand_over_assemble", args=[order.pk]), {"places": "1"})
    assert "сборка оформляется" in page(packer, reverse("hand_over"), scope="all")
    process()
    read_again(order)
    text = page(packer, reverse("hand_over"), scope="all")
    assert "Kaspi ещё не сделал накладную" in text
    data = {"what": "chosen", "order": [order.pk]}
    answer = packer.post(reverse("hand_over_print"), data, follow=True)
    assert "накладной" in messages_of(answer)
