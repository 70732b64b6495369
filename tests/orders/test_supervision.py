"""The first purchase, watched over: nothing is sent that a person has not allowed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.alstyle.cart import CartClient
from orders.models import LearnedFact, Order, Purchase, Reservation, Step
from orders.plan import actions
from orders.plan.planning import replan
from orders.supply import supervision
from tests.orders.factories import (
    articles_of_plenty,
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
Stage = Purchase.Stage


@pytest.fixture(autouse=True)
def supervised(settings):
    settings.AUTO_ACCEPT = False
    settings.SUPERVISE_FIRST_PURCHASE = True


@pytest.fixture
def goods(supplier):
    plenty = articles_of_plenty(supplier)[:2]
    return [product_of(supplier, article) for article in plenty]


@pytest.fixture
def calls(monkeypatch):
    """Name the calls about the cart, as they are made."""
    made: list[str] = []
    for name in ("get", "add", "submit", "remove"):
        real = getattr(CartClient, name)

        def call(self, *args, name=name, real=real):
            made.append(name)
            return real(self, *args)

        monkeypatch.setattr(CartClient, name, call)
    return made


def alive(supplier):
    return [o for o in supplier.orders.orders.values() if o.is_live]


def go_on(order: Order, process, times: int = 1) -> None:
    for _ in range(times):
        actions.go_on_with(purchase_of(order), actor="anna")
        process()


def test_each_call_waits_for_its_own_go_on(supplier, goods, process, calls):
    order = make_order((goods[0], 2))
    sent = []
    process()
    sent.append((purchase_of(order).stage, list(calls)))
    for _ in range(3):
        calls.clear()
        go_on(order, process)
        sent.append((purchase_of(order).stage, list(calls)))
        assert step_of(order).status == S.NEEDS_PERSON
    assert sent == [
        (Stage.LOOKED, ["get"]),
        # What was allowed is what was shown: it is looked at again first.
        (Stage.ADDED, ["get", "add"]),
        (Stage.CHECKED, ["get"]),
        (Stage.SUBMITTED, ["get", "submit"]),
    ]
    calls.clear()
    go_on(order, process)
    assert calls == ["get"]
    purchase = purchase_of(order)
    assert (purchase.status, purchase.stage) == (P.MADE, Stage.AFTER)
    assert [seen["by"] for seen in purchase.watched] == ["anna"] * 4 + [""]
    assert purchase.watched[2]["rows"][0][:2] == [goods[0].article, 2]
    assert reservation_of(order).status == R.HELD
    assert len(alive(supplier)) == 1


def test_nothing_is_submitted_without_go_on(supplier, goods, process, calls):
    order = make_order((goods[0], 1))
    process()
    for _ in range(4):
        # Whatever else wakes the step.
        actions.request_step(order, Step.Kind.RESERVE, actor="anna")
        process(also_later=True)
    go_on(order, process, times=2)
    for _ in range(4):
        actions.request_step(order, Step.Kind.RESERVE, actor="anna")
        process(also_later=True)
    assert "submit" not in calls
    assert alive(supplier) == []


def test_only_one_order_goes_on_at_a_time(supplier, goods, process):
    first, second = make_order((goods[0], 1)), make_order((goods[1], 1))
    process()
    waiting = step_of(second)
    assert waiting.status == S.PENDING
    assert (
        "watched over" in waiting.last_error or "под присмотром" in waiting.last_error
    )
    assert Purchase.objects.count() == 1
    go_on(first, process, times=4)
    assert reservation_of(first).status == R.HELD
    process(also_later=True)
    assert step_of(second).status == S.NEEDS_PERSON


def test_go_on_by_yourself_ends_it_for_ever(supplier, goods, process):
    first, second = make_order((goods[0], 1)), make_order((goods[1], 1))
    process()
    go_on(first, process)
    actions.go_on_alone(purchase_of(first), actor="anna")
    process(also_later=True)
    process(also_later=True)
    assert reservation_of(first).status == R.HELD
    assert reservation_of(second).status == R.HELD
    said = LearnedFact.objects.get(name=LearnedFact.Name.GOES_ON_ALONE)
    assert said.evidence == "anna"
    assert not supervision.is_supervised()


@pytest.mark.parametrize("times", [0, 1, 2])
def test_stop_takes_our_goods_out_and_leaves_the_order_to_a_person(
    supplier, goods, process, times
):
    order = make_order((goods[0], 1))
    process()
    go_on(order, process, times=times)
    actions.stop_purchase(purchase_of(order), actor="anna")
    process()
    process(also_later=True)
    assert supplier.cart.rows == {} or not supplier.cart.rows
    assert alive(supplier) == []
    assert purchase_of(order).status == P.GIVEN_UP
    assert step_of(order).status == S.NEEDS_PERSON
    # Tried again, it begins from the start, watched.
    actions.retry_step(step_of(order), actor="anna")
    process()
    assert purchase_of(order).stage == Stage.LOOKED


def test_what_is_bought_cannot_be_stopped(supplier, goods, process):
    order = make_order((goods[0], 1))
    process()
    go_on(order, process, times=3)
    with pytest.raises(actions.ActionImpossible):
        actions.stop_purchase(purchase_of(order), actor="anna")


def test_goods_that_came_while_the_person_thought_are_not_submitted(
    supplier, goods, process
):
    order = make_order((goods[0], 1))
    process()
    go_on(order, process, times=2)
    supplier.cart.add_foreign(int(goods[1].article), 3, 0.0)
    go_on(order, process)
    assert alive(supplier) == []
    assert purchase_of(order).status == P.GIVEN_UP
    assert list(purchase_of(order).foreign_goods) == [goods[1].article]


def test_another_price_is_shown_again_before_it_is_paid(supplier, goods, process):
    order = make_order((goods[0], 1))
    process()
    go_on(order, process, times=2)
    price = supplier.goods[int(goods[0].article)].price1
    supplier.set_good(int(goods[0].article), price1=price - 1)
    go_on(order, process)
    purchase = purchase_of(order)
    if purchase.sum_kzt != price:
        # The cart told the new price: allowed was the old one.
        assert (purchase.stage, alive(supplier)) == (Stage.CHECKED, [])
        go_on(order, process)
    assert len(alive(supplier)) == 1


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_a_worker_lost_with_its_stop_unsaid_stops_again(
    supplier, goods, process, times, calls
):
    """Killed after the stop was written on the purchase, before the step knew."""
    order = make_order((goods[0], 1))
    process()
    go_on(order, process, times=times)
    stage = purchase_of(order).stage
    Step.objects.filter(order=order).update(
        status=S.IN_FLIGHT, claimed_until=timezone.now() - timedelta(hours=1)
    )
    calls.clear()
    process()
    assert calls == []
    assert step_of(order).status == S.NEEDS_PERSON
    assert purchase_of(order).stage == stage
    go_on(order, process, times=4 - times)
    assert reservation_of(order).status == R.HELD
    assert len(alive(supplier)) == 1


class Killed(BaseException):
    """The worker is gone: nothing of its own runs any more."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("times", "name"), [(0, "add"), (1, "get"), (2, "submit"), (3, "get")]
)
def test_a_worker_killed_in_a_call_buys_once_and_watched(
    supplier, goods, process, monkeypatch, times, name, when
):
    know_supplier(submit_empties="yes")
    order = make_order((goods[0], 1))
    process()
    go_on(order, process, times=times)
    real = getattr(CartClient, name)

    def die(self, *args):
        if when == "after":
            real(self, *args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(CartClient, name, die)
        with pytest.raises(Killed):
            go_on(order, process)
    Step.objects.filter(order=order, status=S.IN_FLIGHT).update(
        claimed_until=timezone.now() - timedelta(hours=1)
    )
    before = len(alive(supplier))
    for _ in range(8):
        let_pass(order, minutes=2)
        process(also_later=True)
    # Settled by evidence, but nothing more was bought without a word.
    assert len(alive(supplier)) == before
    for _ in range(6):
        if purchase_of(order).paused_at is not None:
            go_on(order, process)
    assert reservation_of(order).status == R.HELD
    assert len(alive(supplier)) == 1


def test_a_lost_submit_is_sent_again_only_after_a_word(supplier, goods, process, calls):
    know_supplier()
    order = make_order((goods[0], 1))
    process()
    go_on(order, process, times=2)
    supplier.faults.add("drop_before_work", method="submit", times=1)
    go_on(order, process)
    for _ in range(3):
        let_pass(order)
        process(also_later=True)
    assert calls.count("submit") == 1
    assert purchase_of(order).stage == Stage.UNANSWERED
    assert step_of(order).status == S.NEEDS_PERSON
    go_on(order, process, times=2)
    assert calls.count("submit") == 2
    assert reservation_of(order).status == R.HELD
    assert len(alive(supplier)) == 1


def test_a_buyer_who_cancels_meanwhile_leaves_nothing_behind(supplier, goods, process):
    order = make_order((goods[0], 1))
    process()
    go_on(order, process, times=2)
    Order.objects.filter(pk=order.pk).update(
        status=Order.CANCELLED, state=Order.ARCHIVE
    )
    order.refresh_from_db()
    replan(order, now=timezone.now())
    go_on(order, process)
    assert not supplier.cart.rows
    assert alive(supplier) == []
    assert reservation_of(order).status == R.DROPPED


def test_without_the_setting_nothing_stops(supplier, goods, process, settings):
    settings.SUPERVISE_FIRST_PURCHASE = False
    order = make_order((goods[0], 1))
    process()
    assert reservation_of(order).status == R.HELD
    assert purchase_of(order).watched == []
