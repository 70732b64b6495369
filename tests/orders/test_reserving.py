from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.alstyle.cart import CartClient
from catalog.availability import stock_read_at
from orders.clients import Clients
from orders.models import (
    LearnedFact,
    Order,
    Purchase,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
)
from orders.plan import actions
from orders.plan.planning import replan
from orders.reconciling.rounds import reconcile
from orders.steps import outcomes, reserve
from orders.supply import purchasing
from orders.supply.cart import CART_LEASE
from orders.supply.counting import reserved_units
from orders.supply.evidence import WATCH
from orders.supply.following import follow_supplier_orders
from plumbing.leases import database_now, steady_s
from plumbing.models import ClockApart, Lease
from sandbox import wait_until
from sandbox.alstyle.cart import Cart
from tests.orders.factories import (
    articles_of_plenty,
    know_supplier,
    let_pass,
    make_order,
    make_product,
    product_of,
    purchase_of,
    reservation_of,
    step_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
S, R = Step.Status, Reservation.Status


@pytest.fixture
def goods(supplier):
    """Three articles in good supply."""
    return articles_of_plenty(supplier)[:3]


@pytest.fixture
def one(supplier, goods):
    return product_of(supplier, goods[0])


@pytest.fixture
def two(supplier, goods):
    return product_of(supplier, goods[1])


@pytest.fixture(autouse=True)
def no_accepts(settings):
    settings.AUTO_ACCEPT = False


def books(supplier):
    """The supplier's live orders."""
    return [o for o in supplier.orders.orders.values() if o.is_live]


def follow() -> None:
    with Clients() as clients:
        follow_supplier_orders(clients.cart, now=timezone.now())


@pytest.mark.parametrize("behind_s", [0, 2 * 86_400])
def test_an_order_names_a_day_the_supplier_ships_on(
    supplier, one, process, settings, monkeypatch, behind_s
):
    """By the supplier's clock, should ours be behind."""
    now = database_now()
    monkeypatch.setattr(supplier, "ahead_s", lambda: behind_s)
    if behind_s:
        ClockApart.objects.create(name="Al-Style", seconds=behind_s, seen_at=now)
    today = timezone.localtime(now + timedelta(seconds=behind_s)).date()
    settings.SHIPPING_CUTOFF_HOUR = 24
    settings.SUPPLIER_WORK_WEEK = [str(n) for n in range(1, 8)]
    settings.SUPPLIER_HOLIDAYS = [f"{today + timedelta(days=1)}"]
    make_order((one, 2))
    process()
    (submitted,) = [a for a in supplier.arrivals if a.method == "submit"]
    wanted = today + timedelta(days=2)
    assert submitted.query["shipping_date"] == f"{wanted:%d.%m.%Y}"


def test_an_order_is_bought_after_a_look_before_and_one_after_filling(
    supplier, one, two, process
):
    order = make_order((one, 2), (two, 1), (one, 1))
    process()
    calls = [a.method for a in supplier.arrivals]
    # The last one learns whether submit empties the cart.
    assert calls == ["user-data", "get", "add", "get", "submit", "get"]
    (placed,) = books(supplier)
    assert {(line.article, line.quantity) for line in placed.lines} == {
        (int(one.article), 3),
        (int(two.article), 1),
    }
    assert placed.external_id == placed.comments == order.code
    reservation = reservation_of(order)
    assert (reservation.status, step_of(order).status) == (R.HELD, S.DONE)
    assert reservation.supplier_order.supplier_order_id == str(placed.id)
    assert reservation.cost_kzt == placed.total
    purchase = Purchase.objects.get()
    assert (purchase.status, purchase.adopted_by) == ("made", "answer")
    assert purchase.supplier_order == reservation.supplier_order


def test_a_reserved_order_is_to_be_accepted_next(supplier, one, process, settings):
    settings.AUTO_ACCEPT = True
    order = make_order((one, 1))
    # Nobody listens at Kaspi's address.
    assert process().unreachable == {"kaspi"}
    assert step_of(order, Step.Kind.ACCEPT).status == S.PENDING


def test_goods_count_against_the_stock_from_the_first_moment(supplier, one, process):
    make_order((one, 3))
    assert reserved_units(stock_read_at()) == {one.pk: 3}
    process()
    assert reserved_units(stock_read_at()) == {one.pk: 3}


@pytest.mark.parametrize("method", ["add", "get", "submit"])
@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("drop_after_work", {}),
        ("drop_before_work", {}),
        ("status", {"code": 500, "after_work": True}),
        ("status", {"code": 502}),
        ("stall", {"seconds": 1.5, "after_work": True}),
        ("html", {"after_work": True}),
        ("throttle", {"interval": 0}),
    ],
)
def test_one_fault_anywhere_ends_in_exactly_one_order(
    supplier, one, process, method, fault, options
):
    know_supplier()
    order = make_order((one, 2))
    supplier.faults.add(fault, method=method, times=1, **options)
    for _ in range(6):
        process(also_later=True)
        let_pass(order)
    assert len(books(supplier)) == 1
    assert reservation_of(order).status == R.HELD
    assert step_of(order).status == S.DONE
    assert supplier.cart.rows == {}


def test_without_the_witness_a_dropped_answer_would_buy_twice(
    supplier, one, process, monkeypatch
):
    def begin_anew(self, claim, clients, purchase):
        Purchase.objects.filter(pk=purchase.pk).update(status="given_up")
        return outcomes.retry("again", after_s=0)

    monkeypatch.setattr(reserve.ReserveHandler, "_settle", begin_anew)
    order = make_order((one, 2))
    supplier.faults.add("drop_after_work", method="submit", times=1)
    for _ in range(3):
        process(also_later=True)
    assert len(books(supplier)) == 2
    assert step_of(order).status == S.DONE


def test_an_order_that_may_exist_is_looked_for_and_adopted(supplier, one, process):
    know_supplier()
    order = make_order((one, 2))
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    assert step_of(order).status == S.UNKNOWN
    let_pass(order)
    process()
    (placed,) = books(supplier)
    assert reservation_of(order).supplier_order.supplier_order_id == str(placed.id)
    assert step_of(order).answered["adopted"] is True
    assert purchase_of(order).adopted_by == "evidence"


def test_a_lost_submit_whose_rows_are_still_there_is_sent_again(supplier, one, process):
    know_supplier()
    order = make_order((one, 2))
    supplier.faults.add("drop_before_work", method="submit", times=1)
    process()
    assert step_of(order).status == S.UNKNOWN
    # One look is not enough: the lost call may still work.
    process(also_later=True)
    assert step_of(order).status == S.UNKNOWN
    let_pass(order)
    process()
    assert len(books(supplier)) == 1
    assert len(purchase_of(order).submits) == 2
    assert reservation_of(order).status == R.HELD


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_clock_set_ahead_lets_no_submit_seem_over(
    supplier, one, process, monkeypatch, is_noticed
):
    """Unnoticed, the cart would be submitted again beside one that still works."""
    know_supplier()
    order = make_order((one, 2))
    supplier.faults.add("late_work", method="submit", times=1, seconds=300)
    process()
    day = timedelta(days=1)
    let_pass(order, minutes=day.total_seconds() / 60)
    if is_noticed:
        monkeypatch.setattr(WATCH, "_last", (database_now() - day, steady_s()))
    for _look in range(3):
        process(also_later=True)
    assert len(purchase_of(order).submits) == (1 if is_noticed else 2)
    if is_noticed:
        supplier.clock.advance(301)
        wait_until(lambda: books(supplier))
        let_pass(order)
        process()
        assert reservation_of(order).status == R.HELD
        assert len(books(supplier)) == 1


def test_an_order_listed_before_the_clock_was_set_ahead_is_found_after_it(
    supplier, one, process, monkeypatch
):
    know_supplier(listed_after_s="300")
    order = make_order((one, 2))
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    process(also_later=True)
    assert step_of(order).status == S.UNKNOWN
    day = timedelta(days=1)
    let_pass(order, minutes=day.total_seconds() / 60)
    monkeypatch.setattr(WATCH, "_last", (database_now() - day, steady_s()))
    process(also_later=True)
    assert step_of(order).status == S.UNKNOWN
    let_pass(order, minutes=12)
    process(also_later=True)
    assert reservation_of(order).status == R.HELD
    assert len(books(supplier)) == 1


def test_a_lost_submit_is_not_sent_again_while_nobody_knows_what_submit_does(
    supplier, one, process
):
    supplier.change_settings(submit_keeps_cart=True)
    order = make_order((one, 2))
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    for _ in range(3):
        let_pass(order, minutes=20)
        process()
    assert len(books(supplier)) == 1
    # A person is told in time, with the order that may be this one's.
    assert step_of(order).status == S.NEEDS_PERSON
    assert purchase_of(order).status == "needs_person"


def test_a_cart_that_submit_does_not_empty_is_emptied_by_us(supplier, one, process):
    supplier.change_settings(submit_keeps_cart=True)
    for _ in range(2):
        order = make_order((one, 1))
        process()
        assert reservation_of(order).status == R.HELD
        assert supplier.cart.rows == {}
    assert len(books(supplier)) == 2
    assert LearnedFact.objects.get(name="submit_empties").value == "no"


def test_the_number_is_kept_though_its_worker_lost_the_step(
    supplier, one, process, monkeypatch
):
    order = make_order((one, 1))
    submit = CartClient.submit

    def submit_and_sleep(self, submission):
        number = submit(self, submission)
        Step.objects.filter(order=order).update(claimed_by="another worker")
        return number

    monkeypatch.setattr(CartClient, "submit", submit_and_sleep)
    process()
    (placed,) = books(supplier)
    assert purchase_of(order).number == str(placed.id)
    Step.objects.filter(order=order).update(
        claimed_until=timezone.now() - timedelta(seconds=1)
    )
    monkeypatch.setattr(CartClient, "submit", submit)
    process(also_later=True)
    process(also_later=True)
    assert len(books(supplier)) == 1
    assert reservation_of(order).supplier_order.supplier_order_id == str(placed.id)


def test_twins_are_told_apart(supplier, one, process):
    know_supplier()
    first, second = make_order((one, 1)), make_order((one, 1))
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    # The second waits until the first is settled.
    assert step_of(first).status == S.UNKNOWN
    assert step_of(second).status == S.PENDING
    for _ in range(4):
        let_pass(first)
        process(also_later=True)
    assert len(books(supplier)) == 2
    held = {reservation_of(o).supplier_order_id for o in (first, second)}
    assert len(held) == 2


def test_the_cart_stays_closed_while_a_lost_submit_may_still_work(
    supplier, one, two, process
):
    know_supplier()
    first, second = make_order((one, 1)), make_order((two, 1))
    supplier.faults.add("drop_before_work", method="submit", times=1)
    process()
    process(also_later=True)
    # It may still work late, and take whatever is in the cart by then.
    assert step_of(first).status == S.UNKNOWN
    assert step_of(second).status == S.PENDING
    let_pass(first)
    process(also_later=True)
    process(also_later=True)
    assert [reservation_of(o).status for o in (first, second)] == [R.HELD, R.HELD]
    assert len(books(supplier)) == 2


def test_long_numbers_in_the_list_do_not_hide_our_own_orders(supplier, one, process):
    know_supplier()
    supplier.change_settings(long_order_ids=True)
    first = make_order((one, 1))
    process()
    second = make_order((one, 1))
    supplier.faults.add("drop_before_work", method="submit", times=1)
    process()
    for _ in range(6):
        let_pass(second)
        process(also_later=True)
    assert len(books(supplier)) == 2
    assert reservation_of(first).supplier_order != reservation_of(second).supplier_order


def test_several_candidates_are_left_to_a_person(supplier, one, process):
    know_supplier()
    order = make_order((one, 1))
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    (placed,) = books(supplier)
    supplier.orders.create(placed.lines)
    for _ in range(2):
        let_pass(order, minutes=30)
        process()
    step = step_of(order)
    assert step.status == S.NEEDS_PERSON
    assert {c["id"] for c in step.answered["candidates"]} == {
        str(o.id) for o in books(supplier)
    }
    actions.adopt_supplier_order(step, str(placed.id), actor="anna")
    process()
    assert reservation_of(order).supplier_order.supplier_order_id == str(placed.id)
    assert step_of(order).status == S.DONE
    purchase = purchase_of(order)
    assert (purchase.status, purchase.adopted_by) == ("made", "anna")


def add_then(monkeypatch, act):
    """Let something happen when the cart has been filled."""
    add = CartClient.add

    def add_and_act(self, lines):
        add(self, lines)
        act()

    monkeypatch.setattr(CartClient, "add", add_and_act)


def test_a_buyer_who_cancels_while_the_cart_is_filled_is_not_bought_for(
    supplier, one, process, monkeypatch
):
    know_supplier()
    order = make_order((one, 2))
    over = {"status": Order.CANCELLED, "state": Order.ARCHIVE}

    def cancel():
        Order.objects.filter(pk=order.pk).update(**over)

    add_then(monkeypatch, cancel)
    process()
    assert books(supplier) == []
    assert supplier.cart.rows == {}
    assert purchase_of(order).status == Purchase.Status.GIVEN_UP
    assert step_of(order).status == S.SKIPPED


def test_a_buyer_who_takes_a_piece_off_while_the_cart_is_filled_gets_the_others(
    supplier, one, process, monkeypatch
):
    know_supplier()
    order = make_order((one, 3))

    def reduce():
        monkeypatch.undo()
        order.lines.update(quantity=2)
        reservation_of(order).want(order.lines.all())

    add_then(monkeypatch, reduce)
    process()
    (placed,) = books(supplier)
    assert [line.quantity for line in placed.lines] == [2]
    assert reservation_of(order).status == R.HELD


def left_to_a_person(supplier, product, process):
    """An order of which two at Al-Style may be; gives both of them, ours first."""
    know_supplier()
    order = make_order((product, 1))
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    (placed,) = books(supplier)
    his = supplier.orders.create(placed.lines, by="manager")
    for _ in range(2):
        let_pass(order, minutes=30)
        process()
    assert step_of(order).stuck_for == Reason.WHICH_ORDER
    return order, placed, his


def test_a_candidate_that_was_cancelled_since_the_look_holds_nothing(
    supplier, one, process
):
    order, placed, his = left_to_a_person(supplier, one, process)
    supplier.orders.move(placed, "DA")
    actions.adopt_supplier_order(step_of(order), str(placed.id), actor="anna")
    process()
    assert reservation_of(order).status == R.WANTED
    step = step_of(order)
    # Chosen again it would be no better; the other one may still be.
    assert [c["id"] for c in step.answered["candidates"]] == [str(his.id)]
    assert step.stuck_for == Reason.WHICH_ORDER
    assert str(placed.id) in step.last_error
    actions.adopt_supplier_order(step, str(his.id), actor="anna")
    process()
    assert reservation_of(order).supplier_order.supplier_order_id == str(his.id)
    assert purchase_of(order).adopted_by == "anna"


def test_a_candidate_that_is_not_shown_just_now_may_be_chosen_again(
    supplier, one, process
):
    order, placed, _his = left_to_a_person(supplier, one, process)
    supplier.faults.add("status", code=404, method="order", times=1)
    actions.adopt_supplier_order(step_of(order), str(placed.id), actor="anna")
    process()
    step = step_of(order)
    assert len(step.answered["candidates"]) == 2
    actions.adopt_supplier_order(step, str(placed.id), actor="anna")
    process()
    assert reservation_of(order).status == R.HELD


def test_what_somebody_has_chosen_nobody_buys_anew_before_it_was_seen(
    supplier, one, process
):
    order, placed, _his = left_to_a_person(supplier, one, process)
    on_an_old_page = purchase_of(order)
    actions.adopt_for_purchase(purchase_of(order), str(placed.id), actor="anna")
    with pytest.raises(actions.ActionImpossible):
        actions.buy_anew(on_an_old_page, actor="olga")
    process()
    assert reservation_of(order).supplier_order.supplier_order_id == str(placed.id)
    assert len(supplier.calls("submit")) == 1


def test_an_order_that_is_chosen_and_unwanted_is_released_once_it_was_seen(
    supplier, one, process
):
    order, placed, _his = left_to_a_person(supplier, one, process)
    purchase, number = purchase_of(order), str(placed.id)
    actions.adopt_for_purchase(purchase, number, actor="anna", is_unwanted=True)
    process()
    assert reservation_of(order).status == R.RELEASING
    assert placed.cancel_asked


def test_what_was_not_made_is_taken_out_and_bought_anew(supplier, one, two, process):
    know_supplier()
    order = make_order((one, 1))
    supplier.faults.add("drop_before_work", method="submit", times=1)
    process()
    # A manager's row keeps the cart from being ours for too long.
    supplier.cart.add_foreign(int(two.article), 1, 0.0)
    for _ in range(2):
        let_pass(order, minutes=30)
        process()
    assert step_of(order).status == S.NEEDS_PERSON
    supplier.cart.drop_foreign()
    actions.reserve_anew(step_of(order), actor="anna")
    process()
    process()
    assert len(books(supplier)) == 1
    assert reservation_of(order).status == R.HELD
    assert supplier.cart.foreign_touched == []


def test_a_partly_filled_order_in_doubt_is_left_to_a_person(supplier, one, process):
    know_supplier()
    supplier.change_settings(submit_short="partial")
    order = make_order((one, 3))
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    (placed,) = books(supplier)
    short = placed.lines[0].__class__(
        article=placed.lines[0].article, quantity=2, price=placed.lines[0].price
    )
    placed.lines = [short]
    for _ in range(2):
        let_pass(order, minutes=30)
        process()
    assert step_of(order).status == S.NEEDS_PERSON
    assert len(books(supplier)) == 1


# -- the shared cart ---------------------------------------------------------------


def test_a_managers_rows_make_us_step_back(supplier, one, two, process):
    order = make_order((one, 1))
    supplier.cart.add_foreign(int(two.article), 5, 0.0)
    process()
    assert [(r.article, r.quantity) for r in supplier.cart.rows.values()] == [
        (int(two.article), 5)
    ]
    assert supplier.cart.foreign_touched == []
    step = step_of(order)
    assert (step.status, step.attempts) == (S.PENDING, 0)
    assert two.article in step.last_error
    supplier.cart.drop_foreign()
    process(also_later=True)
    assert reservation_of(order).status == R.HELD


def test_a_managers_row_of_the_same_article_keeps_its_quantity(supplier, one, process):
    supplier.change_settings(cart_adds="add")
    order = make_order((one, 1))
    supplier.cart.add_foreign(int(one.article), 5, 0.0)
    process()
    (row,) = supplier.cart.rows.values()
    assert row.quantity == 5
    assert books(supplier) == []
    assert step_of(order).status == S.PENDING


@pytest.mark.parametrize("cart_adds", ["add", "replace"])
def test_what_a_dead_worker_left_in_the_cart_is_not_ordered_twice(
    supplier, one, process, cart_adds
):
    supplier.change_settings(cart_adds=cart_adds)
    order = make_order((one, 3))
    fault = supplier.faults.add("status", code=503, method="get", skip=1)
    process()
    (row,) = supplier.cart.rows.values()
    assert (row.quantity, purchase_of(order).status) == (3, "filling")
    supplier.faults.clear(fault)
    for _ in range(3):
        process(also_later=True)
    (placed,) = books(supplier)
    assert [(x.article, x.quantity) for x in placed.lines] == [(int(one.article), 3)]


# -- refusals ----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["silent", "message", "http", "clamp"])
def test_too_little_stock_is_refused_and_the_cart_left_clean(
    supplier, one, two, process, how
):
    supplier.change_settings(add_refusal=how)
    supplier.set_good(int(one.article), quantity=1)
    order = make_order((two, 1), (one, 2))
    process()
    step = step_of(order)
    # Only a balance in the cart says that there is too little; words say anything.
    assert (step.status, step.answered) == (S.REFUSED, {"is_stock": how == "clamp"})
    assert step.last_error
    assert supplier.cart.rows == {}
    assert books(supplier) == []
    assert reservation_of(order).status == R.WANTED


@pytest.mark.parametrize("balance", [None, "", "есть", "10 шт.", "12.0"])
def test_a_balance_that_cannot_be_read_says_nothing_of_the_stock(
    supplier, one, process, monkeypatch, balance
):
    """Nothing is bought unseen, and no buyer's order is cancelled for it by itself."""
    shown = Cart._shown
    monkeypatch.setattr(
        Cart, "_shown", lambda self, row: {**shown(self, row), "balance": balance}
    )
    order = make_order((one, 2))
    process()
    step = step_of(order)
    assert (step.status, step.answered) == (S.REFUSED, {"is_stock": False})
    assert step.stuck_for == Reason.STOCK_UNREADABLE
    assert supplier.cart.rows == {}
    assert books(supplier) == []


def test_what_was_bought_stays_so_whatever_is_sold_at_once_by_now(
    supplier, one, process
):
    supplier.change_settings(statuses_move=False)
    order = make_order((one, 2))
    process()
    follow()
    one.multiplicity = 10
    one.save()
    reconcile(now=timezone.now())
    assert not order.steps.stuck().exists()
    assert reserved_units(stock_read_at()) == {one.pk: 2}
    # Cancelled there, they are wanted anew by what is sold at once now.
    (placed,) = books(supplier)
    supplier.orders.move(placed, "DA")
    follow()
    (line,) = reservation_of(order).lines.all()
    assert (line.quantity, line.supplied_quantity) == (2, 10)


def test_the_last_unit_goes_to_one_of_two_orders(supplier, one, process):
    supplier.set_good(int(one.article), quantity=1)
    orders = [make_order((one, 1)), make_order((one, 1))]
    process()
    assert sorted(step_of(o).status for o in orders) == [S.DONE, S.REFUSED]
    assert len(books(supplier)) == 1


@pytest.fixture
def dearer(supplier, one, process):
    """An order whose goods cost twice as much in the cart, and still earn enough."""
    supplier.set_good(int(one.article), price1=one.cost_kzt * 2)
    order = make_order((one, 1))
    order.lines.update(price_kzt=10 * one.cost_kzt)
    process()
    return order


def test_a_price_beyond_the_tolerance_waits_for_a_person(supplier, one, dearer):
    step = step_of(dearer)
    assert step.status == S.NEEDS_PERSON
    assert step.answered == {"cost_kzt": one.cost_kzt * 2}
    assert supplier.cart.rows == {}
    assert books(supplier) == []


def test_a_person_may_have_it_ordered_at_the_new_price(supplier, one, dearer, process):
    actions.order_at_new_price(step_of(dearer), one.cost_kzt * 2, actor="anna")
    process()
    assert step_of(dearer).status == S.DONE
    assert reservation_of(dearer).cost_kzt == one.cost_kzt * 2


def test_what_rose_again_since_is_asked_for_again(supplier, one, dearer, process):
    supplier.set_good(int(one.article), price1=one.cost_kzt * 3)
    actions.order_at_new_price(step_of(dearer), one.cost_kzt * 2, actor="anna")
    process()
    step = step_of(dearer)
    assert step.status == S.NEEDS_PERSON
    assert step.answered["cost_kzt"] == one.cost_kzt * 3
    assert books(supplier) == []


def test_a_price_on_request_is_none_that_anybody_could_agree_to(supplier, one, process):
    order = make_order((one, 1))
    supplier.set_good(int(one.article), price1=1)
    process()
    step = step_of(order)
    assert (step.status, step.answered) == (S.REFUSED, {"is_stock": False})


def test_marked_down_pieces_are_refused(supplier, one, process):
    supplier.change_settings(adds_markdown=True)
    supplier.set_good(int(one.article), quantity_markdown=5, price_markdown=10)
    order = make_order((one, 1))
    process()
    assert step_of(order).status == S.REFUSED
    assert books(supplier) == []


def test_an_unknown_article_is_refused(supplier, process):
    order = make_order((make_product("99999999"), 1))
    process()
    assert step_of(order).status == S.REFUSED


def test_a_wrong_multiple_waits_for_a_person(supplier, goods, process):
    product = product_of(supplier, goods[0], multiplicity=10)
    order = make_order((product, 1))
    process()
    assert step_of(order).status == S.NEEDS_PERSON
    assert supplier.arrivals == []


def test_selling_by_the_piece_orders_a_whole_multiple(supplier, goods, process):
    supplier.set_good(goods[0], multiplicity=10)
    product = product_of(supplier, goods[0], multiplicity=10, sells_singly=True)
    make_order((product, 1))
    assert reserved_units(stock_read_at()) == {product.pk: 10}
    process()
    (placed,) = books(supplier)
    assert placed.lines[0].quantity == 10


@pytest.mark.parametrize("variant", ["empty", "expired", "bare"])
def test_without_valid_papers_a_person_is_asked(supplier, one, process, variant):
    supplier.user_data.change(variant)
    order = make_order((one, 1))
    process()
    assert step_of(order).status == S.NEEDS_PERSON
    supplier.user_data.change("full")
    actions.retry_step(step_of(order), actor="anna")
    process()
    assert reservation_of(order).status == R.HELD


def test_submit_answering_garbage_is_looked_up(supplier, one, process):
    know_supplier()
    supplier.faults.add("garbage", method="submit", times=1)
    order = make_order((one, 1))
    process()
    assert step_of(order).status == S.UNKNOWN
    let_pass(order)
    process(also_later=True)
    assert len(books(supplier)) == 1
    assert reservation_of(order).status == R.HELD


# -- dead workers, observers, hands ------------------------------------------------


def test_a_dead_workers_step_is_looked_at_before_it_is_done_again(
    supplier, one, process
):
    order = make_order((one, 1))
    process()
    (placed,) = books(supplier)
    # As if the worker had died between the call and its settling.
    Reservation.objects.filter(order=order).update(status=R.WANTED, supplier_order=None)
    Purchase.objects.update(status="submitting", supplier_order=None)
    SupplierOrder.objects.all().delete()
    Step.objects.filter(order=order).update(
        status=S.IN_FLIGHT,
        claimed_by="dead",
        claimed_until=timezone.now() - timedelta(seconds=1),
        finished_at=None,
    )
    process()
    assert len(books(supplier)) == 1
    assert reservation_of(order).supplier_order.supplier_order_id == str(placed.id)


def test_attempts_end_with_a_person(supplier, one, process, settings):
    settings.STEP_ATTEMPTS = 2
    supplier.faults.add("garbage", method="get")
    order = make_order((one, 1))
    for _ in range(4):
        process(also_later=True)
    assert step_of(order).status == S.NEEDS_PERSON


def test_an_outage_spends_no_attempts(supplier, one, process, settings):
    settings.STEP_ATTEMPTS = 2
    fault = supplier.faults.add("status", code=503, method="user-data")
    order = make_order((one, 1))
    for _ in range(4):
        assert process(also_later=True).unreachable == {"alstyle"}
    assert step_of(order).attempts == 0
    supplier.faults.clear(fault)
    process(also_later=True)
    assert reservation_of(order).status == R.HELD


@pytest.mark.parametrize("method", ["user-data", "get"])
def test_a_night_of_works_on_the_suppliers_site_spends_no_attempts(
    supplier, one, process, settings, method
):
    settings.STEP_ATTEMPTS = 2
    text = "<!doctype html><h1>Технические работы до утра</h1>"
    fault = supplier.faults.add("html", method=method, text=text)
    order, later = make_order((one, 1)), make_order((one, 1))
    for _ in range(4):
        process(also_later=True)
    assert "Технические работы" in step_of(order).last_error
    supplier.faults.clear(fault)
    for _ in range(3):
        process(also_later=True)
    assert reservation_of(order).status == reservation_of(later).status == R.HELD
    assert len(books(supplier)) == 2


def test_observe_only_sends_nothing_and_says_what_it_would(
    supplier, one, process, settings
):
    settings.OBSERVE_ONLY = True
    order = make_order((one, 2))
    process()
    assert supplier.arrivals == []
    step = step_of(order)
    assert (step.status, step.attempts) == (S.PENDING, 0)
    assert f"{one.article} × 2" in step.last_error
    assert order.code in step.last_error


def test_reserved_by_hand(supplier, one, process):
    order = make_order((one, 1))
    actions.mark_reserved_by_hand(order, actor="anna")
    process()
    assert supplier.arrivals == []
    assert reservation_of(order).status == R.BY_HAND
    assert step_of(order).status == S.SKIPPED
    assert reserved_units(stock_read_at()) == {one.pk: 1}


# -- releases ----------------------------------------------------------------------


def call_off(order: Order) -> None:
    order.refresh_from_db()
    order.status = Order.CANCELLED
    order.state = Order.ARCHIVE
    order.save()
    replan(order, now=timezone.now())


def test_a_cancelled_order_is_released_once(supplier, one, process):
    order = make_order((one, 1))
    process()
    call_off(order)
    call_off(order)
    process()
    call_off(order)
    process()
    assert books(supplier) == []
    assert len(supplier.calls("cancel")) == 1
    assert reservation_of(order).status == R.RELEASING


def test_an_order_cancelled_before_its_reserve_is_dropped(supplier, one, process):
    order = make_order((one, 1))
    call_off(order)
    process()
    assert supplier.arrivals == []
    assert reservation_of(order).status == R.DROPPED
    assert reserved_units(stock_read_at()) == {}


def test_an_order_cancelled_while_in_doubt_is_released_once_found(
    supplier, one, process
):
    know_supplier()
    order = make_order((one, 1))
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    call_off(order)
    assert reservation_of(order).status == R.WANTED
    for _ in range(2):
        let_pass(order)
        process(also_later=True)
    assert books(supplier) == []
    assert reservation_of(order).status == R.RELEASING


@pytest.mark.parametrize("fault", ["drop_after_work", "drop_before_work", "html"])
def test_a_release_in_doubt_is_looked_at(supplier, one, process, fault):
    order = make_order((one, 1))
    process()
    call_off(order)
    supplier.faults.add(fault, method="cancel", times=1)
    for _ in range(3):
        process(also_later=True)
    assert books(supplier) == []
    assert reservation_of(order).status in (R.RELEASED, R.RELEASING)


def test_a_refused_release_waits_for_a_person(supplier, one, process):
    order = make_order((one, 1))
    process()
    supplier.change_settings(cancel_mode="refused")
    call_off(order)
    process()
    assert step_of(order, Step.Kind.RELEASE).status == S.REFUSED
    assert reservation_of(order).status == R.HELD


def test_who_lost_the_cart_to_another_worker_submits_nothing(
    supplier, one, process, monkeypatch
):
    # A worker that was asleep for longer than its lease: by now the rows in the cart
    # may be those of another order.
    order = make_order((one, 1))
    check = purchasing.check

    def check_and_sleep(*args, **kwargs):
        rows = check(*args, **kwargs)
        Lease.objects.filter(name=CART_LEASE).update(owner="another worker")
        return rows

    monkeypatch.setattr(purchasing, "check", check_and_sleep)
    process()
    assert supplier.calls("submit") == []
    assert step_of(order).status == S.UNKNOWN
    monkeypatch.setattr(purchasing, "check", check)
    Lease.objects.all().delete()
    for _ in range(3):
        process(also_later=True)
    assert len(books(supplier)) == 1
    assert reservation_of(order).status == R.HELD
