from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from io import BytesIO

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.urls import reverse
from openpyxl import load_workbook

from backoffice.charts import Bar, draw_bars
from backoffice.formatting import gain, percents
from catalog.models import CommissionRate
from orders.admin.money_filters import read_earnings
from orders.models import Booking, Order
from orders.money.booking import book_orders
from orders.money.periods import Period
from orders.money.summing import (
    Only,
    Sums,
    read_called_off,
    read_days,
    read_groups,
    read_open,
    total,
)
from tests.catalog.factories import make_category
from tests.orders.factories import make_order, make_product
from tests.staff import HOSTILE, log_in, page, queued

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 31, 7, 0, tzinfo=timezone.utc)
REPORT, XLSX, ORDERS = (
    reverse(f"admin:orders_{name}")
    for name in ("booking_changelist", "booking_xlsx", "order_changelist")
)
MARCH = Period(first=date(2026, 3, 1), last=date(2026, 3, 31))
ALL = Only()


@pytest.fixture(autouse=True)
def on_the_last_of_march():
    CommissionRate.objects.update(percent=10)
    with time_machine.travel(NOW, tick=False):
        yield


def sell(*wanted, at=NOW, status=Order.COMPLETED, **fields) -> Order:
    ended = at if status in Order.ENDED else None
    values = {"delivery_fee_kzt": 0, "ended_at": ended, **fields}
    order = make_order(*wanted, created_at=at, status=status, **values)
    book_orders([order], now=at)
    return order


def give_back(order: Order, *, at: datetime) -> None:
    order.status, order.ended_at = Order.RETURNED, at
    order.save()
    book_orders([order], now=at)


def test_a_period_adds_up_what_was_booked_in_it():
    product = make_product("70311")
    sell((product, 2))
    returned = sell((product, 1), at=NOW - timedelta(days=40))
    give_back(returned, at=NOW)
    sell((make_product("70312", cost_kzt=None), 1), total_kzt=3_000)
    sell((product, 1), status=Order.CANCELLED, total_kzt=9_000)
    sell((product, 1), status=Order.ACCEPTED)
    sums = total(read_days(MARCH, ALL).values())
    assert sums == Sums(
        orders=2,
        returns=1,
        pieces=2,
        revenue=4_000 - 2_000 + 2_000,
        returned=-2_000,
        came_back=-1_000,
        cost=2_000 - 1_000,
        commission=400 - 200 + 200,
        profit=1_600 - 800,
        unknown=1,
        unknown_revenue=2_000,
    )
    # 800 of the 2 000 of which the cost is known.
    assert sums.percent == 40
    assert read_called_off(MARCH) == (1, 9_000)
    expected, back = read_open(ALL)
    assert (expected.orders, expected.profit) == (1, 800)
    assert back == Sums()


def test_an_order_called_off_after_its_sale_is_a_return_and_not_called_off_too():
    order = sell((make_product("70311"), 1), total_kzt=2_000)
    Order.objects.filter(pk=order.pk).update(status=Order.CANCELLED)
    order.refresh_from_db()
    book_orders([order], now=NOW)
    assert total(read_days(MARCH, ALL).values()).returns == 1
    assert read_called_off(MARCH) == (0, 0)


@pytest.mark.parametrize("by", ["product", "brand", "category", "order"])
def test_groups_add_up_to_the_whole(by):
    goods = [
        make_product("70311", brand="Zeta", category=make_category("1")),
        make_product("70312", brand="Delux"),
        make_product("70313", brand="Zeta"),
    ]
    for number, product in enumerate(goods):
        sell((product, 1), (goods[0], number + 1))
    whole = total(read_days(MARCH, ALL).values())
    groups = [sums for _key, sums in read_groups(by, MARCH, ALL)]
    for name in ("revenue", "cost", "commission", "tax", "delivery", "profit"):
        assert sum(getattr(g, name) for g in groups) == getattr(whole, name) != "", name
    assert [g.revenue for g in groups] == sorted(g.revenue for g in groups)[::-1]
    assert whole.orders == 3


def test_an_order_of_two_lines_counts_once_wherever_it_is_looked_at():
    one, other = make_product("70311", brand="Zeta"), make_product("70312", brand="Z")
    sell((one, 1), (other, 1))
    assert total(read_days(MARCH, ALL).values()).orders == 1
    # Its second line alone is still one order.
    only = Only(product=other.pk)
    assert total(read_days(MARCH, only).values()).orders == 1
    assert [s.orders for _key, s in read_groups("brand", MARCH, ALL)] == [1, 1]


def test_the_report_shows_the_period_and_what_it_is_compared_with(settings):
    product = make_product("70311", name="Мышь")
    sell((product, 1))
    sell((product, 2), at=NOW - timedelta(days=35))
    text = page(log_in(settings, "owner"), REPORT, p="30")
    assert "2\u202f000\u00a0₸" in text
    assert "−50\u00a0%" in text
    assert "profit may be overstated" in text
    for words in ("A sale counts on the day", "A return counts on the day"):
        assert words in text


@pytest.mark.parametrize(
    "by", ["day", "week", "month", "product", "brand", "category", "order"]
)
def test_every_grouping_is_shown_and_takes_few_queries(
    settings, by, django_assert_max_num_queries
):
    branch = make_category("1", name=HOSTILE)
    for n in range(12):
        product = make_product(str(70_311 + n), name=HOSTILE, category=branch)
        sell((product, 1), (make_product(str(80_311 + n), brand=HOSTILE), 1))
    client = log_in(settings, "owner")
    page(client, REPORT)
    with django_assert_max_num_queries(12):
        text = page(client, REPORT, p="this_month", by=by, sort="-profit")
    assert "<script>alert" not in text
    assert "48\u202f000" in text


@pytest.mark.parametrize(
    "query",
    [
        {"p": "custom", "from": "31.03.2026", "to": "x"},
        {"p": "custom"},
        {"by": "moon", "sort": "-password", "page": "-1"},
        {"product": "x", "category": "9" * 40, "page": "9" * 30},
        {"product": "٣", "brand": HOSTILE},
        {"p": "custom", "from": "0001-01-01", "to": "9999-12-31"},
    ],
)
def test_nonsense_in_the_address_shows_a_report_still(settings, query):
    page(log_in(settings, "owner"), REPORT, **query)


def test_one_product_is_looked_at_alone(settings):
    one, other = make_product("70311", name="Мышь"), make_product("70312")
    sell((one, 1))
    sell((other, 3))
    client = log_in(settings, "owner")
    text = page(client, REPORT, p="this_month", by="day", product=str(one.pk))
    assert "Only:" in text
    assert "2\u202f000" in text
    assert "6\u202f000" not in text


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_the_report_is_the_owners(settings, role):
    client = log_in(settings, role)
    for url in (REPORT, XLSX):
        assert client.get(url).status_code == 403
    assert client.post(reverse("admin:orders_booking_recount")).status_code == 403
    assert REPORT not in page(client, reverse("admin:orders_order_changelist"))
    user = User.objects.get(username=role)
    user.user_permissions.add(Permission.objects.get(codename="view_booking"))
    assert client.get(REPORT).status_code == 200


def test_counting_anew_is_asked_for_by_post(settings):
    client, url = log_in(settings, "owner"), reverse("admin:orders_booking_recount")
    assert client.get(url).status_code == 403
    client.post(url)
    assert any("recount_money" in name for name in queued())


def test_the_table_comes_as_numbers_and_runs_no_formula(settings):
    sell((make_product("70311", name="=HYPERLINK(1)"), 1))
    sell((make_product("70312", cost_kzt=50_000), 1), total_kzt=40_000)
    client = log_in(settings, "owner")
    answer = client.get(XLSX, {"p": "this_month", "by": "product"})
    assert (
        "profit-2026-03-01-2026-03-31-by-product.xlsx" in answer["Content-Disposition"]
    )
    book = load_workbook(BytesIO(answer.content))
    head, *rows, whole = book.worksheets[0].values
    assert head[5:12] == (
        *("revenue, ₸", "of which returns, ₸", "cost, ₸", "commission, ₸"),
        *("tax, ₸", "delivery, ₸", "profit, ₸"),
    )
    assert {row[0] for row in rows} == {"'=HYPERLINK(1)", "Товар 70312"}
    assert whole[5] == sum(row[5] for row in rows) == 42_000
    assert whole[11] == sum(row[11] for row in rows)
    assert min(row[11] for row in rows) < 0
    assert book.worksheets[1].max_row > 4


def test_the_report_leads_to_the_orders_it_is_made_of(settings):
    one, other = make_product("70311"), make_product("70312")
    mine, another = sell((one, 1)), sell((other, 1))
    older = sell((one, 1), at=NOW - timedelta(days=40))
    client = log_in(settings, "owner")
    asked = {
        "tab": "all",
        "booked_from": "2026-03-01",
        "booked_to": "2026-03-31",
        "booked_product": str(one.pk),
    }
    text = page(client, ORDERS, **asked)
    assert mine.code in text
    assert another.code not in text
    assert older.code not in text
    assert "1–31 March 2026" in text
    # What makes no sense is left out, not an error.
    page(client, ORDERS, tab="all", booked_from="x", booked_to="y", booked_brand="")


def test_orders_under_the_least_margin_stand_out_and_are_filtered(settings):
    product = make_product("70311")
    sell((product, 1), status=Order.ACCEPTED)
    loss = sell((product, 1), status=Order.ACCEPTED, delivery_fee_kzt=900)
    small = sell((product, 1), status=Order.ACCEPTED, delivery_fee_kzt=700)
    unknown = sell(
        (make_product("70312", cost_kzt=None), 1), status=Order.ACCEPTED, total_kzt=5
    )
    settings.MARGIN_LEAST_KZT = 200
    pks = list(Order.objects.values_list("pk", flat=True))
    earned = read_earnings(pks)
    assert earned[loss.pk] == (-100, True)
    assert earned[small.pk] == (100, True)
    assert unknown.pk not in earned
    client = log_in(settings, "viewer")
    text = page(client, ORDERS)
    assert 'class="pill bad" title="under the least margin">loss 100<' in text
    assert 'class="pill warn" title="under the least margin">earns 100<' in text
    below = page(client, ORDERS, money="below")
    assert (loss.code in below, small.code in below) == (True, True)
    assert below.count("field-show_code") == 2
    lost = page(client, ORDERS, money="loss")
    assert (loss.code in lost, small.code in lost) == (True, False)
    assert unknown.code in page(client, ORDERS, money="unknown")
    # The list and the filter go by one rule.
    by_rule = {pk for pk, (_earned, is_below) in earned.items() if is_below}
    limits = {"percent": settings.MARGIN_LEAST_PERCENT, "kzt": 200}
    found = Booking.objects.orders_below(**limits)
    assert {row["order"] for row in found} == by_rule


def test_a_page_of_orders_takes_few_queries(settings, django_assert_max_num_queries):
    product = make_product("70311")
    for _ in range(30):
        sell((product, 1), status=Order.ACCEPTED, delivery_fee_kzt=900)
    client = log_in(settings, "owner")
    page(client, ORDERS)
    with django_assert_max_num_queries(12):
        page(client, ORDERS, money="below")


def test_losses_hang_below_zero():
    svg = draw_bars([Bar(label="a", value=100), Bar(label="b", value=-50)], title="t")
    assert 'class="bar" x="36.0" y="0.0" width="228.0" height="80.0"' in svg
    assert 'class="bar loss" x="336.0" y="80.0" width="228.0" height="40.0"' in svg
    assert "−50" in svg


def test_losses_bear_a_real_minus():
    assert "−1\u202f500" in gain(-1_500)
    assert "loss" in gain(-1)
    assert "loss" not in gain(0)
    assert percents(-5) == "−5\u00a0%"
    assert percents(None) == "—"
