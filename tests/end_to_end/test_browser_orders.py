"""A person at the orders' pages, in a real browser, with the machine at work."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.utils import timezone

from bridge_site.roles import set_staff, sync_roles
from orders.admin.journals import StepAdmin
from orders.clients import Clients
from orders.models import Order, Reservation, Step
from orders.steps.machine import process_due
from tests.orders.factories import (
    articles_of_plenty,
    make_order,
    product_of,
    reservation_of,
    step_of,
)

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
NO_TIME_PASSES = """
window.intervals = [];
window.setInterval = (work) => window.intervals.push(work);
"""
A_MINUTE_PASSES = "for (const work of window.intervals) work();"
# As long as another page is on its way nothing can be asked of this one: it tells.
A_MINUTE_PASSES_LEAVING = f"""
window.addEventListener("beforeunload", () => window.setTimeout(() => {{
    {A_MINUTE_PASSES}
    fetch("/a-minute-has-passed/");
}}, 0));
document.querySelector('a[href="/admin/orders/step/"]').click();
"""


@pytest.fixture
def supplier(alstyle, settings):
    settings.ORDER_TIMEOUT_S = 5
    settings.PEER_LONGEST_WAIT_S = 1
    settings.AUTO_ACCEPT = False
    # Nobody has collected the static files.
    return alstyle


def process() -> None:
    """Do what is due, as a worker would."""
    with Clients() as clients:
        process_due(clients, budget_s=30)


def lacking(supplier: Any) -> Order:
    """Make an order that the supplier refuses for want of goods."""
    article = articles_of_plenty(supplier)[0]
    supplier.set_good(int(article), quantity=0)
    order = make_order((product_of(supplier, article, stock=30), 1))
    order.lines.update(name="Чайник")
    process()
    assert step_of(order).status == Step.Status.REFUSED
    supplier.set_good(int(article), quantity=30)
    return order


def log_in(browser: Any, url: str, *, width: int) -> Any:
    sync_roles()
    set_staff("anna", role="operator", password=PASSWORD)
    context = browser.new_context(
        viewport={"width": width, "height": 900}, locale="ru-RU"
    )
    page = context.new_page()
    page.goto(f"{url}/admin/")
    page.fill("#id_username", "anna")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
    return page


def test_a_refused_order_is_tried_again_and_done(supplier, live_server, chromium):
    order = lacking(supplier)
    page = log_in(chromium, live_server.url, width=1440)
    page.goto(f"{live_server.url}/admin/orders/order/")
    tab = page.locator("[data-tab=person]")
    assert tab.locator(".count").inner_text() == "1"
    tab.click()
    page.click(f"text={order.code}")
    stuck = page.locator(".stuck-card")
    assert "Al-Style" in stuck.inner_text()
    stuck.get_by_role("link", name="Зарезервировать ещё раз").click()
    assert "это покупка" in page.locator(".confirm").inner_text()
    page.get_by_role("button", name="Зарезервировать ещё раз").click()
    page.wait_for_selector(".messagelist .success")
    assert page.locator(".stuck-card").count() == 0
    assert step_of(order).status == Step.Status.PENDING
    process()
    # The page looks again by itself while a worker is at it.
    held = page.locator(".order-head .pill.good")
    held.wait_for(timeout=15_000)
    assert reservation_of(order).status == Reservation.Status.HELD
    number = reservation_of(order).supplier_order
    # With the reservation, and with the purchase that made it.
    assert page.get_by_role("link", name=f"№{number}").count() == 2
    history = page.locator(".history").inner_text()
    assert "anna" in history
    page.goto(f"{live_server.url}/admin/orders/order/?tab=person")
    assert page.locator("#result_list tbody tr").count() == 0


def test_a_cancel_asks_first_and_changes_nothing_when_left(
    supplier, live_server, chromium
):
    order = lacking(supplier)
    page = log_in(chromium, live_server.url, width=1440)
    page.goto(f"{live_server.url}/admin/orders/order/{order.pk}/change/")
    page.get_by_role("link", name="Отменить заказ").click()
    page.get_by_role("link", name="Не надо").click()
    assert not order.steps.filter(kind=Step.Kind.CANCEL).exists()
    page.get_by_role("link", name="Отменить заказ").click()
    page.check("input[value=MERCHANT_OUT_OF_STOCK]")
    page.get_by_role("button", name="Отменить заказ").click()
    page.wait_for_selector(".messagelist .success")
    step = step_of(order, Step.Kind.CANCEL)
    assert step.parameters["reason"] == "MERCHANT_OUT_OF_STOCK"
    assert order.events.filter(actor="anna").exists()


def test_no_page_is_wider_than_a_phone(supplier, live_server, chromium):
    order = lacking(supplier)
    order.lines.update(name="Очень_длинное_название_без_пробелов" * 8)
    Order.objects.filter(pk=order.pk).update(note="x" * 300, accept_by=timezone.now())
    page = log_in(chromium, live_server.url, width=390)
    step = step_of(order)
    for path in (
        "order/",
        f"order/{order.pk}/change/",
        f"order/{order.pk}/do/cancel/",
        f"order/step/{step.pk}/drop/",
        "step/",
        "reservation/",
        "supplierorder/",
        "readmark/",
    ):
        page.goto(f"{live_server.url}/admin/orders/{path}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path


def test_a_list_that_looks_again_disturbs_nobody(
    supplier, live_server, chromium, monkeypatch
):
    lacking(supplier)
    page = log_in(chromium, live_server.url, width=1440)
    page.context.add_init_script(NO_TIME_PASSES)
    orders, steps = (f"{live_server.url}/admin/orders/{n}/" for n in ("order", "step"))
    page.set_viewport_size({"width": 1440, "height": 300})
    page.goto(orders)
    page.evaluate("window.scrollTo(0, 120)")
    with page.expect_navigation():
        page.evaluate(A_MINUTE_PASSES)
    # Whoever reads is not thrown back to the top.
    assert page.evaluate("window.scrollY") == 120
    may_answer = threading.Event()
    answer = StepAdmin.get_changelist_instance

    def answer_late(self: Any, request: Any) -> Any:
        assert may_answer.wait(60)
        return answer(self, request)

    monkeypatch.setattr(StepAdmin, "get_changelist_instance", answer_late)
    with page.expect_request("**/a-minute-has-passed/"):
        page.evaluate(A_MINUTE_PASSES_LEAVING)
    # Had the list been asked for again, nothing would come of the click.
    may_answer.set()
    page.wait_for_url(steps)
