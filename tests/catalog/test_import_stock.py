from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from catalog import new_articles
from catalog.models import Product, ProductChange
from tests.catalog.factories import NOW, stock_row, stored_product, story

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


def asked(alstyle):
    return [
        arrival.query["article"].split(",")
        for arrival in alstyle.arrivals
        if arrival.method == "element-info"
    ]


def test_a_new_article_is_read_at_once(alstyle, sync_catalogue, sync_stock, article):
    sync_catalogue()
    alstyle.add_good(95_500, name="New", category=alstyle.goods[article].category)
    queue = OrmQ.objects.count()
    run = sync_stock()
    assert asked(alstyle) == [["95500"]]
    assert (run.status, run.counts["new"]) == ("done", 1)
    assert "unknown" not in run.counts
    assert "1 new" in run.message
    stored = stored_product("95500")
    assert (stored.name, stored.sku) == ("New", "95500")
    assert stored.category == stored_product(article).category
    assert OrmQ.objects.count() > queue
    sync_stock()
    assert len(asked(alstyle)) == 1


def test_many_new_articles_are_read_in_few_calls(
    alstyle, sync_catalogue, sync_stock, monkeypatch
):
    sync_catalogue()
    monkeypatch.setattr(new_articles, "ASKED_AT_ONCE", 4)
    monkeypatch.setattr(new_articles, "ASKED_PER_IMPORT", 10)
    for number in range(12):
        alstyle.add_good(95_500 + number)
    assert sync_stock().counts["new"] == 10
    assert [len(chunk) for chunk in asked(alstyle)] == [4, 4, 2]
    assert sync_stock().counts["new"] == 2


def test_the_first_stock_import_leaves_everything_to_the_crawl(alstyle, sync_stock):
    assert sync_stock().status == "done"
    assert asked(alstyle) == []


def test_what_the_catalogue_does_not_give_is_asked_for_once_a_crawl(
    alstyle, sync_catalogue, sync_stock
):
    sync_catalogue()
    alstyle.set_raw_price("95501", stock_row(quantity=3))
    run = sync_stock()
    assert (run.counts["unknown"], run.unlisted) == (1, ["95501"])
    assert sync_stock().unlisted == ["95501"]
    assert len(asked(alstyle)) == 1
    sync_catalogue()
    sync_stock()
    assert len(asked(alstyle)) == 2


def test_a_gone_good_that_the_catalogue_gives_is_back_at_once(
    alstyle, sync_catalogue, sync_stock, article
):
    sync_catalogue()
    Product.objects.filter(article=str(article)).update(gone_at=NOW, stock=0)
    run = sync_stock()
    assert run.counts["returned"] == 1
    stored = stored_product(article)
    assert (stored.stock, stored.gone_at) == (7, None)
    assert ("presence", 0, 1) in story(article)


@pytest.mark.parametrize("fault", ["status", "garbage"])
def test_stock_is_stored_even_when_new_articles_cannot_be_read(
    alstyle, sync_catalogue, sync_stock, article, fault
):
    sync_catalogue()
    alstyle.add_good(95_500)
    alstyle.set_good(article, quantity=3)
    alstyle.faults.add(fault, method="element-info")
    run = sync_stock()
    assert (run.status, run.unlisted) == ("done", [])
    assert stored_product(article).stock == 3
    alstyle.faults.clear()
    assert sync_stock().counts["new"] == 1


def test_a_new_article_in_an_unknown_category_waits_for_the_crawl(
    alstyle, sync_catalogue, sync_stock
):
    sync_catalogue()
    alstyle.add_good(95_500, category=77_777)
    run = sync_stock()
    assert stored_product("95500").category is None
    assert run.bad_rows == [
        ["95500", "category 77777 is not in Al-Style's list of categories"]
    ]


def test_a_dry_run_reads_no_new_articles(alstyle, sync_catalogue, sync_stock):
    sync_catalogue()
    alstyle.add_good(95_500)
    sync_stock(dry_run=True)
    assert asked(alstyle) == []


def test_a_gone_good_keeps_its_figures_as_long_as_the_stock_list_names_it(
    alstyle, sync_catalogue, sync_stock, article
):
    sync_catalogue()
    Product.objects.filter(article=str(article)).update(gone_at=NOW, stock=0)
    alstyle.remove_good(article)
    alstyle.set_raw_price(article, stock_row(quantity=7))
    run = sync_stock()
    assert run.counts["unknown"] == 1
    stored = stored_product(article)
    assert (stored.stock, stored.gone_at) == (7, NOW)
    alstyle.shop.raw_prices.clear()
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
    assert len(captured) < 40
