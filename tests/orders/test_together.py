"""Several orders' goods in one purchase: three calls then serve many."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.alstyle.cart import CartClient
from orders.clients import Clients
from orders.models import LearnedFact, Order, Purchase, Reason, Reservation, Step
from orders.plan import actions
from orders.plan.planning import replan
from orders.steps.machine import Processed, run_step
from orders.supply.together import MOST, is_threatened
from tests.orders.factories import (
    articles_of_plenty,
    doubt,
    know_supplier,
    let_pass,
    make_order,
    product_of,
    purchase_of,
    reservation_of,
    step_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
S, R, P = Step.Status, Reservation.Status, Purchase.Status


@pytest.fixture(autouse=True)
def together(settings):
    settings.AUTO_ACCEPT = False
    settings.BUY_TOGETHER = "always"


@pytest.fixture
def goods(supplier):
    """Four articles in good supply."""
    plenty = articles_of_plenty(supplier)[:4]
    return [product_of(supplier, article) for article in plenty]


def live(supplier):
    return [o for o in supplier.orders.orders.values() if o.is_live]


def methods(supplier) -> list[str]:
    return [a.method for a in supplier.arrivals if a.method != "user-data"]


def pieces(supplied) -> dict[str, int]:
    return {str(line.article): line.quantity for line in supplied.lines}


def look_again(process, *orders: Order, minutes: float = 5) -> None:
    """Let time pass over the orders' purchase, then do what is due."""
    let_pass(orders[0], minutes=minutes)
    for order in orders:
        order.steps.open().update(not_before=timezone.now())
    process()


def statuses(*orders: Order) -> set[str]:
    return {reservation_of(order).status for order in orders}


def call_off(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(
        status=Order.CANCELLED, state=Order.ARCHIVE
    )
    order.refresh_from_db()
    replan(order, now=timezone.now())


def lose_submit(supplier, process, fault="drop_after_work") -> None:
    supplier.faults.add(fault, method="submit", times=1)
    process()


def test_three_orders_are_one_purchase_and_each_holds_its_own(supplier, goods, process):
    know_supplier()
    one, two, three, _four = goods
    orders = [
        make_order((one, 2)),
        make_order((two, 1), (one, 1)),
        make_order((three, 4)),
    ]
    process()
    assert methods(supplier) == ["get", "add", "get", "submit"]
    (bought,) = live(supplier)
    assert pieces(bought) == {one.article: 3, two.article: 1, three.article: 4}
    assert statuses(*orders) == {R.HELD}
    assert {step_of(order).status for order in orders} == {S.DONE}
    costs = [reservation_of(order).cost_kzt for order in orders]
    assert costs == [
        2 * one.cost_kzt,
        two.cost_kzt + one.cost_kzt,
        4 * three.cost_kzt,
    ]
    purchase = purchase_of(orders[0])
    assert purchase.reference == " ".join(order.code for order in orders)
    assert purchase.status == P.MADE


@pytest.mark.parametrize("setting", ["off", "threatened"])
def test_a_few_orders_without_hurry_are_bought_one_by_one(
    supplier, goods, process, settings, setting
):
    settings.BUY_TOGETHER = setting
    know_supplier()
    make_order((goods[0], 1))
    make_order((goods[1], 1))
    process()
    assert len(live(supplier)) == 2


def test_nothing_is_bought_together_before_submit_is_known_to_empty_the_cart(
    supplier, goods, process
):
    for good in goods[:3]:
        make_order((good, 1))
    process()
    assert [len(o.lines) for o in live(supplier)] == [1, 2]
    assert LearnedFact.objects.get(name="submit_empties").value == "yes"


def test_an_order_that_is_to_be_signed_is_bought_by_itself(supplier, goods, process):
    know_supplier()
    unsigned = make_order((goods[0], 1), state=Order.SIGN_REQUIRED)
    make_order((goods[1], 1))
    make_order((goods[2], 1))
    process()
    assert sorted(len(o.lines) for o in live(supplier)) == [1, 2]
    assert purchase_of(unsigned).reference == unsigned.code


def test_a_purchase_is_a_small_batch(supplier, goods, process):
    know_supplier()
    for _number in range(MOST + 2):
        make_order((goods[0], 1))
    process()
    assert [pieces(o)[goods[0].article] for o in live(supplier)] == [MOST, 2]


def test_a_queue_longer_than_a_third_of_the_time_left_threatens(settings):
    settings.ALSTYLE_INTERVAL_S = 5.0
    now = timezone.now()
    in_an_hour = [now + timedelta(hours=1)]
    assert not is_threatened(in_an_hour * 60, now=now)
    assert is_threatened(in_an_hour * 80, now=now)
    late = [now - timedelta(hours=1)]
    assert not is_threatened(late * 60, now=now)
    assert is_threatened(late * 80, now=now)
    assert not is_threatened([None] * 500, now=now)


@pytest.mark.parametrize("short_one", [0, 1])
def test_a_short_good_leaves_only_its_own_order_out(
    supplier, goods, process, short_one
):
    know_supplier()
    orders = [make_order((good, 2)) for good in goods[:3]]
    short = goods[short_one]
    supplier.set_good(int(short.article), stock=1)
    process()
    (bought,) = live(supplier)
    assert short.article not in pieces(bought)
    assert len(pieces(bought)) == 2
    kept = [o for o, good in zip(orders, goods, strict=False) if good is not short]
    assert statuses(*kept) == {R.HELD}
    assert step_of(orders[short_one]).status == S.REFUSED
    assert purchase_of(kept[0]).reference == " ".join(o.code for o in kept)
    assert not supplier.cart.rows


def test_an_order_that_shares_goods_with_a_short_one_is_bought_by_itself(
    supplier, goods, process
):
    know_supplier()
    one, two, three, _four = goods
    short = make_order((one, 2), (two, 1))
    sharing = make_order((two, 3))
    sound = make_order((three, 1))
    supplier.set_good(int(one.article), stock=1)
    process()
    assert step_of(short).status == S.REFUSED
    assert statuses(sharing, sound) == {R.HELD}
    bought = [pieces(o) for o in live(supplier)]
    assert {three.article: 1} in bought
    assert {two.article: 3} in bought


def test_an_order_that_the_cart_shows_to_lose_money_is_left_out(
    supplier, goods, process, settings
):
    know_supplier()
    settings.PRICE_TOLERANCE_PERCENT = 1000
    dear = make_order((goods[0], 1))
    sound = make_order((goods[1], 1))
    supplier.goods[int(goods[0].article)].price1 *= 3
    process()
    assert statuses(sound) == {R.HELD}
    assert step_of(dear).status == S.NEEDS_PERSON
    assert len(live(supplier)) == 1


def test_when_all_are_troubled_each_is_tried_by_itself(supplier, goods, process):
    know_supplier()
    orders = [make_order((goods[0], 2)) for _number in range(3)]
    supplier.set_good(int(goods[0].article), stock=4)
    process()
    assert [pieces(o)[goods[0].article] for o in live(supplier)] == [2, 2]
    held = [o for o in orders if reservation_of(o).status == R.HELD]
    assert len(held) == 2
    assert not supplier.cart.rows


@pytest.mark.parametrize("fault", ["drop_after_work", "drop_before_work"])
def test_a_lost_submit_of_several_buys_once(supplier, goods, process, fault):
    know_supplier()
    orders = [make_order((good, 1)) for good in goods[:3]]
    lose_submit(supplier, process, fault)
    assert not live(supplier) or fault == "drop_after_work"
    for _look in range(3):
        look_again(process, *orders)
    (bought,) = live(supplier)
    assert len(bought.lines) == 3
    assert statuses(*orders) == {R.HELD}
    assert {step_of(order).status for order in orders} == {S.DONE}


def test_only_one_of_the_orders_looks_after_a_lost_submit(supplier, goods, process):
    know_supplier()
    orders = [make_order((good, 1)) for good in goods]
    lose_submit(supplier, process)
    before = len(methods(supplier))
    let_pass(orders[0], minutes=0)
    process()
    assert {step_of(order).status for order in orders} == {S.UNKNOWN}
    looks = methods(supplier)[before:]
    assert looks.count("get") == 1


def test_a_person_settles_a_doubtful_purchase_for_all_its_orders(
    supplier, goods, process
):
    know_supplier()
    orders = [make_order((good, 1)) for good in goods[:2]]
    lose_submit(supplier, process)
    # Nobody can tell them apart: somebody else's of the same second and goods.
    (ours,) = live(supplier)
    theirs = supplier.manager_order({int(good.article): 1 for good in goods[:2]})
    theirs.created = ours.created
    for _look in range(3):
        look_again(process, *orders, minutes=20)
    assert {step_of(order).status for order in orders} == {S.NEEDS_PERSON}
    purchase = purchase_of(orders[0])
    assert len(purchase.candidates) == 2
    actions.adopt_for_purchase(purchase, str(ours.id), actor="anna")
    process()
    assert statuses(*orders) == {R.HELD}
    assert reservation_of(orders[1]).cost_kzt == goods[1].cost_kzt


def test_a_companion_called_off_before_its_step_has_noted_the_order_is_released(
    supplier, goods, process
):
    know_supplier()
    first, second = orders = [make_order((good, 1)) for good in goods[:2]]
    with Clients() as clients:
        # The worker is stopped after the first step.
        run_step(step_of(first), clients, Processed())
    assert step_of(second).status == S.PENDING
    call_off(second)
    assert reservation_of(second).status == R.WANTED
    process()
    assert statuses(*orders) == {R.HELD}
    told = step_of(second, Step.Kind.RELEASE)
    assert told.stuck_for == Reason.SHARED_ORDER


def test_what_a_person_calls_not_made_is_bought_anew_for_all(supplier, goods, process):
    know_supplier()
    orders = [make_order((good, 1)) for good in goods[:2]]
    lose_submit(supplier, process, "drop_before_work")
    supplier.cart.rows.clear()
    for _look in range(3):
        look_again(process, *orders, minutes=20)
    purchase = purchase_of(orders[0])
    assert purchase.status == P.NEEDS_PERSON
    assert {step_of(order).status for order in orders} == {S.NEEDS_PERSON}
    actions.buy_anew(purchase, actor="anna")
    process()
    assert statuses(*orders) == {R.HELD}
    assert sum(len(o.lines) for o in live(supplier)) == 2


def test_a_worker_killed_after_the_answer_leaves_the_others_their_goods(
    supplier, goods, process, monkeypatch
):
    know_supplier()
    orders = [make_order((good, 1)) for good in goods[:3]]

    class Killed(BaseException):
        pass

    submit = CartClient.submit

    def submit_and_die(self, submission):
        submit(self, submission)
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(CartClient, "submit", submit_and_die)
        with pytest.raises(Killed):
            process()
    Step.objects.filter(status=S.IN_FLIGHT).update(
        claimed_until=timezone.now() - timedelta(seconds=1)
    )
    for _look in range(2):
        look_again(process, *orders)
    assert len(live(supplier)) == 1
    assert statuses(*orders) == {R.HELD}


def test_an_order_called_off_while_bought_leaves_the_others_theirs(
    supplier, goods, process
):
    know_supplier()
    gone, stays = (make_order((good, 1)) for good in goods[:2])
    lose_submit(supplier, process)
    call_off(gone)
    for _look in range(2):
        look_again(process, gone, stays)
    assert reservation_of(stays).status == R.HELD
    assert len(live(supplier)) == 1
    release = step_of(gone, Step.Kind.RELEASE)
    assert release.status == S.NEEDS_PERSON
    (bought,) = live(supplier)
    assert str(bought.id) in release.last_error


def test_an_order_called_off_before_submit_is_left_out(
    supplier, goods, process, monkeypatch
):
    know_supplier()
    gone, stays = (make_order((good, 1)) for good in goods[:2])
    add = CartClient.add

    def add_and_call_off(self, lines):
        add(self, lines)
        if len(lines) > 1:
            call_off(gone)

    monkeypatch.setattr(CartClient, "add", add_and_call_off)
    process()
    (bought,) = live(supplier)
    assert pieces(bought) == {goods[1].article: 1}
    assert reservation_of(stays).status == R.HELD
    assert reservation_of(gone).status == R.DROPPED


@pytest.mark.parametrize("status", Purchase.IN_DOUBT)
def test_an_order_of_goods_in_doubt_holds_up_no_others(
    supplier, goods, process, status
):
    know_supplier()
    one, two, three, _four = goods
    doubtful = make_order((two, 1))
    now = timezone.now()
    doubt(doubtful, status=status, cleared_at=now, submits=[now.isoformat()])
    doubtful.steps.update(status=S.NEEDS_PERSON)
    orders = [make_order((one, 1)), make_order((three, 1))]
    behind = make_order((two, 3))
    process()
    assert statuses(*orders) == {R.HELD}
    assert statuses(behind, doubtful) == {R.WANTED}
