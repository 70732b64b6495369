"""Two workers and one cart: what the lease prevents, and what it would be without."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connections

from catalog.alstyle.cart import CartClient
from orders.clients import Clients
from orders.models import Purchase
from orders.steps import machine, reserve
from orders.steps.machine import process_due
from orders.supply import purchasing
from tests.orders.factories import articles_of_plenty, make_order, product_of

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_S = 1.5


@pytest.fixture
def goods(supplier, settings):
    settings.AUTO_ACCEPT = False
    plenty = articles_of_plenty(supplier)[:2]
    return [product_of(supplier, article) for article in plenty]


@pytest.fixture
def interleaved(monkeypatch):
    """Let one worker add its rows just before the other one's submit, if it can."""
    checked, second_added = threading.Event(), threading.Event()
    check, add = purchasing.check, CartClient.add

    def check_and_wait(*args, **kwargs):
        is_first = not checked.is_set()
        rows = check(*args, **kwargs)
        checked.set()
        if is_first:
            second_added.wait(WAIT_S)
        return rows

    def add_and_tell(self, lines):
        is_second = checked.is_set()
        add(self, lines)
        if is_second:
            second_added.set()

    monkeypatch.setattr(purchasing, "check", check_and_wait)
    monkeypatch.setattr(CartClient, "add", add_and_tell)
    return checked


def work(*, after: threading.Event | None = None) -> threading.Thread:
    def run():
        if after is not None:
            after.wait(10)
        try:
            with Clients() as clients:
                process_due(clients, budget_s=20)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def placed(supplier) -> list[set[int]]:
    return [
        {line.article for line in order.lines}
        for order in supplier.orders.orders.values()
    ]


def race(supplier, goods, checked) -> list[set[int]]:
    first, second = goods
    make_order((first, 1))
    worker = work()
    assert checked.wait(10)
    make_order((second, 1))
    for thread in (worker, work()):
        thread.join()
    work().join()
    return placed(supplier)


def test_under_the_lease_each_order_holds_its_own_goods(supplier, goods, interleaved):
    first, second = (int(product.article) for product in goods)
    assert race(supplier, goods, interleaved) == [{first}, {second}]


@pytest.fixture
def no_lease(monkeypatch):
    class NoLease:
        def confirm(self):
            pass

    @contextmanager
    def nobody_waits(name):
        yield NoLease()

    monkeypatch.setattr(reserve, "under_lease", nobody_waits)
    monkeypatch.setattr(machine, "is_taken", lambda name: False)


def test_without_the_lease_the_database_lets_one_purchase_have_the_cart(
    supplier, goods, interleaved, no_lease
):
    first, second = (int(product.article) for product in goods)
    orders = race(supplier, goods, interleaved)
    assert {first} in orders
    assert {first, second} not in orders


def test_without_both_one_order_takes_the_others_goods(
    supplier, goods, interleaved, no_lease, monkeypatch
):
    create = Purchase.objects.create
    monkeypatch.setattr(
        Purchase.objects,
        "create",
        lambda **fields: create(account=uuid4().hex, **fields),
    )
    # What is in the cart is somebody else's then; nobody may look.
    monkeypatch.setattr(purchasing, "refuse_foreign", lambda rows, ours: None)
    _first, second = goods
    assert int(second.article) in race(supplier, goods, interleaved)[0]
