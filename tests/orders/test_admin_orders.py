from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from pypdf import PdfReader, PdfWriter

from orders.models import (
    Buyer,
    Order,
    ReadMark,
    Reason,
    Reservation,
    SkuMapping,
    Step,
    SupplierOrder,
    Waybill,
)
from orders.plan import actions
from orders.plan.actions import ActionImpossible
from orders.plan.events import record
from orders.plan.transitions import move_reservation, move_step
from orders.tasks import refresh_one
from plumbing import tracing
from plumbing.models import ClockApart
from plumbing.peers import PeerError
from tests.orders.factories import (
    doubt,
    make_order,
    make_product,
    purchase_of,
    reservation_of,
    step_of,
)
from tests.orders.stuck import not_bought
from tests.staff import HOSTILE, log_in, messages_of, page, queued

pytestmark = pytest.mark.django_db
S, R, K = Step.Status, Reservation.Status, Step.Kind
PHONE = "7012345678"
OTHER_IMEI = "352099001761481"
LIST = "/admin/orders/order/"


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """Collect what is queued; a test without peers shows that none is called."""
    tasks: list[tuple[object, ...]] = []

    def enqueue(func, *args, cluster):
        tasks.append((func, *args, cluster))
        return "id"

    monkeypatch.setattr("orders.admin.buttons.of_orders.enqueue", enqueue)
    return tasks


@pytest.fixture
def operator(settings):
    return log_in(settings, "operator")


@pytest.fixture
def product():
    return make_product("70311", name="Чайник")


def page_of(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


def do(client, target, slug: str, **data):
    """Press a button, on an order or one of its steps or lines."""
    kind = type(target).__name__.lower().replace("orderline", "line")
    url = reverse(f"admin:act_on_{kind}", args=[target.pk, slug])
    response = client.post(url, data, follow=True)
    assert response.status_code == 200
    return response


def stick(order: Order, to: str, text: str = "Nothing left", **fields: Any) -> Step:
    """Let the order's reserve end with a person."""
    step, now = step_of(order), timezone.now()
    soon = now + timedelta(minutes=1)
    move_step(step, S.IN_FLIGHT, text="begun", now=now, claimed_until=soon)
    move_step(step, to, text=text, now=now, last_error=text, **fields)
    return step


def hold(order: Order, number: str = "101") -> None:
    """Let Al-Style hold the order's goods."""
    step, now = step_of(order), timezone.now()
    soon = now + timedelta(minutes=1)
    move_step(step, S.IN_FLIGHT, text="begun", now=now, claimed_until=soon)
    move_step(step, S.DONE, text="reserved", now=now)
    supplied = SupplierOrder.objects.create(
        supplier_order_id=number, placed_at=now, lines=[["70311", 1, 1000]]
    )
    move_reservation(
        reservation_of(order),
        R.HELD,
        text="held",
        now=now,
        supplier_order=supplied,
        cost_kzt=1000,
    )


def at_kaspi(product, **fields: object) -> Order:
    """Make an accepted order that Kaspi delivers, its goods held."""
    order = make_order((product, 1))
    hold(order, number=f"9{order.pk}")
    values = {"state": Order.KASPI_DELIVERY, "status": Order.ACCEPTED, **fields}
    Order.objects.filter(pk=order.pk).update(**values)
    order.refresh_from_db()
    return order


def unsure(product) -> tuple[Order, Step]:
    """Make an order whose reserve found two orders that may be its own."""
    order = make_order((product, 1))
    found = [
        {
            "id": number,
            "sum": 1000,
            "placed_at": "2026-03-10T08:41:00+05:00",
            "lines": [["70311", 1, 1000]],
        }
        for number in ("501", "502")
    ]
    doubt(order, candidates=found)
    return order, stick(order, S.NEEDS_PERSON, answered={"candidates": found})


def pdf() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(width=200, height=140)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


# -- pages -------------------------------------------------------------------------


def furnish(product) -> Order:
    """Make an order that holds something of everything, names that are code."""
    order = at_kaspi(product, is_assembled=True, total_kzt=1500, problem=HOSTILE)
    order.lines.update(name=HOSTILE, problem=HOSTILE, price_kzt=1500, total_kzt=1500)
    order.events.create(happened_at=timezone.now(), actor="anna", text=HOSTILE)
    Buyer.objects.create(order=order, name=HOSTILE, phone=PHONE, address=HOSTILE)
    Waybill.objects.create(
        order=order, number=HOSTILE, pdf=pdf(), fetched_at=timezone.now()
    )
    other, _step = unsure(product)
    other.lines.update(name=HOSTILE)
    SupplierOrder.objects.update(status="P", lines=[[HOSTILE, 1, 2], ["70311"]])
    ReadMark.objects.create(
        state="NEW",
        read_until=timezone.now() - timedelta(hours=1),
        first_read_at=timezone.now(),
        failed_at=timezone.now(),
        error=HOSTILE,
    )
    Step.objects.filter(order=other).update(last_error=HOSTILE)
    return order


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("role", ["viewer", "operator", "owner"])
def test_every_page_opens_and_escapes_what_others_wrote(
    settings, product, role, language
):
    client = log_in(settings, role, language=language)
    order = furnish(product)
    supplied = SupplierOrder.objects.latest("pk")
    for url in (
        LIST,
        f"{LIST}?tab=all",
        *(page_of(one) for one in Order.objects.all()),
        "/admin/orders/step/",
        "/admin/orders/step/?stuck=yes",
        "/admin/orders/reservation/",
        "/admin/orders/supplierorder/",
        reverse("admin:orders_supplierorder_change", args=[supplied.pk]),
        "/admin/orders/readmark/",
    ):
        html = page(client, url)
        assert HOSTILE not in html
        assert "alert('x')" not in html
    assert order.code in page(client, f"{LIST}?tab=hand_over")


def test_an_order_says_where_the_log_tells_more(settings, operator, product):
    order = make_order((product, 1))
    with tracing.traced(request="0123456789abcdef"):
        record(order, "Looked at", now=timezone.now(), step=step_of(order))
    mark = f"request=0123456789abcdef step={step_of(order).pk}"
    shown = page(operator, page_of(order))
    assert f"<code>{mark}</code>" in shown
    assert f"order={order.code}" in shown
    # Nothing of it to whoever does not see the steps' list.
    assert mark not in page(log_in(settings, "packer"), page_of(order))


def test_an_order_without_anything_opens(operator):
    order = make_order()
    order.steps.all().delete()
    order.reservations.all().delete()
    Order.objects.filter(pk=order.pk).update(accept_by=None, status="SOMETHING_NEW")
    assert "SOMETHING_NEW" in page(operator, page_of(order))
    assert order.code in page(operator, LIST)


def test_the_least_time_left_comes_first_and_ended_orders_last(operator, product):
    now = timezone.now()
    late = make_order((product, 1), accept_by=now - timedelta(minutes=5))
    soon = make_order((product, 1), accept_by=now + timedelta(minutes=20))
    calm = make_order((product, 1), accept_by=now + timedelta(hours=2))
    over = make_order(
        (product, 1), status=Order.COMPLETED, state=Order.ARCHIVE, ended_at=now
    )
    html = page(operator, LIST, tab="all")
    places = [html.index(f">{order.code}<") for order in (late, soon, calm, over)]
    assert places == sorted(places)
    assert "overdue" in html
    assert over.code not in page(operator, LIST)


def test_the_time_left_is_kaspis_where_our_clock_is_wrong(operator, product):
    now = timezone.now()
    order = make_order((product, 1), accept_by=now + timedelta(hours=5, minutes=1))
    ClockApart.objects.create(name="Kaspi", seconds=3 * 3600, seen_at=now)
    for url in (LIST, page_of(order)):
        html = page(operator, url)
        assert "2 h 00 min" in html or "2 h 01 min" in html
        assert "5 h" not in html


def test_each_tab_holds_its_orders(operator, product):
    to_reserve = make_order((product, 1))
    to_accept = make_order((product, 1))
    hold(to_accept)
    person = make_order((product, 1))
    stick(person, S.REFUSED)
    to_assemble = at_kaspi(product)
    to_hand_over = at_kaspi(product, is_assembled=True)
    pickup = at_kaspi(product, state=Order.PICKUP)
    transit = at_kaspi(product, status=Order.CANCELLING)
    returns = at_kaspi(product, status=Order.RETURN_REQUESTED)
    ended = at_kaspi(product, status=Order.COMPLETED, ended_at=timezone.now())
    expected = {
        "accept": {to_reserve, to_accept, person},
        "reserve": {to_reserve, person},
        "person": {person},
        "assemble": {to_assemble},
        "hand_over": {to_hand_over, pickup},
        "transit": {transit},
        "returns": {returns},
        "ended": {ended},
        "all": set(Order.objects.all()),
        "open": set(Order.objects.all()) - {ended},
        "nonsense": set(Order.objects.all()) - {ended},
    }
    for tab, orders in expected.items():
        response = operator.get(LIST, {"tab": tab})
        assert set(response.context["cl"].result_list) == orders, tab


def test_what_people_paste_is_found_wherever_it_is(operator, product):
    order = at_kaspi(product, waybill_number="KZ884")
    other = make_order((make_product("55555", sku="SKU-5"), 1))
    Order.objects.filter(pk=other.pk).update(
        ended_at=timezone.now(), status=Order.COMPLETED
    )
    for text, found in (
        (order.code, {order}),
        (order.kaspi_id, {order}),
        ("KZ884", {order}),
        (f"9{order.pk}", {order}),
        ("70311", {order}),
        ("SKU-5", {other}),
        ("55555", {other}),
        (f"{order.code}, {other.code}", {order, other}),
        ("' OR 1=1 --", set()),
    ):
        response = operator.get(LIST, {"q": text})
        assert set(response.context["cl"].result_list) == found, text


def test_a_search_looks_beyond_the_list_that_is_open(operator, product):
    make_order((product, 1))
    html = page(operator, LIST, tab="person", is_express__exact="0")
    form = html[html.index('id="changelist-search"') :].split("</form>")[0]
    assert 'name="is_express__exact"' in form
    assert 'name="tab"' not in form


def test_the_list_takes_few_queries_however_long_it_is(operator, product):
    def count() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page(operator, LIST)
        return len(queries)

    for _ in range(3):
        stick(make_order((product, 1)), S.REFUSED)
    few = count()
    for _ in range(40):
        hold(make_order((product, 1)), number=str(Order.objects.count()))
    assert count() == few
    assert few <= 12


def test_a_buyer_is_shown_to_those_who_may_know(settings, product):
    order = make_order((product, 1))
    Buyer.objects.create(order=order, name="Айгуль", phone=PHONE, address="Абая 10")
    seen = page(log_in(settings, "operator"), page_of(order))
    assert "+7 701 234 56 78" in seen
    masked = page(log_in(settings, "viewer"), page_of(order))
    assert "Абая" not in masked
    assert "Айгуль" not in masked
    assert "234 56" not in masked
    for client in (log_in(settings, "operator"), log_in(settings, "viewer")):
        assert "56 78" not in page(client, LIST)


def test_secrets_are_never_shown(operator, product, settings):
    order = make_order((product, 1))
    text = f"HTTP 500 access-token={settings.ALSTYLE_TOKEN}"
    stick(order, S.REFUSED, text, sent={"x": text}, parameters={"code": "987654"})
    for url in (LIST, page_of(order), "/admin/orders/step/"):
        html = page(operator, url)
        assert settings.ALSTYLE_TOKEN not in html
        assert "987654" not in html


def test_only_the_note_can_be_changed(operator, product):
    order = make_order((product, 1))
    data = {"note": "Позвонить", "code": "1", "status": "X", "_save": "1"}
    operator.post(page_of(order), data)
    code = order.code
    order.refresh_from_db()
    assert (order.note, order.code, order.status) == (
        "Позвонить",
        code,
        Order.APPROVED,
    )
    assert operator.get(f"{LIST}add/").status_code == 403
    delete = reverse("admin:orders_order_delete", args=[order.pk])
    assert operator.post(delete, {"post": "yes"}).status_code == 403


# -- buttons -----------------------------------------------------------------------


def test_a_refused_step_is_tried_again(operator, product, queue):
    order = make_order((product, 1))
    step = stick(order, S.REFUSED)
    assert reverse("admin:act_on_step", args=[step.pk, "buy-again"]) in page(
        operator, page_of(order)
    )
    do(operator, step, "buy-again")
    assert [s.status for s in order.steps.order_by("pk")] == [S.SKIPPED, S.PENDING]
    assert order.events.filter(actor="operator").exists()
    entry = LogEntry.objects.latest("pk")
    assert (entry.object_id, entry.user.username) == (str(order.pk), "operator")


def test_accept_needs_the_goods_or_a_clear_yes(operator, product, queue):
    order = make_order((product, 1))
    assert "not possible" in messages_of(do(operator, order, "accept"))
    assert not order.steps.filter(kind=K.ACCEPT).exists()
    url = reverse("admin:act_on_order", args=[order.pk, "accept-unreserved"])
    assert "nothing is reserved" in page(operator, url)
    assert not order.steps.filter(kind=K.ACCEPT).exists()
    do(operator, order, "accept-unreserved")
    assert step_of(order, K.ACCEPT).status == S.PENDING
    held = make_order((product, 1))
    hold(held)
    do(operator, held, "accept")
    assert step_of(held, K.ACCEPT).status == S.PENDING


def test_reserve_and_release(operator, product):
    order = make_order((product, 1))
    order.steps.all().delete()
    do(operator, order, "reserve")
    assert step_of(order).status == S.PENDING
    hold(order)
    do(operator, order, "release")
    assert step_of(order, K.RELEASE).status == S.PENDING


def test_reserved_by_hand(operator, product):
    order = make_order((product, 1))
    stick(order, S.REFUSED)
    do(operator, order, "by-hand", number="")
    assert reservation_of(order).status == R.BY_HAND
    assert step_of(order).status == S.SKIPPED


def test_reserved_by_hand_under_a_number_is_looked_at_first(operator, product):
    order = make_order((product, 1))
    stick(order, S.REFUSED)
    do(operator, order, "by-hand", number=" 777 ")
    assert reservation_of(order).status == R.WANTED
    step = step_of(order)
    assert (step.status, step.parameters) == (S.PENDING, {"number": "777"})


def test_a_number_that_holds_another_orders_goods_is_refused(operator, product):
    hold(make_order((product, 1)), number="101")
    order = make_order((product, 1))
    response = do(operator, order, "by-hand", number="101")
    assert "another order" in messages_of(response)
    assert reservation_of(order).status == R.WANTED
    assert LogEntry.objects.count() == 0


def test_released_by_hand(operator, product):
    order = make_order((product, 1))
    hold(order)
    do(operator, order, "released")
    reservation = reservation_of(order)
    assert (reservation.status, reservation.counts) == (R.RELEASED, False)


def test_assemble_asks_for_the_places(operator, product):
    order = at_kaspi(product)
    assert "Places" in do(operator, order, "assemble", places="0").content.decode()
    assert not order.steps.filter(kind=K.ASSEMBLE).exists()
    do(operator, order, "assemble", places="3")
    assert step_of(order, K.ASSEMBLE).parameters == {"places": 3}


def test_an_order_is_not_assembled_twice(operator, product):
    order = at_kaspi(product)
    do(operator, order, "assemble", places="1")
    assert "not possible" in messages_of(do(operator, order, "assemble", places="1"))
    assert order.steps.filter(kind=K.ASSEMBLE).count() == 1


def test_a_doubtful_assemble_is_sent_again_by_whoever_has_looked(operator, product):
    order = at_kaspi(product)
    do(operator, order, "assemble", places="2")
    step, now = step_of(order, K.ASSEMBLE), timezone.now()
    assert "not possible" in messages_of(do(operator, step, "assemble-anew"))
    soon = now + timedelta(minutes=1)
    move_step(step, S.IN_FLIGHT, text="x", now=now, claimed_until=soon, sent_at=now)
    move_step(step, S.NEEDS_PERSON, text="no effect", now=now)
    url = reverse("admin:act_on_step", args=[step.pk, "assemble-anew"])
    assert url in page(operator, page_of(order))
    assert "second one" in page(operator, url)
    do(operator, step, "assemble-anew")
    step.refresh_from_db()
    assert (step.status, step.sent_at) == (S.PENDING, None)
    assert step.parameters == {"places": 2}
    with pytest.raises(ActionImpossible):
        actions.assemble_anew(step, actor="operator")


def test_hand_over_by_the_buyers_code(operator, product):
    order = at_kaspi(product, state=Order.PICKUP)
    do(operator, order, "send-code")
    assert step_of(order, K.SEND_CODE).status == S.PENDING
    do(operator, order, "complete", code="4321")
    step = step_of(order, K.COMPLETE)
    assert step.parameters == {"code": "4321"}
    assert "4321" not in page(operator, page_of(order))
    assert "4321" not in LogEntry.objects.latest("pk").change_message


def test_a_wrong_code_can_be_followed_by_the_right_one(operator, product):
    order = at_kaspi(product, state=Order.PICKUP)
    do(operator, order, "complete", code="1111")
    now = timezone.now()
    step = step_of(order, K.COMPLETE)
    soon = now + timedelta(minutes=1)
    move_step(step, S.IN_FLIGHT, text="begun", now=now, claimed_until=soon)
    move_step(step, S.REFUSED, text="not valid", now=now, last_error="not valid")
    assert "not possible" in messages_of(do(operator, step, "retry"))
    do(operator, order, "complete", code="2222")
    step.refresh_from_db()
    assert step.status == S.SKIPPED
    assert step_of(order, K.COMPLETE).parameters == {"code": "2222"}


def test_arrivals(operator, product):
    ahead = at_kaspi(product, is_preorder=True)
    do(operator, ahead, "arrived")
    assert step_of(ahead, K.ARRIVE).status == S.PENDING
    back = at_kaspi(product, status=Order.CANCELLING)
    do(operator, back, "arrived-back")
    assert step_of(back, K.ARRIVE_BACK).status == S.PENDING


def test_cancel_asks_for_the_reason(operator, product):
    order = make_order((product, 1))
    asked = do(operator, order, "cancel", reason="FOR_FUN", comment="x").content
    assert b"FOR_FUN" in asked
    do(operator, order, "cancel", reason="BUYER_NOT_REACHABLE", comment="x" * 1001)
    assert not order.steps.filter(kind=K.CANCEL).exists()
    do(operator, order, "cancel", reason="BUYER_NOT_REACHABLE", comment="Не берёт")
    assert step_of(order, K.CANCEL).parameters == {
        "reason": "BUYER_NOT_REACHABLE",
        "comment": "Не берёт",
    }


def test_read_again_is_queued(operator, product, queue):
    order = make_order((product, 1))
    do(operator, order, "reread")
    assert queue == [("orders.tasks.refresh_one", order.pk, "orders")]
    assert order.events.filter(actor="operator").count() == 1


def test_one_of_the_candidates_is_adopted(operator, product):
    order, step = unsure(product)
    url = reverse("admin:act_on_step", args=[step.pk, "adopt"])
    offered = page(operator, url)
    assert "№501" in offered
    assert "70311 × 1" in offered
    do(operator, step, "adopt", number="666")
    assert reservation_of(order).status == R.WANTED
    do(operator, step, "adopt", number="502")
    # The step looks first whether that one lives.
    assert purchase_of(order).chosen == "502"
    assert step_of(order).status == S.PENDING


def test_with_candidates_nothing_reserves_by_a_mere_retry(operator, product):
    order, step = unsure(product)
    assert "not possible" in messages_of(do(operator, step, "retry"))
    assert "not possible" in messages_of(do(operator, step, "look-again"))
    assert "not possible" in messages_of(do(operator, step, "buy-again"))
    step.refresh_from_db()
    assert step.status == S.NEEDS_PERSON
    do(operator, step, "anew")
    step.refresh_from_db()
    assert (step.status, step.answered) == (S.PENDING, {})
    # Our rows are taken out of the cart before anything is bought anew.
    assert purchase_of(order).decision == "not_made"


def test_an_unknown_sku_is_given_its_product(operator, product, queue):
    order = make_order((product, 1))
    problem = "X-1: none of our products has this SKU"
    line = order.lines.get()
    order.lines.update(product=None, sku="X-1", problem="none of ours")
    Order.objects.filter(pk=order.pk).update(problem=problem)
    stick(order, S.NEEDS_PERSON, problem)
    wrong = do(operator, line, "map", product="no-such").content.decode()
    assert "No product" in wrong
    do(operator, line, "map", product="70311")
    line.refresh_from_db()
    order.refresh_from_db()
    assert (line.product, line.problem, order.problem) == (product, "", "")
    assert step_of(order).status == S.PENDING
    goods = reservation_of(order).lines.values_list("product_id", "quantity")
    assert list(goods) == [(product.pk, 1)]


def unknown(product, sku="XX-999") -> Order:
    """Make an order whose line is none of our products."""
    order = make_order((product, 1))
    problem = "none of our products has this SKU"
    order.lines.update(product=None, sku=sku, problem=problem)
    Order.objects.filter(pk=order.pk).update(problem=f"{sku}: {problem}")
    stick(order, S.NEEDS_PERSON, f"{sku}: {problem}")
    return order


def test_a_product_is_found_by_whatever_is_known_of_it(operator, product):
    make_product("70312", name="Утюг паровой Zeta", part_number="ZX-77")
    line = unknown(product).lines.get()
    line.name = "Чайник серебристый"
    line.save()
    url = reverse("admin:act_on_line", args=[line.pk, "map"])
    # At first what the line's own name suggests.
    assert 'value="70311"' in page(operator, url)
    for text in ("70312", "паровой утюг", "zx-7", "7031"):
        assert 'value="70312"' in page(operator, url, q=text), text
    assert "Nothing was found" in page(operator, url, q="холодильник")


def test_once_mapped_everything_that_waited_goes_on(operator, product):
    first, second = unknown(product), unknown(product)
    line = first.lines.get()
    url = reverse("admin:act_on_line", args=[line.pk, "map"])
    assert "1 more order waits for this SKU" in page(operator, url)
    do(operator, line, "map", product="70311")
    for order in (first, second):
        order.refresh_from_db()
        assert order.problem == ""
        assert step_of(order).status == S.PENDING
    assert SkuMapping.objects.get().product == product
    assert page(operator, "/admin/orders/skumapping/").count("XX-999") >= 1
    gone = reverse("admin:orders_skumapping_delete", args=["XX-999"])
    operator.post(gone, {"post": "yes"})
    assert not SkuMapping.objects.exists()


def test_an_order_mapped_after_its_step_was_dropped_is_reserved(operator, product):
    order = unknown(product)
    order.steps.all().delete()
    do(operator, order.lines.get(), "map", product="70311")
    assert step_of(order).status == S.PENDING


def test_of_two_unknown_lines_the_last_one_lets_the_order_go_on(operator, product):
    other = make_product("812")
    order = make_order((product, 1), (other, 1))
    problem = "none of our products has this SKU"
    for line, sku in zip(order.lines.all(), ("A-1", "B-2"), strict=True):
        order.lines.filter(pk=line.pk).update(product=None, sku=sku, problem=problem)
    told = f"A-1: {problem}\nB-2: {problem}"
    Order.objects.filter(pk=order.pk).update(problem=told)
    stick(order, S.NEEDS_PERSON, told)
    first, second = order.lines.all()
    do(operator, first, "map", product="70311")
    assert step_of(order).status == S.NEEDS_PERSON
    do(operator, second, "map", product="812")
    assert step_of(order).status == S.PENDING


def test_an_unreadable_quantity_stays_a_problem_when_the_product_is_known(
    operator, product
):
    order = unknown(product)
    order.lines.update(quantity=None)
    do(operator, order.lines.get(), "map", product="70311")
    assert step_of(order).status == S.NEEDS_PERSON
    assert order.lines.get().problem


def test_each_piece_has_a_field_for_its_imei(operator, product, queue):
    order = at_kaspi(product)
    order.lines.update(quantity=2, needs_imei=True)
    line = order.lines.get()
    url = reverse("admin:act_on_line", args=[line.pk, "imei"])
    assert url in page(operator, page_of(order))
    assert page(operator, url).count('type="text"') == 2
    good = "490154203237518"
    for pieces, said in (
        ({"piece1": good}, "required"),
        ({"piece1": good, "piece2": "490154203237519"}, "a digit must be wrong"),
        ({"piece1": good, "piece2": good}, "twice"),
        ({"piece1": good, "piece2": f"1 2 {good}"}, "two numbers at most"),
    ):
        assert said in do(operator, line, "imei", **pieces).content.decode()
    assert not order.steps.filter(kind=K.IMEI).exists()
    do(operator, line, "imei", piece1=f"{good}, 356938035643809", piece2=OTHER_IMEI)
    step = step_of(order, K.IMEI)
    assert step.parameters == {
        "entry_id": line.entry_id,
        "imei": [[good, "356938035643809"], [OTHER_IMEI]],
    }
    assert url not in page(operator, page_of(order))
    Step.objects.filter(pk=step.pk).update(status=S.DONE)
    assert "Kaspi knows the IMEI" in page(operator, page_of(order))


def test_only_lines_that_need_it_ask_for_an_imei(operator, product):
    order = at_kaspi(product)
    line = order.lines.get()
    assert "not possible" in messages_of(do(operator, line, "imei", piece1=OTHER_IMEI))


def test_part_of_a_line_is_removed_at_kaspi(operator, product):
    order = at_kaspi(product)
    line = order.lines.get()
    order.lines.update(quantity=3)
    reason = {"reason": "MERCHANT_OUT_OF_STOCK"}
    for remained, said in (("3", "less than or equal to 2"), ("0", "as a whole")):
        asked = do(operator, line, "remove", remained=remained, **reason)
        assert said in asked.content.decode()
    assert not order.steps.filter(kind=K.REMOVE_LINE).exists()
    do(operator, line, "remove", remained="2", **reason)
    assert step_of(order, K.REMOVE_LINE).parameters == {
        "entry_id": line.entry_id,
        "remained": 2,
        "comment": "",
        **reason,
    }
    again = do(operator, line, "remove", remained="1", **reason)
    assert "not possible" in messages_of(again)
    assert "2, MERCHANT_OUT_OF_STOCK" in LogEntry.objects.latest("pk").change_message


def test_of_weighed_goods_the_weight_is_asked(operator, product):
    order = make_order((product, 1), (make_product("812"), 1))
    line = order.lines.last()
    order.lines.filter(pk=line.pk).update(quantity=None)
    answers = {"remained": "1", "reason": "PRODUCT_UNDERWEIGHT"}
    assert "required" in do(operator, line, "remove", **answers).content.decode()
    do(operator, line, "remove", weight_g="280", **answers)
    parameters = step_of(order, K.REMOVE_LINE).parameters
    assert (parameters["remained"], parameters["weight_g"]) == (1, 280)


def test_a_step_is_dropped_with_a_reason(operator, product):
    order = make_order((product, 1))
    step = stick(order, S.REFUSED)
    do(operator, step, "drop", reason="")
    step.refresh_from_db()
    assert step.status == S.REFUSED
    do(operator, step, "drop", reason="Сделано руками")
    step.refresh_from_db()
    assert step.status == S.SKIPPED
    assert order.events.filter(actor="operator", text__contains="руками").exists()


def test_what_makes_no_sense_is_not_offered(operator, product):
    order = at_kaspi(product, status=Order.COMPLETED, state=Order.ARCHIVE)
    Order.objects.filter(pk=order.pk).update(ended_at=timezone.now())
    response = operator.get(page_of(order))
    slugs = [b.url.split("/")[-2] for b in response.context["object_buttons"]]
    assert "reread" in slugs
    assert not {"accept", "cancel", "assemble", "reserve", "complete"} & set(slugs)


BUTTONS = {
    "accept": "accept_order",
    "accept-unreserved": "accept_order",
    "reserve": "reserve_order",
    "by-hand": "reserve_order",
    "release": "reserve_order",
    "released": "reserve_order",
    "assemble": "assemble_order",
    "send-code": "complete_order",
    "complete": "complete_order",
    "arrived": "assemble_order",
    "arrived-back": "assemble_order",
    "cancel": "cancel_order",
    "reread": "retry_step",
    "figures": "catalog.sync_catalogue",
    "close": "cancel_order",
}


@pytest.mark.parametrize("slug", BUTTONS)
def test_a_viewer_presses_nothing(settings, product, slug, queue):
    viewer = log_in(settings, "viewer")
    order = make_order((product, 1))
    before = order.events.count()
    url = reverse("admin:act_on_order", args=[order.pk, slug])
    assert viewer.get(url).status_code == 403
    assert viewer.post(url, {"places": 1, "code": "1234"}).status_code == 403
    assert url not in page(viewer, page_of(order))
    assert queue == []
    assert order.events.count() == before


def test_a_button_needs_a_post(operator, product):
    order = make_order((product, 1))
    url = reverse("admin:act_on_order", args=[order.pk, "reread"])
    assert operator.get(url).status_code == 403


def test_each_permission_opens_its_own_buttons():
    from orders.admin.buttons import ORDER_BUTTONS

    assert {
        slug: button.permission for slug, button in ORDER_BUTTONS.items()
    } == BUTTONS


# -- many at once ------------------------------------------------------------------


def act(client, action: str, *orders: Order, **data):
    chosen = [order.pk for order in orders]
    answers = {"action": action, "_selected_action": chosen, **data}
    return client.post(f"{LIST}?tab=all", answers, follow=True)


def test_many_are_accepted_and_the_others_skipped(operator, product):
    ready, unready = make_order((product, 1)), make_order((product, 1))
    hold(ready)
    said = messages_of(act(operator, "accept", ready, unready))
    assert "1 done, 1 skipped" in said
    assert ready.steps.filter(kind=K.ACCEPT).exists()
    assert not unready.steps.filter(kind=K.ACCEPT).exists()
    assert LogEntry.objects.count() == 1


def test_many_are_tried_again(operator, product):
    orders = [make_order((product, 1)) for _ in range(2)]
    for order in orders:
        stick(order, S.REFUSED)
    chosen = (*orders, make_order((product, 1)))
    asked = act(operator, "decide", *chosen).content.decode()
    assert "Reserve again: fits 2 of 3" in asked
    way = {"way": "step:buy-again"}
    told = act(operator, "decide", *chosen, **way, answered="1").content.decode()
    assert "this buys them" in told
    assert told.count("left as it is") == 1
    assert {step_of(order).status for order in orders} == {S.REFUSED}
    sure = {**way, "answered": "1", "sure": "1"}
    assert "2 done, 1 skipped" in messages_of(act(operator, "decide", *chosen, **sure))
    assert {step_of(order).status for order in orders} == {S.PENDING}


def test_many_are_bought_for_no_more_than_was_shown(settings, product):
    owner = log_in(settings, "owner")
    (same, kept), (dearer, risen) = (
        not_bought(Reason.EARNS_LITTLE, product) for _ in range(2)
    )
    way = {"way": "step:new-price", "answered": "1"}
    asked = act(owner, "decide", same, dearer, **way)
    shown = [value for name, value in asked.context["hidden"] if name == "shown"]
    assert [value.count("1200") for value in shown] == [1, 1]
    # Tried again by somebody else meanwhile, the goods cost more.
    Step.objects.filter(pk=risen.pk).update(answered={"cost_kzt": 9000})
    done = act(owner, "decide", same, dearer, **way, sure="1", shown=shown)
    assert "1 done, 1 skipped" in messages_of(done)
    assert f"{dearer.code}: the sum is another than was shown" in messages_of(done)
    agreed = [Step.objects.get(pk=step.pk).parameters for step in (kept, risen)]
    assert agreed == [{"accept_cost_kzt": 1200}, {}]


@pytest.mark.parametrize(
    ("action", "answers", "kind"),
    [
        ("cancel", {"reason": "MERCHANT_OUT_OF_STOCK"}, K.CANCEL),
        ("assemble", {"places": "1"}, K.ASSEMBLE),
    ],
)
def test_many_are_asked_about_once(operator, product, action, answers, kind):
    order = at_kaspi(product)
    ended = at_kaspi(product, status=Order.COMPLETED, ended_at=timezone.now())
    asked = act(operator, action, order, ended).content.decode()
    assert "It fits 1 of the 2 chosen orders" in asked
    assert order.code in asked
    assert not Step.objects.filter(kind=kind).exists()
    said = messages_of(act(operator, action, order, ended, answered="1", **answers))
    assert "1 done, 1 skipped" in said
    assert step_of(order, kind).status == S.PENDING


def test_waybills_come_as_one_file(operator, product):
    orders = [at_kaspi(product, is_assembled=True) for _ in range(3)]
    for order in orders[:2]:
        order.waybills.create(number="1", pdf=pdf(), fetched_at=timezone.now())
    response = act(operator, "print_waybills", *orders)
    assert response["Content-Type"] == "application/pdf"
    assert len(PdfReader(io.BytesIO(response.content)).pages) == 2
    none = messages_of(act(operator, "print_waybills", orders[2]))
    assert "None of these orders has a waybill yet" in none


def test_a_waybill_is_for_those_who_print_them(settings, product):
    order = at_kaspi(product, is_assembled=True)
    waybill = order.waybills.create(number="1", pdf=pdf(), fetched_at=timezone.now())
    url = reverse("admin:order_waybill", args=[waybill.pk])
    assert log_in(settings, "operator").get(url).content.startswith(b"%PDF")
    assert log_in(settings, "viewer").get(url).status_code == 403


def test_a_viewer_has_no_actions(settings, product):
    viewer = log_in(settings, "viewer")
    order = make_order((product, 1))
    hold(order)
    act(viewer, "accept", order)
    assert not order.steps.filter(kind=K.ACCEPT).exists()
    assert queued() == []


# -- reading again -----------------------------------------------------------------


def test_an_order_is_read_again_by_a_worker(kaspi, product):
    made = kaspi.new_order([{"sku": "70311"}])
    order = make_order((product, 1))
    code = made.code
    Order.objects.filter(pk=order.pk).update(code=code, status="SOMETHING_OLD")
    assert refresh_one(order.pk).startswith(f"{code}: NEW, APPROVED_BY_BANK")
    order.refresh_from_db()
    assert order.status == Order.APPROVED


def test_an_order_that_cannot_be_read_says_so_in_its_trail(settings, product):
    settings.KASPI_URL = "http://127.0.0.1:9/shop/api"
    order = make_order((product, 1))
    with pytest.raises(PeerError):
        refresh_one(order.pk)
    assert "Could not be read again" in order.events.latest("pk").text


def test_the_reason_of_a_stuck_step_is_told_once(operator, product):
    order = make_order((product, 1))
    order.lines.update(product=None)
    Order.objects.filter(pk=order.pk).update(problem="None of ours")
    stick(order, S.NEEDS_PERSON, "None of ours")
    response = operator.get(page_of(order))
    assert response.context["problem"] == ""
    (card,) = response.context["stuck"]
    assert card["said"].endswith("None of ours")
