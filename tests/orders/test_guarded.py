"""On a database that may not be up to date nothing is written to either peer."""

from __future__ import annotations

import pytest
from django.utils import timezone

from orders.dispatching import dispatch_once
from orders.models import Purchase, Reservation, Step
from orders.steps.reserve import ReserveHandler
from plumbing import epoch
from plumbing.models import Epoch
from plumbing.peers import PeerWriteGuarded
from sandbox import KaspiServer
from tests.orders.factories import (
    articles_of_plenty,
    know_supplier,
    make_order,
    product_of,
    reservation_of,
    step_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def taken_back(mark):
    """The database of a backup: one write older than the mark beside it."""
    epoch.count_write()
    Epoch.objects.update(sequence=0)
    epoch.forget()


@pytest.fixture
def good(supplier):
    """An article in good supply."""
    return product_of(supplier, articles_of_plenty(supplier)[0])


def test_nothing_is_bought_or_even_claimed(supplier, good, taken_back, process):
    know_supplier()
    order = make_order((good, 1))
    processed = process()
    assert processed.is_guarded
    assert "reconciled" in processed.summary
    assert supplier.arrivals == []
    assert step_of(order).status == Step.Status.PENDING
    assert step_of(order).attempts == 0
    assert not Purchase.objects.exists()


def test_a_purchase_under_way_stops_before_its_next_write(
    supplier, good, mark, process
):
    """The database is exchanged beneath a worker that has looked a moment ago."""
    know_supplier()
    order = make_order((good, 1))
    epoch.count_write()
    assert not epoch.is_guarded()
    Epoch.objects.update(sequence=0)
    processed = process()
    assert processed.is_guarded
    assert {a.method for a in supplier.arrivals} <= {"get", "user-data"}
    step = step_of(order)
    assert step.status == Step.Status.PENDING
    assert step.attempts == 0
    assert [p.submits for p in Purchase.objects.all()] == [[]]


def test_once_lifted_it_goes_on(supplier, good, taken_back, process):
    know_supplier()
    order = make_order((good, 1))
    process()
    epoch.lift(by="anna")
    process()
    assert reservation_of(order).status == Reservation.Status.HELD


def test_what_cannot_be_counted_outside_is_not_sent_and_tried_later(
    supplier, good, mark, process, monkeypatch
):
    """The disk is full: nothing has left, whatever the step was at."""
    know_supplier()
    order = make_order((good, 1))
    epoch.count_write()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(epoch, "write_mark", full)
    process()
    assert {a.method for a in supplier.arrivals} <= {"get", "user-data"}
    step = step_of(order)
    assert (step.status, step.attempts) == (Step.Status.PENDING, 0)
    assert "No space left" in step.last_error
    monkeypatch.undo()


def test_kaspi_hears_nothing_either(settings, taken_back):
    with KaspiServer(token=settings.KASPI_TOKEN, merchant_id="QazDemo") as kaspi:
        settings.KASPI_URL = kaspi.url
        order = make_order(accept_by=None)
        Step.objects.all().delete()
        Step.objects.create(
            order=order,
            peer=Step.Peer.KASPI,
            kind=Step.Kind.ACCEPT,
            not_before=timezone.now(),
            created_at=timezone.now(),
            parameters={"unreserved": True},
        )
        result = dispatch_once(budget_s=5)
        assert result.is_guarded
        assert kaspi.arrivals == []


def test_a_look_that_would_write_leaves_the_outcome_unknown(
    supplier, good, mark, process, monkeypatch
):
    know_supplier()
    order = make_order((good, 1))
    Step.objects.filter(order=order).update(status=Step.Status.UNKNOWN)
    step = step_of(order)

    def look(_handler, _claim, _clients):
        raise PeerWriteGuarded("guarded")

    monkeypatch.setattr(ReserveHandler, "look", look)
    processed = process()
    step.refresh_from_db()
    assert step.status == Step.Status.UNKNOWN
    assert processed.is_guarded
