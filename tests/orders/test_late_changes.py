"""What changes between the moment a step is asked for and the moment it is done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.alstyle.cart import CartClient
from orders.clients import Clients
from orders.kaspi.client import open_client
from orders.models import Finding, Order, Reason, Reservation, Step
from orders.models.step import StepParameters
from orders.plan import actions
from orders.plan.closing import close_order
from orders.plan.deadlines import cancel_out_of_stock
from orders.plan.planning import replan
from orders.reading.polling import poll_orders
from orders.reading.refreshing import refresh_orders
from orders.reconciling.rounds import reconcile
from orders.supply.following import follow_supplier_orders
from tests.orders.factories import (
    another,
    articles_of_plenty,
    know_supplier,
    make_order,
    product_of,
    reservation_of,
    step_of,
)
from tests.staff import log_in, page

pytestmark = pytest.mark.django_db(transaction=True)
S, R, K = Step.Status, Reservation.Status, Step.Kind
CANCEL: StepParameters = {"reason": "BUYER_NOT_REACHABLE"}


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"
    settings.KASPI_TIMEOUT_S = 1


@pytest.fixture
def still(supplier):
    """Al-Style whose orders move only when told to."""
    supplier.change_settings(statuses_move=False)
    return supplier


@pytest.fixture
def product(supplier):
    return product_of(supplier, articles_of_plenty(supplier)[0])


def at_kaspi(kaspi, product, quantity=1, *, is_accepted=False, **fields) -> Order:
    """A new order that both have."""
    line = {"sku": product.sku, "quantity": quantity, "price": 2 * product.cost_kzt}
    made = kaspi.new_order([line], accepted=is_accepted)
    known = {"state": made.state, "status": made.status, **fields}
    return make_order((product, quantity), kaspi_id=made.id, code=made.code, **known)


def read_again() -> None:
    Order.objects.update(last_seen=timezone.now() - timedelta(hours=1))
    with open_client() as client:
        refresh_orders(client, now=timezone.now())


def placed(supplier, order: Order):
    """Give Al-Style's order that holds the goods."""
    number = reservation_of(order).supplier_order.supplier_order_id
    return supplier.orders.find(number)


def follow() -> None:
    with Clients() as clients:
        follow_supplier_orders(clients.cart, now=timezone.now())


# -- a person cancels ----------------------------------------------------------------


def test_nothing_is_bought_while_a_cancel_may_have_arrived(
    still, quiet, product, process
):
    order = at_kaspi(quiet, product, 5)
    quiet.faults.add("status", "cancel", code=503)
    actions.request_step(order, K.CANCEL, actor="anna", parameters=CANCEL)
    process()
    step = step_of(order)
    assert (step.status, step.attempts) == (S.PENDING, 0)
    assert "whether the order is cancelled" in step.last_error
    assert not still.orders.orders
    quiet.faults.clear()
    process(also_later=True)
    assert step_of(order).status == S.SKIPPED


def test_a_cancel_that_was_dropped_holds_nothing_back(still, quiet, product, process):
    order = at_kaspi(quiet, product)
    quiet.faults.add("status", "cancel", code=400)
    actions.request_step(order, K.CANCEL, actor="anna", parameters=CANCEL)
    process(also_later=True)
    assert step_of(order, K.CANCEL).status == S.REFUSED
    process(also_later=True)
    assert quiet.orders[order.code].status == "ACCEPTED_BY_MERCHANT"


def test_a_cancel_that_waits_goes_before_an_accept_that_waits(
    still, quiet, product, process
):
    order = at_kaspi(quiet, product, 2)
    quiet.faults.add("throttle", "accept", variant="429", retry_after=1, times=1)
    process()
    assert step_of(order, K.ACCEPT).status == S.PENDING
    actions.request_step(order, K.CANCEL, actor="anna", parameters=CANCEL)
    # Kaspi was away for both.
    Step.objects.filter(order=order).update(not_before=timezone.now())
    process()
    assert not quiet.orders[order.code].accepted_writes("ACCEPTED_BY_MERCHANT")
    assert quiet.orders[order.code].status == "CANCELLED"


def test_an_order_to_be_cancelled_is_not_bought_along_with_others(
    still, settings, product, process
):
    settings.AUTO_ACCEPT, settings.BUY_TOGETHER = False, "always"
    know_supplier()
    other = product_of(still, another(still, product))
    one, two, three = (make_order((good, 1)) for good in (product, other, product))
    actions.request_step(two, K.CANCEL, actor="anna", parameters=CANCEL)
    later = timezone.now() + timedelta(hours=1)
    Step.objects.of_kind(K.CANCEL).update(not_before=later)
    process()
    assert len(still.orders.orders) == 1
    statuses = [reservation_of(order).status for order in (one, two, three)]
    assert statuses == [R.HELD, R.WANTED, R.HELD]


# -- the parcel leaves ---------------------------------------------------------------


def test_nothing_is_bought_for_a_parcel_that_has_left(still, quiet, product, process):
    order = at_kaspi(quiet, product, is_accepted=True)
    still.faults.add("status", code=503)
    process()
    assert step_of(order).status == S.PENDING
    # The shop sends a piece from its own shelf.
    quiet.happen(order.code, "hand-over")
    read_again()
    still.faults.clear()
    process(also_later=True)
    assert not still.orders.orders
    assert step_of(order).status == S.SKIPPED
    assert reservation_of(order).status == R.DROPPED


def test_what_may_have_been_bought_for_a_parcel_that_left_is_looked_for(
    still, quiet, product, process
):
    know_supplier()
    order = at_kaspi(quiet, product, is_accepted=True)
    still.faults.add("drop_after_work", method="submit", times=1)
    process()
    assert step_of(order).status == S.UNKNOWN
    quiet.happen(order.code, "hand-over")
    read_again()
    replan(order, now=timezone.now())
    assert reservation_of(order).status == R.WANTED
    assert step_of(order).status == S.UNKNOWN


# -- goods go and come back ----------------------------------------------------------


@pytest.fixture
def unpromised(still, quiet, product, process) -> Order:
    """An order whose goods Al-Style let go before its accept came through."""
    order = at_kaspi(quiet, product)
    quiet.faults.add("status", "accept", code=503, times=1)
    process()
    still.orders.move(placed(still, order), "DA")
    follow()
    process(also_later=True)
    assert step_of(order, K.ACCEPT).stuck_for == Reason.GOODS_GONE
    return order


def test_goods_reserved_anew_are_accepted(quiet, unpromised, process):
    actions.retry_step(step_of(unpromised), actor="anna")
    process()
    assert reservation_of(unpromised).status == R.HELD
    assert quiet.orders[unpromised.code].status == "ACCEPTED_BY_MERCHANT"
    assert not unpromised.steps.stuck().exists()


def test_goods_had_from_elsewhere_are_accepted(quiet, unpromised, process):
    actions.mark_reserved_by_hand(unpromised, actor="anna")
    process()
    assert quiet.orders[unpromised.code].status == "ACCEPTED_BY_MERCHANT"


def test_who_accepts_by_hand_is_offered_it_once_the_goods_are_held(
    settings, unpromised, process
):
    settings.AUTO_ACCEPT = False
    client = log_in(settings, "owner")
    url = reverse("admin:orders_order_change", args=[unpromised.pk])
    actions.retry_step(step_of(unpromised), actor="anna")
    process()
    assert step_of(unpromised, K.ACCEPT).status == S.NEEDS_PERSON
    assert "Try again" in page(client, url)


@pytest.fixture
def reduced(still, quiet, product, process) -> Order:
    """An order of five whose accept waits, and of whose goods Al-Style keeps one."""
    order = at_kaspi(quiet, product, 5)
    quiet.faults.add("status", "accept", code=503, times=1)
    process()
    still.orders.reduce(placed(still, order), int(product.article), 1)
    follow()
    assert step_of(order, K.CHECK).stuck_for == Reason.SUPPLIER_LINES
    return order


def test_goods_known_to_be_missing_are_not_promised(quiet, reduced, process):
    process(also_later=True)
    assert quiet.orders[reduced.code].status == "APPROVED_BY_BANK"
    accept = step_of(reduced, K.ACCEPT)
    assert accept.stuck_for == Reason.GOODS_GONE
    assert "lacks pieces" in accept.last_error


def test_missing_goods_that_were_put_right_are_promised(still, quiet, reduced, process):
    process(also_later=True)
    mended = placed(still, reduced)
    mended.lines = [replace(line, quantity=5) for line in mended.lines]
    actions.retry_step(step_of(reduced, K.CHECK), actor="anna")
    process()
    assert quiet.orders[reduced.code].status == "ACCEPTED_BY_MERCHANT"


def test_who_has_the_missing_goods_may_accept(still, settings, quiet, reduced, process):
    process(also_later=True)
    url = reverse("admin:orders_order_change", args=[reduced.pk])
    assert "/do/accept-unreserved/" in page(log_in(settings, "owner"), url)
    unreserved: StepParameters = {"unreserved": True}
    actions.request_step(reduced, K.ACCEPT, actor="anna", parameters=unreserved)
    process()
    assert quiet.orders[reduced.code].status == "ACCEPTED_BY_MERCHANT"


def test_of_a_shared_order_all_goods_must_be_there(
    still, settings, quiet, product, process
):
    settings.BUY_TOGETHER = "always"
    know_supplier()
    other = product_of(still, another(still, product))
    wanted = (product, other, product)
    one, two, three = (at_kaspi(quiet, good, 2) for good in wanted)
    quiet.faults.add("status", "accept", code=503, times=1)
    settings.AUTO_ACCEPT = False
    process()
    still.orders.reduce(placed(still, one), int(product.article), 3)
    follow()
    shorts = [reservation_of(order).is_short for order in (one, two, three)]
    assert shorts == [True, False, True]


# -- an order comes back -------------------------------------------------------------


def told(order: Order, *, hours: float) -> list[str]:
    """Reconcile a while later; give what contradicts a promise of the order."""
    reconcile(now=timezone.now() + timedelta(hours=hours))
    found = Finding.objects.open().filter(order=order)
    return [*found.values_list("kind", flat=True)]


def poll() -> None:
    with open_client() as client:
        poll_orders(client, now=timezone.now())


@pytest.mark.parametrize("releases", [True, False])
def test_a_closed_order_that_comes_back_is_seen_to(
    still, quiet, product, process, releases
):
    made = quiet.new_order([{"sku": product.sku}])
    poll()
    order = Order.objects.get(code=made.code)
    known = {"absent_readings": 3, "absent_since": timezone.now()}
    Order.objects.filter(pk=order.pk).update(**known)
    close_order(order, releases=releases, actor="anna")
    poll()
    order.refresh_from_db()
    assert order.ended_at is None
    process()
    assert told(order, hours=0.1) == [Finding.Kind.NO_GOODS]
    # Whoever looks has the goods bought after all.
    actions.request_step(order, K.RESERVE, actor="anna")
    process()
    assert told(order, hours=0.2) == []


def test_an_unsigned_order_that_was_released_and_then_signed_is_seen_to(
    still, quiet, product, process
):
    order = at_kaspi(quiet, product, state=Order.SIGN_REQUIRED)
    process()
    actions.request_step(order, K.RELEASE, actor="anna")
    process()
    follow()
    assert reservation_of(order).status == R.RELEASED
    assert told(order, hours=1) == []
    poll()
    order.refresh_from_db()
    assert order.awaits_accept
    process()
    assert told(order, hours=1) == [Finding.Kind.NO_GOODS]


def test_an_order_with_a_cancel_or_a_stuck_accept_is_told_of_once(product):
    for kind in (K.CANCEL, K.ACCEPT):
        order = make_order((product, 1))
        order.reservations.update(status=R.DROPPED)
        order.steps.all().delete()
        actions.request_step(order, kind, actor="anna")
        assert told(order, hours=0.1) == []
        order.steps.all().delete()
        assert told(order, hours=0.1) == [Finding.Kind.NO_GOODS]


# -- Kaspi says something new ---------------------------------------------------------


def test_a_status_that_nobody_knows_is_told_until_it_is_over(
    still, quiet, product, process
):
    order = at_kaspi(quiet, product)
    process()
    read_again()
    assert told(order, hours=0.1) == []
    quiet.set_order(order.code, status="BLOCKED_BY_KASPI")
    read_again()
    assert told(order, hours=0.1) == [Finding.Kind.UNKNOWN_STATE]
    assert "BLOCKED_BY_KASPI" in step_of(order, K.CHECK).last_error
    quiet.set_order(order.code, status=Order.ACCEPTED)
    read_again()
    assert told(order, hours=0.1) == []
    assert not order.steps.stuck().exists()


def test_a_status_unknown_from_the_start_is_told_by_its_reserve(product):
    unknown = {"status": "BLOCKED_BY_KASPI", "problem": "unknown"}
    order = make_order((product, 1), **unknown)
    assert step_of(order).stuck_for == Reason.UNREADABLE
    assert told(order, hours=0.1) == [Finding.Kind.UNKNOWN_STATE]
    assert not order.steps.filter(kind=K.CHECK).exists()


# -- goods are let go, or kept after all ----------------------------------------------


def test_goods_that_are_being_let_go_are_not_promised(still, quiet, product, process):
    order = at_kaspi(quiet, product)
    quiet.faults.add("throttle", "accept", variant="429", retry_after=1, times=1)
    process()
    assert step_of(order, K.ACCEPT).status == S.PENDING
    actions.request_step(order, K.RELEASE, actor="anna")
    # Al-Style is away, Kaspi is back.
    later = timezone.now() + timedelta(hours=1)
    Step.objects.of_kind(K.RELEASE).update(not_before=later)
    Step.objects.of_kind(K.ACCEPT).update(not_before=timezone.now())
    process()
    assert quiet.orders[order.code].status == "APPROVED_BY_BANK"
    accept = step_of(order, K.ACCEPT)
    assert (accept.status, accept.attempts) == (S.PENDING, 0)
    actions.skip_step(step_of(order, K.RELEASE), actor="anna", reason="kept")
    process(also_later=True)
    assert quiet.orders[order.code].status == "ACCEPTED_BY_MERCHANT"


def test_no_accept_is_asked_for_while_the_goods_are_being_let_go(
    still, quiet, product, settings, process
):
    settings.AUTO_ACCEPT = False
    order = at_kaspi(quiet, product)
    process()
    settings.AUTO_ACCEPT = True
    actions.request_step(order, K.RELEASE, actor="anna")
    replan(order, now=timezone.now())
    assert not order.steps.of_kind(K.ACCEPT).exists()


@pytest.mark.parametrize("kind", [K.ACCEPT, K.ASSEMBLE, K.RELEASE])
def test_what_a_person_has_dropped_is_not_asked_for_again(
    still, quiet, product, settings, process, kind
):
    settings.AUTO_ASSEMBLE = True
    order = at_kaspi(quiet, product)
    settings.AUTO_ACCEPT = False
    process()
    settings.AUTO_ACCEPT = True
    known = {
        K.ACCEPT: {},
        K.ASSEMBLE: {"status": Order.ACCEPTED, "state": Order.KASPI_DELIVERY},
        K.RELEASE: {"status": Order.CANCELLED, "state": Order.ARCHIVE},
    }
    Order.objects.filter(pk=order.pk).update(**known[kind])
    replan(order, now=timezone.now())
    actions.skip_step(step_of(order, kind), actor="anna", reason="I see to it")
    # Any reading that changes something plans anew.
    replan(order, now=timezone.now())
    assert step_of(order, kind).status == S.SKIPPED
    # Who wants it after all asks for it.
    actions.request_step(order, kind, actor="anna")
    assert step_of(order, kind).status == S.PENDING


def test_an_accept_dropped_for_want_of_goods_follows_once_they_are_held(
    quiet, unpromised, process
):
    actions.skip_step(step_of(unpromised, K.ACCEPT), actor="anna", reason="no goods")
    actions.retry_step(step_of(unpromised), actor="anna")
    process()
    assert quiet.orders[unpromised.code].status == "ACCEPTED_BY_MERCHANT"


def test_a_release_dropped_while_the_order_lived_is_asked_for_when_it_is_called_off(
    still, quiet, product, settings, process
):
    settings.AUTO_ACCEPT = False
    order = at_kaspi(quiet, product)
    process()
    actions.request_step(order, K.RELEASE, actor="anna")
    actions.skip_step(step_of(order, K.RELEASE), actor="anna", reason="a mistake")
    called_off = {"status": Order.CANCELLED, "state": Order.ARCHIVE}
    Order.objects.filter(pk=order.pk).update(**called_off)
    replan(Order.objects.get(), now=timezone.now())
    assert step_of(order, K.RELEASE).status == S.PENDING


def test_a_cancel_that_a_person_has_dropped_is_not_asked_for_again(settings, product):
    settings.AUTO_CANCEL_OUT_OF_STOCK = True
    order = make_order((product, 1))
    short = {"status": S.REFUSED, "answered": {"is_stock": True}}
    order.steps.update(**short)
    assert cancel_out_of_stock(now=timezone.now()) == 1
    actions.skip_step(step_of(order, K.CANCEL), actor="anna", reason="found it")
    assert cancel_out_of_stock(now=timezone.now()) == 0
    assert step_of(order, K.CANCEL).status == S.SKIPPED


@pytest.mark.parametrize("by_hand", [False, True])
def test_goods_of_an_order_that_lives_again_are_kept(
    still, quiet, product, settings, process, by_hand
):
    settings.AUTO_ACCEPT = False
    order = at_kaspi(quiet, product, is_accepted=True)
    if by_hand:
        actions.mark_reserved_by_hand(order, actor="anna")
    process()
    Order.objects.filter(pk=order.pk).update(status=Order.CANCELLING)
    replan(order, now=timezone.now())
    assert step_of(order, K.RELEASE).status in (S.PENDING, S.NEEDS_PERSON)
    # Before Al-Style is asked, Kaspi shows it as it was.
    Order.objects.filter(pk=order.pk).update(status=Order.ACCEPTED)
    replan(order, now=timezone.now())
    assert step_of(order, K.RELEASE).status == S.SKIPPED
    process()
    assert reservation_of(order).has_goods
    # Called off once more, they are let go all the same.
    Order.objects.filter(pk=order.pk).update(status=Order.CANCELLING)
    replan(order, now=timezone.now())
    assert step_of(order, K.RELEASE).status in (S.PENDING, S.NEEDS_PERSON)


def test_a_release_that_a_person_wants_of_a_living_order_stands(
    still, quiet, product, settings, process
):
    settings.AUTO_ACCEPT = False
    order = at_kaspi(quiet, product, is_accepted=True)
    process()
    actions.request_step(order, K.RELEASE, actor="anna")
    replan(order, now=timezone.now())
    assert step_of(order, K.RELEASE).status == S.PENDING


@pytest.fixture
def of_five(settings, still, quiet, product) -> Order:
    """An order of five pieces that is to be reserved."""
    settings.AUTO_ACCEPT = False
    # Kaspi's sum of a line that was cut need not pay for what is left.
    settings.MARGIN_LEAST_KZT, settings.MARGIN_LEAST_PERCENT = -1_000_000, -100
    know_supplier()
    order = at_kaspi(quiet, product, 5)
    made = quiet.orders[order.code]
    order.lines.update(entry_id=made.entry_id(made.entries[0]))
    return order


def test_what_was_taken_off_while_a_reserve_was_under_way_is_not_bought_next(
    still, quiet, of_five, process
):
    until = timezone.now() + timedelta(minutes=1)
    of_five.steps.update(status=S.IN_FLIGHT, claimed_by="me", claimed_until=until)
    quiet.cut_line(of_five.code, 0, 2)
    read_again()
    assert of_five.lines.get().quantity == 2
    # Somebody's goods were in the cart: nothing was bought.
    of_five.steps.update(status=S.PENDING, claimed_by="", claimed_until=None)
    process()
    (line,) = placed(still, of_five).lines
    assert line.quantity == 2


def test_what_is_taken_off_while_the_cart_is_filled_is_not_bought(
    still, quiet, of_five, process, monkeypatch
):
    add = CartClient.add

    def add_and_cut(self, lines):
        add(self, lines)
        monkeypatch.undo()
        quiet.cut_line(of_five.code, 0, 2)
        read_again()

    monkeypatch.setattr(CartClient, "add", add_and_cut)
    process()
    (line,) = placed(still, of_five).lines
    assert line.quantity == 2
    assert reservation_of(of_five).lines.get().quantity == 2
