"""A person and Al-Style's cart, in a real browser, with the machine at work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bridge_site.roles import set_staff, sync_roles
from catalog.alstyle.cart import CartClient
from orders.clients import Clients
from orders.models import LearnedFact, Order, Purchase, Reservation, Step
from orders.steps.machine import process_due
from orders.supply.verifying import verify_purchases
from sandbox.alstyle.orders import OrderedLine
from tests.end_to_end.judging import follow
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

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
WIDTHS = (1440, 390)


@pytest.fixture
def supplier(alstyle, settings):
    settings.ORDER_TIMEOUT_S = 5
    settings.PEER_LONGEST_WAIT_S = 1
    settings.AUTO_ACCEPT = False
    return alstyle


@pytest.fixture
def goods(supplier):
    plenty = articles_of_plenty(supplier)[:3]
    return [product_of(supplier, article) for article in plenty]


@pytest.fixture
def page(chromium, live_server):
    sync_roles()
    set_staff("anna", role="operator", password=PASSWORD)
    context = chromium.new_context(
        viewport={"width": 1440, "height": 900}, locale="ru-RU"
    )
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/")
    page.fill("#id_username", "anna")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
    return page


def process(*, also_later: bool = False) -> None:
    """Do what is due, as a worker would."""
    with Clients() as clients:
        process_due(clients, budget_s=30, also_later=also_later)


def alive(supplier: Any) -> list[Any]:
    return [o for o in supplier.orders.orders.values() if o.is_live]


def look(page: Any, name: str) -> None:
    """See that the page fits a phone, and keep its picture if a folder is named."""
    folder = os.environ.get("SCREENSHOTS")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if folder:
            path = Path(folder) / f"{name}-{width}.png"
            page.screenshot(path=path, full_page=True)
        assert wide <= width, (name, width)
    page.set_viewport_size({"width": 1440, "height": 900})


def test_the_first_purchase_is_watched_call_by_call(
    supplier, goods, page, live_server, settings
):
    settings.SUPERVISE_FIRST_PURCHASE = True
    order = make_order((goods[0], 2))
    order.lines.update(name="Чайник")
    waiting = make_order((goods[1], 1))
    process()
    page.goto(f"{live_server.url}/admin/")
    assert "под присмотром" in page.locator("body").inner_text()
    look(page, "overview-watched")
    page.goto(f"{live_server.url}/admin/orders/order/{order.pk}/change/")
    for seen in ("Корзина была пуста", "положили наш товар", goods[0].article):
        card = page.locator(".stuck-card")
        assert seen.lower() in card.inner_text().lower()
        assert alive(supplier) == []
        if seen == goods[0].article:
            look(page, "order-watched")
        if seen == goods[0].article:
            # The next call buys: that asks first.
            card.get_by_role("link", name="Дальше: оформить заказ").click()
            page.get_by_role("button", name="Дальше: оформить заказ").click()
        else:
            card.get_by_role("button", name="Дальше", exact=True).click()
        page.wait_for_selector(".messagelist .success")
        process()
        page.reload()
    # The order is made; what is left is a look.
    (made,) = alive(supplier)
    assert str(made.id) in page.locator(".stuck-card").inner_text()
    assert page.get_by_role("link", name="Стоп").count() == 0
    assert step_of(waiting).status == Step.Status.PENDING
    follow(page.get_by_role("link", name="Дальше без остановок"))
    look(page, "go-on-alone")
    page.get_by_role("button", name="Дальше без остановок").click()
    page.wait_for_selector(".messagelist .success")
    process()
    process(also_later=True)
    assert reservation_of(order).status == Reservation.Status.HELD
    # The next order goes through by itself.
    assert reservation_of(waiting).status == Reservation.Status.HELD
    assert len(alive(supplier)) == 2
    assert LearnedFact.objects.get(pk="goes_on_alone").evidence == "anna"
    purchase = purchase_of(order)
    page.goto(f"{live_server.url}/admin/orders/purchase/{purchase.pk}/change/")
    assert "anna" in page.locator(".watched").first.inner_text()
    look(page, "purchase-watched")
    page.goto(f"{live_server.url}/admin/orders/learnedfact/")
    look(page, "learned-facts")


def equal_order(supplier: Any, product: Any, number: int) -> None:
    """Let a manager order the same in the portal, in the same second as we did."""
    (ours,) = alive(supplier)
    good = supplier.goods[int(product.article)]
    line = OrderedLine(article=good.article, quantity=number, price=good.price1)
    supplier.orders.create([line], by="manager").created = ours.created


def test_a_doubtful_purchase_is_settled_by_picking_its_order(
    supplier, goods, page, live_server
):
    know_supplier()
    order = make_order((goods[0], 2))
    order.lines.update(name="Чайник")
    supplier.faults.add("drop_after_work", method="submit", times=1)
    process()
    equal_order(supplier, goods[0], 2)
    for _ in range(4):
        let_pass(order, minutes=20)
        process(also_later=True)
    purchase = purchase_of(order)
    assert purchase.status == Purchase.Status.NEEDS_PERSON
    (ours,) = [o for o in alive(supplier) if o.by == "api"]
    page.goto(f"{live_server.url}/admin/orders/order/{order.pk}/change/")
    look(page, "order-doubtful")
    page.goto(f"{live_server.url}/admin/orders/purchase/")
    look(page, "purchases")
    page.click(f"text=№{purchase.pk}")
    page.locator("tbody tr", has_text=f"№{ours.id}").wait_for()
    look(page, "purchase-doubtful")
    follow(page.get_by_role("link", name="Указать наш заказ"))
    look(page, "purchase-choose")
    page.check(f"input[value='{ours.id}']")
    page.get_by_role("button", name="Указать наш заказ").click()
    page.wait_for_selector(".messagelist .success")
    assert "anna" in page.locator(".panels").inner_text()
    look(page, "purchase-chosen")
    # It is seen to be alive first.
    process()
    assert str(reservation_of(order).supplier_order) == str(ours.id)
    assert reservation_of(order).status == Reservation.Status.HELD


def test_a_managers_goods_that_went_along_are_put_right_by_a_person(
    supplier, goods, page, live_server, monkeypatch
):
    submit = CartClient.submit

    def submit_after_the_manager(self, submission):
        supplier.cart.add_foreign(int(goods[1].article), 5, 0.0)
        return submit(self, submission)

    monkeypatch.setattr(CartClient, "submit", submit_after_the_manager)
    order = make_order((goods[0], 1))
    order.lines.update(name="Чайник")
    process()
    with Clients() as clients:
        verify_purchases(clients.cart)
    page.goto(f"{live_server.url}/admin/orders/order/?tab=person")
    page.click(f"text={order.code}")
    card = page.locator(".stuck-card")
    assert f"{goods[1].article} × 5" in card.inner_text()
    look(page, "order-went-along")
    # Al-Style takes the manager's goods out of the order; then it is compared anew.
    (made,) = alive(supplier)
    made.lines = [line for line in made.lines if line.quantity == 1]
    card.get_by_role("button", name="Сверить ещё раз").click()
    page.wait_for_selector(".messagelist .success")
    process()
    page.reload()
    assert page.locator(".stuck-card").count() == 0
    assert step_of(order, Step.Kind.CHECK).status == Step.Status.DONE
    assert len(alive(supplier)) == 1


def test_somebodys_goods_in_the_cart_are_seen_on_the_overview(
    supplier, goods, page, live_server
):
    supplier.cart.add_foreign(int(goods[1].article), 5, 0.0)
    order: Order = make_order((goods[0], 1))
    process()
    page.goto(f"{live_server.url}/admin/")
    need = page.locator("body").inner_text()
    assert "Чужой товар в корзине Al-Style" in need
    assert f"{goods[1].article} × 5" in need
    purchase = purchase_of(order)
    page.goto(f"{live_server.url}/admin/orders/purchase/{purchase.pk}/change/")
    assert "не наше" in page.locator("table.plain").first.inner_text()
    look(page, "purchase-kept-out")
