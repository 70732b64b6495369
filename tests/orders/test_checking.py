from __future__ import annotations

import pytest
from django.utils import timezone, translation

from orders.handover.checking import Sound, begin_anew, scan
from orders.handover.labels import find_product, read_scan
from orders.models import Order, ParcelCheck
from tests.orders.factories import make_product
from tests.orders.parcels import keep_waybill, make_parcel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_english():
    with translation.override("en"):
        yield


@pytest.fixture
def mouse():
    return make_product(
        "70001", name="Мышь", barcode="4870000000017", part_number="ZX-910b"
    )


@pytest.fixture
def cable():
    return make_product("70002", name="Кабель", barcode="012345678905")


class Packer:
    """Scans one code after the other, as the page does."""

    def __init__(self, name: str = "anna") -> None:
        self.name = name
        self.check: int | None = None
        self.aside = ""

    def scan(self, *codes: str):
        for code in codes:
            verdict = scan(
                code,
                check_id=self.check,
                aside=self.aside,
                actor=self.name,
                now=timezone.now(),
            )
            self.check = verdict.check.pk if verdict.check else None
            self.aside = verdict.aside
        return verdict


@pytest.fixture
def packer():
    return Packer()


def test_a_parcel_with_all_its_goods_ends_green_and_says_who_checked_it(
    packer, mouse, cable
):
    order = make_parcel((mouse, 2), (cable, 1), waybill="KZ884")
    assert packer.scan("KZ884").sound == Sound.OPENED
    assert packer.scan("4870000000017").sound == Sound.COUNTED
    assert packer.scan("4870000000017").sound == Sound.COUNTED
    assert packer.scan("012345678905").sound == Sound.COMPLETE
    check = ParcelCheck.objects.get()
    assert (check.order, check.label, check.checked_by) == (order, "KZ884", "anna")
    assert check.is_finished
    assert order.events.filter(actor="anna").count() == 1


@pytest.mark.parametrize(
    "code",
    ["4870000000017", "70001", "sku-1", "SKU-1", "zx-910B", " 4870000000017\t"],
)
def test_a_good_is_known_by_barcode_article_sku_and_part_number(packer, mouse, code):
    order = make_parcel((mouse, 1))
    order.lines.update(sku="sku-1")
    assert packer.scan(order.code, code).sound == Sound.COMPLETE


@pytest.mark.parametrize("code", ["0012345678905", "12345678905", "012345678905"])
def test_leading_zeroes_of_a_barcode_do_not_matter(packer, cable, code):
    order = make_parcel((cable, 1))
    assert packer.scan(order.code, code).sound == Sound.COMPLETE


def test_one_of_several_barcodes_is_enough(packer, mouse):
    mouse.barcode = "4870000000017; 4870000000024"
    mouse.save()
    order = make_parcel((mouse, 1))
    assert packer.scan(order.code, "4870000000024").sound == Sound.COMPLETE


def test_a_scanner_under_another_keyboard_layout_is_understood(packer, mouse):
    order = make_parcel((mouse, 2), waybill="KZ884")
    # The keys of KZ884 and ZX-910B under a Russian layout.
    assert packer.scan("ЛЯ884").check.order == order
    assert packer.scan("ЯЧ-910И").sound == Sound.COUNTED
    # The digits of 70001 under a Kazakh one.
    assert packer.scan('.қққ"').sound == Sound.COMPLETE


def test_a_good_of_another_order_is_wrong_and_counts_nothing(packer, mouse, cable):
    order = make_parcel((mouse, 1))
    verdict = packer.scan(order.code, cable.barcode)
    assert verdict.sound == Sound.WRONG
    assert "Кабель" in verdict.text
    assert order.code in verdict.text
    assert not verdict.check.has_begun
    assert packer.scan(mouse.barcode).sound == Sound.COMPLETE


def test_one_piece_too_many_is_wrong_before_and_after_the_end(packer, mouse, cable):
    order = make_parcel((mouse, 1), (cable, 1))
    verdict = packer.scan(order.code, mouse.barcode, mouse.barcode)
    assert verdict.sound == Sound.WRONG
    assert packer.scan(cable.barcode).sound == Sound.COMPLETE
    assert packer.scan(cable.barcode).sound == Sound.WRONG
    check = ParcelCheck.objects.get()
    assert sorted(check.counted.values()) == [1, 1]


def test_many_pieces_are_counted_at_once_but_never_more_than_are_missing(packer, mouse):
    order = make_parcel((mouse, 12))
    assert packer.scan(order.code, f"13*{mouse.barcode}").sound == Sound.WRONG
    assert packer.scan(f"5*{mouse.barcode}").sound == Sound.COUNTED
    assert packer.scan(f"7*{mouse.barcode}").sound == Sound.COMPLETE


def test_two_lines_of_one_good_are_filled_one_after_the_other(packer, mouse):
    order = make_parcel((mouse, 1), (mouse, 2))
    packer.scan(order.code)
    packer.scan(f"2*{mouse.barcode}")
    assert packer.scan(mouse.barcode).sound == Sound.COMPLETE


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"status": Order.CANCELLING}, "cancelled"),
        ({"status": Order.CANCELLED, "ended_at": timezone.now()}, "cancelled"),
        ({"handed_over_at": timezone.now()}, "handed over already"),
        ({"status": Order.COMPLETED, "ended_at": timezone.now()}, "ended"),
        ({"state": Order.NEW, "status": Order.APPROVED}, "not accepted"),
    ],
)
def test_what_must_not_leave_is_red_at_its_label(packer, mouse, fields, word):
    order = make_parcel((mouse, 1), **fields)
    verdict = packer.scan(order.code)
    assert verdict.sound == Sound.WRONG
    assert word in verdict.text
    assert not ParcelCheck.objects.exists()


def test_a_parcel_whose_goods_are_not_known_cannot_be_checked(packer, mouse):
    order = make_parcel((mouse, 1))
    order.lines.update(quantity=None)
    assert packer.scan(order.code).sound == Sound.WRONG


def test_a_label_that_was_replaced_is_told(packer, mouse):
    order = make_parcel((mouse, 1), waybill="10001")
    Order.objects.filter(pk=order.pk).update(waybill_number="10002")
    keep_waybill(order, "10002")
    verdict = packer.scan("10001")
    assert verdict.sound == Sound.WRONG
    assert "10002" in verdict.text
    assert packer.scan("10002").sound == Sound.OPENED


def test_a_label_of_a_second_place_means_the_same_parcel(packer, mouse):
    order = make_parcel((mouse, 1), waybill="1000123")
    assert packer.scan("1000123-2").check.order == order
    assert packer.scan("1000123-1").sound == Sound.OPENED


def test_a_half_checked_parcel_is_put_aside_only_by_scanning_twice(packer, mouse):
    first, second = make_parcel((mouse, 2)), make_parcel((mouse, 1))
    verdict = packer.scan(first.code, mouse.barcode, second.code)
    assert verdict.sound == Sound.WRONG
    assert verdict.check.order == first
    # A good in between takes the question back.
    packer.scan("nonsense")
    assert packer.scan(second.code).sound == Sound.WRONG
    assert packer.scan(second.code).check.order == second
    # Going back to it, one counts from the beginning.
    assert not packer.scan(first.code).check.has_begun


def test_an_untouched_parcel_is_left_without_asking(packer, mouse):
    first, second = make_parcel((mouse, 1)), make_parcel((mouse, 1))
    assert packer.scan(first.code, second.code).check.order == second


def test_the_open_parcel_s_own_label_changes_nothing(packer, mouse):
    order = make_parcel((mouse, 2))
    verdict = packer.scan(order.code, mouse.barcode, order.code)
    assert verdict.sound == Sound.OPENED
    assert verdict.check.has_begun


def test_a_checked_parcel_may_be_checked_again_and_both_stay(packer, mouse):
    order = make_parcel((mouse, 1))
    packer.scan(order.code, mouse.barcode)
    verdict = Packer("boris").scan(order.code)
    assert verdict.sound == Sound.OPENED
    assert "anna" in verdict.text
    assert ParcelCheck.objects.finished().count() == 1
    assert ParcelCheck.objects.open().count() == 1


def test_two_packers_do_not_count_for_each_other(packer, mouse):
    order = make_parcel((mouse, 2))
    packer.scan(order.code, mouse.barcode)
    other = Packer("boris")
    assert "anna" in other.scan(order.code).text
    verdict = packer.scan(mouse.barcode)
    assert verdict.sound == Sound.WRONG
    assert "boris" in verdict.text
    assert other.scan(f"2*{mouse.barcode}").sound == Sound.COMPLETE


@pytest.mark.parametrize("code", ["", "   ", "0*4870000000017"])
def test_an_empty_scan_is_told(packer, code):
    assert packer.scan(code).sound == Sound.WRONG


def test_goods_without_a_parcel_and_codes_of_nothing_are_told(packer, mouse):
    assert "Мышь" in packer.scan(mouse.barcode).text
    assert "12121212" in packer.scan("12121212").text


def test_a_check_begins_anew(packer, mouse):
    order = make_parcel((mouse, 2))
    packer.scan(order.code, mouse.barcode)
    check = begin_anew(packer.check, actor="anna", now=timezone.now())
    assert not check.has_begun
    packer.scan(f"2*{mouse.barcode}")
    done = begin_anew(packer.check, actor="anna", now=timezone.now())
    assert done.is_finished
    assert done.has_begun


def test_checking_asks_nothing_of_a_peer_and_leaves_the_order_as_it_is(packer, mouse):
    order = make_parcel((mouse, 1))
    before = Order.objects.filter(pk=order.pk).values().get(), order.steps.count()
    packer.scan(order.code, mouse.barcode)
    after = Order.objects.filter(pk=order.pk).values().get(), order.steps.count()
    assert before == after


def test_unprintable_signs_of_a_scanner_are_dropped():
    assert read_scan("\x1d70001\r\n").shown == "70001"


@pytest.mark.parametrize("code", ["0012345678905", "12345678905"])
def test_a_good_is_found_whatever_zeroes_its_barcode_is_stored_with(cable, code):
    read = read_scan(code)
    assert read is not None
    assert find_product(read) == cable
