from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from backoffice.formatting import Tone, absolute
from orders.dashboard import read_order_readings, read_orders
from orders.models import (
    Finding,
    LearnedFact,
    Order,
    Purchase,
    ReadMark,
    Step,
    SupplierAccount,
)
from orders.plan.actions import note_fact
from tests.orders.factories import doubt, make_order, make_product
from tests.staff import HOSTILE, log_in, page

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def now():
    return timezone.now()


def make_mark(state: str, *, age: timedelta, error: str = "") -> ReadMark:
    now = timezone.now()
    return ReadMark.objects.create(
        state=state, read_until=now - age, first_read_at=now, error=error
    )


def stick(order: Order, reason: str) -> None:
    Step.objects.filter(order=order).update(
        status=Step.Status.NEEDS_PERSON, last_error=reason
    )


def test_without_orders_nothing_needs_anybody(now):
    seen = read_orders(now=now)
    assert (seen.needs, seen.pressing, seen.stuck) == ([], [], [])
    assert read_order_readings(now=now) == []


def test_the_nearest_deadlines_are_on_top(now):
    product = make_product("70311")
    calm = make_order((product, 1), accept_by=now + 90 * MINUTE)
    late = make_order((product, 1), accept_by=now - 5 * MINUTE)
    make_order((product, 1), state=Order.SIGN_REQUIRED)
    seen = read_orders(now=now)
    assert [order.code for order in seen.pressing] == [late.code, calm.code]
    assert f"Order {late.code} is overdue" in [need.text for need in seen.needs]


def test_a_deadline_is_told_before_it_is_missed(now, settings):
    settings.DEADLINE_NEAR_MIN = 30
    product = make_product("70311")
    near = make_order((product, 1), accept_by=now + 20 * MINUTE)
    make_order((product, 1), accept_by=now + 40 * MINUTE)
    (need,) = read_orders(now=now).needs
    assert need.text == f"Order {near.code} is due in 20 min"
    assert need.tone == Tone.WARN


def test_contradictions_are_counted(now):
    Finding.objects.create(
        kind=Finding.Kind.NOBODYS, subject="1", text="?", raised_at=now, seen_at=now
    )
    (need,) = read_orders(now=now).needs
    assert need.text.startswith("1 contradiction was found")
    assert need.url == "/admin/orders/finding/"
    Finding.objects.update(status=Finding.Status.SETTLED)
    assert read_orders(now=now).needs == []


def test_what_is_stuck_is_told_with_its_reason(now):
    order = make_order((make_product("70311"), 1))
    stick(order, "No power of attorney")
    seen = read_orders(now=now)
    (stuck,) = seen.stuck
    assert (stuck.code, stuck.reason) == (
        order.code,
        "Reserve: No power of attorney",
    )
    (urgent,) = [tab for tab in seen.tabs if tab.is_urgent]
    assert urgent.value == "1"
    assert seen.needs[0].tone == Tone.BAD
    assert "tab=person" in seen.needs[0].url


def test_a_poll_that_stays_away_is_told(now):
    assert not make_mark(Order.NEW, age=6 * MINUTE).is_late(now=now)
    late = make_mark(Order.SIGN_REQUIRED, age=20 * MINUTE, error="HTTP 500")
    assert late.is_late(now=now)
    assert not make_mark(Order.PICKUP, age=20 * MINUTE).is_late(now=now)
    # Finished orders are looked at once a day.
    assert not make_mark(Order.ARCHIVE, age=timedelta(hours=24)).is_late(now=now)
    (need,) = read_orders(now=now).needs
    assert "HTTP 500" in need.text
    assert need.tone == Tone.WARN


def test_whoever_reads_more_rarely_is_late_later(now, settings):
    new = make_mark(Order.NEW, age=50 * MINUTE)
    moving = make_mark(Order.PICKUP, age=100 * MINUTE)
    assert new.is_late(now=now)
    assert moving.is_late(now=now)
    settings.POLL_ORDERS_EVERY_MIN = 20
    settings.REFRESH_ORDERS_EVERY_MIN = 60
    assert not new.is_late(now=now)
    assert not moving.is_late(now=now)
    assert new.is_late(now=now + 11 * MINUTE)


def test_todays_money_leaves_out_what_was_called_off(now):
    product = make_product("70311")
    make_order((product, 1), total_kzt=5000)
    make_order((product, 1), total_kzt=900, status=Order.CANCELLING)
    make_order((product, 1), total_kzt=70_000, created_at=now - timedelta(days=1))
    values = [figure.value for figure in read_orders(now=now).money]
    assert values == ["2", "5\u202f000\xa0₸", "70\u202f000\xa0₸", "10\u202f000\xa0₸"]


def test_figures_of_a_day_lead_to_the_orders_of_that_day(now, settings):
    product = make_product("70311")
    today = make_order((product, 1))
    before = make_order((product, 1), created_at=now - timedelta(days=1))
    urls = [figure.url for figure in read_orders(now=now).money]
    viewer = log_in(settings, "viewer")
    for url, shown, hidden in ((urls[0], today, before), (urls[2], before, today)):
        html = page(viewer, url)
        assert shown.code in html
        assert hidden.code not in html


def silence(now, *, is_selling: bool = True) -> list[str]:
    needs = read_orders(now=now, is_selling=is_selling).needs
    return [need.text for need in needs if "Kaspi has shown no" in need.text]


def test_nothing_from_kaspi_for_days_is_no_proof_of_no_orders(now, settings):
    settings.ORDERS_SILENT_DAYS = 3
    make_mark(Order.NEW, age=MINUTE)
    assert silence(now) == []
    ReadMark.objects.update(first_read_at=now - timedelta(days=1))
    (text,) = silence(now)
    assert "KASPI_MERCHANT_UID" in text
    assert silence(now, is_selling=False) == []
    settings.KASPI_MERCHANT_UID = "30412007"
    assert "may be wrong" in silence(now)[0]
    make_order((make_product("70311"), 1))
    Order.objects.update(created_at=now - timedelta(days=2))
    assert silence(now) == []
    Order.objects.update(created_at=now - timedelta(days=30))
    # The bridge has read for a day only: it cannot know of a longer silence.
    assert silence(now) == []
    ReadMark.objects.update(first_read_at=now - timedelta(days=3))
    assert "no new order" in silence(now)[0]


def test_where_nothing_was_ever_read_silence_says_nothing(now):
    make_mark(Order.NEW, age=timedelta(days=40 * 365), error="HTTP 403")
    assert silence(now) == []


def test_the_share_of_cancellations_is_told_before_it_bites(now):
    product = make_product("70311")
    for _ in range(97):
        make_order((product, 1))
    # Neither counts: another reason, and too long ago.
    over = {"status": Order.CANCELLED, "state": Order.ARCHIVE, "ended_at": now}
    make_order((product, 1), **over, cancellation_reason="BUYER_CANCELLATION_HIMSELF")
    short = {**over, "cancellation_reason": "MERCHANT_OUT_OF_STOCK"}
    make_order((product, 1), **short, created_at=now - timedelta(days=31))

    month_ago = now - timedelta(days=30)

    def share() -> tuple[str, list[Tone]]:
        seen = read_orders(now=now)
        (figure,) = seen.figures
        told = [need for need in seen.needs if "out of stock" in need.text]
        return figure.value, [need.tone for need in told]

    for number, value, tones in (
        (0, "0.0 %", []),
        (2, "2.0 %", []),
        (4, "3.9 %", [Tone.WARN]),
        (6, "5.8 %", [Tone.BAD]),
    ):
        while Order.objects.count_out_of_stock(since=month_ago)[0] < number:
            make_order((product, 1), **short)
        assert share() == (value, tones)


def test_the_overview_shows_the_orders_in_few_queries(settings, now):
    client = log_in(settings, "viewer")
    product = make_product("70311")
    stick(make_order((product, 1)), HOSTILE)
    make_mark(Order.NEW, age=90 * MINUTE, error=HOSTILE)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            html = page(client, "/admin/")
        assert HOSTILE not in html
        return len(queries)

    few = count()
    for _ in range(12):
        stick(make_order((product, 1)), HOSTILE)
    assert count() == few
    code = Order.objects.earliest("pk").code
    assert code in page(client, "/admin/")


def test_it_reads_in_a_fixed_number_of_queries(now, django_assert_num_queries):
    make_mark(Order.NEW, age=MINUTE)
    with django_assert_num_queries(6):
        read_orders(now=now, is_selling=True)


def keep_out(order: Order, *, age: timedelta, **carts: object) -> Purchase:
    """Let an order's purchase have met somebody's goods in the cart."""
    return doubt(
        order,
        status=Purchase.Status.GIVEN_UP,
        submits=[],
        created_at=timezone.now() - age,
        **{"cart_before": {"999": 5}, **carts},
    )


def test_somebodys_goods_in_the_cart_are_told_with_what_waits(now):
    product = make_product("70311")
    first, second = make_order((product, 1)), make_order((product, 1))
    keep_out(first, age=50 * MINUTE, cart_before={})
    keep_out(first, age=40 * MINUTE)
    keep_out(second, age=5 * MINUTE, cart_before={}, cart_after={"70311": 1, "999": 5})
    (need,) = [
        n for n in read_orders(now=now, is_selling=True).needs if "cart" in n.text
    ]
    assert "999 × 5" in need.text
    assert "2 orders wait" in need.text
    assert absolute(now - 40 * MINUTE, now=now) in need.text
    assert need.tone == Tone.BAD
    # What the supplier gave as marked down is nobody's.
    keep_out(first, age=MINUTE, cart_before={}, cart_after={"70311 (markdown)": 1})
    assert not [
        n for n in read_orders(now=now, is_selling=True).needs if "cart" in n.text
    ]


@pytest.mark.parametrize(
    ("days", "tone"), [(31, None), (30, Tone.WARN), (8, Tone.WARN), (7, Tone.BAD)]
)
def test_the_power_of_attorneys_end_is_told_in_time(now, days, tone):
    ends = timezone.localtime(now).date() + timedelta(days=days)
    SupplierAccount.objects.create(
        name="alstyle",
        attorneys=[{"ДатаОкончания": f"{ends:%d.%m.%Y}", "Основной": 1}],
        read_at=now,
    )
    needs = read_orders(now=now, is_selling=True).needs
    assert [need.tone for need in needs if "attorney" in need.text] == (
        [tone] if tone else []
    )


def test_without_a_valid_power_of_attorney_nothing_can_be_bought(now):
    SupplierAccount.objects.create(
        name="alstyle", attorneys=[{"ДатаОкончания": "01.02.2020"}], read_at=now
    )
    (need,) = read_orders(now=now, is_selling=True).needs
    assert need.tone == Tone.BAD


def test_what_changed_at_the_supplier_is_told_until_somebody_took_note(now):
    values = {"evidence": "№1", "learned_at": now}
    LearnedFact.objects.create(name="submit_empties", value="no", **values)
    LearnedFact.objects.create(name="listed_after_s", value="9", previous="7", **values)
    assert read_orders(now=now, is_selling=True).needs == []
    LearnedFact.objects.update(previous="yes")
    (need,) = read_orders(now=now, is_selling=True).needs
    assert "now no, before yes" in need.text
    fact = LearnedFact.objects.get(name="submit_empties")
    assert fact.is_news
    note_fact(fact, actor="anna")
    assert not LearnedFact.objects.get(name="submit_empties").is_news
    assert read_orders(now=now, is_selling=True).needs == []


def test_a_purchase_that_waits_for_go_on_is_told(now, settings):
    order = make_order((make_product("70311"), 1))
    purchase = doubt(
        order, status=Purchase.Status.OPENED, stage="looked", paused_at=now, submits=[]
    )
    (need,) = read_orders(now=now, is_selling=True).needs
    assert need.tone == Tone.BAD
    assert f"№{purchase.pk}" in need.text
    Purchase.objects.update(status="given_up", paused_at=None, stage="after")
    assert read_orders(now=now, is_selling=True).needs == []
    settings.SUPERVISE_FIRST_PURCHASE = True
    (need,) = read_orders(now=now, is_selling=True).needs
    assert "go on by yourself" in need.text


def test_called_off_orders_bring_no_revenue(now):
    product = make_product("70311")
    make_order((product, 1), total_kzt=7_000)
    for status in Order.CALLED_OFF:
        make_order((product, 1), total_kzt=90_000, status=status)
    orders, revenue = read_orders(now=now).charts
    assert f": {1 + len(Order.CALLED_OFF)}<" in orders
    assert ": 7\u202f000<" in revenue
