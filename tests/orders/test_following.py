from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.availability import stock_read_at
from catalog.models import ImportRun
from orders.clients import Clients
from orders.models import Order, Reason, Reservation, Step, SupplierOrder
from orders.plan.actions import retry_step
from orders.plan.closing import close_order
from orders.plan.planning import replan
from orders.reconciling.rounds import reconcile
from orders.supply.counting import close_contained, reserved_units
from orders.supply.following import follow_supplier_orders
from plumbing.leases import under_lease
from sandbox.alstyle.orders import OrderedLine
from tests.orders.factories import (
    another,
    articles_of_plenty,
    make_order,
    product_of,
    reservation_of,
    step_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
R, S = Reservation.Status, Step.Status


@pytest.fixture(autouse=True)
def only_the_supplier(settings, supplier):
    settings.AUTO_ACCEPT = False
    supplier.change_settings(statuses_move=False)


@pytest.fixture
def product(supplier):
    return product_of(supplier, articles_of_plenty(supplier)[0])


def follow():
    with Clients() as clients:
        return follow_supplier_orders(clients.cart, now=timezone.now())


def placed(supplier, order: Order):
    number = reservation_of(order).supplier_order.supplier_order_id
    return supplier.orders.orders[int(number)]


def line_of(product, quantity: int) -> OrderedLine:
    return OrderedLine(article=int(product.article), quantity=quantity, price=1000)


def cancel(order: Order) -> None:
    order.refresh_from_db()
    order.status = Order.CANCELLED
    order.save()
    replan(order, now=timezone.now())


def stock_reading(*, started_at) -> None:
    ImportRun.objects.create(
        kind="stock", status="done", started_at=started_at, finished_at=timezone.now()
    )


def test_nothing_held_costs_no_call(supplier):
    follow()
    assert supplier.arrivals == []


@pytest.mark.parametrize("long_ids", [False, True])
def test_a_shipped_order_counts_until_a_later_reading_contains_it(
    supplier, product, process, long_ids
):
    supplier.change_settings(long_order_ids=long_ids)
    order = make_order((product, 2))
    process()
    follow()
    assert reservation_of(order).status == R.HELD
    stock_reading(started_at=timezone.now())
    assert reserved_units(stock_read_at()) == {product.pk: 2}

    supplier.orders.move(placed(supplier, order), "P")
    follow()
    assert reservation_of(order).status == R.SHIPPED
    assert reserved_units(stock_read_at()) == {product.pk: 2}
    # A reading that had begun before the goods left may not have seen them leave.
    left_at = reservation_of(order).left_stock_at
    stock_reading(started_at=left_at - timedelta(seconds=1))
    assert reserved_units(stock_read_at()) == {product.pk: 2}

    stock_reading(started_at=left_at + timedelta(seconds=1))
    assert reserved_units(stock_read_at()) == {}
    assert close_contained() == 1
    assert reserved_units(stock_read_at()) == {}


def test_a_stock_reading_made_while_orders_were_followed_does_not_contain_them(
    supplier, product, process
):
    order = make_order((product, 2))
    process()
    supplier.orders.move(placed(supplier, order), "P")
    stock_reading(started_at=timezone.now() - timedelta(minutes=1))
    with Clients() as clients:
        begun = timezone.now() - timedelta(minutes=2)
        follow_supplier_orders(clients.cart, now=begun)
    assert reservation_of(order).status == R.SHIPPED
    assert reserved_units(stock_read_at()) == {product.pk: 2}


def test_where_stock_falls_at_once_a_reading_after_the_submit_contains_it(
    supplier, product, process, settings
):
    settings.SUPPLIER_STOCK_FALLS_AT = "submit"
    order = make_order((product, 2))
    process()
    assert reserved_units(stock_read_at()) == {product.pk: 2}
    held_at = reservation_of(order).held_at
    stock_reading(started_at=held_at + timedelta(seconds=1))
    assert reserved_units(stock_read_at()) == {}


@pytest.mark.parametrize("cancel_mode", ["at-once", "later"])
def test_a_release_is_followed_until_the_supplier_says_so(
    supplier, product, process, cancel_mode
):
    supplier.change_settings(cancel_mode=cancel_mode, cancel_after_s=60)
    order = make_order((product, 1))
    process()
    cancel(order)
    process()
    assert reservation_of(order).status == R.RELEASING
    assert reserved_units(stock_read_at()) == {product.pk: 1}
    follow()
    if cancel_mode == "later":
        assert reservation_of(order).status == R.RELEASING
        supplier.clock.advance(61)
        follow()
    assert reservation_of(order).status == R.RELEASED
    assert reserved_units(stock_read_at()) == {}


def test_a_release_that_never_comes_asks_for_a_person(supplier, product, process):
    supplier.change_settings(cancel_mode="never")
    order = make_order((product, 1))
    process()
    cancel(order)
    process()
    Step.objects.filter(kind=Step.Kind.RELEASE).update(
        finished_at=timezone.now() - timedelta(hours=7)
    )
    follow()
    follow()
    assert step_of(order, Step.Kind.RELEASE).status == S.NEEDS_PERSON
    assert order.steps.filter(kind=Step.Kind.RELEASE).count() == 2


@pytest.mark.parametrize("status", ["DA", "P"])
def test_a_release_refused_waits_for_nobody_once_the_goods_are_held_no_longer(
    supplier, product, process, status
):
    """Al-Style's manager may do on the phone what its API refuses."""
    supplier.change_settings(cancel_mode="refused")
    order = make_order((product, 2))
    process()
    cancel(order)
    process()
    assert step_of(order, Step.Kind.RELEASE).status == S.REFUSED
    supplier.orders.move(placed(supplier, order), status)
    follow()
    assert step_of(order, Step.Kind.RELEASE).status == S.SKIPPED
    assert reservation_of(order).status in (R.RELEASED, R.SHIPPED)


def test_an_order_not_shown_for_a_while_is_released_by_itself(
    supplier, product, process
):
    order = make_order((product, 2))
    process()
    cancel(order)
    supplier.faults.add("status", code=404, method="order", times=2)
    process()
    assert step_of(order, Step.Kind.RELEASE).status == S.PENDING
    process(also_later=True)
    process(also_later=True)
    follow()
    assert reservation_of(order).status == R.RELEASED


def test_an_order_that_stays_unshown_is_released_by_a_person(
    supplier, product, process, settings
):
    settings.STEP_ATTEMPTS = 3
    order = make_order((product, 2))
    process()
    cancel(order)
    supplier.faults.add("status", code=404, method="order")
    for _ in range(3):
        process(also_later=True)
    step = step_of(order, Step.Kind.RELEASE)
    assert step.stuck_for == Reason.RELEASE_REFUSED
    assert supplier.calls("cancel") == []


@pytest.mark.parametrize("is_called_off_first", [True, False])
def test_goods_shipped_though_the_buyer_has_gone_are_told(
    supplier, product, process, is_called_off_first
):
    """A cancel may be answered with "true", and the goods come all the same."""
    supplier.change_settings(cancel_mode="never")
    order = make_order((product, 1))
    process()
    if is_called_off_first:
        cancel(order)
        process()
    supplier.orders.move(placed(supplier, order), "P")
    follow()
    if not is_called_off_first:
        cancel(order)
    assert reservation_of(order).status == R.SHIPPED
    Order.objects.filter(pk=order.pk).update(ended_at=timezone.now())
    reconcile(now=timezone.now() + timedelta(days=20))
    assert step_of(order, Step.Kind.CHECK).stuck_for == Reason.ORDER_LINES


def test_an_order_the_supplier_lets_go_is_wanted_again_by_a_person(
    supplier, product, process
):
    order = make_order((product, 2))
    process()
    supplier.orders.move(placed(supplier, order), "DA")
    follow()
    first, second = order.reservations.order_by("pk")
    assert (first.status, second.status) == (R.RELEASED, R.WANTED)
    assert [line.quantity for line in second.lines.all()] == [2]
    assert step_of(order).status == S.NEEDS_PERSON
    assert reserved_units(stock_read_at()) == {product.pk: 2}


def test_a_closed_order_whose_kept_goods_the_supplier_lets_go_wants_nothing(
    supplier, product, process
):
    order = make_order((product, 2))
    process()
    Order.objects.filter(pk=order.pk).update(
        absent_readings=3, absent_since=timezone.now()
    )
    close_order(order, releases=False, actor="anna")
    supplier.orders.move(placed(supplier, order), "DA")
    follow()
    assert reservation_of(order).status == R.RELEASED
    assert not order.steps.open().exists()


@pytest.mark.parametrize("long_ids", [False, True])
def test_merged_orders_are_followed_to_where_they_went(
    supplier, product, process, long_ids
):
    supplier.change_settings(long_order_ids=long_ids)
    one, two = make_order((product, 1)), make_order((product, 2))
    process()
    supplier.orders.merge(placed(supplier, one), placed(supplier, two))
    follow()
    assert SupplierOrder.objects.filter(merged_into__isnull=False).count() == 1
    assert reservation_of(one).status == R.HELD
    target = supplier.orders.orders[
        int(reservation_of(two).supplier_order.supplier_order_id)
    ]
    supplier.orders.move(target, "P")
    follow()
    assert {reservation_of(o).status for o in (one, two)} == {R.SHIPPED}


def test_a_merged_order_is_not_cancelled_with_the_goods_of_others(
    supplier, product, process
):
    one, two = make_order((product, 1)), make_order((product, 2))
    process()
    supplier.orders.merge(placed(supplier, one), placed(supplier, two))
    follow()
    cancel(one)
    process()
    assert step_of(one, Step.Kind.RELEASE).status == S.NEEDS_PERSON
    assert supplier.calls("cancel") == []
    # The order they went into must not go either, with goods of the first in it.
    cancel(two)
    process()
    assert step_of(two, Step.Kind.RELEASE).status == S.NEEDS_PERSON
    assert supplier.calls("cancel") == []


@pytest.mark.parametrize("until", [[None, "N", "R"], [None, "N", "R", "Un"]])
def test_an_order_merged_since_it_was_followed_is_not_cancelled(
    supplier, product, process, until
):
    """Its cancel could take effect on nothing, and a manager's order keep the goods."""
    supplier.change_settings(cancel_until=until)
    order = make_order((product, 1))
    process()
    mine = placed(supplier, order)
    other = product_of(supplier, another(supplier, product))
    his = supplier.orders.create([line_of(other, 3)], by="manager")
    supplier.orders.merge(mine, his)
    cancel(order)
    process()
    step = step_of(order, Step.Kind.RELEASE)
    assert step.stuck_for == Reason.SHARED_ORDER
    # Neither now nor when it is known where the goods went.
    follow()
    retry_step(step, actor="anna")
    process()
    step = step_of(order, Step.Kind.RELEASE)
    assert step.stuck_for == Reason.SHARED_ORDER
    assert str(his.id) in step.last_error
    assert supplier.calls("cancel") == []


def test_an_order_merged_into_nobody_knows_which_asks_for_a_person(
    supplier, product, process
):
    order = make_order((product, 2))
    process()
    supplier.orders.move(placed(supplier, order), "Un")
    follow()
    reconcile(now=timezone.now())
    assert step_of(order, Step.Kind.CHECK).stuck_for == Reason.SUPPLIER_LINES
    # Once Al-Style names the other one, or has it as it was, nothing contradicts.
    supplier.orders.move(placed(supplier, order), "N")
    follow()
    reconcile(now=timezone.now())
    assert step_of(order, Step.Kind.CHECK).status == S.SKIPPED


def test_an_order_that_lacks_pieces_asks_for_a_person(supplier, product, process):
    order = make_order((product, 3))
    process()
    theirs = placed(supplier, order)
    line = theirs.lines[0]
    theirs.lines = [type(line)(article=line.article, quantity=2, price=line.price)]
    follow()
    step = step_of(order, Step.Kind.CHECK)
    assert step.status == S.NEEDS_PERSON
    assert f"{product.article} × 1" in step.last_error


@pytest.mark.parametrize("left", [1, 2])
def test_pieces_taken_out_after_the_order_was_read_ask_for_a_person(
    supplier, product, process, left
):
    order = make_order((product, 3))
    process()
    follow()
    follow()
    assert len(supplier.calls("order")) == 1
    supplier.orders.reduce(placed(supplier, order), int(product.article), left)
    follow()
    step = step_of(order, Step.Kind.CHECK)
    assert step.stuck_for == Reason.SUPPLIER_LINES
    assert f"{product.article} × {3 - left}" in step.last_error
    # It is known now: no call is spent on it until the sum changes again.
    follow()
    assert len(supplier.calls("order")) == 2


def test_a_list_that_reckons_otherwise_costs_no_call_in_each_run(
    supplier, product, process
):
    order = make_order((product, 3))
    process()
    follow()
    SupplierOrder.objects.update(sum_kzt=1)
    for _ in range(3):
        follow()
        SupplierOrder.objects.update(sum_kzt=1)
    assert len(supplier.calls("order")) == 2
    supplier.orders.reduce(placed(supplier, order), int(product.article), 1)
    follow()
    assert step_of(order, Step.Kind.CHECK).status == S.NEEDS_PERSON


def test_what_went_along_in_our_order_is_subtracted_until_it_is_shipped(
    supplier, product, process
):
    other = product_of(supplier, another(supplier, product))
    order = make_order((product, 3))
    process()
    theirs = placed(supplier, order)
    theirs.lines = [line_of(product, 4), line_of(other, 2)]
    follow()
    assert reserved_units(stock_read_at()) == {product.pk: 4, other.pk: 2}
    # A buyer who goes does not take along what is the manager's.
    cancel(order)
    process()
    assert reserved_units(stock_read_at()) == {product.pk: 4, other.pk: 2}
    supplier.orders.move(theirs, "P")
    follow()
    assert reserved_units(stock_read_at()) == {product.pk: 4, other.pk: 2}
    stock_reading(started_at=timezone.now() + timedelta(seconds=1))
    assert reserved_units(stock_read_at()) == {}


def test_orders_merged_with_a_managers_hold_his_goods_once(supplier, product, process):
    other = product_of(supplier, another(supplier, product))
    one, two = make_order((product, 1)), make_order((product, 2))
    process()
    his = supplier.orders.create([line_of(other, 2)], by="manager", binds=False)
    for order in (one, two):
        supplier.orders.merge(placed(supplier, order), his)
    follow()
    follow()
    assert reserved_units(stock_read_at()) == {product.pk: 3, other.pk: 2}


def test_the_command_follows_once_and_says_what_it_saw(
    supplier, product, process, capsys
):
    order = make_order((product, 1))
    process()
    supplier.orders.move(placed(supplier, order), "P")
    call_command("follow_supplier")
    assert reservation_of(order).status == R.SHIPPED
    assert "1 orders at Al-Style read, 1 changed" in capsys.readouterr().out


def test_the_command_fails_with_the_reason(supplier, product, process):
    make_order((product, 1))
    process()
    supplier.faults.add("status", code=400)
    with pytest.raises(CommandError, match="HTTP 400"):
        call_command("follow_supplier")
    with under_lease("alstyle-follow"), pytest.raises(CommandError, match="under way"):
        call_command("follow_supplier")
