from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from orders import tasks
from orders.kaspi.client import open_client
from orders.kaspi.words import said
from orders.models import (
    Buyer,
    MasterProduct,
    Order,
    OrderEvent,
    OrderLine,
    ReadMark,
    Reservation,
    Step,
)
from orders.reading import polling, saving
from orders.reading.polling import poll_orders
from orders.reading.saving import load_known
from orders.steps.machine import is_anything_due
from plumbing.leases import LeaseTaken, database_now, under_lease
from plumbing.models import ClockApart
from sandbox.kaspi.orders import product_number, to_id
from tests.orders.factories import make_product

pytestmark = pytest.mark.django_db(transaction=True)
DAY_S = 86400.0
HOUR = timedelta(hours=1)


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def poll(kaspi, settings):
    """Read Kaspi's new orders once."""
    settings.KASPI_TIMEOUT_S = 2
    settings.PEER_LONGEST_WAIT_S = 1

    def run(now: datetime | None = None) -> polling.ReadResult:
        with open_client() as client:
            return poll_orders(client, now=now or utc_now())

    return run


@pytest.fixture
def product():
    return make_product("70311")


def mark_of(state: str = "NEW") -> ReadMark:
    return ReadMark.objects.get(state=state)


@pytest.mark.parametrize(("code", "failure"), [(401, "access"), (503, "down")])
def test_the_mark_tells_a_refused_token_from_an_outage(kaspi, poll, code, failure):
    kaspi.faults.add("status", code=code)
    poll()
    assert mark_of().failure == failure
    kaspi.faults.clear()
    poll()
    assert mark_of().failure == ""


# -- the good case -----------------------------------------------------------------


def test_a_new_order_is_stored_with_its_lines_and_its_first_step(kaspi, poll, product):
    made = kaspi.new_order([{"sku": "70311", "quantity": 2, "price": 15990.0}])
    result = poll()
    order = Order.objects.get()
    assert (order.kaspi_id, order.code) == (made.id, made.code)
    assert (order.state, order.status) == ("NEW", "APPROVED_BY_BANK")
    assert (order.total_kzt, order.delivery_fee_kzt) == (31980, int(made.fee))
    assert (order.problem, order.is_kaspi_delivery) == ("", True)
    line = order.lines.get()
    assert (line.product, line.quantity, line.price_kzt) == (product, 2, 15990)
    assert order.steps.get().kind == Step.Kind.RESERVE
    assert order.reservations.get().lines.get().quantity == 2
    assert order.events.count() == 1
    assert order.buyer.phone == made.buyer.phone
    assert order.accept_by is not None
    assert order.hand_over_by is not None
    assert result.summary == "1 new, 0 changed, 0 unchanged"
    assert kaspi.counters() == {"orders": 2}


def test_an_order_to_be_signed_is_reserved_and_has_no_deadline_yet(
    kaspi, poll, product
):
    kaspi.new_order([{"sku": "70311"}], credit=True)
    poll()
    order = Order.objects.get()
    assert (order.state, order.accept_by) == ("SIGN_REQUIRED", None)
    assert order.steps.get().kind == Step.Kind.RESERVE
    kaspi.happen(order.code, "sign")
    assert poll().summary == "0 new, 1 changed, 0 unchanged"
    order.refresh_from_db()
    assert order.state == "NEW"
    assert order.accept_by is not None
    words = f"{said('SIGN_REQUIRED')} → {said('NEW')}"
    assert order.events.filter(text__contains=words).count() == 1


def test_an_express_order_has_an_hour(kaspi, poll, product):
    kaspi.new_order([{"sku": "70311"}], express=True)
    poll()
    order = Order.objects.get()
    assert order.is_express
    assert order.accept_by - order.approved_at == HOUR


def test_reading_again_changes_nothing(kaspi, poll, product):
    kaspi.new_order([{"sku": "70311"}])
    poll()
    before = list(OrderEvent.objects.values_list("pk", "text"))
    first = Order.objects.get()
    assert poll().summary == "0 new, 0 changed, 1 unchanged"
    order = Order.objects.get()
    assert order.last_seen > first.last_seen
    assert list(OrderEvent.objects.values_list("pk", "text")) == before
    assert Step.objects.count() == Reservation.objects.count() == 1


def test_the_same_goods_on_two_lines_are_one_wish(kaspi, poll, product):
    kaspi.new_order([{"sku": "70311"}, {"sku": "70311", "quantity": 2}])
    poll()
    assert OrderLine.objects.count() == 2
    assert Reservation.objects.get().lines.get().quantity == 3


# -- many at once ------------------------------------------------------------------


def test_many_orders_take_few_calls_and_few_queries(kaspi, poll, product):
    count = 250
    for _ in range(count):
        kaspi.new_order([{"sku": "70311"}])
    with CaptureQueriesContext(connection) as captured:
        result = poll()
    assert len(result.saved.new) == Order.objects.count() == count
    assert Step.objects.count() == Buyer.objects.count() == count
    assert kaspi.counters() == {"orders": 4}
    assert len(captured) <= 3 * count / 5, len(captured)


def test_a_page_that_holds_one_stored_meanwhile_is_stored_one_by_one(
    kaspi, poll, product, monkeypatch
):
    made = [kaspi.new_order([{"sku": "70311"}]) for _ in range(3)]
    poll()
    Order.objects.exclude(code=made[1].code).delete()
    # As if another process had stored it between our look and our write.
    looks = []

    def blind_once(seen):
        looks.append(1)
        return {} if len(looks) == 1 else load_known(seen)

    monkeypatch.setattr(polling, "load_known", blind_once)
    result = poll()
    assert Order.objects.count() == 3
    assert len(result.saved.new) == 2
    assert Step.objects.count() == 3


def test_without_the_unique_id_the_same_order_would_be_stored_twice(
    kaspi, poll, product, monkeypatch
):
    """The twin of the test above: what the constraint keeps from happening."""
    kaspi.new_order([{"sku": "70311"}])
    poll()
    copy = Order.objects.get()
    copy.pk = None
    with pytest.raises(IntegrityError):
        copy.save(force_insert=True)


def test_two_polls_at_once_store_each_order_once(
    kaspi, poll, product, in_threads, settings
):
    for _ in range(120):
        kaspi.new_order([{"sku": "70311"}])
    results = in_threads([poll, poll, poll])
    assert Order.objects.count() == Step.objects.count() == 120
    done = [result for result in results if not isinstance(result, LeaseTaken)]
    assert sum(len(result.saved.new) for result in done) == 120


def test_even_without_the_lease_each_order_is_stored_once(
    kaspi, poll, product, in_threads, monkeypatch
):
    """The twin of the test above: the pollers meet, and only the ids keep order."""

    class NoLease:
        def confirm(self):
            pass

    @contextmanager
    def no_lease(name):
        yield NoLease()

    monkeypatch.setattr(polling, "under_lease", no_lease)
    for _ in range(120):
        kaspi.new_order([{"sku": "70311"}])
    results = in_threads([poll, poll, poll])
    assert all(result.failures == [] for result in results)
    assert Order.objects.count() == Step.objects.count() == 120
    assert OrderLine.objects.count() == Reservation.objects.count() == 120


def test_a_page_is_stored_whole_or_not_at_all(kaspi, poll, product, monkeypatch):
    """Killed in mid-page, nothing is half there; the next poll brings it."""
    for _ in range(3):
        kaspi.new_order([{"sku": "70311"}])

    def die(*_args):
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Step.objects, "bulk_create", die)
        poll()
    assert Order.objects.count() == OrderLine.objects.count() == 0
    assert not ReadMark.objects.exists()
    poll()
    assert Order.objects.count() == Step.objects.count() == 3


@pytest.mark.parametrize("error", [IntegrityError, ZeroDivisionError])
def test_an_order_that_cannot_be_stored_holds_up_no_other_and_is_read_again(
    kaspi, poll, product, monkeypatch, error
):
    made = [kaspi.new_order([{"sku": "70311"}]) for _ in range(3)]
    insert = saving._insert

    def refuse_one(new):
        if any(item.order.code == made[1].code for item in new):
            raise error
        return insert(new)

    monkeypatch.setattr(saving, "_insert", refuse_one)
    result = poll()
    assert Order.objects.count() == 2
    assert made[1].code in result.summary
    assert mark_of().failed_at is not None
    monkeypatch.undo()
    assert poll().summary.startswith("1 new")
    assert mark_of().failed_at is None


# -- sections, marks and windows ---------------------------------------------------


def test_one_section_that_fails_does_not_stop_the_other(kaspi, poll, product):
    kaspi.change_settings(sign_required_400=True)
    kaspi.new_order([{"sku": "70311"}])
    result = poll()
    assert len(result.saved.new) == 1
    assert "Unknown value [SIGN_REQUIRED]" in result.failures[0]
    assert mark_of("NEW").failed_at is None
    failed = mark_of("SIGN_REQUIRED")
    assert failed.failed_at is not None
    assert "Unknown value" in failed.error


def test_a_mark_moves_only_after_the_last_page(kaspi, poll, product):
    for _ in range(150):
        kaspi.new_order([{"sku": "70311"}])
    now = utc_now()
    poll(now)
    kaspi.new_order([{"sku": "70311"}])
    kaspi.faults.add("status", "orders", code=502, skip=1, times=4)
    result = poll(now + timedelta(minutes=5))
    assert len(result.saved.new) == 1
    assert "502" in result.failures[0]
    mark = mark_of()
    assert (mark.read_until, mark.failed_at) == (now, now + timedelta(minutes=5))
    later = now + timedelta(minutes=10)
    poll(later)
    assert (mark_of().read_until, mark_of().error) == (later, "")


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("html", {}),
        ("truncate", {}),
        ("stall", {"seconds": 5}),
        ("drop_before_work", {}),
        ("status", {"code": 500}),
        ("garbage", {"body": '{"unexpected": 1}'}),
        ("wrong_types", {"variant": "list"}),
        ("wrong_types", {"variant": "scalar"}),
    ],
)
def test_a_failed_reading_says_so_and_the_next_one_catches_up(
    kaspi, poll, product, fault, options
):
    kaspi.new_order([{"sku": "70311"}])
    kaspi.faults.add(fault, **options)
    result = poll()
    assert len(result.failures) == 2
    assert Order.objects.count() == 0
    assert mark_of().failed_at is not None
    assert ReadMark.objects.first_read_at() is None
    kaspi.faults.clear()
    assert len(poll().saved.new) == 1
    assert mark_of().first_read_at > mark_of("NEW").read_until - HOUR


@pytest.mark.parametrize("variant", ["strings", "nulls", "swapped"])
def test_values_of_another_type_never_stop_the_poll(kaspi, poll, product, variant):
    kaspi.new_order([{"sku": "70311"}])
    kaspi.faults.add("wrong_types", variant=variant)
    poll()
    kaspi.faults.clear()
    poll()
    assert Order.objects.get().lines.get().product == product


def test_the_first_reading_is_remembered_for_ever(kaspi, poll):
    now = utc_now()
    poll(now)
    poll(now + timedelta(days=2))
    assert mark_of().first_read_at == now
    assert mark_of().read_until == now + timedelta(days=2)


def test_two_weeks_are_read_in_one_window_and_more_after_an_outage(
    kaspi, poll, product
):
    kaspi.change_settings(states_move=False)
    now = utc_now()
    old = kaspi.new_order([{"sku": "70311"}], age_s=13 * DAY_S)
    poll(now)
    assert Order.objects.get().code == old.code
    assert len(kaspi.calls("orders")) == 2
    # As if the bridge had stood still for a month and something had come meanwhile.
    ReadMark.objects.update(read_until=now - timedelta(days=30))
    late = kaspi.new_order([{"sku": "70311"}], age_s=29 * DAY_S)
    kaspi.forget_arrivals()
    poll(now)
    assert Order.objects.filter(code=late.code).exists()
    assert len(kaspi.calls("orders")) == 6
    assert {arrival.status for arrival in kaspi.arrivals} == {200}


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0])
def test_a_clock_an_hour_off_loses_no_order(kaspi, poll, product, skew_s):
    kaspi.change_settings(clock_skew_s=skew_s)
    kaspi.new_order([{"sku": "70311"}])
    assert len(poll().saved.new) == 1


@pytest.mark.parametrize("skew_s", [-DAY_S, DAY_S])
def test_a_clock_a_day_off_loses_no_order_and_is_told(kaspi, poll, product, skew_s):
    kaspi.change_settings(clock_skew_s=skew_s)
    kaspi.new_order([{"sku": "70311"}])
    assert len(poll().saved.new) == 1
    assert abs(ClockApart.objects.get(name="Kaspi").seconds - skew_s) < 60
    kaspi.change_settings(clock_skew_s=0)
    poll()
    assert not ClockApart.objects.exists()


def test_a_clock_set_back_while_orders_are_read_leaves_nothing_seen_tomorrow(
    kaspi, poll, product, monkeypatch
):
    """It would hide for a day whatever Kaspi says of them."""
    began = utc_now()
    kaspi.new_order([{"sku": "70311"}])
    told = iter([began])
    monkeypatch.setattr(
        polling, "database_now", lambda: next(told, began - timedelta(days=1))
    )
    poll(began)
    long_ago = began - timedelta(hours=23)
    order = Order.objects.get()
    assert max(order.last_seen, order.first_seen, mark_of().read_until) < long_ago


def test_pages_that_repeat_and_shrink_lose_and_double_nothing(kaspi, poll, product):
    for _ in range(150):
        kaspi.new_order([{"sku": "70311"}])
    kaspi.faults.add("page_repeats", times=1)
    kaspi.faults.add("page_shrinks", times=2)
    poll()
    assert Order.objects.count() == Step.objects.count() == 150


# -- what cannot be made sense of --------------------------------------------------


def only_problem(poll) -> tuple[Order, str]:
    """Read; expect one order that waits for a person, and return its reason."""
    result = poll()
    assert result.failures == []
    order = Order.objects.get()
    assert order.problem
    step = order.steps.get()
    assert (step.kind, step.status) == (Step.Kind.RESERVE, Step.Status.NEEDS_PERSON)
    assert step.last_error == order.problem
    assert order.events.filter(text=order.problem).exists()
    return order, order.problem


def test_an_unknown_sku_waits_for_a_person_and_goes_on_once_mapped(kaspi, poll):
    kaspi.new_order([{"sku": "999999", "quantity": 2}])
    order, problem = only_problem(poll)
    assert "999999" in problem
    assert order.lines.get().product is None
    product = make_product("70311", sku="999999")
    poll()
    order.refresh_from_db()
    assert (order.problem, order.lines.get().product) == ("", product)
    step = order.steps.get()
    assert (step.status, step.last_error) == (Step.Status.PENDING, "")
    wanted = order.reservations.get().lines.get()
    assert (wanted.product, wanted.quantity) == (product, 2)


def test_one_unknown_sku_among_known_ones_holds_the_whole_order(kaspi, poll, product):
    kaspi.new_order([{"sku": "70311"}, {"sku": "nope"}])
    order, problem = only_problem(poll)
    assert order.lines.count() == 2
    assert "nope" in problem
    assert "70311" not in problem


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "abc", None])
def test_an_unreadable_quantity_waits_for_a_person(kaspi, poll, product, quantity):
    kaspi.new_order([{"sku": "70311", "raw": {"quantity": quantity}}])
    order, problem = only_problem(poll)
    assert order.lines.get().quantity is None
    assert "70311" in problem


def test_weighed_goods_wait_for_a_person(kaspi, poll, product):
    line = {"sku": "70311", "quantity": 1.25, "unit_type": "MEASURABLE"}
    kaspi.new_order([line])
    _order, problem = only_problem(poll)
    assert "MEASURABLE" in problem


def test_a_negative_price_waits_for_a_person(kaspi, poll, product):
    kaspi.new_order([{"sku": "70311", "raw": {"basePrice": -15990.0}}])
    order, problem = only_problem(poll)
    assert "basePrice" in problem
    assert order.lines.get().price_kzt is None


@pytest.mark.parametrize(
    "raw",
    [{"status": "EATEN_BY_DOG"}, {"state": "ON_THE_MOON"}],
)
def test_an_unknown_word_waits_for_a_person_and_is_kept(kaspi, poll, product, raw):
    made = kaspi.new_order([{"sku": "70311"}])
    kaspi.set_order(made.code, raw=raw)
    order, problem = only_problem(poll)
    ((name, word),) = raw.items()
    assert getattr(order, name) == word
    assert word in problem
    kaspi.set_order(made.code, raw={})
    poll()
    order.refresh_from_db()
    assert order.problem == ""
    assert order.steps.get().status == Step.Status.PENDING


def test_an_order_without_lines_waits_for_a_person(kaspi, poll):
    kaspi.new_order([])
    _order, problem = only_problem(poll)
    assert problem
    assert len(kaspi.calls("entries")) == 1


def test_lines_that_come_later_are_taken_in(kaspi, poll, product):
    made = kaspi.new_order([{"sku": "70311"}], shows_entries=False)
    order, _problem = only_problem(poll)
    assert order.lines.count() == 0
    kaspi.set_order(made.code, shows_entries=True)
    poll()
    order.refresh_from_db()
    assert (order.problem, order.lines.get().product) == ("", product)
    assert order.steps.get().status == Step.Status.PENDING
    assert order.reservations.get().lines.get().quantity == 1


def test_lines_that_fail_to_come_are_asked_for_again(kaspi, poll, product):
    kaspi.change_settings(links_only=True)
    kaspi.new_order([{"sku": "70311"}])
    kaspi.faults.add("status", "entries", code=500)
    order, problem = only_problem(poll)
    assert "HTTP 500" in problem
    kaspi.faults.clear()
    poll()
    order.refresh_from_db()
    assert order.problem == ""
    assert order.steps.get().status == Step.Status.PENDING


@pytest.mark.parametrize("relative", [False, True])
def test_lines_are_found_without_ids_and_with_relative_links(
    kaspi, poll, product, relative
):
    kaspi.change_settings(links_only=True, relative_links=relative)
    kaspi.new_order([{"sku": "70311"}])
    poll()
    assert OrderLine.objects.get().product == product
    assert len(kaspi.calls("entries")) == 1
    # What is stored is not asked for again.
    poll()
    assert len(kaspi.calls("entries")) == 1


@pytest.mark.parametrize("links_only", [False, True])
def test_a_sku_is_found_by_way_of_the_card_once(kaspi, poll, product, links_only):
    kaspi.change_settings(omit_offer=True, links_only=links_only)
    for _ in range(3):
        kaspi.new_order([{"sku": "70311"}])
    poll()
    assert {line.product for line in OrderLine.objects.all()} == {product}
    card = MasterProduct.objects.get()
    assert (card.masterproduct_id, card.sku) == (
        to_id(product_number("70311")),
        "70311",
    )
    assert len(kaspi.calls("merchant-product")) == 1
    assert len(kaspi.calls("product")) == (3 if links_only else 0)
    kaspi.forget_arrivals()
    kaspi.new_order([{"sku": "70311"}])
    poll()
    assert OrderLine.objects.count() == 4
    assert kaspi.calls("merchant-product") == []


def test_a_line_without_offer_and_card_waits_for_a_person(kaspi, poll, product):
    kaspi.new_order([{"sku": "70311", "shows_product": False}])
    order, problem = only_problem(poll)
    assert "Product not found" in problem
    assert order.lines.get().sku == ""


def test_one_outage_is_not_asked_into_again_and_again(kaspi, poll, product, settings):
    kaspi.change_settings(omit_offer=True)
    for number in range(5):
        kaspi.new_order([{"sku": str(number)}])
    kaspi.faults.add("status", "merchant-product", code=502)
    poll()
    assert Order.objects.count() == 5
    assert len(kaspi.calls("merchant-product")) == 4


@pytest.mark.parametrize("way", ["omit_attributes", "null_attributes"])
def test_an_order_of_which_only_the_code_is_known_is_stored(kaspi, poll, product, way):
    names = [
        "totalPrice",
        "paymentMode",
        "plannedDeliveryDate",
        "deliveryCostForSeller",
        "deliveryMode",
        "isKaspiDelivery",
        "signatureRequired",
        "deliveryCost",
        "preOrder",
        "pickupPointId",
        "assembled",
        "approvedByBankDate",
        "customer",
        "originAddress",
        "kaspiDelivery",
        "deliveryAddress",
        "creationDate",
    ]
    kaspi.change_settings(**{way: names})
    kaspi.new_order([{"sku": "70311"}])
    poll()
    order = Order.objects.get()
    assert (order.problem, order.total_kzt) == ("", None)
    assert order.accept_by is not None
    assert not Buyer.objects.exists()
    assert order.steps.get().status == Step.Status.PENDING


def test_what_kaspi_leaves_out_later_is_kept(kaspi, poll, product):
    made = kaspi.new_order([{"sku": "70311"}])
    poll()
    before = Order.objects.values().get()
    kaspi.change_settings(
        null_attributes=["approvedByBankDate", "kaspiDelivery", "customer", "state"],
        omit_attributes=["totalPrice", "isKaspiDelivery"],
    )
    assert poll().summary == "0 new, 0 changed, 1 unchanged"
    after = Order.objects.values().get()
    assert after | {"last_seen": 0} == before | {"last_seen": 0}
    assert Buyer.objects.get().phone == made.buyer.phone


def test_rows_without_a_name_are_counted_and_told(kaspi, poll, product):
    good = kaspi.new_order([{"sku": "70311"}])
    for omit in (["code"], ["code", "state"]):
        kaspi.set_order(kaspi.new_order([{"sku": "70311"}]).code, omit=omit)
    result = poll()
    assert Order.objects.get().code == good.code
    assert result.bad_rows == 2
    assert "2 rows unreadable" in result.summary
    mark = mark_of()
    assert mark.failed_at is None
    assert "code" in mark.error


def test_a_fractional_total_is_rounded_and_told(kaspi, poll, product):
    kaspi.new_order([{"sku": "70311", "price": 1999.5}])
    poll()
    order = Order.objects.get()
    assert (order.total_kzt, order.problem) == (2000, "")
    assert order.events.filter(text__contains="1999.5").exists()


def test_a_masked_phone_is_no_phone_and_hides_no_known_one(kaspi, poll, product):
    made = kaspi.new_order([{"sku": "70311"}], masked_phone=True)
    poll()
    assert Buyer.objects.get().phone == ""
    kaspi.set_order(made.code, masked_phone=False)
    poll()
    assert Buyer.objects.get().phone == made.buyer.phone
    kaspi.set_order(made.code, masked_phone=True)
    assert poll().summary == "0 new, 0 changed, 1 unchanged"
    assert Buyer.objects.get().phone == made.buyer.phone


def test_another_id_for_the_same_code_is_the_same_order(kaspi, poll, product):
    kaspi.new_order([{"sku": "70311"}])
    poll()
    Order.objects.update(kaspi_id="an-older-id")
    poll()
    assert Order.objects.get().kaspi_id != "an-older-id"


# -- secrets -----------------------------------------------------------------------


def everything_written() -> str:
    rows: list[Any] = []
    for model in (Order, OrderLine, OrderEvent, ReadMark, Step, Reservation):
        rows += model.objects.values()
    return json.dumps(rows, default=str, ensure_ascii=False)


def test_neither_buyers_nor_tokens_are_written_down_or_told(
    kaspi, poll, product, caplog, settings
):
    made = [kaspi.new_order([{"sku": sku}]) for sku in ("70311", "999", "1000")]
    with caplog.at_level(logging.DEBUG):
        told = poll().summary
        kaspi.set_order(made[0].code, masked_phone=True)
        kaspi.set_order(made[1].code, raw={"customer": {"cellPhone": "7011112233"}})
        for fault in ("html", "truncate", "status", "stall"):
            options = {"stall": {"seconds": 5}, "status": {"code": 400}}.get(fault, {})
            number = kaspi.faults.add(fault, **options)
            told += poll().summary
            kaspi.faults.clear(number)
        told += poll().summary
    assert Buyer.objects.filter(phone="7011112233").exists()
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("urllib3")]
    shown = everything_written() + told + "".join(ours)
    for order in made:
        assert order.buyer.phone not in shown
        assert order.buyer.id not in shown
        assert f"{order.buyer.first_name} {order.buyer.last_name}" not in shown
    assert "7011112233" not in shown
    assert settings.KASPI_TOKEN not in shown


# -- interfaces --------------------------------------------------------------------


def test_the_command_says_what_it_did(kaspi, product, capsys):
    kaspi.new_order([{"sku": "70311"}])
    call_command("poll_orders")
    assert capsys.readouterr().out.strip() == "1 new, 0 changed, 0 unchanged"


def test_the_command_fails_with_the_reason(kaspi, product):
    kaspi.change_settings(sign_required_400=True)
    with pytest.raises(CommandError, match="Unknown value"):
        call_command("poll_orders")
    with under_lease(polling.LEASE), pytest.raises(CommandError, match="under way"):
        call_command("poll_orders")


def test_the_task_asks_for_new_work_to_be_done(kaspi, product):
    assert tasks.poll_orders() == "0 new, 0 changed, 0 unchanged"
    assert OrmQ.objects.count() == 0
    kaspi.new_order([{"sku": "70311"}])
    assert tasks.poll_orders() == "1 new, 0 changed, 0 unchanged"
    assert is_anything_due(now=database_now())
    # A queued round would keep the next poll waiting.
    assert not [q for q in OrmQ.objects.all() if q.func().startswith("orders.")]


def test_work_is_asked_for_though_a_section_failed(kaspi, product):
    kaspi.change_settings(sign_required_400=True)
    kaspi.new_order([{"sku": "70311"}])
    with pytest.raises(polling.ReadingFailed, match="1 new"):
        tasks.poll_orders()
    assert is_anything_due(now=database_now())
    # A queued round would keep the next poll waiting.
    assert not [q for q in OrmQ.objects.all() if q.func().startswith("orders.")]


def test_a_poll_under_way_is_no_failure_of_the_task(kaspi):
    with under_lease(polling.LEASE):
        assert "under way" in tasks.poll_orders()
    assert kaspi.arrivals == []
