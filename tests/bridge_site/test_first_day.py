from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from alerts.models import Channel
from bridge_site.adjusting.saving import save_settings
from bridge_site.first_day.checklist import read_first_day
from bridge_site.first_day.observed import read_observed
from catalog.models import PriceRule
from feeds.models import TEST_AGENT, FeedFetch, Store
from orders.models import LearnedFact, Order, ReadMark, Step
from orders.supply.learning import learn
from tests.orders.factories import make_order
from tests.staff import build, log_in, make_category, make_import, make_product, page

pytestmark = pytest.mark.django_db
BOX = 'class="card first-day"'


def undone() -> list[str]:
    return [item.code for item in read_first_day().items if not item.is_done]


def test_a_new_bridge_has_everything_before_it(settings):
    settings.SUPERVISE_FIRST_PURCHASE = True
    first_day = read_first_day()
    assert first_day.done == 0
    assert first_day.is_shown
    assert first_day.next_item.code == "supplier"


def test_each_item_is_done_by_the_fact_it_speaks_of(settings, tmp_path):
    settings.FEED_DIR, settings.SUPERVISE_FIRST_PURCHASE = tmp_path, True
    now, owner = timezone.now(), User.objects.create(username="owner")
    PriceRule.objects.get_or_create(product=None, category=None, brand="")

    def sell() -> None:
        make_product(category=make_category())
        build()

    def reserve() -> None:
        order = make_order((make_product(), 1))
        Step.objects.filter(order=order).update(status=Step.Status.DONE)

    def watch_purchase() -> None:
        reserve()
        learn(LearnedFact.Name.GOES_ON_ALONE, "yes", evidence="-", now=now)

    def fetch(**fields: Any) -> None:
        FeedFetch.objects.create(fetched_at=now, status_code=200, **fields)

    def observe() -> None:
        save_settings({"OBSERVE_ONLY": "1"}, by=owner)
        save_settings({"OBSERVE_ONLY": None}, by=owner)

    facts = {
        "supplier": make_import,
        "kaspi": lambda: ReadMark.objects.note_read(Order.NEW, now=now),
        "uid": lambda: setattr(settings, "KASPI_MERCHANT_UID", "123"),
        "store": lambda: Store.objects.create(store_id="PP1", name="Алматы"),
        "categories": make_category,
        "prices": sell,
        "outside": lambda: fetch(user_agent=TEST_AGENT),
        "fetched": lambda: fetch(is_kaspi=True),
        "alerts": lambda: Channel.objects.create(name="x", last_sent_at=now),
        "observing": observe,
        "purchase": watch_purchase,
    }
    assert undone() == list(facts)
    left = dict(facts)
    for code, happen in facts.items():
        assert code in undone()
        happen()
        del left[code]
        assert undone() == list(left), code
    assert not read_first_day().is_shown


def test_who_has_bought_already_need_not_observe():
    assert "observing" in undone()
    order = make_order((make_product(), 1))
    Step.objects.filter(order=order).update(status=Step.Status.DONE)
    assert "observing" not in undone()


def test_it_is_read_in_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        read_first_day()


def test_the_overview_speaks_of_it_to_the_owner_until_it_is_put_away(settings):
    owner = log_in(settings, "owner")
    index = reverse("admin:index")
    assert BOX in page(owner, index)
    assert BOX not in page(log_in(settings, "operator"), index)
    owner.post(reverse("close_first_day"))
    assert BOX not in page(owner, index)
    assert "Show on the overview again" in page(owner, reverse("first_day"))
    owner.post(reverse("close_first_day"), {"open": "1"})
    assert BOX in page(owner, index)


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_the_first_day_is_the_owners(settings, role):
    client = log_in(settings, role)
    for name in ("first_day", "first_day_observed"):
        assert client.get(reverse(name)).status_code == 403
    assert client.post(reverse("close_first_day")).status_code == 403


def test_the_page_shows_what_each_category_brings(settings, tmp_path):
    settings.FEED_DIR = tmp_path
    PriceRule.objects.get_or_create(product=None, category=None, brand="")
    Store.objects.create(store_id="PP1", name="Алматы")
    make_product(category=make_category("Мыши"), cost_kzt=5000)
    make_import()
    build()
    text = page(log_in(settings, "owner"), reverse("first_day"))
    assert "Мыши" in text
    assert "Done: " in text


def test_the_report_names_what_would_be_sent_for_each_order(
    settings, django_assert_max_num_queries
):
    settings.OBSERVE_ONLY = True
    product = make_product(cost_kzt=5000)
    orders = [make_order((product, 2)) for _number in range(20)]
    told = "an order for 70000 × 2"
    Step.objects.update(last_error=told)
    observed = read_observed()
    assert observed.kinds == [(str(Step.Kind.RESERVE.label), 20)]
    assert observed.cost_kzt == 20 * 2 * 5000
    assert [order.pk for order, _steps in observed.orders] == [o.pk for o in orders]
    owner = log_in(settings, "owner")
    with django_assert_max_num_queries(12):
        text = page(owner, reverse("first_day_observed"))
    assert text.count(told) == 20
