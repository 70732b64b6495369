from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import cast

import pytest
from django.utils import timezone

from orders.kaspi.client import open_client
from orders.models import Order, OrderLine, Reason, Reservation, Step
from orders.models.step import StepParameters
from orders.plan import actions
from orders.plan.actions import ActionImpossible
from orders.reading.refreshing import refresh_order
from orders.steps.kaspi import MOST_LOOKS
from plumbing.limits import ClockBusy, TokenClock
from sandbox.kaspi.orders import Waybill
from tests.orders.factories import make_order, make_product, step_of

pytestmark = pytest.mark.django_db(transaction=True)
S, K = Step.Status, Step.Kind
STATE_OF_KIND = {
    "kaspi": Order.KASPI_DELIVERY,
    "pickup": Order.PICKUP,
    "delivery": Order.DELIVERY,
}


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"
    settings.KASPI_TIMEOUT_S = 1
    settings.PEER_LONGEST_WAIT_S = 1


def take_in(kaspi, *lines, kind: str = "kaspi", **fields) -> Order:
    """Store an order that Kaspi has as accepted; nothing is to be reserved."""
    lines = lines or ({"sku": "70311"},)
    made = kaspi.new_order(list(lines), kind=kind, accepted=True)
    product = make_product(f"A{made.code}")
    order = make_order(
        *((product, int(entry.quantity)) for entry in made.entries),
        kaspi_id=made.id,
        code=made.code,
        state=STATE_OF_KIND[kind],
        status=Order.ACCEPTED,
        **fields,
    )
    order.steps.all().delete()
    order.reservations.all().delete()
    rows = zip(order.lines.order_by("pk"), made.entries, strict=True)
    for line, entry in rows:
        line.entry_id, line.needs_imei = made.entry_id(entry), entry.needs_imei
        line.save()
    return order


def assemblies(kaspi, order: Order) -> int:
    return len(kaspi.orders[order.code].accepted_writes("ASSEMBLE"))


# -- assembling --------------------------------------------------------------------


@contextmanager
def throttled(kaspi, settings, monkeypatch):
    kaspi.faults.add("status", "assemble", code=429, retry_after=1, times=1)
    yield


@contextmanager
def nobody_there(kaspi, settings, monkeypatch):
    url, settings.KASPI_URL = settings.KASPI_URL, "http://127.0.0.1:9/shop/api"
    yield
    settings.KASPI_URL = url


@contextmanager
def no_turn(kaspi, settings, monkeypatch):
    def busy(clock, priority):
        raise ClockBusy(clock.name)

    with monkeypatch.context() as patch:
        patch.setattr(TokenClock, "turn", busy)
        yield


@contextmanager
def token_refused(kaspi, settings, monkeypatch):
    token, settings.KASPI_TOKEN = settings.KASPI_TOKEN, "another-token"
    yield
    settings.KASPI_TOKEN = token


@pytest.mark.parametrize("failing", [throttled, nobody_there, no_turn, token_refused])
@pytest.mark.parametrize("how", ["by itself", "by the button"])
def test_an_assemble_that_surely_never_left_is_sent_again(
    quiet, settings, monkeypatch, process, failing, how
):
    order = take_in(quiet)
    actions.request_step(order, K.ASSEMBLE, actor="anna", parameters={"places": 2})
    with failing(quiet, settings, monkeypatch):
        process()
    step = step_of(order, K.ASSEMBLE)
    assert (step.status, step.sent_at, step.sent) == (S.PENDING, None, {})
    assert assemblies(quiet, order) == 0
    if how == "by the button":
        actions.retry_step(step, actor="anna")
    process(also_later=how == "by itself")
    assert assemblies(quiet, order) == 1
    assert step_of(order, K.ASSEMBLE).status == S.DONE
    assert quiet.orders[order.code].waybills[0].places == 2


def test_an_assemble_that_kaspi_refused_is_sent_again_by_the_button(quiet, process):
    order = take_in(quiet)
    quiet.faults.add("status", "assemble", code=400, times=1)
    actions.request_step(order, K.ASSEMBLE, actor="anna", parameters={"places": 1})
    process()
    step = step_of(order, K.ASSEMBLE)
    assert step.status == S.REFUSED
    actions.retry_step(step, actor="anna")
    process()
    assert assemblies(quiet, order) == 1
    assert step_of(order, K.ASSEMBLE).status == S.DONE


@pytest.mark.parametrize("fault", ["drop_before_work", "drop_after_work"])
def test_an_assemble_that_may_have_left_is_looked_for_and_never_repeated(
    quiet, process, fault
):
    order = take_in(quiet)
    quiet.faults.add(fault, "assemble", times=1)
    actions.request_step(order, K.ASSEMBLE, actor="anna", parameters={"places": 1})
    process()
    step = step_of(order, K.ASSEMBLE)
    assert (step.status, bool(step.sent_at)) == (S.UNKNOWN, True)
    for _ in range(MOST_LOOKS + 1):
        process(also_later=True)
    step.refresh_from_db()
    assert len(quiet.calls("assemble")) == 1
    if fault == "drop_after_work":
        assert step.status == S.DONE
        return
    assert step.status == S.NEEDS_PERSON
    assert "second waybill" in step.last_error
    # Trying again looks again; only who has seen the cabinet may have it sent.
    actions.retry_step(step, actor="anna")
    process()
    assert len(quiet.calls("assemble")) == 1
    for _ in range(MOST_LOOKS + 1):
        process(also_later=True)
    actions.assemble_anew(step_of(order, K.ASSEMBLE), actor="anna")
    process()
    assert assemblies(quiet, order) == 1
    assert step_of(order, K.ASSEMBLE).status == S.DONE


def test_an_assemble_whose_worker_died_before_sending_is_sent(quiet, process):
    order = take_in(quiet)
    actions.request_step(order, K.ASSEMBLE, actor="anna", parameters={"places": 1})
    Step.objects.update(status=S.UNKNOWN)
    process()
    assert assemblies(quiet, order) == 1
    assert step_of(order, K.ASSEMBLE).status == S.DONE


def test_what_was_assembled_in_the_cabinet_gets_no_second_waybill(quiet, process):
    order = take_in(quiet)
    made, now = quiet.orders[order.code], quiet.desk.now()
    made.waybills.append(Waybill(number="111", places=1, issued=now, ready_at=now))
    made.assembled = True
    know_of_old(order)
    actions.request_step(order, K.ASSEMBLE, actor="anna", parameters={"places": 1})
    process()
    assert len(made.waybills) == 1
    assert step_of(order, K.ASSEMBLE).status == S.DONE


@pytest.mark.parametrize(("is_fresh", "readings"), [(True, 1), (False, 2)])
def test_what_was_read_just_now_is_not_read_again_to_assemble(
    quiet, process, is_fresh, readings
):
    order = take_in(quiet)
    if not is_fresh:
        know_of_old(order)
    actions.request_step(order, K.ASSEMBLE, actor="anna", parameters={"places": 1})
    process()
    assert step_of(order, K.ASSEMBLE).status == S.DONE
    assert len(quiet.calls("order-by-code")) == readings


# -- taken, and not to be seen ------------------------------------------------------


def know_of_old(order: Order) -> None:
    """Let what is known of the order be as old as the last refresh."""
    read_at = timezone.now() - timedelta(minutes=14)
    Order.objects.filter(pk=order.pk).update(last_seen=read_at)


ECHOED = [
    (K.CANCEL, "cancel", {"reason": "BUYER_NOT_REACHABLE"}),
    (K.COMPLETE, "complete", {"code": "1234"}),
    (K.REMOVE_LINE, "entry-cancel", {}),
    (K.ASSEMBLE, "assemble", {"places": 1}),
    (K.ARRIVE_BACK, "arrive-backward", {}),
]


def ask_for(quiet, kind, parameters) -> Order:
    """Ask for a step of an order that is as far on as the step needs."""
    order = take_in(
        quiet,
        {"sku": "1", "quantity": 2},
        kind="pickup" if kind == K.COMPLETE else "kaspi",
    )
    if kind == K.COMPLETE:
        quiet.orders[order.code].security_code = parameters["code"]
    if kind == K.ARRIVE_BACK:
        quiet.happen(order.code, "cancel-in-transit")
        Order.objects.filter(pk=order.pk).update(status=Order.CANCELLING)
    if kind == K.REMOVE_LINE:
        ask_for_removal(order, 0, remained=1)
    else:
        actions.request_step(order, kind, actor="anna", parameters=parameters)
    return order


@pytest.mark.parametrize(("kind", "method", "parameters"), ECHOED)
def test_what_kaspi_only_echoed_is_looked_for_and_comes_to_a_person(
    quiet, process, kind, method, parameters
):
    order = ask_for(quiet, kind, parameters)
    echo = '{"data": {"id": "x", "attributes": {"status": "SUCCESSFULL"}}}'
    quiet.faults.add("status", method, code=200, body=echo, times=1)
    process()
    step = step_of(order, kind)
    assert step.status == S.UNKNOWN
    assert step.not_before > timezone.now()
    for _ in range(MOST_LOOKS + 1):
        process(also_later=True)
    step.refresh_from_db()
    assert (step.status, step.looks) == (S.NEEDS_PERSON, MOST_LOOKS)
    assert len(quiet.calls(method)) == 1
    is_assemble = kind == K.ASSEMBLE
    assert step.stuck_for == (
        Reason.NO_WAYBILL_SEEN if is_assemble else Reason.NO_EFFECT
    )
    assert "code" not in step.parameters
    if kind in (K.CANCEL, K.REMOVE_LINE, K.ARRIVE_BACK):
        actions.retry_step(step, actor="anna")
        process()
        assert step_of(order, kind).status == S.DONE


def test_a_return_that_shows_late_needs_nobody_any_more(quiet, process):
    order = ask_for(quiet, K.ARRIVE_BACK, {})
    quiet.change_settings(write_lag_s=3600)
    for _ in range(MOST_LOOKS + 1):
        process(also_later=True)
    assert step_of(order, K.ARRIVE_BACK).status == S.NEEDS_PERSON
    quiet.orders[order.code].stale = None
    with open_client() as client:
        refresh_order(order.pk, client)
    assert step_of(order, K.ARRIVE_BACK).status == S.SKIPPED


@pytest.mark.parametrize(
    ("kind", "method", "parameters"), [x for x in ECHOED if x[0] != K.REMOVE_LINE]
)
def test_what_shows_a_little_later_is_done_and_was_sent_once(
    quiet, process, kind, method, parameters
):
    order = ask_for(quiet, kind, parameters)
    quiet.change_settings(write_lag_s=3600)
    process()
    assert step_of(order, kind).status == S.UNKNOWN
    quiet.orders[order.code].stale = None
    process(also_later=True)
    assert step_of(order, kind).status == S.DONE
    assert len(quiet.calls(method)) == 1


@pytest.mark.parametrize(("kind", "method", "parameters"), ECHOED)
def test_what_shows_at_once_is_read_once(quiet, process, kind, method, parameters):
    order = ask_for(quiet, kind, parameters)
    process()
    assert step_of(order, kind).status == S.DONE
    assert len(quiet.calls("order-by-code")) == 1


# -- accepting ---------------------------------------------------------------------


@pytest.fixture
def awaiting(quiet) -> Order:
    """A new order whose accept was asked for because its goods were held."""
    made = quiet.new_order([{"sku": "70311"}])
    order = make_order((make_product("70311"), 1), kaspi_id=made.id, code=made.code)
    order.steps.all().delete()
    order.reservations.update(status=Reservation.Status.BY_HAND)
    actions.request_step(order, K.ACCEPT, actor="bridge")
    return order


def test_what_is_held_is_accepted(quiet, awaiting, process):
    process()
    assert quiet.orders[awaiting.code].status == "ACCEPTED_BY_MERCHANT"


def test_goods_released_meanwhile_are_not_promised(quiet, awaiting, process):
    awaiting.reservations.update(status=Reservation.Status.DROPPED)
    process()
    assert quiet.orders[awaiting.code].status == "APPROVED_BY_BANK"
    assert step_of(awaiting, K.ACCEPT).status == S.NEEDS_PERSON


def test_who_accepts_without_goods_says_so(quiet, awaiting, process):
    awaiting.reservations.update(status=Reservation.Status.DROPPED)
    process()
    actions.request_step(
        awaiting, K.ACCEPT, actor="anna", parameters={"unreserved": True}
    )
    process()
    assert quiet.orders[awaiting.code].status == "ACCEPTED_BY_MERCHANT"


# -- arriving ----------------------------------------------------------------------


def test_the_arrival_of_a_pre_order_ends_its_deadline(quiet, process):
    order = take_in(quiet, is_preorder=True)
    quiet.orders[order.code].preorder_days = 5
    actions.request_step(order, K.ARRIVE, actor="anna")
    assert order.awaits_arrival
    quiet.change_settings(arrived_404=True)
    process()
    order.refresh_from_db()
    assert (step_of(order, K.ARRIVE).status, order.arrived_at) == (S.REFUSED, None)
    quiet.change_settings(arrived_404=False)
    actions.retry_step(step_of(order, K.ARRIVE), actor="anna")
    process()
    order.refresh_from_db()
    assert not order.awaits_arrival


# -- lines -------------------------------------------------------------------------

IMEI = [["490154203237518", "356938035643809"], ["352099001761481"]]


def ask_for_removal(order: Order, place: int, **parameters) -> OrderLine:
    line = order.lines.order_by("pk")[place]
    wanted = {"reason": "MERCHANT_OUT_OF_STOCK", **parameters}
    actions.request_line_step(
        line, K.REMOVE_LINE, actor="anna", parameters=cast("StepParameters", wanted)
    )
    return line


def test_devices_are_named_one_by_one(quiet, process):
    order = take_in(quiet, {"sku": "1"}, {"sku": "2", "quantity": 2})
    line = order.lines.latest("pk")
    actions.request_line_step(line, K.IMEI, actor="anna", parameters={"imei": IMEI})
    with pytest.raises(ActionImpossible):
        actions.request_line_step(
            order.lines.earliest("pk"),
            K.IMEI,
            actor="anna",
            parameters={"imei": [["1"]]},
        )
    assert step_of(order, K.IMEI).parameters["imei"] == IMEI
    process()
    assert step_of(order, K.IMEI).status == S.DONE
    (told,) = quiet.orders[order.code].imei
    assert [item["imei"] for item in told["items"]] == IMEI


def test_devices_whose_naming_may_be_lost_wait_for_a_person(quiet, process):
    order = take_in(quiet)
    quiet.faults.add("drop_after_work", "imei", times=1)
    actions.request_line_step(
        order.lines.get(), K.IMEI, actor="anna", parameters={"imei": IMEI[1:]}
    )
    process(also_later=True)
    process(also_later=True)
    step = step_of(order, K.IMEI)
    assert step.status == S.NEEDS_PERSON
    assert "does not show" in step.last_error
    actions.retry_step(step, actor="anna")
    process()
    assert step_of(order, K.IMEI).status == S.DONE


def test_part_of_a_line_is_removed_and_seen_here(quiet, process):
    order = take_in(quiet, {"sku": "1"}, {"sku": "2", "quantity": 3})
    line = ask_for_removal(order, 1, remained=1)
    process()
    line.refresh_from_db()
    assert (line.quantity, quiet.orders[order.code].entries[1].quantity) == (1, 1)
    assert step_of(order, K.REMOVE_LINE).status == S.DONE


def test_a_removal_that_kaspi_is_at_is_looked_for(quiet, process):
    order = take_in(quiet, {"sku": "1"}, {"sku": "2", "quantity": 3})
    quiet.change_settings(entry_cancel_lag_s=60)
    entry = quiet.orders[order.code].entries[1]
    entry.raw = {"quantity": 3}
    line = ask_for_removal(order, 1, remained=2)
    process()
    step = step_of(order, K.REMOVE_LINE)
    assert (step.status, step.last_error) == (
        S.UNKNOWN,
        "remove part of a line: Kaspi is at it",
    )
    process(also_later=True)
    assert len(quiet.calls("entry-cancel")) == 1
    entry.raw = {}
    process(also_later=True)
    line.refresh_from_db()
    assert (step_of(order, K.REMOVE_LINE).status, line.quantity) == (S.DONE, 2)
    assert len(quiet.calls("entry-cancel")) == 1


@pytest.mark.parametrize("fault", ["drop_before_work", "drop_after_work"])
def test_a_removal_whose_answer_is_lost_ends_with_what_was_asked_for(
    quiet, process, fault
):
    order = take_in(quiet, {"sku": "1"}, {"sku": "2", "quantity": 3})
    quiet.faults.add(fault, "entry-cancel", times=1)
    line = ask_for_removal(order, 1, remained=1)
    for _ in range(8):
        process(also_later=True)
    line.refresh_from_db()
    assert (step_of(order, K.REMOVE_LINE).status, line.quantity) == (S.DONE, 1)
    assert quiet.orders[order.code].entries[1].quantity == 1


def test_weight_is_taken_off(quiet, process):
    weighed = {"sku": "2", "quantity": 3, "unit_type": "MEASURABLE", "weight": 900.0}
    order = take_in(quiet, {"sku": "1"}, weighed)
    order.lines.filter(pk=order.lines.last().pk).update(quantity=None)
    quiet.change_settings(entry_cancel_lag_s=60)
    ask_for_removal(
        order, 1, remained=2, weight_g=600, reason="PRODUCT_UNDERWEIGHT", comment="x"
    )
    process()
    assert step_of(order, K.REMOVE_LINE).status == S.DONE
    entry = quiet.orders[order.code].entries[1]
    assert (entry.quantity, entry.weight) == (2, 600)


def test_a_refused_removal_says_why_and_makes_room_for_the_next(quiet, process):
    order = take_in(quiet, {"sku": "1"}, {"sku": "2", "quantity": 3})
    quiet.faults.add("status", "entry-cancel", code=400, times=1)
    ask_for_removal(order, 1, remained=2)
    process()
    refused = step_of(order, K.REMOVE_LINE)
    assert refused.status == S.REFUSED
    ask_for_removal(order, 1, remained=1)
    process()
    refused.refresh_from_db()
    assert refused.status == S.SKIPPED
    assert step_of(order, K.REMOVE_LINE).status == S.DONE
