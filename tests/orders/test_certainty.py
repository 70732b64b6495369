"""Bought once, under whatever the supplier's contract leaves open."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
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
from orders.models.step import Candidate
from orders.plan import actions
from orders.plan.planning import replan
from orders.supply import verifying
from orders.supply.counting import reserved_units
from orders.supply.learning import learned
from orders.supply.listing import SupplierLists
from orders.supply.verifying import verify_purchases
from plumbing.models import TimeJump
from plumbing.peers import PeerUnavailable
from tests.orders.factories import (
    another,
    articles_of_plenty,
    doubt,
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
ZONES = {"almaty": "300", "moscow": "180", "utc": "0"}


@pytest.fixture(autouse=True)
def no_accepts(settings):
    settings.AUTO_ACCEPT = False


@pytest.fixture
def product(supplier):
    return product_of(supplier, articles_of_plenty(supplier)[0])


def alive(supplier, by: str = "api"):
    return [o for o in supplier.orders.orders.values() if o.is_live and o.by == by]


def call_off(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(
        status=Order.CANCELLED, state=Order.ARCHIVE
    )
    order.refresh_from_db()
    replan(order, now=timezone.now())


def verify() -> None:
    with Clients() as clients:
        verify_purchases(clients.cart)


def lose_the_answer(supplier, order, process, *, fault="drop_after_work") -> None:
    supplier.faults.add(fault, method="submit", times=1)
    process()
    assert step_of(order).status == S.UNKNOWN


def look_on(order, process, *, times, minutes) -> None:
    """Let so many minutes pass before each look at what became of the order."""
    for _ in range(times):
        let_pass(order, minutes=minutes)
        process()


@pytest.mark.parametrize(
    ("date_format", "date_zone"),
    [
        ("seconds", "moscow"),
        ("seconds", "utc"),
        ("minutes", "almaty"),
        ("day", "almaty"),
        ("iso", "utc"),
        ("iso-zone", "moscow"),
        ("empty", "almaty"),
    ],
)
def test_whatever_dates_say_nothing_is_bought_twice(
    supplier, product, process, date_format, date_zone
):
    know_supplier(
        date_offset_min="0" if "iso-zone" in date_format else ZONES[date_zone]
    )
    supplier.change_settings(date_format=date_format, date_zone=date_zone)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    for _ in range(3):
        let_pass(order)
        process()
    assert len(alive(supplier)) == 1
    assert reservation_of(order).status == R.HELD


@pytest.mark.parametrize("list_order", ["oldest", "shuffled"])
def test_lists_are_read_to_their_end_however_they_stand(
    supplier, product, process, list_order
):
    know_supplier()
    supplier.change_settings(list_order=list_order)
    for _ in range(25):
        supplier.orders.create(make_lines(supplier, product, 1), by="manager")
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    for _ in range(3):
        let_pass(order)
        process(also_later=True)
    assert len(alive(supplier)) == 1
    assert reservation_of(order).status == R.HELD


def make_lines(supplier, product, quantity):
    from sandbox.alstyle.orders import OrderedLine

    good = supplier.goods[int(product.article)]
    return [OrderedLine(article=good.article, quantity=quantity, price=good.price1)]


def test_an_order_listed_late_is_waited_for(supplier, product, process):
    know_supplier()
    supplier.change_settings(listed_after_s=86_400)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    # Less than the clocks may be apart: it is dated when it was really made.
    look_on(order, process, times=3, minutes=5)
    assert step_of(order).status == S.UNKNOWN
    assert len(alive(supplier)) == 1
    supplier.change_settings(listed_after_s=0)
    look_on(order, process, times=2, minutes=2)
    assert reservation_of(order).status == R.HELD
    assert len(alive(supplier)) == 1


def test_a_listed_order_that_cannot_be_read_ends_with_a_person(
    supplier, product, process
):
    know_supplier()
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    supplier.faults.add("status", code=404, method="order")
    look_on(order, process, times=3, minutes=20)
    assert step_of(order).status == S.NEEDS_PERSON
    # Other goods do not wait behind it.
    other = product_of(supplier, another(supplier, product))
    second = make_order((other, 1))
    process()
    assert reservation_of(second).status == R.HELD


def test_an_order_of_ours_that_lists_name_otherwise_is_not_taken_for_the_next_one(
    supplier, product, process
):
    """It looks nobody's where `order` does not know the number that submit answered."""
    know_supplier()
    supplier.change_settings(long_order_ids=True, reads_submit_ids=False)
    first, second = make_order((product, 2)), make_order((product, 2))
    supplier.faults.add("drop_before_work", method="submit", skip=1, times=1)
    process()
    assert reservation_of(first).status == R.HELD
    # Somebody at the portal empties the cart.
    supplier.cart.rows.clear()
    look_on(second, process, times=6, minutes=8)
    assert reservation_of(second).status == R.WANTED
    (ours,) = alive(supplier)
    shown = {found["id"] for found in step_of(second).answered["candidates"]}
    assert shown == {ours.long_id}


def test_one_order_that_two_buyers_have_under_two_numbers_is_told_and_kept(
    supplier, product, process
):
    supplier.change_settings(long_order_ids=True, reads_submit_ids=False)
    first = make_order((product, 2))
    process()
    (ours,) = alive(supplier)
    # A person takes it for another's, under the number that lists show.
    second = make_order((product, 2))
    taken = SupplierOrder.objects.create(
        supplier_order_id=ours.long_id, placed_at=timezone.now()
    )
    now = timezone.now()
    second.reservations.update(status=R.HELD, supplier_order=taken, held_at=now)
    second.steps.update(status=S.DONE)
    supplier.change_settings(reads_submit_ids=True)
    verify()
    for order in (first, second):
        told = step_of(order, Step.Kind.CHECK)
        assert told.stuck_for == Reason.SUPPLIER_LINES
    call_off(second)
    process()
    assert step_of(second, Step.Kind.RELEASE).stuck_for == Reason.SHARED_ORDER
    assert alive(supplier) == [ours]


def test_longer_numbers_in_lists_keep_no_lost_submit_waiting(
    supplier, product, process
):
    know_supplier()
    supplier.change_settings(long_order_ids=True)
    first, second = make_order((product, 2)), make_order((product, 2))
    supplier.faults.add("drop_after_work", method="submit", skip=1, times=1)
    process()
    look_on(second, process, times=2, minutes=5)
    held = {reservation_of(order).supplier_order for order in (first, second)}
    assert len(held) == len(alive(supplier)) == 2


def test_an_order_that_is_not_shown_keeps_no_other_from_being_read(
    supplier, product, process, monkeypatch
):
    monkeypatch.setattr(verifying, "MOST_AT_ONCE", 1)
    first, second = make_order((product, 2)), make_order((product, 2))
    process()
    supplier.faults.add("status", code=404, method="order", times=1)
    verify()
    assert purchase_of(first).unshown_at is not None
    verify()
    assert purchase_of(second).verified_at is not None
    assert purchase_of(first).verified_at is None
    verify()
    assert purchase_of(first).verified_at is not None


def test_an_order_that_was_told_of_is_asked_for_now_and_then(
    supplier, product, process
):
    order = make_order((product, 2))
    process()
    now, ago = timezone.now(), timezone.now() - timedelta(hours=3)
    Purchase.objects.update(settled_at=ago, unshown_at=now)
    verify()
    assert purchase_of(order).verified_at is None
    # It was asked for a moment ago, but nobody was told yet; or long ago.
    Purchase.objects.update(settled_at=now)
    supplier.faults.add("status", code=404, method="order", times=1)
    verify()
    assert purchase_of(order).unshown_at > now
    Purchase.objects.update(settled_at=ago, unshown_at=ago + timedelta(hours=2))
    verify()
    assert purchase_of(order).verified_at is not None


@pytest.mark.parametrize("words", ["Иванов, на склад", "987654321"])
def test_a_managers_equal_order_that_says_otherwise_is_not_adopted(
    supplier, product, process, words
):
    know_supplier()
    supplier.change_settings(shows_external_id=True, shows_comments=True)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    # A person empties the cart and orders the same by hand, with a remark.
    supplier.cart.rows.clear()
    lines = make_lines(supplier, product, 2)
    supplier.orders.create(lines, by="manager", comments=words)
    look_on(order, process, times=3, minutes=20)
    assert reservation_of(order).status == R.WANTED
    assert step_of(order).status == S.NEEDS_PERSON


@pytest.mark.parametrize("is_read", [True, False], ids=["read", "not shown yet"])
def test_a_managers_equal_order_is_not_adopted_where_his_goods_may_have_gone_along(
    supplier, product, process, monkeypatch, is_read
):
    know_supplier()
    foreign = another(supplier, product)
    other = product_of(supplier, foreign)
    submit = CartClient.submit

    def submit_after_the_manager(self, submission):
        supplier.cart.add_foreign(foreign, 5, 0.0)
        return submit(self, submission)

    monkeypatch.setattr(CartClient, "submit", submit_after_the_manager)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    monkeypatch.undo()
    (ours,) = alive(supplier)
    # The same that we wanted, and nothing that tells whose it is.
    his = supplier.orders.create(make_lines(supplier, product, 2), by="manager")
    if not is_read:
        read = SupplierLists.read
        monkeypatch.setattr(
            SupplierLists,
            "read",
            lambda self, n: None if n == str(ours.id) else read(self, n),
        )
    look_on(order, process, times=3, minutes=20)
    assert reservation_of(order).status == R.WANTED
    assert step_of(order).status == S.NEEDS_PERSON
    # Of what may have gone along, nothing is offered until it is known.
    along = {other.pk: 5} if is_read else {}
    assert reserved_units(stock_read_at()) == {product.pk: 2, **along}
    if is_read:
        shown = {found["id"] for found in step_of(order).answered["candidates"]}
        actions.adopt_supplier_order(step_of(order), str(ours.id), actor="anna")
        assert reserved_units(stock_read_at()) == {product.pk: 2, **along}
        process()
        assert reservation_of(order).status == R.HELD
        assert reserved_units(stock_read_at()) == {product.pk: 2, **along}
        verify()
        assert reserved_units(stock_read_at()) == {product.pk: 2, **along}
    else:
        shown = {found["id"] for found in step_of(order).answered["candidates"]}
    assert str(his.id) in shown
    assert (str(ours.id) in shown) == is_read
    assert len(alive(supplier)) == 1


def test_the_same_goods_at_another_sum_are_not_adopted(supplier, product, process):
    know_supplier()
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    supplier.cart.rows.clear()
    (line,) = make_lines(supplier, product, 2)
    dearer = type(line)(article=line.article, quantity=2, price=line.price + 7)
    supplier.orders.create([dearer], by="manager")
    look_on(order, process, times=3, minutes=20)
    assert reservation_of(order).status == R.WANTED


def test_a_second_loss_begins_to_be_looked_for_anew(supplier, product, process):
    know_supplier()
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    process(also_later=True)
    let_pass(order)
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    assert len(purchase_of(order).submits) == 2
    process(also_later=True)
    assert len(alive(supplier)) == 1
    let_pass(order)
    process(also_later=True)
    let_pass(order)
    process(also_later=True)
    assert len(alive(supplier)) == 1
    assert reservation_of(order).status == R.HELD


def test_the_second_reservation_of_an_order_is_released_too(supplier, product, process):
    order = make_order((product, 1))
    process()
    actions.request_step(order, Step.Kind.RELEASE, actor="anna")
    process()
    Reservation.objects.filter(status=R.RELEASING).update(
        status=R.RELEASED, closed_at=timezone.now()
    )
    actions.request_step(order, Step.Kind.RESERVE, actor="anna")
    process()
    assert len(alive(supplier)) == 1
    call_off(order)
    process()
    assert alive(supplier) == []


def test_a_cancellation_does_not_forget_a_purchase_in_doubt(supplier, product, process):
    order = make_order((product, 1))
    made = supplier.orders.create(make_lines(supplier, product, 1))
    number = str(made.id)
    found: Candidate = {"id": number, "sum": None, "placed_at": None, "lines": []}
    doubt(order, candidates=[found])
    Step.objects.filter(order=order).update(
        status=S.NEEDS_PERSON, answered={"candidates": [found]}
    )
    call_off(order)
    assert step_of(order).status == S.NEEDS_PERSON
    assert reservation_of(order).status == R.WANTED
    actions.adopt_supplier_order(step_of(order), number, actor="anna")
    process()
    # Found: now it can be released.
    assert alive(supplier) == []


def test_planning_goes_by_the_row_and_not_by_what_the_caller_read(product):
    order = make_order((product, 1))
    Reservation.objects.filter(order=order).update(status=R.BY_HAND)
    Step.objects.filter(order=order).update(status=S.DONE)
    stale = Order.objects.get(pk=order.pk)
    Order.objects.filter(pk=order.pk).update(
        status=Order.CANCELLED, state=Order.ARCHIVE
    )
    replan(stale, now=timezone.now())
    assert step_of(order, Step.Kind.RELEASE).status == S.NEEDS_PERSON


def test_a_managers_goods_that_went_along_are_seen_and_not_cancelled(
    supplier, product, process, monkeypatch
):
    foreign = another(supplier, product)
    submit = CartClient.submit

    def submit_after_the_manager(self, submission):
        supplier.cart.add_foreign(foreign, 5, 0.0)
        return submit(self, submission)

    monkeypatch.setattr(CartClient, "submit", submit_after_the_manager)
    order = make_order((product, 1))
    process()
    verify()
    step = step_of(order, Step.Kind.CHECK)
    assert step.status == S.NEEDS_PERSON
    assert f"{foreign} × 5" in step.last_error
    call_off(order)
    process()
    assert len(alive(supplier)) == 1
    assert step_of(order, Step.Kind.RELEASE).status == S.NEEDS_PERSON


def test_goods_that_went_along_are_told_though_the_order_was_shipped_before_it_was_read(
    supplier, product, process, monkeypatch
):
    foreign = another(supplier, product)
    submit = CartClient.submit

    def submit_after_the_manager(self, submission):
        supplier.cart.add_foreign(foreign, 5, 0.0)
        return submit(self, submission)

    monkeypatch.setattr(CartClient, "submit", submit_after_the_manager)
    order = make_order((product, 1))
    process()
    Reservation.objects.filter(order=order).update(status=R.SHIPPED)
    verify()
    step = step_of(order, Step.Kind.CHECK)
    assert step.status == S.NEEDS_PERSON
    assert f"{foreign} × 5" in step.last_error


def test_an_order_shipped_before_it_was_read_is_no_contradiction(
    supplier, product, process
):
    order = make_order((product, 1))
    process()
    Reservation.objects.filter(order=order).update(status=R.SHIPPED)
    verify()
    assert not order.steps.of_kind(Step.Kind.CHECK).exists()


@pytest.mark.parametrize("cart_adds", ["add", "replace"])
def test_a_managers_row_of_our_article_is_never_written(
    supplier, product, process, cart_adds
):
    supplier.change_settings(cart_adds=cart_adds)
    supplier.cart.add_foreign(int(product.article), 5, 0.0)
    make_order((product, 1))
    process()
    (row,) = supplier.cart.rows.values()
    assert row.quantity == 5
    assert supplier.cart.foreign_touched == []
    assert supplier.calls("add") == []


def test_a_row_that_a_manager_made_larger_is_left_to_a_person(
    supplier, product, process
):
    order = make_order((product, 1))
    fault = supplier.faults.add("status", code=503, method="get", skip=1)
    process()
    for row in supplier.cart.rows.values():
        row.quantity += 4
    supplier.faults.clear(fault)
    process(also_later=True)
    (row,) = supplier.cart.rows.values()
    assert row.quantity == 5
    assert step_of(order).status == S.NEEDS_PERSON
    assert alive(supplier) == []


def test_words_of_a_refusal_are_no_proof_of_no_stock(
    supplier, product, process, settings
):
    settings.AUTO_CANCEL_OUT_OF_STOCK = True
    order = make_order((product, 1))
    supplier.faults.add("html", method="add")
    process()
    assert not order.steps.of_kind(Step.Kind.CANCEL).exists()
    assert step_of(order).answered.get("is_stock") is not True


def test_a_lost_submit_whose_goods_are_gone_meanwhile_lets_the_others_go_on(
    supplier, product, process
):
    know_supplier()
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    supplier.set_good(int(product.article), stock=0)
    lost = purchase_of(order)
    for _look in range(4):
        if step_of(order).status == S.UNKNOWN:
            let_pass(order)
        process(also_later=True)
    # The second submit was refused while the cart showed that neither had worked.
    lost.refresh_from_db()
    assert lost.status == Purchase.Status.GIVEN_UP
    assert len(lost.submits) == 2
    assert step_of(order).status == S.REFUSED
    assert supplier.cart.rows == {}


def test_a_refusal_with_an_empty_cart_may_hide_an_order(supplier, product, process):
    know_supplier()
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    let_pass(order)
    supplier.faults.add("status", code=400, method="submit", times=1)
    fault = supplier.faults.add("status", code=503, method="get", skip=2)
    process()
    supplier.cart.rows.clear()
    supplier.faults.clear(fault)
    let_pass(order)
    process()
    assert purchase_of(order).is_unsettled


def test_a_cart_that_submit_never_works_on_is_left_to_others(
    supplier, product, process
):
    know_supplier()
    order = make_order((product, 2))
    supplier.faults.add("drop_before_work", method="submit")
    process()
    first = purchase_of(order)
    for _look in range(8):
        let_pass(order)
        process()
    first.refresh_from_db()
    assert (first.status, len(first.submits)) == (Purchase.Status.GIVEN_UP, 3)
    # In the end a person is told.
    for _look in range(60):
        let_pass(order)
        process()
    assert step_of(order).status == S.NEEDS_PERSON
    assert supplier.cart.rows == {}
    assert alive(supplier) == []


def test_one_purchase_at_a_time_has_the_cart(product):
    first, second = make_order((product, 1)), make_order((product, 1))
    doubt(first, status="filling")
    with pytest.raises(IntegrityError), transaction.atomic():
        doubt(second, status="opened")


def test_clear_answers_teach_what_the_contract_leaves_open(supplier, product, process):
    make_order((product, 1))
    process()
    verify()
    assert learned(LearnedFact.Name.SUBMIT_EMPTIES) == "yes"
    assert learned(LearnedFact.Name.REFERENCE_SHOWN) == "no"
    assert learned(LearnedFact.Name.DATE_FORMAT) == "%Y-%m-%d %H:%M:%S"
    assert learned(LearnedFact.Name.DATE_OFFSET_MIN) == "300"
    assert learned(LearnedFact.Name.LISTED_ID) == "same"
    assert Purchase.objects.get().verified_at is not None


def test_spans_of_time_are_not_learned_while_the_clock_is_in_doubt(
    supplier, product, process
):
    """Else dates would prove for ever that our own orders are others'."""
    TimeJump.objects.create(noticed_at=timezone.now(), seconds=86_400, host="srv")
    make_order((product, 1))
    process()
    verify()
    assert learned(LearnedFact.Name.DATE_FORMAT) is not None
    assert learned(LearnedFact.Name.DATE_OFFSET_MIN) is None
    assert learned(LearnedFact.Name.LISTED_AFTER_S) is None


def test_a_fact_that_changes_is_told_with_what_it_was():
    from orders.supply.learning import learn

    name, now = LearnedFact.Name.REFERENCE_SHOWN, timezone.now()
    learn(name, "no", evidence="first", now=now)
    learn(name, "no", evidence="again", now=now)
    assert LearnedFact.objects.get().confirmations == 2
    learn(name, "yes", evidence="third", now=now + timedelta(days=1))
    fact = LearnedFact.objects.get()
    assert (fact.value, fact.previous, fact.confirmations) == ("yes", "no", 1)


def test_a_queue_of_orders_takes_three_calls_each(supplier, product, process):
    know_supplier()
    LearnedFact.objects.create(
        name="list_order", value="newest", evidence="-", learned_at=timezone.now()
    )
    for _ in range(3):
        make_order((product, 1))
    process()
    calls = [a.method for a in supplier.arrivals if a.method != "user-data"]
    assert calls == ["get", "add", "get", "submit"] + ["add", "get", "submit"] * 2


def test_an_unknown_article_leaves_a_clean_cart(supplier, process):
    order = make_order((make_product("99999999"), 1))
    process()
    assert step_of(order).status == S.REFUSED
    assert purchase_of(order).status == "given_up"


def test_a_number_given_by_hand_counts_when_it_holds_the_goods(
    supplier, product, process
):
    order = make_order((product, 2))
    Step.objects.filter(order=order).update(status=S.REFUSED)
    mistyped = supplier.orders.create(make_lines(supplier, product, 1), by="manager")
    actions.mark_reserved_by_hand(order, actor="anna", number=str(mistyped.id))
    process()
    assert step_of(order).status == S.NEEDS_PERSON
    assert reservation_of(order).status == R.WANTED
    right = supplier.orders.create(make_lines(supplier, product, 2), by="manager")
    actions.mark_reserved_by_hand(order, actor="anna", number=str(right.id))
    process()
    reservation = reservation_of(order)
    assert reservation.status == R.HELD
    assert reservation.supplier_order.supplier_order_id == str(right.id)


def test_goods_that_cost_more_than_the_order_brings_are_not_bought(
    supplier, product, process
):
    order = make_order((product, 1))
    order.lines.update(price_kzt=1000, total_kzt=1000)
    process()
    step = step_of(order)
    assert step.status == S.NEEDS_PERSON
    assert supplier.calls("add") == []
    # Not on "try again" either, only at the price a person agrees to.
    actions.retry_step(step, actor="anna")
    process()
    assert supplier.calls("add") == []
    step = step_of(order)
    actions.order_at_new_price(step, step.answered["cost_kzt"], actor="anna")
    process()
    assert reservation_of(order).status == R.HELD


def test_a_price_risen_in_the_cart_is_weighed_too(supplier, product, process, settings):
    settings.PRICE_TOLERANCE_PERCENT = 1000
    order = make_order((product, 1))
    supplier.set_good(int(product.article), price1=product.cost_kzt * 3)
    process()
    assert step_of(order).status == S.NEEDS_PERSON
    assert alive(supplier) == []
    assert supplier.cart.rows == {}


@pytest.mark.parametrize("trouble", ["status", "drop_before_work"])
def test_a_cart_that_cannot_be_read_after_the_answer_buys_nothing_again(
    supplier, product, process, trouble
):
    order = make_order((product, 2))
    # The cart is read before the first add, after it, and after submit.
    supplier.faults.add(trouble, method="get", times=4, skip=2)
    process()
    for _ in range(2):
        let_pass(order)


def test_a_failed_look_after_the_order_buys_nothing_again(
    supplier, product, process, monkeypatch
):
    """The order is made and its number known; only tidying the cart fails."""
    submit = CartClient.submit

    def submit_then_fail(self, submission):
        number = submit(self, submission)
        monkeypatch.setattr(CartClient, "submit", submit)
        broken = [True] * 3
        get = CartClient.get

        def get_or_fail(cart):
            if broken:
                broken.pop()
                raise PeerUnavailable("Al-Style: HTTP 500")
            return get(cart)

        monkeypatch.setattr(CartClient, "get", get_or_fail)
        return number

    monkeypatch.setattr(CartClient, "submit", submit_then_fail)
    order = make_order((product, 1))
    for _ in range(6):
        process(also_later=True)
    assert len(alive(supplier)) == 1
    assert reservation_of(order).status == R.HELD


def work_late(supplier):
    """Let the lost submit of `late_work` do its work."""
    supplier.clock.advance(31)
    supplier.catch_up()


def stays_unsent_until_it_worked(supplier, order, process):
    # Still under way: the cart holds our goods, and says nothing.
    for _ in range(3):
        process(also_later=True)
    assert len(purchase_of(order).submits) == 1
    work_late(supplier)
    for _ in range(2):
        let_pass(order)
        process(also_later=True)
    assert len(alive(supplier)) == 1
    assert reservation_of(order).status == R.HELD


def test_a_submit_that_waited_for_its_turn_is_not_over_a_minute_after_it_was_noted(
    supplier, product, process, monkeypatch
):
    know_supplier()
    submit = CartClient.submit

    def submit_after_a_minute(self, submission):
        """As if another call had kept the supplier's clock for so long."""
        (purchase,) = Purchase.objects.unsettled()
        earlier = datetime.fromisoformat(purchase.submits[-1]) - timedelta(seconds=65)
        Purchase.objects.update(submits=[earlier.isoformat()])
        return submit(self, submission)

    monkeypatch.setattr(CartClient, "submit", submit_after_a_minute)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="late_work")
    monkeypatch.undo()
    stays_unsent_until_it_worked(supplier, order, process)


@pytest.mark.parametrize("minutes", [1.9, 2.2])
def test_the_submit_of_a_lost_worker_may_have_left_until_its_claim_ran_out(
    supplier, product, process, minutes
):
    know_supplier()
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="late_work")
    # As a worker leaves it that was lost in the call.
    Purchase.objects.update(submit_ended_at=None)
    let_pass(order, minutes=minutes)
    stays_unsent_until_it_worked(supplier, order, process)


def test_another_equal_order_is_not_taken_while_our_goods_are_in_the_cart(
    supplier, product, process
):
    # Nothing is known of submit yet, and a manager has put a row beside ours.
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    supplier.cart.add_foreign(another(supplier, product), 1, 0.0)
    supplier.orders.create(make_lines(supplier, product, 2), by="manager")
    look_on(order, process, times=3, minutes=20)
    assert reservation_of(order).status == R.WANTED
    assert step_of(order).status == S.NEEDS_PERSON


def test_rows_that_submit_never_takes_keep_nobody_out_of_the_cart(
    supplier, product, process
):
    know_supplier(submit_empties="no")
    supplier.change_settings(submit_keeps_cart=True)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    look_on(order, process, times=3, minutes=20)
    assert step_of(order).status == S.NEEDS_PERSON
    assert supplier.cart.rows == {}
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process()
    assert reservation_of(second).status == R.HELD


@pytest.mark.parametrize("cart_marks", ["kept", "changing"])
def test_a_cart_that_submit_kept_is_left_once_its_rows_are_surely_ours(
    supplier, product, process, cart_marks
):
    # Nothing is known of this supplier yet, and the order listed may be ours.
    supplier.change_settings(submit_keeps_cart=True, cart_marks=cart_marks)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    look_on(order, process, times=3, minutes=5)
    assert step_of(order).status == S.UNKNOWN
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process()
    # Changing marks prove nothing: the rows may be a manager's.
    is_left = cart_marks == "kept"
    assert (reservation_of(second).status == R.HELD) is is_left
    assert bool(supplier.cart.rows) is not is_left
    look_on(order, process, times=2, minutes=20)
    assert step_of(order).status == S.NEEDS_PERSON
    assert len(alive(supplier)) == 1 + is_left


def test_a_supplier_that_keeps_carts_by_now_is_not_sent_the_same_again(
    supplier, product, process
):
    # It emptied them until now; the rows are those we put in, and were ordered.
    know_supplier()
    supplier.change_settings(submit_keeps_cart=True)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    look_on(order, process, times=3, minutes=5)
    assert len(supplier.calls("submit")) == 1
    assert len(alive(supplier)) == 1


def test_a_managers_row_like_our_last_one_stays_where_submit_keeps_the_cart(
    supplier, product, process
):
    supplier.change_settings(submit_keeps_cart=True)
    make_order((product, 2))
    process()
    assert learned(LearnedFact.Name.SUBMIT_EMPTIES) == "no"
    assert supplier.cart.rows == {}
    supplier.add_foreign_row(int(product.article), 2)
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process()
    (row,) = supplier.cart.rows.values()
    assert (row.article, row.quantity) == (int(product.article), 2)
    assert supplier.cart.foreign_touched == []
    assert step_of(second).status == S.PENDING


class Killed(BaseException):
    """The worker dies."""


@pytest.fixture
def die_removing(monkeypatch, process):
    """Buy, and die over the row that submit left: before it is removed, or after."""
    remove = CartClient.remove

    def run(*, is_removed: bool) -> None:
        def die(self, article):
            if is_removed:
                remove(self, article)
            raise Killed

        with monkeypatch.context() as dying:
            dying.setattr(CartClient, "remove", die)
            with pytest.raises(Killed):
                process()
        Step.objects.filter(status=S.IN_FLIGHT).update(
            claimed_until=timezone.now() - timedelta(seconds=1)
        )
        process(also_later=True)

    return run


def test_rows_left_by_a_worker_that_died_before_tidying_up_are_taken_out(
    supplier, product, process, die_removing
):
    supplier.change_settings(submit_keeps_cart=True)
    first = make_order((product, 2))
    die_removing(is_removed=False)
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process(also_later=True)
    assert learned(LearnedFact.Name.ROW_MARKS) == "kept"
    assert reservation_of(first).status == reservation_of(second).status == R.HELD
    assert supplier.cart.rows == {}


MARKS = {"kept": "kept", "changing": "number", "renumbered": "changing"}


@pytest.mark.parametrize("marks", MARKS)
def test_the_same_goods_put_in_where_a_worker_died_taking_ours_out_are_his(
    supplier, product, process, die_removing, marks
):
    supplier.change_settings(submit_keeps_cart=True, cart_marks=marks)
    make_order((product, 2))
    die_removing(is_removed=True)
    Purchase.objects.update(cleared_at=None)
    supplier.add_foreign_row(int(product.article), 2)
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process(also_later=True)
    assert learned(LearnedFact.Name.ROW_MARKS) == MARKS[marks]
    assert supplier.cart.foreign_touched == []
    assert step_of(second).status == S.PENDING


@pytest.mark.parametrize("numbers", ["rows", "goods"])
def test_a_row_with_another_number_is_his_though_nobody_saw_ours_gone(
    supplier, product, process, numbers
):
    supplier.change_settings(
        submit_keeps_cart=True, cart_marks="changing", cart_numbers=numbers
    )
    make_order((product, 2))
    process()
    # Its worker died before tidying up; a manager took ours out and put in the same.
    Purchase.objects.update(cleared_at=None, clearing_at=None)
    supplier.add_foreign_row(int(product.article), 2)
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process(also_later=True)
    # Where the number is that of the goods nobody can tell, and ours must not stay.
    is_his = numbers == "rows"
    assert bool(supplier.cart.rows) is is_his
    assert (step_of(second).status == S.PENDING) is is_his


@pytest.mark.parametrize("fault", ["drop_before_work", "drop_after_work"])
def test_rows_left_are_taken_out_though_an_answer_was_lost(
    supplier, product, process, fault
):
    """Without marks, too: what is read right after the lost call is ours still."""
    supplier.change_settings(submit_keeps_cart=True, cart_marks="changing")
    supplier.faults.add(fault, method="remove", times=1)
    make_order((product, 2))
    process()
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process(also_later=True)
    process(also_later=True)
    assert reservation_of(second).status == R.HELD
    assert supplier.cart.rows == {}
    assert len(purchase_of(second).cart_since) < 2


def test_without_marks_a_row_that_a_worker_died_over_waits_for_a_person(
    supplier, product, process, die_removing
):
    supplier.change_settings(submit_keeps_cart=True, cart_marks="changing")
    make_order((product, 2))
    die_removing(is_removed=False)
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process(also_later=True)
    assert len(supplier.cart.rows) == 1
    assert product.article in step_of(second).last_error


def test_rows_left_that_a_manager_changed_and_set_back_are_his(
    supplier, product, process
):
    supplier.change_settings(submit_keeps_cart=True, cart_adds="replace")
    make_order((product, 2))
    process()
    # Its worker died before tidying up, and a manager has put his number in.
    Purchase.objects.update(cleared_at=None)
    supplier.add_foreign_row(int(product.article), 2)
    supplier.cart.add_foreign(int(product.article), 3, 0.0)
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process()
    supplier.cart.add_foreign(int(product.article), 2, 0.0)
    process(also_later=True)
    assert supplier.cart.foreign_touched == []
    assert step_of(second).status == S.PENDING


def test_a_cart_that_somebody_emptied_later_teaches_nothing_of_submit(
    supplier, product, process
):
    supplier.change_settings(submit_keeps_cart=True, shows_comments=True)
    supplier.change_settings(listed_after_s=86_400)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    process(also_later=True)
    # Somebody at the portal takes everything out, then the order is found.
    supplier.cart.rows.clear()
    supplier.change_settings(listed_after_s=0)
    let_pass(order)
    process()
    assert reservation_of(order).status == R.HELD
    assert learned(LearnedFact.Name.SUBMIT_EMPTIES) is None
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process()
    assert reservation_of(second).status == R.HELD
    # Answered at once, it shows what submit does; what it left is taken out.
    assert learned(LearnedFact.Name.SUBMIT_EMPTIES) == "no"
    assert supplier.cart.rows == {}


def test_a_managers_row_like_ours_stays_once_ours_was_seen_gone(
    supplier, product, process
):
    know_supplier(submit_empties="no", reference_shown="yes")
    supplier.change_settings(submit_keeps_cart=True, shows_comments=True)
    supplier.change_settings(listed_after_s=86_400)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    supplier.cart.rows.clear()
    process(also_later=True)
    supplier.add_foreign_row(int(product.article), 2)
    supplier.change_settings(listed_after_s=0)
    for _look in range(2):
        let_pass(order)
        process(also_later=True)
    assert reservation_of(order).status == R.HELD
    (row,) = supplier.cart.rows.values()
    assert (row.article, row.quantity) == (int(product.article), 2)
    assert supplier.cart.foreign_touched == []


def test_a_row_that_a_manager_replaced_and_set_back_is_left_alone(
    supplier, product, process
):
    """Where `add` replaces, our row is his as soon as he has put his number in."""
    know_supplier(submit_empties="no", reference_shown="yes")
    supplier.change_settings(
        submit_keeps_cart=True, shows_comments=True, cart_adds="replace"
    )
    supplier.change_settings(listed_after_s=86_400)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    supplier.cart.add_foreign(int(product.article), 3, 0.0)
    process(also_later=True)
    supplier.cart.add_foreign(int(product.article), 2, 0.0)
    supplier.change_settings(listed_after_s=0)
    for _look in range(2):
        let_pass(order)
        process(also_later=True)
    assert reservation_of(order).status == R.HELD
    assert supplier.cart.foreign_touched == []
    assert len(supplier.cart.rows) == 1


def test_rows_that_submit_left_beside_a_managers_are_taken_out(
    supplier, product, process, monkeypatch
):
    know_supplier(submit_empties="no")
    supplier.change_settings(submit_keeps_cart=True)
    theirs = another(supplier, product)
    submit = CartClient.submit

    def submit_and_the_manager_comes(self, submission):
        number = submit(self, submission)
        supplier.add_foreign_row(theirs, 3)
        return number

    monkeypatch.setattr(CartClient, "submit", submit_and_the_manager_comes)
    order = make_order((product, 2))
    process()
    monkeypatch.undo()
    assert reservation_of(order).status == R.HELD
    (row,) = supplier.cart.rows.values()
    assert (row.article, row.quantity) == (theirs, 3)
    assert supplier.cart.foreign_touched == []


def test_what_may_be_left_behind_beside_a_managers_row_is_found_out_later(
    supplier, product, process, monkeypatch
):
    """Nothing is known of submit yet, and somebody's row spoils the first look."""
    supplier.change_settings(submit_keeps_cart=True)
    theirs = another(supplier, product)
    submit = CartClient.submit

    def submit_and_the_manager_comes(self, submission):
        number = submit(self, submission)
        supplier.add_foreign_row(theirs, 3)
        return number

    monkeypatch.setattr(CartClient, "submit", submit_and_the_manager_comes)
    make_order((product, 2))
    process()
    monkeypatch.undo()
    assert learned(LearnedFact.Name.SUBMIT_EMPTIES) is None
    know_supplier(submit_empties="no")
    supplier.cart.drop_foreign()
    second = make_order((product_of(supplier, theirs), 1))
    process(also_later=True)
    assert reservation_of(second).status == R.HELD
    assert supplier.cart.rows == {}


def test_a_manager_who_comes_and_goes_does_not_keep_a_doubt_open_for_ever(
    supplier, product, process
):
    know_supplier()
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    process(also_later=True)
    supplier.cart.add_foreign(another(supplier, product), 1, 0.0)
    process(also_later=True)
    supplier.cart.drop_foreign()
    for _ in range(3):
        let_pass(order)
        process(also_later=True)
    assert reservation_of(order).status == R.HELD
    assert len(alive(supplier)) == 1


def test_goods_that_went_after_the_last_look_may_have_been_ordered_by_hand(
    supplier, product, process
):
    know_supplier()
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    let_pass(order)
    process()
    # The second look saw the cart whole, and its worker died before it could submit.
    purchase = purchase_of(order)
    purchase.cart_since = [*purchase.cart_since, {**purchase.cart_since[-1]}]
    purchase.save()
    supplier.cart.rows.clear()
    let_pass(order)
    process()
    assert purchase_of(order).pk == purchase.pk
    assert step_of(order).status == S.UNKNOWN
    assert alive(supplier) == []


def test_other_goods_are_bought_while_an_order_is_looked_for(
    supplier, product, process
):
    know_supplier()
    supplier.change_settings(listed_after_s=86_400)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    other = product_of(supplier, another(supplier, product))
    let_pass(order, minutes=2)
    second, same = make_order((other, 1)), make_order((product, 1))
    process()
    assert purchase_of(order).status == Purchase.Status.SOUGHT
    assert reservation_of(second).status == R.HELD
    # Two orders of the same goods could not be told apart.
    assert reservation_of(same).status == R.WANTED
    supplier.change_settings(listed_after_s=0)
    let_pass(order)
    process(also_later=True)
    assert reservation_of(order).status == R.HELD
    process(also_later=True)
    assert reservation_of(same).status == R.HELD
    assert len(alive(supplier)) == 3


def test_a_first_submit_that_is_lost_waits_for_what_others_teach(
    supplier, product, process
):
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="drop_before_work")
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process(also_later=True)
    # An order of ours would be listed by then.
    let_pass(order, minutes=26)
    process(also_later=True)
    process(also_later=True)
    assert reservation_of(second).status == R.HELD
    assert learned(LearnedFact.Name.SUBMIT_EMPTIES) == "yes"
    # It held our goods a minute after the lost submit: so that one did not work.
    let_pass(order)
    process()
    assert reservation_of(order).status == R.HELD
    assert len(alive(supplier)) == 2
    assert supplier.cart.rows == {}


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "not known yet"])
def test_rows_just_like_ours_are_a_managers_where_ours_may_be_listed(
    supplier, product, process, is_known
):
    if is_known:
        know_supplier()
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process, fault="late_work")
    process(also_later=True)
    work_late(supplier)
    (ours,) = alive(supplier)
    # It emptied the cart, and a manager puts in the same before the next look.
    supplier.cart.add_foreign(int(product.article), 2, 0.0)
    his = dict(supplier.cart.rows)
    for minutes in (2, 10, 20, 10, 10):
        let_pass(order, minutes=minutes)
        ours.created -= minutes * 60
        process(also_later=True)
    assert alive(supplier) == [ours]
    assert supplier.cart.rows == his
    assert step_of(order).status == S.NEEDS_PERSON
    found = step_of(order).answered["candidates"]
    assert [one["id"] for one in found] == [str(ours.id)]


def test_a_first_submit_that_worked_and_left_its_rows_is_not_sent_again(
    supplier, product, process
):
    supplier.change_settings(submit_keeps_cart=True, shows_comments=True)
    supplier.change_settings(listed_after_s=86_400)
    order = make_order((product, 2))
    lose_the_answer(supplier, order, process)
    second = make_order((product_of(supplier, another(supplier, product)), 1))
    process(also_later=True)
    # An order of ours would be listed by then.
    let_pass(order, minutes=26)
    process(also_later=True)
    process(also_later=True)
    assert reservation_of(second).status == R.HELD
    assert learned(LearnedFact.Name.SUBMIT_EMPTIES) == "no"
    supplier.change_settings(listed_after_s=0)
    let_pass(order)
    process()
    assert reservation_of(order).status == R.HELD
    assert len(alive(supplier)) == 2
