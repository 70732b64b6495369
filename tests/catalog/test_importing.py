from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from catalog import crawling, importing
from catalog.availability import stock_before_last_import, stock_read_at
from catalog.models import Category, ImportRun, Product, ProductChange
from catalog.needs import read_last_runs
from plumbing.leases import database_now
from tests.catalog.factories import (
    NOW,
    make_category,
    make_product,
    stored_product,
    story,
)

pytestmark = pytest.mark.django_db


def test_the_first_import_stores_everything(alstyle, sync_catalogue):
    run = sync_catalogue()
    assert run.status == "done", run.message
    count = len(alstyle.goods)
    assert Product.objects.count() == count
    assert run.counts["read"] == run.counts["new"] == count
    assert run.message == f"{count} read, 0 changed, {count} new, 0 skipped"
    assert run.finished_at >= run.started_at
    assert run.supplier_date
    assert ProductChange.objects.count() == 0, "a beginning is not a change"


def test_a_new_product_waits_for_its_category(alstyle, sync_catalogue, article):
    good = alstyle.goods[article]
    sync_catalogue()
    stored = stored_product(article)
    assert stored.sku == stored.article == str(article)
    assert stored.is_published == Product.Publish.CATEGORY
    assert stored.category is not None
    assert stored.category.supplier_id == str(good.category)
    assert stored.category.is_published is False
    assert stored.priced_with == ""
    assert (stored.cost_kzt, stored.retail_kzt, stored.stock) == (1000, 1500, 7)
    assert stored.first_seen == stored.last_seen


def test_the_tree_is_stored_with_parents_and_paths(alstyle, sync_catalogue):
    sync_catalogue()
    for row in alstyle.shop.categories:
        stored = Category.objects.get(supplier_id=str(row.id))
        around = [
            other
            for other in alstyle.shop.categories
            if other.left < row.left and row.right < other.right
        ]
        nearest = max(around, key=lambda other: other.left, default=None)
        assert stored.level == len(around) + 1
        if nearest is None:
            assert stored.parent is None
            assert stored.path == row.name
        else:
            assert stored.parent is not None
            assert stored.parent.supplier_id == str(nearest.id)
            assert stored.path == f"{stored.parent.path} / {row.name}"


def test_nothing_is_written_when_nothing_changed(sync_catalogue, stored):
    sync_catalogue()
    before, queued = stored(), OrmQ.objects.count()
    run = sync_catalogue()
    assert run.status == "done"
    assert run.counts["changed"] == 0
    assert stored() == before
    assert OrmQ.objects.count() == queued


def test_only_differences_are_written_and_prices_worked_out_again(
    alstyle, sync_catalogue, article
):
    sync_catalogue(now=NOW)
    Product.objects.update(priced_with="rules-1", note="ours")
    alstyle.set_good(article, name="New name", price1=1100, quantity=">50")
    run = sync_catalogue(now=NOW + timedelta(hours=1))
    assert run.counts["changed"] == 1
    stored = stored_product(article)
    assert (stored.name, stored.cost_kzt, stored.stock) == ("New name", 1100, 51)
    assert stored.stock_is_lower_bound is True
    assert stored.priced_with == ""
    assert stored.note == "ours"
    assert Product.objects.exclude(priced_with="rules-1").count() == 1
    assert sorted(story(article)) == [("cost", 1000, 1100), ("stock", 7, 51)]
    assert ProductChange.objects.get(field="stock").reason == "7 → >50"
    assert ProductChange.objects.filter(run=run).count() == 2


@pytest.mark.parametrize(
    "change", [{"price1": 5}, {"price2": 5}, {"brand": "Eta"}, {"rrp": 1}, "category"]
)
def test_what_a_price_depends_on_asks_for_a_new_price(
    alstyle, sync_catalogue, article, change
):
    alstyle.set_good(article, rrp=0)
    sync_catalogue()
    Product.objects.update(priced_with="rules-1")
    if change == "category":
        leaves = [leaf.id for leaf in alstyle.shop.leaves()]
        leaves.remove(alstyle.goods[article].category)
        change = {"category": leaves[0]}
    alstyle.set_good(article, **change)
    sync_catalogue()
    assert stored_product(article).priced_with == ""


def test_other_fields_leave_the_price_alone(alstyle, sync_catalogue, article):
    sync_catalogue()
    Product.objects.update(priced_with="rules-1")
    alstyle.set_good(article, full_name="Other words", barcode="1", quantity=3)
    assert sync_catalogue().counts["changed"] == 1
    assert stored_product(article).priced_with == "rules-1"


def test_a_moved_branch_has_its_prices_worked_out_again(alstyle, sync_catalogue):
    sync_catalogue()
    Product.objects.update(priced_with="rules-1")
    top = alstyle.shop.categories[0]
    top.name = "Another name"
    run = sync_catalogue()
    below = Category.objects.filter(left__gte=top.left, right__lte=top.right)
    assert run.counts["categories_changed"] == below.count() > 1
    assert {p.category in below for p in Product.objects.filter(priced_with="")} == {
        True
    }
    assert Product.objects.filter(priced_with="rules-1").exists()


@pytest.mark.parametrize("field", ["right", "id"])
def test_a_branch_that_cannot_be_placed_stays_where_it_was_with_all_below(
    alstyle, sync_catalogue, field
):
    """Its rules and Kaspi's commission for it would price nothing until next night."""
    sync_catalogue()
    Product.objects.update(priced_with="rules-1")
    before = list(Category.objects.order_by("pk").values_list("pk", "parent", "path"))
    top = alstyle.shop.categories[0]
    assert Category.objects.filter(parent__supplier_id=top.id).exists()
    known = getattr(top, field)
    setattr(top, field, 0)
    for _night in range(2):
        assert sync_catalogue().is_done
        shown = Category.objects.order_by("pk").values_list("pk", "parent", "path")
        assert list(shown) == before
        assert not Category.objects.exclude(gone_at=None).exists()
        assert not Product.objects.filter(priced_with="").exists()

    setattr(top, field, known)
    top.name = "Another name"
    assert sync_catalogue().counts["categories_changed"] > 1
    assert Product.objects.filter(priced_with="").exists()


def test_a_row_that_never_tells_its_id_keeps_no_branch_for_good(
    alstyle, sync_catalogue
):
    rows = alstyle.shop.raw_categories
    rows.append({"id": 0, "name": "All", "left": 0, "right": 0})
    for number in (77, 79):
        rows.append(
            {"id": number, "name": "New", "left": 9000 + number, "right": 9001 + number}
        )
    sync_catalogue()
    del rows[1:]
    assert sync_catalogue().counts["categories_gone"] == 2
    assert sync_catalogue().counts.get("categories_gone", 0) == 0


def test_goods_that_are_gone_and_come_back(alstyle, sync_catalogue, article):
    sync_catalogue(now=NOW)
    gone = alstyle.remove_good(article)
    later = NOW + timedelta(days=1)
    run = sync_catalogue(now=later)
    assert run.counts["gone"] == 1
    stored = stored_product(article)
    assert (stored.gone_at, stored.stock, stored.last_seen) == (later, 0, NOW)
    assert story(article) == [("presence", 1, 0), ("stock", 7, 0)]

    alstyle.shop.goods[article] = gone
    back = later + timedelta(days=1)
    run = sync_catalogue(now=back)
    assert run.counts["returned"] == 1
    stored = stored_product(article)
    assert (stored.gone_at, stored.stock, stored.last_seen) == (None, 7, back)
    assert story(article)[2:] == [("presence", 0, 1), ("stock", 0, 7)]


def test_a_gone_good_stays_gone_without_another_story(alstyle, sync_catalogue, article):
    sync_catalogue()
    alstyle.remove_good(article)
    sync_catalogue()
    run = sync_catalogue()
    assert "gone" not in run.counts
    assert len(story(article)) == 2


def test_last_seen_costs_one_statement_and_not_one_at_every_import(sync_catalogue):
    sync_catalogue(now=NOW)
    sync_catalogue(now=NOW + timedelta(hours=6))
    assert set(Product.objects.values_list("last_seen", flat=True)) == {NOW}
    later = NOW + timedelta(hours=24)
    with CaptureQueriesContext(connection) as captured:
        sync_catalogue(now=later)
    updates = [q for q in captured if q["sql"].startswith('UPDATE "catalog_product"')]
    assert len(updates) == 1
    assert set(Product.objects.values_list("last_seen", flat=True)) == {later}


def test_a_category_that_vanished_is_kept_and_marked(alstyle, sync_catalogue):
    extra = {"id": 77, "name": "Short-lived", "left": 9001, "right": 9002, "level": 1}
    alstyle.shop.raw_categories.append(extra)
    sync_catalogue(now=NOW)
    alstyle.shop.raw_categories.clear()
    run = sync_catalogue(now=NOW)
    assert run.counts["categories_gone"] == 1
    assert Category.objects.get(supplier_id="77").gone_at == NOW
    alstyle.shop.raw_categories.append(extra)
    sync_catalogue()
    assert Category.objects.get(supplier_id="77").gone_at is None


def test_what_staff_decided_about_a_category_stays(alstyle, sync_catalogue):
    sync_catalogue()
    Category.objects.update(is_published=True)
    alstyle.shop.categories[0].name = "Another name"
    sync_catalogue()
    assert not Category.objects.filter(is_published=False).exists()


def test_a_new_good_gets_another_sku_when_its_own_was_given_away(
    alstyle, sync_catalogue, article
):
    make_product("1", sku=str(article), gone_at=NOW)
    make_product("2", sku=f"{article}-2", gone_at=NOW)
    run = sync_catalogue()
    assert stored_product(article).sku == f"{article}-3"
    assert stored_product(1).sku == str(article)
    assert run.counts["sku_taken"] == 1
    reason = f"SKU {article} belongs to another product; this one got {article}-3"
    assert run.bad_rows == [[str(article), reason]]


def test_a_new_good_takes_no_sku_that_another_had_once(
    alstyle, sync_catalogue, article
):
    """At Kaspi its card is still the other good's."""
    other = make_product("1", gone_at=NOW)
    for sku in (str(article), "1"):
        other.sku = sku
        other.save()
    run = sync_catalogue()
    assert stored_product(article).sku == f"{article}-2"
    assert stored_product(1).sku == "1"
    assert run.counts["sku_taken"] == 1


def test_a_sku_mapped_by_hand_stays(alstyle, sync_catalogue, article):
    sync_catalogue()
    Product.objects.filter(article=str(article)).update(sku="MAPPED-1")
    alstyle.set_good(article, name="Other", price1=5)
    sync_catalogue()
    assert stored_product(article).sku == "MAPPED-1"


@pytest.fixture
def crawl_and_read_stock(supplier_client, monkeypatch):
    """Crawl; once the whole catalogue has come, stock is read, too."""
    crawl = crawling.crawl_elements

    def run(between):
        def crawl_and_read(client):
            crawled = crawl(client)
            between()
            assert importing.import_stock(client).is_done
            return crawled

        monkeypatch.setattr(importing, "crawl_elements", crawl_and_read)
        crawled = importing.import_catalogue(supplier_client)
        assert crawled.is_done
        return crawled

    return run


def test_stock_read_during_the_crawl_is_not_overwritten_by_older_figures(
    alstyle, sync_catalogue, article, crawl_and_read_stock
):
    sync_catalogue()
    alstyle.set_good(article, name="New name")
    crawl_and_read_stock(
        lambda: alstyle.set_good(article, quantity=0, price1=2000, name="New name")
    )
    stored = stored_product(article)
    assert (stored.stock, stored.cost_kzt) == (0, 2000)
    assert stored.name == "New name"


def test_a_good_that_returns_with_the_crawl_has_the_figures_read_last(
    alstyle, sync_catalogue, sync_stock, article, crawl_and_read_stock, monkeypatch
):
    sync_catalogue()
    good = alstyle.remove_good(article)
    sync_catalogue()
    alstyle.shop.goods[article] = good
    # The catalogue does not give it by its article just now.
    monkeypatch.setattr(importing, "read_new_articles", lambda *_args: None)
    crawl_and_read_stock(lambda: alstyle.set_good(article, quantity=0, price1=2000))
    stored = stored_product(article)
    assert stored.gone_at is None
    assert (stored.stock, stored.cost_kzt) == (0, 2000)


def test_a_crawl_that_kept_newer_figures_vouches_for_none(
    alstyle, sync_catalogue, article, crawl_and_read_stock
):
    """What left the stock between their reading and the crawl is not in them."""
    sync_catalogue()
    before = database_now() - timedelta(minutes=1)
    run = crawl_and_read_stock(lambda: alstyle.set_good(article, quantity=0))
    ImportRun.objects.filter(kind=ImportRun.Kind.STOCK).update(started_at=before)
    ImportRun.objects.filter(kind=ImportRun.Kind.CATALOGUE).exclude(pk=run.pk).delete()
    assert run.started_at > before
    assert stock_read_at() == read_last_runs().stock_read_at == before
    assert stock_before_last_import() == {stored_product(article).pk: 7}


def test_a_good_gone_by_the_crawl_keeps_the_figures_read_last(
    alstyle, sync_catalogue, article, crawl_and_read_stock
):
    """Many of them stay on sale for now as far as they are there: by these figures."""
    sync_catalogue()
    good = alstyle.remove_good(article)

    def come_back():
        alstyle.shop.goods[article] = good
        alstyle.set_good(article, quantity=6)

    crawl_and_read_stock(come_back)
    stored = stored_product(article)
    assert stored.is_gone
    assert stored.stock == 6
    assert story(article) == [("stock", 7, 6), ("presence", 1, 0)]


def test_an_import_whose_date_cannot_be_had_is_still_done(alstyle, sync_catalogue):
    alstyle.faults.add("status", "date", code=502)
    run = sync_catalogue()
    assert run.status == "done"
    assert run.supplier_date == ""


def test_a_product_of_a_gone_category_keeps_it(alstyle, sync_catalogue, article):
    kept = make_category("88", name="Kept")
    alstyle.set_good(article, category=88)
    run = sync_catalogue(accept_shrunk=True)
    assert stored_product(article).category == kept
    assert "without_category" not in run.counts


def test_imports_leave_no_trace_in_the_history_of_decisions(
    alstyle, sync_catalogue, sync_stock
):
    sync_catalogue()
    alstyle.set_good(next(iter(alstyle.goods)), quantity=1, price1=777)
    sync_stock()
    sync_catalogue()
    assert Product.objects.exists()
    assert (Product.history.count(), Category.history.count()) == (0, 0)
