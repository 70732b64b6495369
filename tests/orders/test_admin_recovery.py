"""The page after a restore: its state, the word about a second bridge, the choices."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from orders.models import Order, Purchase, Reason, Reservation, Step, SupplierOrder
from plumbing import epoch
from plumbing.models import Epoch
from tests.orders.factories import make_order, make_product, reservation_of, step_of
from tests.orders.stuck import FOUND, not_bought
from tests.staff import log_in, queued

URL = "/admin/orders/recovery/"


@pytest.fixture
def product(db, settings):
    settings.LANGUAGE_CODE = "en"
    return make_product("70311", name="Чайник")


def ask_about(product, quantity=1, candidates=()) -> Step:
    order = make_order((product, quantity))
    step = step_of(order)
    Step.objects.filter(pk=step.pk).update(
        status=Step.Status.NEEDS_PERSON,
        reason=Reason.AFTER_RESTORE,
        last_error="not proven",
        answered={"maybe_bought": list(candidates)},
    )
    return Step.objects.get(pk=step.pk)


def found(number: str, quantity: int) -> dict[str, object]:
    lines = [["70311", quantity, 1000]]
    return {"id": number, "sum": 1000, "placed_at": "10.03.2026", "lines": lines}


def decide(client, way: str, *steps: Step, sure: bool = True, **numbers: str):
    data = {"way": way, "step": [step.pk for step in steps]}
    for step in steps:
        data[f"number-{step.pk}"] = numbers.get(f"n{step.pk}", numbers.get("all", ""))
    return client.post(f"{URL}decide/", data | ({"sure": "1"} if sure else {}))


@pytest.mark.parametrize("role", ["viewer", "operator", "owner"])
def test_every_page_says_that_nothing_is_sent(settings, product, mark, role):
    epoch.close(Epoch.Reason.RESTORED, known_until=timezone.now())
    client = log_in(settings, role)
    for url in ("/admin/", "/admin/orders/order/"):
        page = client.get(url).content.decode()
        assert "Nothing is sent" in page
        assert URL in page
    page = client.get(URL).content.decode()
    assert "older than the last thing sent" in page
    assert "last thing sent before" in page


def test_a_packer_is_told_and_led_nowhere(settings, product, mark):
    epoch.close(Epoch.Reason.RESTORED)
    client = log_in(settings, "packer")
    for url in ("/admin/", "/admin/orders/order/"):
        page = client.get(url).content.decode()
        assert "Nothing is sent" in page
        assert URL not in page
    assert client.get(URL).status_code == 403


def test_once_reconciled_no_page_says_it(settings, product, mark):
    epoch.close(Epoch.Reason.RESTORED)
    epoch.lift(by="bridge")
    client = log_in(settings, "operator")
    assert "Nothing is sent" not in client.get("/admin/").content.decode()
    assert "Last reconciled" in client.get(URL).content.decode()


def test_only_the_owner_says_that_no_other_bridge_is_at_work(settings, product, mark):
    epoch.close(Epoch.Reason.MOVED)
    client = log_in(settings, "operator")
    assert client.post(f"{URL}confirm/", {"no_other": "1"}).status_code == 403
    client = log_in(settings, "owner")
    assert client.get(f"{URL}confirm/").status_code == 403
    client.post(f"{URL}confirm/")
    assert Epoch.objects.get().confirmed_at is None
    client.post(f"{URL}confirm/", {"no_other": "1"})
    assert Epoch.objects.get().confirmed_by == "owner"
    assert queued() == ["orders.tasks.recover"]


def test_a_viewer_sees_the_list_and_decides_nothing(settings, product):
    step = ask_about(product, candidates=FOUND)
    client = log_in(settings, "viewer")
    page = client.get(URL).content.decode()
    assert step.order.code in page
    assert "501" in page
    assert "checkbox" not in page
    assert decide(client, "buy", step).status_code == 403


def test_buying_asks_first(settings, product):
    step = ask_about(product)
    client = log_in(settings, "operator")
    page = decide(client, "buy", step, sure=False).content.decode()
    assert "for real money" in page
    assert step.order.code in page
    step.refresh_from_db()
    assert step.status == Step.Status.NEEDS_PERSON


def test_not_bought_has_all_ticked_orders_reserved(settings, product):
    steps = [ask_about(product, candidates=FOUND), ask_about(product)]
    client = log_in(settings, "operator")
    decide(client, "buy", *steps)
    assert {s.status for s in Step.objects.all()} == {Step.Status.PENDING}


def test_bought_under_a_number_is_looked_up_at_the_supplier(settings, product):
    step = ask_about(product, candidates=[found("501", 1)])
    client = log_in(settings, "operator")
    assert 'value="501"' in client.get(URL).content.decode()
    decide(client, "bought", step, all="501")
    asked = Step.objects.get(status=Step.Status.PENDING)
    assert asked.parameters == {"number": "501"}
    assert reservation_of(step.order).status == Reservation.Status.WANTED


@pytest.fixture
def shop(supplier, settings):
    settings.AUTO_ACCEPT = False
    supplier.add_good(70_311, stock=50, price1=1000, price2=1500)
    return supplier


def test_several_orders_bought_together_share_a_number_that_holds_just_theirs(
    settings, product, shop, process
):
    placed = shop.manager_order({70_311: 3})
    number = str(placed.id)
    shared = [found(number, 3), found("502", 4)]
    one, two = ask_about(product, 1, shared), ask_about(product, 2, shared)
    client = log_in(settings, "operator")
    decide(client, "bought", one, two, all="502")
    assert not Purchase.objects.exists()
    decide(client, "bought", one, two, all=number)
    # It is read again first: it may be cancelled by now.
    assert not SupplierOrder.objects.exists()
    process()
    held = Reservation.objects.filter(status=Reservation.Status.HELD)
    assert {r.supplier_order.supplier_order_id for r in held} == {number}
    assert held.count() == 2
    assert Purchase.objects.get().adopted_by == "operator"
    assert "No order waits" in client.get(URL).content.decode()


def test_a_shared_order_that_was_cancelled_meanwhile_holds_nothing(
    settings, product, shop, process
):
    placed = shop.manager_order({70_311: 3})
    shared = [found(str(placed.id), 3), found("502", 3)]
    steps = [ask_about(product, 1, shared), ask_about(product, 2, shared)]
    shop.set_order(placed.id, "DA")
    client = log_in(settings, "operator")
    decide(client, "bought", *steps, all=str(placed.id))
    process()
    assert not Reservation.objects.exclude(status=Reservation.Status.WANTED).exists()
    for step in steps:
        asked = step_of(step.order)
        assert asked.stuck_for == Reason.WHICH_ORDER
        assert [c["id"] for c in asked.answered["candidates"]] == ["502"]
    # Whoever has it looked for again buys nothing.
    Step.objects.update(status=Step.Status.PENDING, answered={})
    process()
    assert {arrival.method for arrival in shop.arrivals} <= {"order", "orders"}


def test_a_number_is_needed_for_each(settings, product):
    step = ask_about(product)
    client = log_in(settings, "operator")
    assert decide(client, "bought", step).url == URL
    assert Step.objects.count() == 1


def test_taken_care_of_goes_on_without_buying(settings, product):
    step = ask_about(product)
    client = log_in(settings, "operator")
    decide(client, "cared", step)
    assert reservation_of(step.order).status == Reservation.Status.BY_HAND


def test_the_page_asks_few_queries(
    settings, product, mark, django_assert_max_num_queries
):
    for _order in range(30):
        ask_about(product, candidates=FOUND)
    client = log_in(settings, "operator")
    client.get(reverse("recovery"))
    epoch.forget()
    with django_assert_max_num_queries(12):
        client.get(reverse("recovery"))


def test_what_waits_for_another_reason_is_not_listed(settings, product):
    order, _step = not_bought(Reason.OUT_OF_STOCK, product)
    client = log_in(settings, "operator")
    assert Order.objects.get(pk=order.pk).code not in client.get(URL).content.decode()
