"""What a buyer takes off his order is taken out of Al-Style's order too."""

from __future__ import annotations

import pytest
from django.utils import timezone

from orders.models import (
    Finding,
    LearnedFact,
    Order,
    OrderLine,
    Reason,
    Reservation,
    Step,
)
from orders.plan import actions
from orders.reconciling.rounds import reconcile
from orders.supply.learning import learned
from tests.orders.factories import (
    articles_of_plenty,
    know_supplier,
    make_order,
    product_of,
    reservation_of,
    step_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
S, K = Step.Status, Step.Kind
CHANGES = LearnedFact.Name.ORDERS_CHANGE


@pytest.fixture(autouse=True)
def usual(settings, supplier):
    settings.LANGUAGE_CODE = "en"
    settings.AUTO_ACCEPT = False
    supplier.change_settings(newer_methods=True)
    know_supplier()


@pytest.fixture
def products(supplier):
    plenty = articles_of_plenty(supplier)[:2]
    return [product_of(supplier, article) for article in plenty]


@pytest.fixture
def order(products, process):
    """An order of two goods, held at Al-Style."""
    order = make_order((products[0], 3), (products[1], 1))
    process()
    assert reservation_of(order).status == Reservation.Status.HELD
    return order


def cut(order: Order, product, *, left: int) -> None:
    """As a reading saves it: the buyer has less of a line."""
    OrderLine.objects.filter(order=order, product=product).update(quantity=left)
    reconcile(now=timezone.now())


def there(supplier, order: Order) -> dict[str, int]:
    number = int(reservation_of(order).supplier_order.supplier_order_id)
    lines = supplier.orders.orders[number].lines
    return {str(line.article): line.quantity for line in lines}


def reserved(order: Order) -> dict[str, int]:
    lines = reservation_of(order).lines.select_related("product")
    return {line.product.article: line.quantity for line in lines}


def trim(order: Order) -> None:
    actions.request_step(order, K.TRIM, actor="anna")


def know_that_orders_change() -> None:
    LearnedFact.objects.create(
        name=CHANGES, value="yes", evidence="test", learned_at=timezone.now()
    )


def test_until_it_was_seen_to_work_a_person_is_asked(order, products, supplier):
    cut(order, products[0], left=1)
    assert step_of(order, K.CHECK).status == S.NEEDS_PERSON
    assert not order.steps.of_kind(K.TRIM).exists()
    assert there(supplier, order)[products[0].article] == 3


def test_a_person_has_it_taken_out_and_everything_agrees_again(
    order, products, supplier, process
):
    a, b = (product.article for product in products)
    cut(order, products[0], left=1)
    trim(order)
    process()
    assert step_of(order, K.TRIM).status == S.DONE
    assert there(supplier, order) == reserved(order) == {a: 1, b: 1}
    assert step_of(order, K.CHECK).status == S.SKIPPED
    assert not Finding.objects.open().exists()
    held = reservation_of(order)
    assert held.cost_kzt == held.supplier_order.sum_kzt
    assert learned(CHANGES) == "yes"


def test_a_line_that_is_gone_is_deleted_there(order, products, supplier, process):
    cut(order, products[1], left=0)
    trim(order)
    process()
    assert there(supplier, order) == reserved(order) == {products[0].article: 3}


def test_once_known_it_is_done_without_asking(order, products, supplier, process):
    know_that_orders_change()
    cut(order, products[0], left=2)
    assert not order.steps.stuck().exists()
    process()
    assert there(supplier, order)[products[0].article] == 2
    reconcile(now=timezone.now())
    assert not order.steps.stuck().exists()
    assert not order.steps.open().exists()


def test_where_the_method_is_not_there_a_person_is_told(
    order, products, supplier, process
):
    supplier.change_settings(newer_methods=False)
    know_that_orders_change()
    cut(order, products[0], left=2)
    process()
    step = step_of(order, K.TRIM)
    assert step.status == S.NEEDS_PERSON
    assert "have it done there" in step.last_error
    assert learned(CHANGES) == "no"
    assert there(supplier, order)[products[0].article] == 3
    assert reserved(order)[products[0].article] == 3


def test_an_order_on_its_way_teaches_nothing_of_those_that_are_not(
    order, products, supplier, process
):
    know_that_orders_change()
    number = int(reservation_of(order).supplier_order.supplier_order_id)
    supplier.orders.move(supplier.orders.orders[number], "OS")
    cut(order, products[0], left=1)
    process()
    assert step_of(order, K.TRIM).status == S.NEEDS_PERSON
    assert learned(CHANGES) == "yes"


def test_a_lost_answer_is_looked_for_and_nothing_is_sent_again(
    order, products, supplier, process
):
    cut(order, products[0], left=2)
    trim(order)
    supplier.faults.add("drop_after_work", method="order-item-update", times=1)
    process()
    assert step_of(order, K.TRIM).status == S.UNKNOWN
    order.steps.open().update(not_before=timezone.now())
    process()
    assert step_of(order, K.TRIM).status == S.DONE
    assert reserved(order)[products[0].article] == 2
    assert supplier.counters()["order-item-update"] == 1


def test_a_change_that_does_not_show_is_not_believed(
    order, products, supplier, process
):
    cut(order, products[0], left=2)
    trim(order)
    supplier.faults.add("drop_before_work", method="order-item-update", times=1)
    for _look in range(5):
        process()
        order.steps.open().update(not_before=timezone.now())
    step = step_of(order, K.TRIM)
    assert step.status == S.NEEDS_PERSON
    assert "until" in step.last_error
    assert reserved(order)[products[0].article] == 3
    assert learned(CHANGES) is None


def test_a_managers_goods_in_the_order_are_left_alone(
    order, products, supplier, process
):
    number = int(reservation_of(order).supplier_order.supplier_order_id)
    theirs = supplier.orders.orders[number]
    line = theirs.lines[1]
    theirs.lines[1] = type(line)(
        article=line.article, quantity=line.quantity + 4, price=line.price
    )
    cut(order, products[0], left=1)
    trim(order)
    process()
    assert step_of(order, K.TRIM).status == S.NEEDS_PERSON
    assert there(supplier, order) == {products[0].article: 1, products[1].article: 5}


def test_an_order_shared_with_others_is_left_to_its_manager(
    order, products, supplier, process
):
    other = make_order((products[0], 1))
    process()
    number = reservation_of(order).supplier_order
    Reservation.objects.filter(order=other).update(supplier_order=number)
    cut(order, products[0], left=1)
    trim(order)
    process()
    assert step_of(order, K.TRIM).status == S.NEEDS_PERSON
    assert "order-item-update" not in supplier.counters()


@pytest.fixture
def shared(settings, products, process):
    """Two orders of two goods whose pieces one order at Al-Style holds."""
    settings.BUY_TOGETHER = "always"
    one = make_order((products[0], 3), (products[1], 1))
    two = make_order((products[0], 2))
    process()
    supplied = {reservation_of(o).supplier_order_id for o in (one, two)}
    assert len(supplied) == 1
    return one, two


def take_out(supplier, order: Order, product, *, left: int) -> None:
    """As Al-Style's manager does it in the portal."""
    number = int(reservation_of(order).supplier_order.supplier_order_id)
    article = int(product.article)
    supplier.orders.reduce(supplier.orders.orders[number], article, left)


def compare(process, *orders: Order) -> None:
    for order in orders:
        for step in order.steps.stuck():
            actions.retry_step(step, actor="anna")
    process()


@pytest.mark.parametrize("is_trim_asked", [False, True])
def test_what_a_manager_took_out_of_a_shared_order_is_settled(
    shared, products, supplier, process, is_trim_asked
):
    one, two = shared
    cut(one, products[0], left=1)
    if is_trim_asked:
        trim(one)
        process()
        assert step_of(one, K.TRIM).stuck_for == Reason.TRIM_SHARED
    take_out(supplier, one, products[0], left=3)
    compare(process, one, two)
    assert reserved(one) == {products[0].article: 1, products[1].article: 1}
    assert reserved(two) == {products[0].article: 2}
    reconcile(now=timezone.now())
    assert not Step.objects.stuck().exists()
    assert not Finding.objects.open().exists()


def test_a_shared_order_fits_none_before_all_that_was_taken_off_is_out(
    shared, products, supplier, process
):
    one, two = shared
    cut(one, products[0], left=1)
    cut(two, products[0], left=1)
    take_out(supplier, one, products[0], left=3)
    compare(process, one, two)
    assert (reserved(one)[products[0].article], reserved(two)) == (
        3,
        {products[0].article: 2},
    )
    assert one.steps.stuck().exists() and two.steps.stuck().exists()
    take_out(supplier, one, products[0], left=2)
    compare(process, one, two)
    assert (reserved(one)[products[0].article], reserved(two)) == (
        1,
        {products[0].article: 1},
    )
    reconcile(now=timezone.now())
    assert not Step.objects.stuck().exists()
