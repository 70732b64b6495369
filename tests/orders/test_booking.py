from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import CommissionRate, PriceRule
from orders.models import Booking, Order, OrderLine, Reservation, SupplierOrder
from orders.money.booking import book_orders, book_safely
from orders.money.earnings import shared
from orders.money.recounting import recount_money
from orders.plan.planning import replan
from tests.catalog.factories import make_category
from tests.orders.factories import make_order, make_product, reservation_of

pytestmark = pytest.mark.django_db
# 23:30 in Almaty: in UTC it is still the day, and the month, before.
LATE = datetime(2026, 3, 31, 18, 30, tzinfo=timezone.utc)
APRIL = datetime(2026, 3, 31, 19, 30, tzinfo=timezone.utc)
MAY = datetime(2026, 5, 2, 6, 0, tzinfo=timezone.utc)
EXPECTED, SALE, RETURN = Booking.Kind.values


@pytest.fixture(autouse=True)
def ten_percent():
    """Have Kaspi take a tenth, and the state 3 %."""
    CommissionRate.objects.update(percent=10)
    PriceRule.objects.update(tax_percent=3, delivery_kzt=400)


def order_of(*wanted, created_at=LATE, **fields):
    order = make_order(*wanted, created_at=created_at, **fields)
    book_orders([order], now=created_at)
    return order


def move(order: Order, status: str, *, at: datetime, **fields: object) -> None:
    """Let a reading see the order so."""
    is_end = status in Order.ENDED
    values = {"status": status, "ended_at": at if is_end else None, **fields}
    Order.objects.filter(pk=order.pk).update(**values)
    replan(order, now=at)


def rows(order: Order) -> list[tuple[str, date, int, int | None]]:
    found = order.bookings.order_by("kind", "pk")
    return sorted((r.kind, r.day, r.revenue_kzt, r.profit_kzt) for r in found)


@given(
    total=st.integers(-10_000_000, 10_000_000),
    weights=st.lists(st.integers(0, 9_000_000), min_size=1, max_size=8),
)
def test_shares_add_up_to_the_whole_and_none_is_a_tenge_off(total, weights):
    parts = shared(total, weights)
    assert sum(parts) == total
    if sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - Decimal(total) * weight / sum(weights)) < 1


def test_an_open_order_is_expected_and_says_what_it_will_bring():
    order = order_of((make_product("70311"), 2))
    row = order.bookings.get()
    assert (row.kind, row.day) == (EXPECTED, date(2026, 3, 31))
    assert (row.revenue_kzt, row.cost_kzt, row.quantity) == (4_000, 2_000, 2)
    assert (row.commission_kzt, row.tax_kzt, row.delivery_kzt) == (400, 120, 400)
    assert row.profit_kzt == 4_000 - 2_000 - 400 - 120 - 400
    assert (row.is_cost_final, row.is_delivery_estimated) == (False, True)


def test_a_sale_counts_on_the_day_of_almaty_on_which_it_was_completed():
    order = order_of((make_product("70311"), 1), delivery_fee_kzt=0)
    move(order, Order.COMPLETED, at=APRIL)
    assert rows(order) == [(SALE, date(2026, 4, 1), 2_000, 740)]


def test_a_return_counts_in_its_own_month_and_the_sale_stays_in_its():
    order = order_of((make_product("70311"), 1), delivery_fee_kzt=500)
    move(order, Order.COMPLETED, at=LATE)
    move(order, Order.RETURN_REQUESTED, at=APRIL)
    # Still a sale, whose goods are on their way back.
    assert rows(order) == [(SALE, date(2026, 3, 31), 2_000, 240)]
    assert Booking.objects.coming_back().get().order_id == order.pk
    move(order, Order.RETURNED, at=MAY)
    replan(order, now=MAY)
    assert rows(order) == [
        (RETURN, date(2026, 5, 2), -2_000, -740),
        (SALE, date(2026, 3, 31), 2_000, 240),
    ]
    # All that is left of it is what the delivery cost.
    assert sum(row.profit_kzt or 0 for row in order.bookings.all()) == -500
    assert not Booking.objects.coming_back().exists()


def test_a_return_seen_at_once_counts_on_the_day_it_was_seen():
    order = order_of((make_product("70311"), 1), delivery_fee_kzt=0)
    move(order, Order.COMPLETED, at=LATE)
    # The end that was seen first is kept.
    move(order, Order.RETURNED, at=MAY, ended_at=LATE)
    assert [(kind, day) for kind, day, *_ in rows(order)] == [
        (RETURN, date(2026, 5, 2)),
        (SALE, date(2026, 3, 31)),
    ]


def test_a_return_whose_sale_nobody_saw_brings_nothing_but_the_delivery():
    order = order_of((make_product("70311"), 1), delivery_fee_kzt=500)
    move(order, Order.RETURNED, at=MAY)
    assert {day for _kind, day, *_ in rows(order)} == {date(2026, 5, 2)}
    assert sum(row.profit_kzt or 0 for row in order.bookings.all()) == -500


def test_a_return_that_is_taken_back_leaves_the_sale():
    order = order_of((make_product("70311"), 1), delivery_fee_kzt=0)
    for status in (Order.COMPLETED, Order.RETURNED, Order.COMPLETED):
        move(order, status, at=APRIL)
    assert [kind for kind, *_ in rows(order)] == [SALE]


@pytest.mark.parametrize("status", [Order.CANCELLED, Order.CANCELLING])
def test_an_order_called_off_before_it_was_completed_has_no_row(status):
    order = order_of((make_product("70311"), 1))
    assert rows(order)
    move(order, status, at=APRIL)
    assert rows(order) == []


def test_an_order_cancelled_after_its_sale_was_booked_is_a_return():
    order = order_of((make_product("70311"), 1), delivery_fee_kzt=0)
    move(order, Order.COMPLETED, at=LATE)
    move(order, Order.CANCELLED, at=MAY)
    assert [(kind, day) for kind, day, *_ in rows(order)] == [
        (RETURN, date(2026, 5, 2)),
        (SALE, date(2026, 3, 31)),
    ]


def test_a_line_that_was_taken_off_brings_and_costs_nothing():
    kept, cut = make_product("70311"), make_product("70312", cost_kzt=5_000)
    order = order_of((kept, 1), (cut, 1), total_kzt=12_000, delivery_fee_kzt=300)
    assert order.bookings.count() == 2
    line = order.lines.get(product=cut)
    # Kaspi's total of the line stays in the row.
    OrderLine.objects.filter(pk=line.pk).update(quantity=0, total_kzt=10_000)
    move(order, Order.COMPLETED, at=LATE, total_kzt=2_000)
    row = order.bookings.get()
    assert (row.product_id, row.revenue_kzt, row.delivery_kzt) == (kept.pk, 2_000, 300)
    assert (row.cost_kzt, row.commission_kzt, row.tax_kzt) == (1_000, 200, 60)


def test_a_line_cut_in_part_is_charged_for_what_is_left():
    product = make_product("70311")
    order = order_of((product, 3), delivery_fee_kzt=0)
    hold(order, [["70311", 3, 900]], cost=2_700)
    order.lines.update(quantity=1)
    move(order, Order.COMPLETED, at=LATE)
    row = order.bookings.get()
    assert (row.quantity, row.revenue_kzt, row.cost_kzt) == (1, 2_000, 900)


def hold(order: Order, lines: list[list[object]], *, cost: int | None) -> Reservation:
    supplied = SupplierOrder.objects.create(
        supplier_order_id=f"9{order.code}", placed_at=LATE, lines=lines
    )
    reservation = reservation_of(order)
    reservation.supplier_order, reservation.status = supplied, "held"
    reservation.cost_kzt = cost
    reservation.save()
    return reservation


def test_the_cost_is_what_al_styles_order_says_as_soon_as_it_is_known():
    first, second = make_product("70311"), make_product("70312", cost_kzt=3_000)
    order = order_of((first, 2), (second, 1), delivery_fee_kzt=0)
    hold(order, [["70311", 2, 950], ["70312", 1, 3_100]], cost=5_000)
    replan(order, now=LATE)
    costs = {row.product_id: row.cost_kzt for row in order.bookings.all()}
    assert costs == {first.pk: 1_900, second.pk: 3_100}
    assert all(row.is_cost_final for row in order.bookings.all())


def test_a_sum_without_prices_is_shared_by_the_dealers_and_spare_pieces_stay_ours():
    singles = make_product("70311", multiplicity=10)
    order = order_of((singles, 4), delivery_fee_kzt=0)
    hold(order, [], cost=9_000)
    replan(order, now=LATE)
    row = order.bookings.get()
    assert (row.cost_kzt, row.is_cost_final) == (3_600, True)


def test_goods_released_since_say_nothing_of_the_cost():
    order = order_of((make_product("70311"), 1))
    reservation = hold(order, [["70311", 1, 7]], cost=7)
    Reservation.objects.filter(pk=reservation.pk).update(status="released")
    replan(order, now=LATE)
    row = order.bookings.get()
    assert (row.cost_kzt, row.is_cost_final) == (1_000, False)


@pytest.mark.parametrize("cost", [None, 0, 1, 9_999_999])
def test_an_unknown_cost_is_no_profit(cost):
    order = order_of((make_product("70311", cost_kzt=cost), 1))
    order.lines.update(price_kzt=2_000)
    move(order, Order.COMPLETED, at=LATE)
    row = order.bookings.get()
    assert (row.revenue_kzt, row.cost_kzt, row.profit_kzt) == (2_000, None, None)


def test_the_database_keeps_an_unknown_cost_out_of_the_profit():
    order = order_of((make_product("70311", cost_kzt=None), 1), total_kzt=2_000)
    with pytest.raises(IntegrityError), transaction.atomic():
        order.bookings.update(profit_kzt=2_000)


def test_a_line_of_nobody_knows_which_product_brings_revenue_only():
    order = order_of((make_product("70311"), 1))
    order.lines.update(product=None, sku="XX-999")
    move(order, Order.COMPLETED, at=LATE)
    row = order.bookings.get()
    assert (row.product_id, row.revenue_kzt, row.profit_kzt) == (None, 2_000, None)


def test_an_order_without_lines_is_booked_as_a_whole():
    order = order_of(total_kzt=5_000)
    move(order, Order.COMPLETED, at=LATE)
    row = order.bookings.get()
    assert (row.line_id, row.revenue_kzt, row.profit_kzt) == (None, 5_000, None)


def test_own_delivery_costs_what_the_rule_says_and_pickup_nothing():
    product = make_product("70311")
    own = order_of((product, 1), state=Order.DELIVERY, delivery_mode="DELIVERY_LOCAL")
    fetched = order_of(
        (product, 1), state=Order.PICKUP, delivery_mode="DELIVERY_PICKUP"
    )
    told = order_of((product, 1), delivery_fee_kzt=1_099, is_kaspi_delivery=True)
    fees = [
        (row.delivery_kzt, row.is_delivery_estimated)
        for order in (own, fetched, told)
        for row in order.bookings.all()
    ]
    assert fees == [(400, True), (0, False), (1_099, False)]


def test_a_discount_is_shared_by_the_lines():
    first, second = make_product("70311"), make_product("70312", cost_kzt=3_000)
    order = order_of((first, 1), (second, 1), total_kzt=7_200, delivery_fee_kzt=100)
    found = {row.product_id: row for row in order.bookings.all()}
    assert [found[p.pk].revenue_kzt for p in (first, second)] == [1_800, 5_400]
    assert [found[p.pk].delivery_kzt for p in (first, second)] == [25, 75]


def test_what_was_guessed_at_the_sale_stays_as_it_was_then():
    product = make_product("70311", category=make_category(), brand="Zeta")
    order = order_of((product, 1))
    move(order, Order.COMPLETED, at=LATE)
    before = rows(order)
    product.cost_kzt, product.brand, product.category = 1_900, "Other", None
    product.save()
    PriceRule.objects.update(tax_percent=12, delivery_kzt=900)
    assert recount_money(now=MAY).differing == 0
    assert rows(order) == before
    assert order.bookings.get().brand == "Zeta"


def test_a_corrected_commission_counts_for_sales_of_its_days():
    order = order_of((make_product("70311"), 1), delivery_fee_kzt=0)
    move(order, Order.COMPLETED, at=APRIL)
    CommissionRate.objects.create(percent=20, holds_from=date(2026, 4, 1))
    assert recount_money(now=MAY).differing == 0
    CommissionRate.objects.create(percent=8, holds_from=date(2026, 3, 31))
    assert recount_money(now=MAY).changed == 1
    assert order.bookings.get().commission_kzt == 160


def test_the_recount_finds_what_is_missing_differs_or_is_too_much(capsys):
    product = make_product("70311")
    lost, wrong, spare = (order_of((product, 1)) for _ in range(3))
    lost.bookings.all().delete()
    wrong.bookings.update(revenue_kzt=7, profit_kzt=None)
    Order.objects.filter(pk=spare.pk).update(status=Order.CANCELLED)
    with pytest.raises(CommandError):
        call_command("recount_money", "--check")
    assert not lost.bookings.exists()
    assert "1 rows missing, 1 differing, 1 too many" in capsys.readouterr().out
    call_command("recount_money")
    call_command("recount_money", "--check")
    assert wrong.bookings.get().revenue_kzt == 2_000
    assert not spare.bookings.exists()


def test_many_orders_are_recounted_in_few_queries(django_assert_max_num_queries):
    product = make_product("70311")
    for _ in range(30):
        make_order((product, 1))
    with django_assert_max_num_queries(20):
        assert recount_money(now=LATE).made == 30


def test_figures_that_cannot_be_booked_hold_nothing_up(monkeypatch, caplog):
    order = order_of((make_product("70311"), 1))
    monkeypatch.setattr("orders.money.booking._wanted", lambda *a, **k: 1 / 0)
    with transaction.atomic():
        book_safely([order], now=LATE)
        replan(order, now=LATE)
    assert order.code in caplog.text


def test_orders_that_earn_less_than_is_set_are_found():
    product = make_product("70311")
    dear = order_of((product, 1), delivery_fee_kzt=0)
    cheap = order_of((product, 1), delivery_fee_kzt=800)
    unknown = order_of((make_product("70312", cost_kzt=None), 1), total_kzt=1)
    gone = order_of((product, 1), delivery_fee_kzt=9_000)
    move(gone, Order.CANCELLED, at=APRIL)

    def below(**limits):
        asked = {"percent": Decimal(0), "kzt": 0, **limits}
        found = Booking.objects.orders_below(**asked)
        return set(Order.objects.filter(pk__in=found))

    assert [r.profit_kzt for o in (dear, cheap) for r in o.bookings.all()] == [740, -60]
    assert below() == {cheap}
    assert below(kzt=740) == {cheap}
    assert below(kzt=741) == {dear, cheap}
    assert below(percent=Decimal(74)) == {cheap}
    assert below(percent=Decimal("74.01")) == {dear, cheap}
    assert unknown.pk not in below(kzt=10**9)


def test_intake_books_what_it_takes_in(kaspi, settings):
    from orders.kaspi.client import open_client
    from orders.reading.polling import poll_orders

    make_product("70311")
    made = kaspi.new_order(
        [{"sku": "70311", "raw": {"category": {"title": "Чехлы для смартфонов"}}}]
    )
    with open_client() as client, time_machine.travel(datetime.now(timezone.utc)):
        poll_orders(client, now=datetime.now(timezone.utc))
    order = Order.objects.get(code=made.code)
    assert order.lines.get().kaspi_category == "Чехлы для смартфонов"
    assert order.bookings.get().kind == EXPECTED
