from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Product, ProductChange
from tests.catalog.factories import NOW, stored_product, story

pytestmark = pytest.mark.django_db


def test_stock_and_prices_are_refreshed_by_one_call(
    alstyle, sync_catalogue, sync_stock, article
):
    sync_catalogue()
    alstyle.set_good(article, quantity=3, price1=900, price2=1400)
    alstyle.forget_arrivals()
    run = sync_stock(now=NOW)
    assert run.counts["read"] == len(alstyle.goods)
    assert run.message == f"{len(alstyle.goods)} read, 1 changed, 0 skipped"
    assert alstyle.counters() == {"quantity-price": 1, "date": 1}
    stored = stored_product(article)
    assert (stored.stock, stored.cost_kzt, stored.retail_kzt) == (3, 900, 1400)
    assert story(article) == [
        ("stock", 7, 3),
        ("cost", 1000, 900),
        ("retail", 1500, 1400),
    ]
    assert set(ProductChange.objects.values_list("changed_at", "run")) == {
        (NOW, run.pk)
    }


def test_a_drop_is_applied_at_once(alstyle, sync_catalogue, sync_stock, article):
    alstyle.set_good(article, quantity=">50")
    sync_catalogue()
    alstyle.set_good(article, quantity=0)
    sync_stock()
    stored = stored_product(article)
    assert (stored.stock, stored.stock_is_lower_bound) == (0, False)
    assert ProductChange.objects.get().reason == ">50 → 0"


def test_flapping_goods_are_recorded(alstyle, sync_catalogue, sync_stock, article):
    alstyle.set_good(article, quantity=">50")
    sync_catalogue(now=NOW)
    alstyle.set_good(article, quantity=0)
    sync_stock(now=NOW + timedelta(minutes=10))
    alstyle.set_good(article, quantity=">50")
    run = sync_stock(now=NOW + timedelta(hours=47))
    assert run.counts["flapping"] == 1
    assert stored_product(article).stock == 51, "the rise is applied at once, too"
    told = ProductChange.objects.latest("pk").reason
    assert told == "0 → >50; was sold out for less than 48 hours"


@pytest.mark.parametrize(
    ("first", "dropped_to", "hours"), [(">50", 0, 49), (40, 0, 1), (">50", 3, 1)]
)
def test_other_returns_are_not_flapping(
    alstyle, sync_catalogue, sync_stock, article, first, dropped_to, hours
):
    alstyle.set_good(article, quantity=first)
    sync_catalogue(now=NOW)
    alstyle.set_good(article, quantity=dropped_to)
    sync_stock(now=NOW)
    alstyle.set_good(article, quantity=">50")
    run = sync_stock(now=NOW + timedelta(hours=hours))
    assert "flapping" not in run.counts
    assert stored_product(article).stock == 51


def test_absent_goods_count_as_nothing(alstyle, sync_catalogue, sync_stock, article):
    sync_catalogue()
    alstyle.remove_good(article)
    run = sync_stock()
    assert run.status == "done"
    assert run.counts["absent"] == 1
    stored = stored_product(article)
    assert (stored.stock, stored.cost_kzt, stored.gone_at) == (0, 1000, None)
    assert ProductChange.objects.get().reason == "absent from the supplier's list"
    assert sync_stock().counts["changed"] == 0


def test_unknown_articles_await_the_next_catalogue(
    alstyle, sync_catalogue, sync_stock, article
):
    sync_catalogue()
    alstyle.add_good(95_500)
    run = sync_stock()
    assert run.counts["unknown"] == 1
    assert not Product.objects.filter(article="95500").exists()


def test_a_gone_good_keeps_its_figures_as_long_as_the_stock_list_names_it(
    alstyle, sync_catalogue, sync_stock, article
):
    sync_catalogue()
    Product.objects.filter(article=str(article)).update(gone_at=NOW, stock=0)
    run = sync_stock()
    assert run.counts["unknown"] == 1
    stored = stored_product(article)
    assert (stored.stock, stored.gone_at) == (7, NOW)
    alstyle.remove_good(article)
    assert "absent" not in sync_stock().counts
    assert stored_product(article).stock == 0
    assert story(article) == [("stock", 0, 7), ("stock", 7, 0)]


def test_few_queries_whatever_the_number_of_goods(alstyle, sync_catalogue, sync_stock):
    sync_catalogue()
    for number in list(alstyle.goods)[:100]:
        alstyle.set_good(number, quantity=33, price1=777)
    with CaptureQueriesContext(connection) as captured:
        run = sync_stock()
    assert run.counts["changed"] > 90
    assert len(captured) < 35
