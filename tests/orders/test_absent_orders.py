"""Orders that Kaspi no longer shows: seen by a person, closed, opened again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from orders.clients import Clients
from orders.kaspi.client import open_client
from orders.models import (
    Booking,
    Finding,
    Order,
    Reason,
    Reservation,
    SkuMapping,
    Step,
)
from orders.plan.actions import ActionImpossible
from orders.plan.closing import close_order
from orders.plan.planning import replan
from orders.reading.polling import ReadResult, poll_orders
from orders.reading.refreshing import (
    OrderNotShown,
    fetch_awaited_waybills,
    refresh_order,
    refresh_orders,
)
from orders.reconciling.rounds import reconcile
from orders.steps.machine import Processed, run_step
from tests.orders.factories import (
    doubt,
    make_order,
    make_product,
    reservation_of,
    step_of,
)
from tests.orders.stuck import hold
from tests.staff import log_in, page

pytestmark = pytest.mark.django_db
K, R, S = Step.Kind, Reservation.Status, Step.Status


@pytest.fixture
def product():
    return make_product("70311")


@pytest.fixture
def quiet(kaspi, settings):
    settings.LANGUAGE_CODE = "en"
    kaspi.desk.orders.clear()
    return kaspi


@pytest.fixture
def gone(quiet, product):
    """An order of ours that Kaspi knows nothing of."""
    order = make_order((product, 1))
    hold(order)
    return order


def read(*, times: int = 1) -> None:
    """Let the open orders be read again, each time some minutes later."""
    for _ in range(times):
        earlier = F("last_seen") - timedelta(minutes=5)
        Order.objects.update(last_seen=earlier)
        with open_client() as client:
            refresh_orders(client, now=timezone.now())


def absent(order: Order, readings: int = 3) -> None:
    Order.objects.filter(pk=order.pk).update(
        absent_readings=readings, absent_since=timezone.now()
    )
    order.refresh_from_db()


def test_one_reading_without_it_tells_nobody_yet(gone):
    read()
    reconcile(now=timezone.now())
    gone.refresh_from_db()
    assert (gone.absent_readings, gone.is_gone) == (1, False)
    assert not Finding.objects.exists()


def test_after_some_readings_a_person_sees_it(gone):
    read(times=3)
    reconcile(now=timezone.now())
    assert Finding.objects.get().kind == Finding.Kind.NOT_SHOWN
    step = step_of(gone, K.CHECK)
    assert (step.status, step.stuck_for) == (S.NEEDS_PERSON, Reason.NOT_SHOWN)


def test_readings_within_a_few_minutes_are_one(gone):
    for _ in range(5):
        with open_client() as client, pytest.raises(OrderNotShown):
            refresh_order(gone.pk, client)
    gone.refresh_from_db()
    assert gone.absent_readings == 1


def test_one_that_a_person_knows_of_is_hardly_asked_for_any_more(quiet, gone):
    read(times=3)
    asked = len(quiet.calls("order-by-code"))
    read(times=3)
    assert len(quiet.calls("order-by-code")) == asked


def test_no_waybill_is_asked_for_an_order_that_is_not_there(quiet, gone):
    Order.objects.update(
        state=Order.KASPI_DELIVERY, status=Order.ACCEPTED, is_assembled=True
    )
    absent(gone, readings=1)
    with open_client() as client:
        fetch_awaited_waybills(client, ReadResult())
    assert quiet.arrivals == []


def test_a_step_does_not_look_for_ever_at_an_order_that_is_not_there(gone):
    Order.objects.update(state=Order.KASPI_DELIVERY, status=Order.ACCEPTED)
    now = timezone.now()
    step = Step.objects.create(
        order=gone,
        peer=Step.Peer.KASPI,
        kind=K.ASSEMBLE,
        status=S.UNKNOWN,
        sent_at=now,
        not_before=now,
        created_at=now,
    )
    absent(gone)
    with Clients() as clients:
        run_step(step, clients, Processed())
    step.refresh_from_db()
    assert (step.status, step.stuck_for) == (S.NEEDS_PERSON, Reason.NOT_SHOWN)
    # The card of that step says it: one is enough.
    reconcile(now=timezone.now())
    assert not gone.steps.filter(kind=K.CHECK).exists()


def test_shown_again_it_is_as_before(quiet, product):
    made = quiet.new_order([{"sku": "70311"}])
    with open_client() as client:
        poll_orders(client, now=timezone.now())
    order = Order.objects.get()
    absent(order)
    reconcile(now=timezone.now())
    assert Finding.objects.open().exists()
    with open_client() as client:
        refresh_order(order.pk, client)
    order.refresh_from_db()
    assert (order.code, order.absent_readings) == (made.code, 0)
    reconcile(now=timezone.now())
    assert not Finding.objects.open().exists()
    assert step_of(order, K.CHECK).status == S.SKIPPED


@pytest.mark.parametrize(("releases", "asked"), [(True, 1), (False, 0)])
def test_closed_its_goods_are_released_or_kept(gone, releases, asked):
    absent(gone)
    reconcile(now=timezone.now())
    close_order(gone, releases=releases, actor="anna")
    gone.refresh_from_db()
    assert gone.is_closed
    assert gone.steps.filter(kind=K.RELEASE, status=S.PENDING).count() == asked
    assert not gone.steps.stuck().exists()
    assert reservation_of(gone).status == R.HELD
    # Nobody takes the goods for a reason to accept it, and it contradicts nothing.
    replan(gone, now=timezone.now())
    reconcile(now=timezone.now() + timedelta(hours=1))
    assert not gone.steps.filter(kind=K.ACCEPT).exists()
    assert not Finding.objects.open().exists()
    assert gone not in Order.objects.open()


def test_a_closed_order_brings_nothing(gone):
    replan(gone, now=timezone.now())
    assert Booking.objects.filter(order=gone).exists()
    absent(gone)
    close_order(gone, releases=False, actor="anna")
    assert not Booking.objects.filter(order=gone).exists()


def test_goods_that_were_still_wanted_are_wanted_no_more(quiet, product):
    order = make_order((product, 1))
    absent(order)
    close_order(order, releases=True, actor="anna")
    assert reservation_of(order).status == R.DROPPED
    assert step_of(order).status == S.SKIPPED


@pytest.mark.parametrize("releases", [True, False])
def test_an_order_made_by_hand_that_was_not_looked_at_is_not_forgotten(
    quiet, product, releases
):
    order = make_order((product, 1))
    order.steps.update(parameters={"number": "412001"})
    absent(order)
    close_order(order, releases=releases, actor="anna")
    assert order.steps.stuck().of_kind(K.CHECK).exists() is releases


def test_what_was_reserved_by_hand_is_released_by_hand(quiet, product):
    order = make_order((product, 1))
    order.reservations.update(status=R.BY_HAND)
    absent(order)
    close_order(order, releases=True, actor="anna")
    assert step_of(order, K.RELEASE).stuck_for == Reason.RELEASE_BY_HAND


def test_an_order_that_kaspi_shows_cannot_be_closed(gone):
    with pytest.raises(ActionImpossible):
        close_order(gone, releases=True, actor="anna")


def test_a_doubtful_purchase_is_settled_before_its_order_is_closed(quiet, product):
    order = make_order((product, 1))
    doubt(order)
    absent(order)
    with pytest.raises(ActionImpossible):
        close_order(order, releases=True, actor="anna")
    order.refresh_from_db()
    assert order.ended_at is None


def test_a_closed_order_that_kaspi_shows_again_is_open_again(quiet, product):
    made = quiet.new_order([{"sku": "70311"}])
    with open_client() as client:
        poll_orders(client, now=timezone.now())
        order = Order.objects.get()
        absent(order)
        close_order(order, releases=False, actor="anna")
        poll_orders(client, now=timezone.now())
    order.refresh_from_db()
    assert (order.code, order.ended_at, order.is_gone) == (made.code, None, False)


def test_the_button_asks_what_becomes_of_the_goods(settings, gone):
    operator = log_in(settings, "operator")
    absent(gone)
    url = reverse("admin:act_on_order", args=[gone.pk, "close"])
    asked = page(operator, url)
    assert "release them" in asked
    assert "keep them" in asked
    operator.post(url, {"goods": "keep"})
    gone.refresh_from_db()
    assert gone.is_closed
    html = page(operator, reverse("admin:orders_order_change", args=[gone.pk]))
    assert "closed: Kaspi no longer shows it" in html
    for slug in ("accept", "cancel", "assemble", "reserve", "close"):
        assert f"/do/{slug}/" not in html


def test_a_sku_once_mapped_needs_nobody_any_more(quiet, product):
    SkuMapping.objects.create(
        sku="XX-999", product=product, noted_at=timezone.now(), noted_by="anna"
    )
    quiet.new_order([{"sku": "XX-999"}])
    with open_client() as client:
        poll_orders(client, now=timezone.now())
    order = Order.objects.get()
    assert order.lines.get().product == product
    assert (order.problem, step_of(order).status) == ("", S.PENDING)
