from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from orders import tasks
from orders.kaspi.client import open_client
from orders.models import (
    Buyer,
    Order,
    OrderEvent,
    ReadMark,
    Reservation,
    Step,
    Waybill,
)
from orders.reading import polling, refreshing, saving
from orders.reading.polling import ReadingFailed, ReadResult, poll_orders
from orders.reading.refreshing import refresh_order, refresh_orders
from orders.reading.saving import Arrival, save_orders
from plumbing.leases import under_lease
from plumbing.peers import PeerProtocolError, PeerRefused, PeerUnavailable
from tests.orders.factories import make_product

pytestmark = pytest.mark.django_db(transaction=True)
DAY_S = 86400.0
DAY = timedelta(days=1)


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def quiet(kaspi, settings):
    """Kaspi whose orders move only when told to."""
    kaspi.change_settings(states_move=False, waybill_after_s=0)
    settings.KASPI_TIMEOUT_S = 2
    return kaspi


@pytest.fixture
def poll(quiet):
    def run() -> ReadResult:
        with open_client() as client:
            return poll_orders(client, now=utc_now())

    return run


@pytest.fixture
def refresh(quiet):
    def run(now: datetime | None = None) -> ReadResult:
        quiet.forget_arrivals()
        with open_client() as client:
            return refresh_orders(client, now=now or utc_now())

    return run


@pytest.fixture
def product():
    return make_product("70311")


@pytest.fixture
def taken(quiet, poll, product):
    """One order that was taken in as new."""
    made = quiet.new_order([{"sku": "70311", "quantity": 2}])
    poll()
    return made


def forget_order(kaspi, made) -> None:
    """Let Kaspi know nothing of an order any more."""
    del kaspi.desk.orders[made.code]
    kaspi.desk._by_id.clear()


def states_asked(kaspi) -> list[str]:
    return [call.query["filter[orders][state]"] for call in kaspi.calls("orders")]


def accept(kaspi, made) -> None:
    with open_client() as client:
        client.accept(made.id, code=made.code)


# -- known orders ------------------------------------------------------------------


def test_an_accepted_order_is_seen_moving_on(quiet, refresh, taken):
    accept(quiet, taken)
    result = refresh()
    order = Order.objects.get()
    assert (order.state, order.status) == ("KASPI_DELIVERY", "ACCEPTED_BY_MERCHANT")
    assert len(result.saved.changed) == 1
    event = order.events.latest("pk")
    assert "paid, to be accepted → accepted" in event.text
    assert states_asked(quiet) == ["KASPI_DELIVERY", "PICKUP", "DELIVERY"]


def test_what_did_not_change_costs_no_write_of_its_own(quiet, refresh, product, poll):
    for _ in range(60):
        accept(quiet, quiet.new_order([{"sku": "70311"}]))
    refresh()
    events = OrderEvent.objects.count()
    before = utc_now()
    with CaptureQueriesContext(connection) as captured:
        result = refresh()
    writes = [
        query["sql"]
        for query in captured
        if query["sql"].startswith(("UPDATE", "INSERT"))
        and "orders_order" in query["sql"]
    ]
    assert result.saved.unchanged == 60
    assert len(writes) == 1
    assert OrderEvent.objects.count() == events
    assert Order.objects.filter(last_seen__gte=before).count() == 60


def test_a_cancelled_order_is_released_and_ends(quiet, refresh, taken):
    quiet.happen(taken.code, "buyer-cancel")
    refresh()
    order = Order.objects.get()
    assert (order.status, order.cancellation_reason) == (
        "CANCELLED",
        "BUYER_CANCELLATION_HIMSELF",
    )
    assert order.ended_at is not None
    assert order.steps.get().status == Step.Status.SKIPPED
    assert order.reservations.get().status == Reservation.Status.DROPPED
    assert Order.objects.open().count() == 0


def test_a_cancellation_in_transit_is_followed_to_the_warehouse(quiet, refresh, taken):
    accept(quiet, taken)
    with open_client() as client:
        client.assemble(taken.id, code=taken.code, places=1)
    refresh()
    assert Order.objects.get().is_assembled
    for event in ("hand-over", "cancel-in-transit", "back-at-warehouse"):
        quiet.happen(taken.code, event)
        refresh()
    order = Order.objects.get()
    assert (order.status, order.is_back_at_warehouse) == ("CANCELLING", True)
    assert order.handed_over_at is not None
    assert order.ended_at is None
    with open_client() as client:
        client.arrived_backward(taken.id, code=taken.code)
    refresh()
    order.refresh_from_db()
    assert order.status == "CANCELLED"
    assert order.ended_at is not None


def test_the_first_hand_over_deadline_is_kept(quiet, refresh, taken):
    first = Order.objects.get().hand_over_by
    accept(quiet, taken)
    quiet.happen(taken.code, "hand-over")
    refresh()
    order = Order.objects.get()
    assert order.hand_over_by == first
    assert order.handed_over_at != first


def test_fewer_pieces_and_lines_taken_off_are_seen(quiet, refresh, product, poll):
    make_product("812")
    made = quiet.new_order([{"sku": "70311", "quantity": 3}, {"sku": "812"}])
    poll()
    entry_id = made.entry_id(made.entries[0])
    with open_client() as client:
        client.remove_line(entry_id, remained_quantity=1, reason="x", notes="")
    made.entries.pop()
    refresh()
    order = Order.objects.get()
    assert [line.quantity for line in order.lines.all()] == [1, 0]
    assert order.problem == ""
    assert [line.quantity for line in order.reservations.get().lines.all()] == [1]
    assert order.events.filter(text__contains="3 → 1").exists()


def test_a_reservation_under_way_is_not_changed_under_its_hands(quiet, refresh, taken):
    Step.objects.update(
        status=Step.Status.IN_FLIGHT, claimed_until=utc_now() + timedelta(minutes=2)
    )
    taken.entries[0].quantity = 1
    refresh()
    order = Order.objects.get()
    assert order.lines.get().quantity == 1
    assert order.reservations.get().lines.get().quantity == 2


def test_an_accept_without_effect_is_planned_again(quiet, refresh, taken):
    order = Order.objects.get()
    Reservation.objects.update(status=Reservation.Status.BY_HAND)
    Step.objects.update(status=Step.Status.DONE, finished_at=utc_now())
    Step.objects.create(
        order=order,
        peer="kaspi",
        kind=Step.Kind.ACCEPT,
        status=Step.Status.DONE,
        not_before=utc_now(),
        created_at=utc_now(),
        finished_at=utc_now(),
    )
    refresh()
    accepts = order.steps.filter(kind=Step.Kind.ACCEPT)
    assert [step.status for step in accepts] == ["done", "pending"]


def test_an_earlier_reading_never_overwrites_a_later_one(quiet, refresh, taken):
    """A page read before the accept is stored after the accept was seen."""
    with open_client() as client:
        read_at = utc_now()
        page = client.orders_page(
            "NEW", ge=read_at - DAY, le=read_at + DAY, page=0
        ).orders
        accept(quiet, taken)
        refresh()
        arrival = Arrival(read_at=read_at, now=utc_now(), first_read_at=None)
        known = {taken.code: Order.objects.select_related("buyer").get()}
        stored = save_orders(page, known, arrival)
    assert stored.changed == []
    assert Order.objects.get().status == "ACCEPTED_BY_MERCHANT"


def test_read_as_of_now_it_would_have_been_overwritten(quiet, refresh, taken):
    """The twin of the test above, without the moment of the reading."""
    with open_client() as client:
        read_at = utc_now()
        page = client.orders_page(
            "NEW", ge=read_at - DAY, le=read_at + DAY, page=0
        ).orders
        accept(quiet, taken)
        refresh()
        arrival = Arrival(read_at=utc_now(), now=utc_now(), first_read_at=None)
        known = {taken.code: Order.objects.select_related("buyer").get()}
        save_orders(page, known, arrival)
    assert Order.objects.get().status == "APPROVED_BY_BANK"


# -- orders that went past the poll ------------------------------------------------


def test_what_kaspi_accepted_by_itself_is_reserved(quiet, refresh, poll, product):
    poll()
    quiet.new_order([{"sku": "70311"}], accepted=True)
    result = refresh()
    assert len(result.saved.new) == 1
    order = Order.objects.get()
    assert order.accept_by is None
    assert order.steps.get().kind == Step.Kind.RESERVE


def test_what_was_accepted_before_the_first_reading_was_reserved_by_hand(
    quiet, refresh, poll, product
):
    quiet.new_order([{"sku": "70311"}], accepted=True, age_s=3600)
    poll()
    refresh()
    order = Order.objects.get()
    assert order.lines.get().product == product
    assert not order.steps.exists()
    assert not order.reservations.exists()


def test_what_waits_at_the_first_reading_is_ours_however_old(
    quiet, refresh, poll, product
):
    quiet.new_order([{"sku": "70311"}], age_s=3600)
    refresh()
    assert Order.objects.count() == 0
    poll()
    assert Order.objects.get().steps.get().kind == Step.Kind.RESERVE


# -- how it is found ---------------------------------------------------------------


def test_a_few_that_ended_are_asked_for_by_code(quiet, refresh, taken):
    quiet.happen(taken.code, "buyer-cancel")
    refresh()
    assert len(quiet.calls("order-by-code")) == 1
    assert "ARCHIVE" not in states_asked(quiet)


def test_many_that_ended_are_found_in_the_archive(quiet, refresh, poll, product):
    made = [quiet.new_order([{"sku": "70311"}]) for _ in range(15)]
    stranger = quiet.new_order([{"sku": "70311"}], accepted=True, age_s=1800)
    quiet.happen(stranger.code, "deliver")
    poll()
    for order in made:
        quiet.happen(order.code, "buyer-cancel")
    refresh()
    assert set(Order.objects.values_list("status", flat=True)) == {"CANCELLED"}
    assert states_asked(quiet).count("ARCHIVE") == 1
    assert quiet.calls("order-by-code") == []
    # What was finished before the bridge began to read is no business of its.
    assert not Order.objects.filter(code=stranger.code).exists()


def test_a_few_old_orders_are_asked_for_by_code(quiet, refresh, taken):
    accept(quiet, taken)
    quiet.set_order(taken.code, created=taken.created - 40 * DAY_S)
    Order.objects.update(created_at=utc_now() - 40 * DAY)
    refresh()
    assert Order.objects.get().status == "ACCEPTED_BY_MERCHANT"
    assert len(quiet.calls("order-by-code")) == 1
    assert states_asked(quiet) == ["KASPI_DELIVERY", "PICKUP", "DELIVERY"]


def test_many_old_orders_are_leafed_back_for(quiet, refresh, poll, product):
    for _ in range(40):
        made = quiet.new_order([{"sku": "70311"}])
        accept(quiet, made)
        quiet.set_order(made.code, created=made.created - 30 * DAY_S)
    refresh(utc_now() - 30 * DAY)
    assert Order.objects.count() == 40
    result = refresh()
    assert result.saved.unchanged == 40
    assert quiet.calls("order-by-code") == []
    assert {call.status for call in quiet.arrivals} == {200}


def test_an_order_that_kaspi_no_longer_shows_is_told_once(quiet, refresh, taken):
    forget_order(quiet, taken)
    refresh()
    refresh()
    order = Order.objects.get()
    assert "does not show" in order.problem
    assert order.events.filter(text=order.problem).count() == 1


def test_one_section_that_fails_does_not_stop_the_others(quiet, refresh, poll, product):
    poll()
    first = quiet.new_order([{"sku": "70311"}], kind="pickup", accepted=True)
    quiet.new_order([{"sku": "70311"}], kind="kaspi", accepted=True)
    quiet.faults.add("status", "orders", code=500, times=4)
    result = refresh()
    assert Order.objects.get().code == first.code
    assert "KASPI_DELIVERY" in result.failures[0]
    assert ReadMark.objects.get(state="KASPI_DELIVERY").failed_at is not None
    assert ReadMark.objects.get(state="PICKUP").failed_at is None
    assert len(refresh().saved.new) == 1


def fail_for(monkeypatch, module, name: str, code: str) -> None:
    """Let a function of ours fail whenever it is about one order."""
    real = getattr(module, name)

    def failing(*args, **options):
        pk = Order.objects.get(code=code).pk
        if any(getattr(arg, "code", arg) in (code, pk) for arg in args):
            raise ZeroDivisionError
        return real(*args, **options)

    monkeypatch.setattr(module, name, failing)


@pytest.mark.parametrize("link", ["https://[bad/x", "https://kaspi.kz:99999/w", "a:b"])
def test_a_malformed_waybill_link_holds_up_nobody(quiet, refresh, poll, product, link):
    made = [quiet.new_order([{"sku": "70311"}], kind="kaspi") for _ in range(3)]
    poll()
    for each in made:
        accept(quiet, each)
    delivery = {"waybill": link, "waybillNumber": "KZ1"}
    quiet.set_order(made[1].code, raw={"kaspiDelivery": delivery})
    with open_client() as client:
        for each in made:
            client.assemble(each.id, code=each.code, places=1)
    result = refresh()
    assert result.failures == []
    assert not ReadMark.objects.exclude(failed_at=None).exists()
    assert set(Waybill.objects.values_list("order__code", flat=True)) == {
        made[0].code,
        made[2].code,
    }
    quiet.happen(made[1].code, "buyer-cancel")
    refresh()
    assert Order.objects.get(code=made[1].code).status == Order.CANCELLED


@pytest.mark.parametrize("name", ["compare", "_update"])
def test_an_order_that_cannot_be_saved_holds_up_no_other(
    quiet, refresh, poll, product, monkeypatch, name
):
    made = [quiet.new_order([{"sku": "70311"}]) for _ in range(3)]
    poll()
    for each in made:
        accept(quiet, each)
    broken = made[1]
    fail_for(monkeypatch, saving, name, broken.code)
    result = refresh()
    waiting = Order.objects.filter(status=Order.APPROVED)
    assert [order.code for order in waiting] == [broken.code]
    assert f"{broken.code}: the bridge itself failed" in result.summary
    assert "ZeroDivisionError" in result.summary
    mark = ReadMark.objects.get(state="KASPI_DELIVERY")
    assert mark.failed_at is not None
    assert broken.code in mark.error
    monkeypatch.undo()
    assert refresh().failures == []
    assert not waiting.all().exists()
    assert ReadMark.objects.get(state="KASPI_DELIVERY").failed_at is None


def test_whatever_breaks_a_section_is_told_by_its_mark(
    quiet, refresh, taken, monkeypatch
):
    def break_down(*args):
        raise ZeroDivisionError

    monkeypatch.setattr(polling, "load_known", break_down)
    with pytest.raises(ReadingFailed, match=r"KASPI_DELIVERY.*ZeroDivisionError"):
        refresh().check()
    marks = ReadMark.objects.filter(state__in=Order.MOVING_STATES)
    assert [mark.failed_at is None for mark in marks] == [False] * 3
    assert all("ZeroDivisionError" in mark.error for mark in marks)


def test_an_order_refused_by_code_does_not_stop_the_next(
    quiet, refresh, poll, product, monkeypatch
):
    made = [quiet.new_order([{"sku": "70311"}]) for _ in range(3)]
    poll()
    for each in made:
        accept(quiet, each)
        quiet.set_order(each.code, created=each.created - 40 * DAY_S)
    Order.objects.update(created_at=utc_now() - 40 * DAY)
    quiet.faults.add("status", "order-by-code", code=400, times=1)
    result = refresh()
    assert Order.objects.filter(status=Order.ACCEPTED).count() == 2
    assert "HTTP 400" in result.summary


def test_an_order_that_cannot_be_stored_is_not_taken_for_one_just_read(
    quiet, taken, monkeypatch
):
    accept(quiet, taken)
    fail_for(monkeypatch, saving, "_update", taken.code)
    with (
        open_client() as client,
        pytest.raises(PeerProtocolError, match="ZeroDivisionError"),
    ):
        refresh_order(Order.objects.get().pk, client)


# -- deadlines ---------------------------------------------------------------------


def test_a_collected_order_is_due_after_three_working_days(quiet, refresh, poll):
    poll()
    made = quiet.new_order([{"sku": "70311"}], kind="pickup")
    poll()
    assert Order.objects.get().collect_by is None
    accept(quiet, made)
    refresh()
    order = Order.objects.get()
    assert order.due_at == order.collect_by
    assert 3 * DAY - timedelta(hours=15) < order.collect_by - utc_now() < 8 * DAY
    refresh(utc_now() + DAY)
    assert Order.objects.get().collect_by == order.collect_by


def test_a_pre_order_is_kept_for_its_buyer_from_when_its_goods_are_there(
    quiet, refresh, poll
):
    poll()
    made = quiet.new_order([{"sku": "70311"}], kind="pickup", preorder_days=12)
    poll()
    accept(quiet, made)
    refresh()
    assert Order.objects.get().collect_by is None
    # Its goods come days after it was accepted.
    Order.objects.update(arrived_at=utc_now())
    refresh(utc_now() + DAY)
    order = Order.objects.get()
    assert order.due_at == order.collect_by
    assert order.collect_by - utc_now() > 3 * DAY


def test_a_pre_order_is_due_when_its_goods_were_promised(quiet, refresh, poll, product):
    poll()
    made = quiet.new_order([{"sku": "70311"}], kind="delivery", preorder_days=5)
    poll()
    accept(quiet, made)
    refresh()
    order = Order.objects.get()
    assert order.due_at == order.arrive_by == order.planned_delivery_at
    later = made.created + 90 * DAY_S
    quiet.set_order(made.code, planned_delivery=later)
    refresh()
    order.refresh_from_db()
    assert order.due_at == order.created_at + 30 * DAY
    order.arrived_at = utc_now()
    assert order.due_at == order.planned_delivery_at


def test_goods_that_come_back_are_fetched_within_thirty_days(quiet, refresh, taken):
    accept(quiet, taken)
    quiet.happen(taken.code, "hand-over")
    quiet.happen(taken.code, "cancel-in-transit")
    refresh()
    order = Order.objects.get()
    assert order.due_at == order.fetch_by
    assert abs(order.fetch_by - utc_now() - 30 * DAY) < timedelta(minutes=5)
    quiet.happen(taken.code, "back-at-warehouse")
    refresh(utc_now() + DAY)
    assert Order.objects.get().fetch_by == order.fetch_by
    assert not order.events.filter(text__contains="fetch back").exists()


# -- returns -----------------------------------------------------------------------


@pytest.fixture
def finished(quiet, refresh, taken):
    """One order that was handed over and received."""
    accept(quiet, taken)
    quiet.happen(taken.code, "hand-over")
    quiet.happen(taken.code, "deliver")
    refresh()
    assert Order.objects.get().ended_at is not None
    return taken


def test_a_return_of_a_finished_order_is_seen(quiet, refresh, finished):
    quiet.happen(finished.code, "return")
    refresh()
    order = Order.objects.get()
    assert order.status == "KASPI_DELIVERY_RETURN_REQUESTED"
    assert order.ended_at is None
    assert order.events.filter(text__contains="return asked for").exists()
    with open_client() as client:
        client.arrived_backward(finished.id, code=finished.code)
    refresh()
    order.refresh_from_db()
    assert order.status == "RETURNED"
    assert order.ended_at is not None


def test_finished_orders_are_looked_at_once_a_day_for_sixteen_days(
    quiet, refresh, finished
):
    now = utc_now()
    assert ReadMark.objects.filter(state="ARCHIVE").exists()
    for days, looks in ((0, 0), (1, 1), (1.1, 0), (15.9, 1), (17, 0)):
        refresh(now + days * DAY)
        assert states_asked(quiet).count("ARCHIVE") == looks, days


def test_an_old_order_that_was_returned_is_found_by_the_daily_look(
    quiet, refresh, finished
):
    now = utc_now()
    Order.objects.update(created_at=now - 25 * DAY)
    quiet.set_order(finished.code, created=finished.created - 25 * DAY_S)
    quiet.happen(finished.code, "return")
    refresh(now + timedelta(hours=1))
    assert Order.objects.get().status == "COMPLETED"
    refresh(now + DAY)
    assert Order.objects.get().status == "KASPI_DELIVERY_RETURN_REQUESTED"


def test_deleted_buyer_data_do_not_come_back_with_the_archive(quiet, refresh, finished):
    Buyer.objects.all().delete()
    refresh(utc_now() + DAY)
    assert not Buyer.objects.exists()


# -- one order ---------------------------------------------------------------------


def test_one_order_is_read_again(quiet, taken):
    accept(quiet, taken)
    quiet.forget_arrivals()
    with open_client() as client:
        order = refresh_order(Order.objects.get().pk, client)
    assert order.status == "ACCEPTED_BY_MERCHANT"
    assert len(quiet.arrivals) == 1


def test_one_order_that_cannot_be_read_says_why(quiet, taken):
    pk = Order.objects.get().pk
    with open_client() as client:
        number = quiet.faults.add("status", code=500)
        with pytest.raises(PeerUnavailable):
            refresh_order(pk, client)
        quiet.faults.clear(number)
        forget_order(quiet, taken)
        with pytest.raises(PeerRefused, match="not found"):
            refresh_order(pk, client)


# -- waybills ----------------------------------------------------------------------


@pytest.fixture
def packed(quiet, taken):
    accept(quiet, taken)
    with open_client() as client:
        client.assemble(taken.id, code=taken.code, places=2)
    return taken


def test_a_waybill_is_fetched_once_and_kept(quiet, refresh, packed):
    result = refresh()
    kept = Waybill.objects.get()
    assert kept.number == packed.waybills[0].number == kept.order.waybill_number
    assert bytes(kept.pdf).startswith(b"%PDF")
    assert result.waybills == 1
    assert "1 waybills fetched" in result.summary
    # The link is signed anew: the order is unchanged all the same.
    assert refresh().summary == "0 new, 0 changed, 1 unchanged"
    assert quiet.calls("waybill") == []


def test_a_waybill_that_fails_is_fetched_by_the_next_refresh(
    quiet, refresh, packed, caplog
):
    quiet.faults.add("html", "waybill", times=1)
    with caplog.at_level(logging.DEBUG):
        refresh()
    assert not Waybill.objects.exists()
    assert Order.objects.get().is_assembled
    assert "sign=" not in "".join(
        r.getMessage() for r in caplog.records if not r.name.startswith("urllib3")
    )
    refresh()
    assert Waybill.objects.count() == 1


def test_a_second_waybill_is_kept_beside_the_first(quiet, refresh, packed):
    refresh()
    with open_client() as client:
        client.assemble(packed.id, code=packed.code, places=1)
    refresh()
    assert Waybill.objects.count() == 2


def test_the_link_of_a_parcel_that_left_is_not_asked(quiet, refresh, packed):
    quiet.happen(packed.code, "hand-over")
    refresh()
    assert quiet.calls("waybill") == []


def test_the_poll_looks_after_waybills_that_come_late(quiet, taken):
    quiet.change_settings(waybill_after_s=60)
    accept(quiet, taken)
    with open_client() as client:
        client.assemble(taken.id, code=taken.code, places=1)
    tasks.refresh_orders()
    assert not Waybill.objects.exists()
    quiet.clock.advance(61)
    assert "1 waybills fetched" in tasks.poll_orders()
    assert Waybill.objects.count() == 1
    quiet.forget_arrivals()
    tasks.poll_orders()
    assert len(quiet.arrivals) == 2


# -- interfaces --------------------------------------------------------------------


def test_the_command_and_the_task_say_what_they_did(quiet, taken, capsys):
    call_command("refresh_orders")
    assert capsys.readouterr().out.strip() == "0 new, 0 changed, 1 unchanged"
    assert tasks.refresh_orders() == "0 new, 0 changed, 1 unchanged"
    assert OrmQ.objects.count() == 0
    accept(quiet, taken)
    assert tasks.refresh_orders() == "0 new, 1 changed, 0 unchanged"
    assert not [q for q in OrmQ.objects.all() if q.func().startswith("orders.")]


def test_the_command_fails_with_the_reason(quiet):
    quiet.faults.add("status", code=500)
    with pytest.raises(CommandError, match="HTTP 500"):
        call_command("refresh_orders")
    with under_lease(refreshing.LEASE), pytest.raises(CommandError, match="under way"):
        call_command("refresh_orders")


def test_a_day_without_the_bridge_is_caught_up(quiet, refresh, poll, product):
    poll()
    start = utc_now()
    with time_machine.travel(start + DAY, tick=True):
        quiet.clock.advance(DAY_S)
        missed = [
            quiet.new_order([{"sku": "70311"}], age_s=20 * 3600.0),
            quiet.new_order([{"sku": "70311"}], accepted=True, age_s=20 * 3600.0),
        ]
        poll()
        refresh()
    assert set(Order.objects.values_list("code", flat=True)) == {
        order.code for order in missed
    }
    assert Step.objects.filter(kind=Step.Kind.RESERVE).count() == 2
