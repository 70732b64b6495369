from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader

from orders.models import Order, ParcelCheck, Reason, Step
from orders.plan.events import record
from tests.orders.factories import make_product
from tests.orders.parcels import asked_to_assemble, make_parcel
from tests.orders.stuck import not_bought
from tests.staff import log_in, messages_of, page

pytestmark = pytest.mark.django_db
PAGES = ("hand_over", "hand_over_picking", "hand_over_check", "hand_over_sheet")


@pytest.fixture
def mouse():
    return make_product("70001", name="Мышь", barcode="4870000000017")


@pytest.fixture
def operator(settings):
    return log_in(settings, "operator")


def print_them(client, **data):
    return client.post(reverse("hand_over_print"), data)


def pages_of(response) -> int:
    assert response.headers["content-type"] == "application/pdf"
    return len(PdfReader(io.BytesIO(response.content)).pages)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_page_opens_with_little_asked_of_the_database(
    settings, mouse, django_assert_max_num_queries, language
):
    client = log_in(settings, "operator", language=language)
    for number in range(12):
        order = make_parcel((mouse, 1), waybill=str(number + 1))
        asked_to_assemble(order, places=2)
        make_parcel((mouse, 1), state=(Order.PICKUP, Order.DELIVERY)[number % 2])
        make_parcel((mouse, 1))
    client.post(reverse("hand_over_check"), {"code": order.code})
    page(client, reverse("hand_over"))
    for name in PAGES:
        with django_assert_max_num_queries(12):
            assert order.code in page(client, reverse(name))


def test_the_menu_leads_to_the_hand_over(operator):
    assert reverse("hand_over") in page(operator, reverse("admin:index"))


def test_a_viewer_looks_and_neither_prints_checks_nor_assembles(settings, mouse):
    order = make_parcel((mouse, 1), waybill="1")
    viewer = log_in(settings, "viewer")
    text = page(viewer, reverse("hand_over"))
    assert order.code in text
    assert 'name="order"' not in text
    assert viewer.get(reverse("hand_over_check")).status_code == 403
    assert print_them(viewer, what="new").status_code == 403
    url = reverse("hand_over_assemble", args=[order.pk])
    assert viewer.post(url, {"places": 1}).status_code == 403
    assert order.waybills.get().printed_at is None


def test_a_packer_prints_checks_and_assembles_but_sees_no_profit(settings, mouse):
    order = make_parcel((mouse, 1), waybill="884", total_kzt=5000)
    other = make_parcel((mouse, 1))
    packer = log_in(settings, "packer")
    for name in PAGES:
        page(packer, reverse(name))
    url = reverse("admin:orders_order_change", args=[order.pk])
    text = page(packer, url)
    assert "What it earns" not in text
    assert "dealer price" not in text
    assert "What it earns" in page(log_in(settings, "operator"), url)
    assert pages_of(print_them(packer, what="new")) == 1
    waybill = order.waybills.get()
    assert pages_of(packer.get(reverse("admin:order_waybill", args=[waybill.pk]))) == 1
    packer.post(reverse("hand_over_assemble", args=[other.pk]), {"places": "1"})
    assert other.steps.filter(kind=Step.Kind.ASSEMBLE).exists()


def test_a_packer_reads_of_no_sum_that_goods_cost(settings, mouse):
    order, step = not_bought(
        Reason.LOSES_MONEY, mouse, last_error="The buyer pays 900 ₸, loss 2 350 ₸"
    )
    record(order, "Reserved: order 101, 12\u202f700 ₸", now=timezone.now(), step=step)
    url = reverse("admin:orders_order_change", args=[order.pk])
    lists = (reverse("admin:index"), reverse("admin:orders_order_changelist"))
    product = reverse("admin:catalog_product_change", args=[mouse.pk])
    for role, is_told in (("packer", False), ("viewer", True)):
        client = log_in(settings, role)
        shown = page(client, url)
        for told in ("2 350", "12\u202f700", "Left of it at today", product):
            assert (told in shown) is is_told, (role, told)
        assert "loses money" in shown
        for address in lists:
            assert ("2 350" in page(client, address)) is is_told, (role, address)
    assert "Goods and price list" not in page(log_in(settings, "packer"), lists[0])


def test_who_may_see_no_order_sees_no_parcel(client, django_user_model):
    somebody = django_user_model.objects.create_user("x", is_staff=True)
    client.force_login(somebody)
    for name in PAGES:
        assert client.get(reverse(name)).status_code == 403


def test_printing_and_assembling_are_done_by_post_only(operator, mouse):
    order = make_parcel((mouse, 1))
    assert operator.get(reverse("hand_over_print")).status_code == 403
    url = reverse("hand_over_assemble", args=[order.pk])
    assert operator.get(url).status_code == 403


def test_the_new_ones_are_printed_once_and_chosen_ones_as_often_as_wished(
    operator, mouse
):
    now = timezone.now()
    later = now + timedelta(days=3)
    first, second = (make_parcel((mouse, 1), waybill=n) for n in ("1", "2"))
    make_parcel((mouse, 1), waybill="3", hand_over_by=later)
    make_parcel((mouse, 1))
    assert pages_of(print_them(operator, what="new", scope="today")) == 2
    assert first.waybills.get().printed_by == "operator"
    again = print_them(operator, what="new", scope="today")
    assert again.status_code == 302
    assert pages_of(print_them(operator, what="chosen", order=[second.pk])) == 1
    assert pages_of(print_them(operator, what="new", scope="all")) == 1


def test_after_printing_the_page_says_what_was_in_the_file(settings, mouse):
    client = log_in(settings, "operator", language="ru")
    orders = [make_parcel((mouse, 1), waybill="1"), make_parcel((mouse, 1))]
    print_them(client, what="chosen", order=[order.pk for order in orders])
    text = page(client, reverse("hand_over"))
    assert "В файле накладных: 1; без накладной: 1" in text
    assert "ещё не собран" in text


def test_of_very_many_the_nearest_are_shown_and_all_are_printed(
    operator, mouse, monkeypatch
):
    monkeypatch.setattr("orders.admin.handover.ROWS_SHOWN", 2)
    orders = [make_parcel((mouse, 1), waybill=str(n + 1)) for n in range(4)]
    text = page(operator, reverse("hand_over"))
    assert text.count('name="order"') == 2
    assert "Print 4 new waybills" in text
    assert "The 2 nearest by deadline are shown" in text
    assert pages_of(print_them(operator, what="new")) == len(orders)


def test_an_order_that_left_meanwhile_is_not_printed(operator, mouse):
    order = make_parcel((mouse, 1), waybill="1")
    Order.objects.update(handed_over_at=timezone.now())
    assert print_them(operator, what="chosen", order=[order.pk]).status_code == 302
    assert order.waybills.get().printed_at is None


def test_a_parcel_is_assembled_with_its_places_from_the_list(operator, mouse):
    order = make_parcel((mouse, 1))
    url = reverse("hand_over_assemble", args=[order.pk])
    assert url in page(operator, reverse("hand_over"))
    response = operator.post(url, {"places": "2", "scope": "all"}, follow=True)
    assert response.redirect_chain[-1][0].endswith("?scope=all")
    step = order.steps.get(kind=Step.Kind.ASSEMBLE)
    assert step.parameters["places"] == 2
    # Kaspi would make a second waybill.
    again = operator.post(url, {"places": "2"}, follow=True)
    assert "not possible any more" in messages_of(again)
    assert order.steps.filter(kind=Step.Kind.ASSEMBLE).count() == 1
    assert url not in page(operator, reverse("hand_over"))


@pytest.mark.parametrize("places", ["0", "", "x", "1000"])
def test_nonsensical_places_assemble_nothing(operator, mouse, places):
    order = make_parcel((mouse, 1))
    url = reverse("hand_over_assemble", args=[order.pk])
    assert messages_of(operator.post(url, {"places": places}, follow=True))
    assert not order.steps.filter(kind=Step.Kind.ASSEMBLE).exists()


def test_the_scanner_s_page_works_without_scripts(operator, mouse):
    order = make_parcel((mouse, 1), waybill="884")
    url = reverse("hand_over_check")
    opened = operator.post(url, {"code": "884"})
    check = ParcelCheck.objects.get()
    assert f'name="check" value="{check.pk}"' in opened.content.decode()
    done = operator.post(url, {"code": mouse.barcode, "check": check.pk})
    assert "verdict complete" in done.content.decode()
    check.refresh_from_db()
    assert (check.order, check.checked_by) == (order, "operator")
    assert check.is_finished


def test_a_script_gets_only_the_panel(operator, mouse):
    make_parcel((mouse, 1), waybill="884")
    response = operator.post(
        reverse("hand_over_check"),
        {"code": "nonsense"},
        headers={"x-requested-with": "scanner"},
    )
    text = response.content.decode()
    assert text.strip().startswith('<div class="check-state"')
    assert 'data-sound="wrong"' in text
    assert "<html" not in text


def test_a_half_done_check_is_there_again_after_reloading(operator, mouse):
    make_parcel((mouse, 2), waybill="884")
    url = reverse("hand_over_check")
    operator.post(url, {"code": "884"})
    check = ParcelCheck.objects.get()
    operator.post(url, {"code": mouse.barcode, "check": check.pk})
    text = page(operator, url)
    assert f'name="check" value="{check.pk}"' in text
    operator.post(url, {"anew": "1", "check": check.pk})
    check.refresh_from_db()
    assert not check.has_begun


@pytest.mark.parametrize("check", ["x", "-1", "9" * 30, "77"])
def test_a_check_that_is_none_is_no_fault(operator, check):
    response = operator.post(reverse("hand_over_check"), {"code": "1", "check": check})
    assert response.status_code == 200


def test_names_that_would_be_code_are_text(operator, mouse):
    hostile = "<script>alert(1)</script>"
    order = make_parcel((mouse, 1), waybill="884")
    order.lines.update(name=hostile, sku=hostile)
    operator.post(reverse("hand_over_check"), {"code": order.code})
    for name in PAGES:
        assert "<script>alert" not in page(operator, reverse(name))
    said = operator.post(reverse("hand_over_check"), {"code": hostile})
    assert "<script>alert" not in said.content.decode()


@pytest.mark.parametrize("day", ["", "x", "2026-02-31", "9999-12-31", "2020-01-01"])
def test_any_day_gives_a_sheet(operator, day):
    assert operator.get(reverse("hand_over_sheet"), {"day": day}).status_code == 200


def test_an_earlier_day_shows_what_left_on_it(operator, mouse):
    moment = timezone.now() - timedelta(days=2)
    order = make_parcel((mouse, 1), waybill="884", handed_over_at=moment)
    url = reverse("hand_over_sheet")
    assert order.code not in page(operator, url)
    day = f"{timezone.localdate(moment):%Y-%m-%d}"
    assert order.code in page(operator, url, day=day)


def test_the_list_s_action_prints_and_marks_too(settings, mouse):
    client = log_in(settings, "operator", language="ru")
    order = make_parcel((mouse, 1), waybill="1")
    other = make_parcel((mouse, 1))
    data = {"action": "print_waybills", "_selected_action": [order.pk, other.pk]}
    response = client.post(reverse("admin:orders_order_changelist"), data)
    assert pages_of(response) == 1
    assert order.waybills.get().printed_by == "operator"
    text = page(client, reverse("admin:orders_order_changelist"))
    assert "В файле накладных: 1; без накладной: 1" in text
