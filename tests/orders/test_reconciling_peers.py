"""What a peer has and nobody here knows is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orders.clients import Clients
from orders.models import (
    Finding,
    Order,
    Purchase,
    ReadMark,
    Reservation,
    Step,
    SupplierListing,
    SupplierOrder,
)
from orders.plan import actions
from orders.reconciling.peers import reconcile_with_peers
from orders.reconciling.raising import accept
from plumbing.peers import PeerError
from sandbox.alstyle.orders import OrderedLine
from tests.orders.factories import (
    articles_of_plenty,
    doubt,
    make_order,
    product_of,
    reservation_of,
    step_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
K = Finding.Kind


@pytest.fixture(autouse=True)
def usual(settings, supplier, kaspi):
    settings.LANGUAGE_CODE = "en"
    settings.AUTO_ACCEPT = False
    settings.KASPI_TIMEOUT_S = 2
    supplier.change_settings(
        statuses_move=False, shows_external_id=True, shows_comments=True
    )
    kaspi.change_settings(states_move=False)


@pytest.fixture
def product(supplier):
    return product_of(supplier, articles_of_plenty(supplier)[0])


def run() -> list[tuple[str, Order | None]]:
    with Clients() as clients:
        reconcile_with_peers(clients, now=timezone.now())
    open_ = Finding.objects.open().select_related("order").order_by("pk")
    return [(finding.kind, finding.order) for finding in open_]


def place(supplier, product, quantity=2, **fields):
    """Make an order at Al-Style that we know nothing of."""
    good = supplier.goods[int(product.article)]
    line = OrderedLine(article=good.article, quantity=quantity, price=good.price1)
    return supplier.orders.create([line], **fields)


def test_a_managers_orders_are_nobodys_business(supplier, product):
    place(supplier, product, by="manager", comments="Иванов")
    assert run() == []


def test_our_own_orders_are_known(supplier, product, process):
    order = make_order((product, 2))
    process()
    assert reservation_of(order).status == Reservation.Status.HELD
    assert run() == []


@pytest.mark.parametrize("where", ["external_id", "comments"])
def test_an_order_with_our_code_that_nobody_owns_is_told(
    supplier, product, process, where
):
    order = make_order((product, 2))
    placed = place(supplier, product, **{where: order.code})
    assert run() == [(K.NOBODYS, order)]
    finding = Finding.objects.get()
    assert str(placed.id) in finding.text
    check = step_of(order, Step.Kind.CHECK)
    assert check.status == Step.Status.NEEDS_PERSON
    # The way out: it is this order's.
    actions.mark_reserved_by_hand(order, actor="anna", number=str(placed.id))
    process()
    assert run() == []
    assert step_of(order, Step.Kind.CHECK).status == Step.Status.SKIPPED


def test_an_order_that_is_just_being_looked_for_is_not_told(supplier, product):
    order = make_order((product, 2))
    doubt(order)
    place(supplier, product, external_id=order.code)
    assert run() == []


def test_an_order_that_fits_a_purchase_given_up_is_told(supplier, product):
    order = make_order((product, 2))
    doubt(order, status=Purchase.Status.GIVEN_UP)
    place(supplier, product, quantity=1)
    assert run() == []
    place(supplier, product)
    assert run() == [(K.GIVEN_UP, order)]


def test_an_order_older_than_the_purchase_given_up_is_not_its(supplier, product):
    order = make_order((product, 2))
    doubt(order, status=Purchase.Status.GIVEN_UP)
    placed = place(supplier, product)
    SupplierListing.objects.create(
        number=str(placed.id), first_seen_at=timezone.now() - timedelta(hours=3)
    )
    assert run() == []


def test_goods_called_released_that_are_held_all_the_same_are_told(
    supplier, product, process
):
    order = make_order((product, 2))
    process()
    actions.mark_released(order, actor="anna")
    assert run() == [(K.STILL_LIVE, order)]
    placed = next(iter(supplier.orders.orders.values()))
    supplier.orders.move(placed, "DA")
    assert run() == []


@pytest.mark.parametrize("status", ["P", "F"])
def test_goods_called_released_that_leave_between_two_looks_are_told(
    supplier, product, process, status
):
    order = make_order((product, 2))
    process()
    actions.mark_released(order, actor="anna")
    supplier.orders.move(next(iter(supplier.orders.orders.values())), status)
    assert run() == [(K.STILL_LIVE, order)]


def test_goods_called_released_are_looked_at_until_they_are_seen_cancelled(
    supplier, product, process
):
    make_order((product, 2))
    process()
    actions.mark_released(Order.objects.get(), actor="anna")
    supplier.orders.move(next(iter(supplier.orders.orders.values())), "DA")
    assert run() == []
    assert SupplierOrder.objects.get().is_cancelled
    asked = len(supplier.calls("order"))
    assert run() == []
    assert len(supplier.calls("order")) == asked


@pytest.mark.parametrize("fault", [{"kind": "html"}, {"kind": "status", "code": 401}])
def test_what_was_told_of_an_order_that_cannot_be_read_stands(
    supplier, product, process, fault
):
    order = make_order((product, 2))
    process()
    actions.mark_released(order, actor="anna")
    supplier.orders.move(next(iter(supplier.orders.orders.values())), "F")
    stray = place(supplier, product)
    supplier.change_settings(shows_external_id=False)
    doubt(order, status=Purchase.Status.GIVEN_UP)
    told = [(K.STILL_LIVE, order), (K.GIVEN_UP, order)]
    assert run() == told
    supplier.faults.add(fault.pop("kind"), method="order", **fault)
    assert run() == told
    supplier.faults.clear()
    supplier.orders.move(stray, "DA")
    assert run() == [(K.STILL_LIVE, order)]


@pytest.mark.parametrize("was_told", [False, True])
def test_goods_called_released_that_are_shipped_all_the_same_are_told(
    supplier, product, process, was_told
):
    order = make_order((product, 2))
    process()
    actions.mark_released(order, actor="anna")
    if was_told:
        assert run() == [(K.STILL_LIVE, order)]
    placed = next(iter(supplier.orders.orders.values()))
    supplier.orders.move(placed, "P")
    assert run() == [(K.STILL_LIVE, order)]
    assert "stay with you" in step_of(order, Step.Kind.CHECK).last_error
    # Paid for, it stands in the archive, whose lists are not read to their end.
    supplier.orders.move(placed, "F")
    assert run() == [(K.STILL_LIVE, order)]
    finding = Finding.objects.open().get()
    accept(finding, note="kept", actor="anna", now=timezone.now())
    assert run() == []


def test_an_order_at_kaspi_that_was_never_taken_in_is_told(kaspi, product):
    now = timezone.now()
    ReadMark.objects.create(
        state=Order.NEW, read_until=now, first_read_at=now - timedelta(days=9)
    )
    seen = kaspi.new_order([{"sku": product.sku, "quantity": 1}])
    assert run() == []
    kaspi.set_order(seen.code, created=seen.created - 3600)
    assert run() == [(K.NOT_TAKEN_IN, None)]
    assert seen.code in Finding.objects.get().text
    make_order((product, 1), code=seen.code)
    assert run() == []


def test_a_peer_that_cannot_be_read_settles_nothing(supplier, kaspi, product):
    order = make_order((product, 2))
    place(supplier, product, external_id=order.code)
    assert run() == [(K.NOBODYS, order)]
    supplier.faults.add("status", code=500, method="orders")
    with Clients() as clients:
        result = reconcile_with_peers(clients, now=timezone.now())
    assert "500" in result.summary
    assert Finding.objects.open().count() == 1
    ReadMark.objects.create(
        state=Order.NEW, read_until=timezone.now(), first_read_at=timezone.now()
    )
    kaspi.faults.add("status", code=500)
    with Clients() as clients, pytest.raises(PeerError):
        reconcile_with_peers(clients, now=timezone.now())
