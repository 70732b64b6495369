from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from orders.models import LearnedFact, Order, Purchase, Reservation, Step
from tests.orders.factories import (
    doubt,
    make_order,
    make_product,
    step_of,
)
from tests.staff import HOSTILE, log_in, messages_of, page

pytestmark = pytest.mark.django_db
S, R, P = Step.Status, Reservation.Status, Purchase.Status
FOUND = [
    {
        "id": number,
        "sum": 1000,
        "placed_at": "10.03.2026 08:41",
        "lines": [["70311", 1, 1000]],
    }
    for number in ("501", "502")
]


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def operator(settings):
    return log_in(settings, "operator")


@pytest.fixture
def order():
    return make_order((make_product("70311"), 1))


def doubtful(order: Order) -> Purchase:
    Step.objects.filter(order=order).update(
        status=S.NEEDS_PERSON, answered={"candidates": FOUND}, last_error="Which?"
    )
    return doubt(
        order,
        candidates=FOUND,
        cart_before={},
        cart_after={"70311": 1, "999": 4},
        cart_since=[{"at": timezone.now().isoformat(), "rows": {}}],
        reason="It cannot be told",
    )


def paused(order: Order, stage: str = "checked", **fields: object) -> Purchase:
    """Let a watched purchase wait for "go on"."""
    now = timezone.now()
    Step.objects.filter(order=order).update(
        status=S.NEEDS_PERSON, answered={"supervised": stage}, last_error="Watched"
    )
    rows = [["70311", 1, 1000, 20, False], ["70312", 1, 5, 0, True]]
    seen = {"at": now.isoformat(), "call": stage, "rows": rows}
    watched = [{**seen, "words": HOSTILE, "is_clear": False, "by": ""}]
    values = {"status": P.FILLING, "stage": stage, "paused_at": now, "submits": []}
    return doubt(order, **{**values, "watched": watched, **fields})


def page_of(purchase: Purchase) -> str:
    return reverse("admin:orders_purchase_change", args=[purchase.pk])


def do(client, target: Purchase | Step, slug: str, **data):
    kind = type(target).__name__.lower()
    url = reverse(f"admin:act_on_{kind}", args=[target.pk, slug])
    return client.post(url, data, follow=True)


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("role", ["viewer", "operator", "owner"])
def test_the_pages_open_and_escape_what_others_wrote(settings, order, role, language):
    client = log_in(settings, role, language=language)
    doubt(
        order,
        status=P.GIVEN_UP,
        reason=HOSTILE,
        reference=HOSTILE,
        adopted_by=HOSTILE,
        number=HOSTILE[:40],
        lines=[[HOSTILE, 1, None]],
        cart_before={HOSTILE: 2},
        candidates=[{"id": HOSTILE, "sum": None, "placed_at": HOSTILE}],
    )
    paused(order)
    LearnedFact.objects.create(
        name="refusal_words",
        value=HOSTILE,
        previous=HOSTILE,
        evidence=HOSTILE,
        learned_at=timezone.now(),
    )
    for url in (
        "/admin/orders/purchase/",
        "/admin/orders/learnedfact/",
        reverse("admin:orders_order_change", args=[order.pk]),
        *(page_of(one) for one in Purchase.objects.all()),
    ):
        html = page(client, url)
        assert HOSTILE not in html
        assert "alert('x')" not in html


def test_the_page_tells_everything_of_a_doubtful_purchase(operator, order):
    html = page(operator, page_of(doubtful(order)))
    for text in ("It cannot be told", "№501", "10.03.2026 08:41", "not ours", "empty"):
        assert text in html, text
    assert order.code in html
    order_page = page(operator, reverse("admin:orders_order_change", args=[order.pk]))
    assert "It cannot be told" in order_page


def test_the_list_takes_few_queries(operator, order, django_assert_max_num_queries):
    for _ in range(20):
        doubt(order, status=P.GIVEN_UP)
    operator.get("/admin/orders/purchase/")
    with django_assert_max_num_queries(12):
        operator.get("/admin/orders/purchase/")


def test_it_is_this_order(operator, order):
    purchase = doubtful(order)
    url = reverse("admin:act_on_purchase", args=[purchase.pk, "adopt"])
    assert "10.03.2026 08:41" in page(operator, url)
    do(operator, purchase, "adopt", number="502")
    purchase.refresh_from_db()
    # Its step sees first whether that one lives.
    assert (purchase.decision, purchase.chosen) == ("adopt", "502")
    assert purchase.adopted_by == "operator"
    step = step_of(order)
    assert (step.status, step.answered) == (S.PENDING, {})
    Purchase.objects.update(status=P.GIVEN_UP)
    assert "not possible" in messages_of(do(operator, purchase, "adopt", number="501"))


def test_it_was_not_made(operator, order):
    purchase = doubtful(order)
    do(operator, purchase, "not-made")
    purchase.refresh_from_db()
    step = step_of(order)
    assert purchase.decision == "not_made"
    assert (step.status, step.answered) == (S.PENDING, {})


def test_release_that_order(operator, order):
    purchase = doubtful(order)
    do(operator, purchase, "release", number="501")
    purchase.refresh_from_db()
    assert (purchase.decision, purchase.chosen) == ("release", "501")
    assert step_of(order).status == S.PENDING


@pytest.mark.parametrize("slug", ["adopt", "not-made", "release", "go-on", "stop"])
def test_only_who_may_settle_purchases_does(settings, order, slug):
    viewer = log_in(settings, "viewer")
    purchase = doubtful(order)
    url = reverse("admin:act_on_purchase", args=[purchase.pk, slug])
    assert viewer.post(url, {"number": "501"}).status_code == 403
    assert url not in page(viewer, page_of(purchase))


def test_a_watched_purchase_shows_what_it_saw_and_goes_on(operator, order):
    purchase = paused(order)
    html = page(operator, reverse("admin:orders_order_change", args=[order.pk]))
    assert "marked down" in html
    assert "no clear answer" in html
    assert "/retry/" not in html
    assert "/drop/" not in html
    do(operator, step_of(order), "go-on-buying")
    purchase.refresh_from_db()
    assert purchase.paused_at is None
    assert purchase.watched[-1]["by"] == "operator"
    assert step_of(order).status == S.PENDING
    assert order.events.filter(actor="operator").exists()


def test_whoever_is_second_to_say_go_on_is_told(operator, order):
    purchase = paused(order)
    do(operator, purchase, "go-on-buying")
    assert "not possible" in messages_of(do(operator, purchase, "go-on-buying"))


def test_go_on_by_yourself_asks_first_and_keeps_who_said_it(operator, order, settings):
    settings.SUPERVISE_FIRST_PURCHASE = True
    purchase = paused(order)
    url = reverse("admin:act_on_purchase", args=[purchase.pk, "go-on-alone"])
    assert "for ever" in page(operator, url)
    assert not LearnedFact.objects.exists()
    do(operator, purchase, "go-on-alone")
    assert LearnedFact.objects.get().evidence == "operator"
    assert step_of(order).status == S.PENDING


def test_stop_is_not_offered_once_it_is_bought(operator, order):
    purchase = paused(order, stage="submitted", status=P.SUBMITTING, number="77")
    assert "/stop/" not in page(operator, page_of(purchase))
    purchase.delete()
    assert "/stop/" in page(operator, page_of(paused(order)))


def test_a_paused_purchase_whose_step_is_gone_can_still_go_on(operator, order):
    purchase = paused(order)
    order.steps.all().delete()
    do(operator, purchase, "go-on-buying")
    assert step_of(order).status == S.PENDING


def test_what_is_not_known_is_shown_with_the_careful_side(operator):
    LearnedFact.objects.create(
        name="list_order",
        value="newest",
        evidence="№1",
        learned_at=timezone.now() - timedelta(days=1),
        confirmations=3,
    )
    html = page(operator, "/admin/orders/learnedfact/")
    assert "newest first" in html
    assert "lists are read to their end" not in html
    assert "the cart is looked into after each order" in html


def test_a_change_is_noted(operator, settings):
    fact = LearnedFact.objects.create(
        name="add_adds",
        value="no",
        previous="yes",
        evidence="№1",
        learned_at=timezone.now(),
    )
    url = reverse("admin:note_fact", args=[fact.pk])
    assert url in page(operator, "/admin/orders/learnedfact/")
    assert log_in(settings, "viewer").post(url).status_code == 403
    operator.post(url)
    assert url not in page(operator, "/admin/orders/learnedfact/")
    fact.refresh_from_db()
    assert fact.noted_by == "operator"
