"""Whatever contradicts a promise is put right or told, however it came about."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from orders.models import (
    Finding,
    Order,
    OrderEvent,
    Purchase,
    ReadMark,
    Reservation,
    Step,
    SupplierOrder,
)
from orders.plan import actions
from orders.plan.ages import (
    PURCHASE_AGES,
    RESERVATION_AGES,
    STEP_AGES,
    UNSHOWN_FOR,
)
from orders.reconciling.raising import FindingClosed, accept
from orders.reconciling.rounds import reconcile
from plumbing.models import TimeJump
from tests.orders.factories import (
    doubt,
    make_order,
    make_product,
    purchase_of,
    reservation_of,
    step_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)
S, R, P, K = Step.Status, Reservation.Status, Purchase.Status, Finding.Kind
CHECK = Step.Kind.CHECK


@pytest.fixture(autouse=True)
def usual(settings):
    settings.LANGUAGE_CODE = "en"
    settings.AUTO_RESERVE = settings.AUTO_ACCEPT = True
    ReadMark.objects.create(
        state=Order.NEW,
        read_until=timezone.now(),
        first_read_at=timezone.now() - timedelta(days=40),
    )


@pytest.fixture
def product():
    return make_product("70311")


def run() -> list[tuple[str, Order | None]]:
    """Reconcile; gives what is open then."""
    reconcile(now=timezone.now())
    open_ = Finding.objects.open().select_related("order").order_by("pk")
    return [(finding.kind, finding.order) for finding in open_]


def hold(order: Order, *, number: str = "500001", lines=None) -> Reservation:
    """Let a supplier's order hold the goods, without anybody having planned."""
    now = timezone.now()
    supplied, _new = SupplierOrder.objects.get_or_create(
        supplier_order_id=number, defaults={"placed_at": now, "lines": lines or []}
    )
    Reservation.objects.filter(order=order).update(
        status=R.HELD, supplier_order=supplied, held_at=now
    )
    order.steps.of_kind(Step.Kind.RESERVE).update(status=S.DONE, finished_at=now)
    return reservation_of(order)


def know(order: Order, **fields: object) -> None:
    Order.objects.filter(pk=order.pk).update(**fields)


def calm(order: Order) -> None:
    """Accepted at Kaspi and held: nothing is wrong with it."""
    hold(order)
    know(order, status=Order.ACCEPTED, state=Order.KASPI_DELIVERY)


def check_of(order: Order) -> Step:
    return order.steps.of_kind(CHECK).latest("pk")


def test_what_is_right_is_no_finding(product):
    calm(make_order((product, 1)))
    make_order((product, 2))
    assert run() == []
    assert not Step.objects.of_kind(CHECK).exists()


def test_goods_of_an_order_called_off_are_released(product):
    order = make_order((product, 1))
    hold(order)
    know(order, status=Order.CANCELLED, state=Order.ARCHIVE)
    assert run() == []
    assert step_of(order, Step.Kind.RELEASE).status == S.PENDING


def test_an_earlier_release_says_nothing_of_goods_reserved_since(product):
    order = make_order((product, 1))
    first = hold(order)
    Step.objects.create(
        order=order,
        kind=Step.Kind.RELEASE,
        status=S.DONE,
        not_before=timezone.now(),
        created_at=timezone.now(),
    )
    Reservation.objects.filter(pk=first.pk).update(status=R.RELEASED)
    Reservation.objects.create(
        order=order,
        status=R.HELD,
        supplier_order=SupplierOrder.objects.create(
            supplier_order_id="500002", placed_at=timezone.now()
        ),
        created_at=timezone.now(),
    ).want(order.lines.all())
    know(order, status=Order.CANCELLED, state=Order.ARCHIVE)
    assert run() == []
    assert step_of(order, Step.Kind.RELEASE).status == S.PENDING


def test_a_release_that_a_person_dropped_is_not_asked_for_but_told(product):
    order = make_order((product, 1))
    hold(order)
    know(order, status=Order.CANCELLED, state=Order.ARCHIVE)
    run()
    actions.skip_step(step_of(order, Step.Kind.RELEASE), actor="anna", reason="later")
    assert run() == [(K.NOT_RELEASED, order)]
    assert order.steps.of_kind(Step.Kind.RELEASE).count() == 1
    assert check_of(order).status == S.NEEDS_PERSON
    assert "500001" in check_of(order).last_error


@pytest.mark.parametrize(
    ("status", "ended"),
    [(R.HELD, R.SHIPPED), (R.BY_HAND, R.SHIPPED), (R.WANTED, R.DROPPED)],
)
def test_a_completed_order_counts_no_longer(product, status, ended):
    order = make_order((product, 1))
    if status != R.WANTED:
        hold(order)
    Reservation.objects.filter(order=order).update(status=status)
    now = timezone.now()
    know(order, status=Order.COMPLETED, state=Order.ARCHIVE, ended_at=now)
    assert run() == []
    assert reservation_of(order).status == ended


def test_goods_bought_after_the_end_are_told(product):
    order = make_order((product, 1))
    hold(order)
    earlier = timezone.now() - timedelta(hours=1)
    know(order, status=Order.COMPLETED, state=Order.ARCHIVE, ended_at=earlier)
    assert run() == [(K.OPEN_OF_ENDED, order)]


def test_an_accepted_order_without_goods_is_told(product):
    order = make_order((product, 1))
    Reservation.objects.filter(order=order).update(status=R.DROPPED)
    order.steps.all().delete()
    know(order, status=Order.ACCEPTED)
    assert run() == [(K.NO_GOODS, order)]
    assert check_of(order).status == S.NEEDS_PERSON


def test_who_accepted_without_goods_knows_it(product):
    order = make_order((product, 1))
    Reservation.objects.filter(order=order).update(status=R.DROPPED)
    order.steps.update(
        kind=Step.Kind.ACCEPT, status=S.DONE, parameters={"unreserved": True}
    )
    know(order, status=Order.ACCEPTED)
    assert run() == []


def test_orders_accepted_before_the_bridge_read_any_are_let_be(product):
    order = make_order((product, 1), created_at=timezone.now() - timedelta(days=50))
    order.reservations.all().delete()
    order.steps.all().delete()
    know(order, status=Order.ACCEPTED)
    assert run() == []


def test_a_held_order_that_nobody_accepts_is_accepted(product):
    order = make_order((product, 1))
    hold(order)
    long_ago = timezone.now() - timedelta(hours=1)
    Reservation.objects.filter(order=order).update(held_at=long_ago)
    assert run() == []
    assert step_of(order, Step.Kind.ACCEPT).status == S.PENDING


def test_a_line_cut_after_the_reservation_is_told_until_it_is_taken_out(product):
    other = make_product("812")
    order = make_order((product, 2), (other, 1))
    reservation = hold(order, lines=[["70311", 2, 1000], ["812", 1, 1000]])
    know(order, status=Order.ACCEPTED)
    assert run() == []
    order.lines.filter(product=other).update(quantity=0)
    assert run() == [(K.ORDER_LINES, order)]
    said = check_of(order).last_error
    assert "500001" in said
    assert "812 × 1" in said
    # The manager took it out: the reservation follows.
    SupplierOrder.objects.update(lines=[["70311", 2, 1000]])
    assert run() == []
    assert [(x.product, x.quantity) for x in reservation.lines.all()] == [(product, 2)]
    assert check_of(order).status == S.SKIPPED
    assert Finding.objects.get().status == Finding.Status.SETTLED
    settled = OrderEvent.objects.filter(
        order=order, text__startswith="Settled by itself"
    )
    assert settled.count() == 1


def test_a_line_cut_after_the_goods_were_shipped_is_told_until_seen(product):
    other = make_product("812")
    order = make_order((product, 2), (other, 1))
    hold(order, lines=[["70311", 2, 1000], ["812", 1, 1000]])
    Reservation.objects.filter(order=order).update(status=R.SHIPPED)
    know(order, status=Order.ACCEPTED)
    assert run() == []
    order.lines.filter(product=other).update(quantity=0)
    assert run() == [(K.ORDER_LINES, order)]
    said = check_of(order).last_error
    assert "stay with you" in said
    assert "812 × 1" in said
    # Handed over without them, they are with us all the more.
    know(order, handed_over_at=timezone.now())
    assert run() == [(K.ORDER_LINES, order)]
    accept(Finding.objects.get(), note="kept", actor="anna", now=timezone.now())
    assert run() == []


@pytest.mark.parametrize("status", [Order.CANCELLING, Order.CANCELLED])
def test_goods_shipped_for_an_order_called_off_are_told_until_seen(product, status):
    order = make_order((product, 2))
    hold(order)
    Reservation.objects.filter(order=order).update(status=R.SHIPPED)
    ended = timezone.now() if status == Order.CANCELLED else None
    know(order, status=status, ended_at=ended)
    assert run() == [(K.ORDER_LINES, order)]
    assert "70311 × 2" in check_of(order).last_error
    accept(Finding.objects.get(), note="kept", actor="anna", now=timezone.now())
    assert run() == []


def test_goods_that_were_handed_over_come_back_as_is_known(product):
    order = make_order((product, 2))
    hold(order)
    Reservation.objects.filter(order=order).update(status=R.SHIPPED)
    now = timezone.now()
    know(order, status=Order.CANCELLED, ended_at=now, handed_over_at=now)
    assert run() == []


def test_a_line_put_on_after_the_reservation_is_told(product):
    order = make_order((product, 1))
    hold(order)
    order.lines.update(quantity=3)
    assert run() == [(K.ORDER_LINES, order)]
    assert "70311 × 2" in check_of(order).last_error


def test_a_reservation_still_wanted_follows_the_order(product):
    order = make_order((product, 2))
    order.lines.update(quantity=5)
    assert run() == []
    assert reservation_of(order).lines.get().quantity == 5


def test_what_is_none_of_our_products_is_told_by_its_step_or_seen_to_by_hand(product):
    order = make_order((product, 1), problem="812: none of our products")
    order.lines.create(entry_id="x##1", sku="812", quantity=1)
    order.steps.update(status=S.NEEDS_PERSON)
    assert run() == []
    actions.mark_reserved_by_hand(order, actor="anna")
    order.steps.exclude(kind=Step.Kind.RESERVE).delete()
    know(order, status=Order.ACCEPTED)
    assert run() == []


@pytest.mark.parametrize("there", [[["70311", 1, 1]], [["70311", 2, 1], ["812", 4, 1]]])
def test_other_goods_in_the_suppliers_order_are_told(product, there):
    order = make_order((product, 2))
    hold(order, lines=there)
    assert run() == [(K.SUPPLIER_LINES, order)]
    SupplierOrder.objects.update(lines=[["70311", 2, 1]])
    assert run() == []


def buy(order: Order, *, number: str = "500001", **fields: object) -> Purchase:
    supplied, _new = SupplierOrder.objects.get_or_create(
        supplier_order_id=number, defaults={"placed_at": timezone.now()}
    )
    values = {"status": P.MADE, "supplier_order": supplied, "adopted_by": "answer"}
    return doubt(order, **{**values, **fields})


@pytest.mark.parametrize("lines", [[["70311", 1, 1]], [["70311", 2, 1], ["9", 1, 1]]])
def test_other_goods_in_the_purchase_are_told(product, lines):
    order = make_order((product, 2))
    buy(order, lines=lines)
    hold(order)
    assert run() == [(K.PURCHASE_LINES, order)]


def test_a_number_answered_is_that_of_the_order(product):
    order = make_order((product, 2))
    buy(order, number="500001")
    purchase = purchase_of(order)
    hold(order)
    Purchase.objects.filter(pk=purchase.pk).update(number="500009")
    assert run() == [(K.OTHER_NUMBER, order)]
    SupplierOrder.objects.update(listed_id="500009")
    assert run() == []


def test_a_number_of_a_purchase_given_up_is_told(product):
    order = make_order((product, 2))
    doubt(order, status=P.GIVEN_UP, number="500009")
    assert run() == [(K.OTHER_NUMBER, order)]


def test_goods_bought_twice_are_told(product):
    order = make_order((product, 2))
    buy(order, number="500001")
    buy(order, number="500002")
    hold(order)
    assert run() == [(K.BOUGHT_TWICE, order)]


def test_a_purchase_made_is_taken_in_by_the_reserve_step(product):
    order = make_order((product, 2))
    buy(order)
    order.steps.update(status=S.SKIPPED)
    run()
    assert step_of(order).status == S.PENDING


def test_a_purchase_made_for_nobody_is_told(product):
    order = make_order((product, 2))
    buy(order)
    Reservation.objects.filter(order=order).update(status=R.DROPPED)
    order.steps.update(status=S.SKIPPED)
    know(order, status=Order.CANCELLED, state=Order.ARCHIVE, ended_at=timezone.now())
    Reservation.objects.filter(order=order).update(status=R.DROPPED)
    assert run() == [(K.NOT_HELD, order)]


# -- ages ---------------------------------------------------------------------------


def make_older(order: Order, age: timedelta) -> None:
    past = timezone.now() - age
    order.steps.update(created_at=past)
    OrderEvent.objects.filter(order=order).update(happened_at=past)
    Reservation.objects.filter(order=order).update(created_at=past, held_at=past)


def is_told(order: Order) -> bool:
    run()
    return Finding.objects.open().filter(order=order).exists()


def test_every_waiting_state_has_an_age_limit():
    assert set(STEP_AGES) == {*Step.OPEN, S.REFUSED}
    assert set(RESERVATION_AGES) == set(Reservation.OPEN)
    assert set(PURCHASE_AGES) == set(Purchase.UNSETTLED)


@pytest.mark.parametrize("status", STEP_AGES)
@pytest.mark.parametrize("is_late", [False, True])
def test_a_step_past_its_age_is_told(product, status, is_late):
    order = make_order((product, 1))
    limit = STEP_AGES[status]
    age = limit * 2 if is_late else limit / 2
    past = timezone.now() - age
    make_older(order, age)
    order.steps.update(
        status=status, claimed_until=past, claimed_by="x", finished_at=past
    )
    assert is_told(order) == is_late
    if is_late and status not in Step.STUCK:
        assert check_of(order).status == S.NEEDS_PERSON
    assert not is_late or order.steps.stuck().exists()


@pytest.mark.parametrize("status", RESERVATION_AGES)
@pytest.mark.parametrize("is_late", [False, True])
def test_a_reservation_past_its_age_is_told(product, status, is_late):
    order = make_order((product, 1))
    hold(order)
    know(order, status=Order.ACCEPTED)
    limit = RESERVATION_AGES[status]
    make_older(order, limit * 2 if is_late else limit / 2)
    Reservation.objects.filter(order=order).update(status=status)
    if status == R.WANTED:
        know(order, status=Order.APPROVED)
    if status == R.RELEASING:
        know(order, status=Order.CANCELLING)
    assert is_told(order) == is_late
    assert order.steps.stuck().exists() == is_late


@pytest.mark.parametrize("status", PURCHASE_AGES)
@pytest.mark.parametrize("is_late", [False, True])
def test_a_purchase_past_its_age_is_told(product, status, is_late):
    order = make_order((product, 1))
    limit = PURCHASE_AGES[status]
    past = timezone.now() - (limit * 2 if is_late else limit / 2)
    doubt(order, status=status, submits=[], created_at=past)
    if status == P.NEEDS_PERSON:
        order.steps.update(status=S.NEEDS_PERSON)
    assert is_told(order) == is_late
    assert order.steps.stuck().exists() == (is_late or status == P.NEEDS_PERSON)


def test_a_clock_that_was_set_ahead_makes_nothing_late(product):
    order = make_order((product, 1))
    doubt(order, status=P.SOUGHT, submits=[], created_at=timezone.now() - 2 * DAY)
    order.steps.update(status=S.UNKNOWN)
    make_older(order, 2 * DAY)
    jump = TimeJump.objects.create(
        noticed_at=timezone.now(), seconds=172_800, host="srv"
    )
    assert not is_told(order)
    jump.noticed_at -= 2 * max(STEP_AGES[S.UNKNOWN], PURCHASE_AGES[P.SOUGHT])
    jump.save()
    assert is_told(order)


def test_a_purchase_of_which_no_step_tells_is_told_at_once(product):
    order = make_order((product, 1))
    doubt(order)
    assert run() == [(K.TOO_LONG, order)]
    order.steps.of_kind(Step.Kind.RESERVE).update(status=S.NEEDS_PERSON)
    assert run() == []


def test_an_order_that_al_style_does_not_show_for_long_is_told(product):
    order = make_order((product, 1))
    supplied = hold(order).supplier_order
    ago = timezone.now() - 2 * UNSHOWN_FOR
    values = {"status": P.MADE, "supplier_order": supplied, "created_at": ago}
    doubt(order, **values)
    # Not asked for since: Al-Style may be away.
    assert run() == []
    Purchase.objects.update(unshown_at=ago + timedelta(minutes=5))
    assert run() == []
    Purchase.objects.update(unshown_at=timezone.now())
    assert run() == [(K.TOO_LONG, order)]
    assert "500001" in check_of(order).last_error
    jump = TimeJump.objects.create(
        noticed_at=timezone.now(), seconds=172_800, host="srv"
    )
    assert run() == []
    jump.delete()
    assert run() == [(K.TOO_LONG, order)]
    Purchase.objects.update(verified_at=timezone.now())
    assert run() == []


def test_goods_bought_along_with_others_and_held_for_nobody_are_told(product):
    first, second = make_order((product, 1)), make_order((product, 1))
    supplied = hold(first, lines=[["70311", 2, 1000]]).supplier_order
    purchase = doubt(second, status=P.MADE, supplier_order=supplied)
    purchase.reservations.add(reservation_of(first))
    over = {"status": Order.CANCELLED, "state": Order.ARCHIVE}
    Order.objects.filter(pk=second.pk).update(ended_at=timezone.now(), **over)
    second.reservations.update(status=R.DROPPED)
    second.steps.update(status=S.SKIPPED)
    assert (K.NOT_HELD, second) in run()
    SupplierOrder.objects.update(status="P")
    assert (K.NOT_HELD, second) not in run()


def test_what_is_withheld_on_purpose_is_not_late(product, settings):
    settings.OBSERVE_ONLY = True
    order = make_order((product, 1))
    make_older(order, timedelta(days=3))
    assert not is_told(order)


# -- findings -----------------------------------------------------------------------


@pytest.fixture
def finding(product):
    order = make_order((product, 1))
    hold(order)
    order.lines.update(quantity=3)
    run()
    return Finding.objects.get()


def test_a_finding_is_raised_once(finding):
    run()
    run()
    assert Finding.objects.count() == 1
    assert finding.order.steps.of_kind(CHECK).count() == 1
    assert OrderEvent.objects.filter(text=finding.text).count() == 2


def test_what_a_person_calls_right_stays_so_until_it_changes(finding):
    order = finding.order
    accept(finding, note="from our shelf", actor="anna", now=timezone.now())
    assert check_of(order).status == S.SKIPPED
    assert run() == []
    finding.refresh_from_db()
    assert (finding.status, finding.closed_by) == (Finding.Status.ACCEPTED, "anna")
    assert OrderEvent.objects.filter(actor="anna", text__contains="our shelf").exists()
    with pytest.raises(FindingClosed):
        accept(finding, note="", actor="anna", now=timezone.now())
    order.lines.update(quantity=4)
    assert run() == [(K.ORDER_LINES, order)]


def test_whoever_drops_the_step_has_called_it_right(finding):
    actions.skip_step(check_of(finding.order), actor="anna", reason="from our shelf")
    assert run() == []
    finding.refresh_from_db()
    assert (finding.status, finding.closed_by) == (Finding.Status.ACCEPTED, "anna")
    assert "our shelf" in finding.note


def test_what_changes_is_told_anew_on_the_same_step(finding):
    order = finding.order
    order.lines.update(quantity=4)
    run()
    finding.refresh_from_db()
    assert "70311 × 3" in finding.text
    assert check_of(order).last_error == finding.text
    assert order.steps.of_kind(CHECK).count() == 1


def test_two_findings_share_the_orders_step(finding):
    order = finding.order
    doubt(order, status=P.GIVEN_UP, number="500009")
    run()
    said = check_of(order).last_error
    assert len(said.split("\n")) == 2
    order.lines.update(quantity=1)
    assert run() == [(K.OTHER_NUMBER, order)]
    assert "500009" in check_of(order).last_error
    assert finding.text not in check_of(order).last_error


def test_the_command_prints_a_line_for_each(finding):
    out = StringIO()
    call_command("reconcile", stdout=out)
    assert finding.order.code in out.getvalue()


def test_a_dry_run_writes_nothing(product):
    order = make_order((product, 1))
    hold(order)
    know(order, status=Order.CANCELLED, state=Order.ARCHIVE)
    out = StringIO()
    call_command("reconcile", "--dry-run", stdout=out)
    assert order.code in out.getvalue()
    assert not Finding.objects.exists()
    assert not order.steps.of_kind(Step.Kind.RELEASE, CHECK).exists()
