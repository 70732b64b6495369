from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import Product
from feeds.models import FeedBuild, Listing
from feeds.offers import Reason, decide_row, product_rows, read_terms
from tests.feeds.live_list import live
from tests.feeds.making import build, make_category, make_import, make_product

pytestmark = pytest.mark.django_db


def decide(product):
    now = timezone.now()
    (row,) = product_rows(now=now, pk=product.pk)
    return decide_row(row, read_terms(now=now))


def judged(**fields):
    return decide(make_product(**fields)).reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ""),
        ({"gone_at": timezone.now()}, "gone"),
        ({"is_published": "no"}, "not_published"),
        ({"is_published": "category"}, "not_published"),
        ({"sku": ""}, "bad_sku"),
        ({"sku": "1" * 21}, "bad_sku"),
        ({"sku": "мышь"}, "bad_sku"),
        ({"sku": "12 3"}, "bad_sku"),
        ({"sku": "123\n"}, "bad_sku"),
        ({"sku": "AB_12-c"}, ""),
        ({"name": " \x07 "}, "bad_name"),
        ({"price_kzt": None, "quarantine": "no_cost"}, "no_price"),
        ({"quarantine": "jump"}, "no_price"),
        ({"stock": 0}, "out_of_stock"),
        ({"safety_stock": 10}, "out_of_stock"),
        ({"multiplicity": 4}, "multiples"),
        ({"multiplicity": 4, "sells_singly": True}, ""),
    ],
)
def test_each_product_has_the_reason_that_keeps_it_off_sale(shop, fields, reason):
    assert judged(**fields) == reason
    assert reason == "" or Reason(reason).label


def test_a_product_follows_its_category_when_told_to(shop):
    category = make_category(is_published=True)
    assert judged(is_published="category", category=category) == ""
    assert judged(is_published="no", category=category) == "not_published"
    category.is_published = False
    category.save()
    assert judged(is_published="category", category=category) == "not_published"
    assert judged(is_published="yes", category=category) == ""


def test_fewer_than_the_least_are_not_listed(shop, settings):
    settings.LEAST_STOCK_TO_LIST = 11
    decision = decide(make_product(stock=10))
    assert (decision.units, decision.reason) == (0, "below_least")
    assert decision.lines


def test_a_product_enters_the_list_when_it_can_be_sold_and_then_stays(shop, feed_dir):
    sold = make_product(sku="1", stock=7)
    make_product(sku="2", stock=0)
    build()
    assert set(live(feed_dir)) == {"1"}
    Product.objects.filter(pk=sold.pk).update(stock=0)
    result = build()
    assert live(feed_dir)["1"].points == (("PP1", "no", 0, None),)
    assert live(feed_dir)["1"].price == sold.price_kzt
    assert result.counts["withdrawn_for"] == {"out_of_stock": 1}
    assert result.counts["left_out"] == {"out_of_stock": 1}
    listing = Listing.objects.get()
    assert (listing.is_available, listing.stock_count) == (False, 0)
    assert listing.withdrawn_at is not None
    Product.objects.filter(pk=sold.pk).update(stock=3)
    build()
    assert live(feed_dir)["1"].points == (("PP1", "yes", 3, None),)
    assert Listing.objects.filter(is_available=True, withdrawn_at=None).exists()
    diffs = FeedBuild.objects.order_by("pk").values_list("diff", flat=True)
    assert list(diffs) == [{"added": ["1"]}, {"withdrawn": ["1"]}, {"returned": ["1"]}]


def test_a_long_withdrawn_product_leaves_the_list(shop, settings, feed_dir):
    settings.FEED_WITHDRAWN_DAYS = 30
    gone = make_product(sku="1")
    make_product(sku="2")
    build()
    Product.objects.filter(pk=gone.pk).update(stock=0)
    now = timezone.now()
    build(now=now)
    make_import(age_min=0)
    fresh = {"STOCK_STALE_AFTER_MIN": 60 * 24 * 40}
    settings.STOCK_STALE_AFTER_MIN = fresh["STOCK_STALE_AFTER_MIN"]
    assert build(now=now + timedelta(days=29)).end == "unchanged"
    result = build(now=now + timedelta(days=31))
    assert set(live(feed_dir)) == {"2"}
    assert result.counts["changes"]["dropped"] == 1
    assert list(Listing.objects.values_list("sku", flat=True)) == ["2"]
    Product.objects.filter(pk=gone.pk).update(stock=5)
    build(now=now + timedelta(days=32))
    assert set(live(feed_dir)) == {"1", "2"}


def test_a_withdrawn_product_keeps_its_last_price_while_it_has_none(shop, feed_dir):
    product = make_product(sku="1", price_kzt=5000)
    build()
    Product.objects.filter(pk=product.pk).update(price_kzt=9000, quarantine="jump")
    build()
    offer = live(feed_dir)["1"]
    assert (offer.is_on_sale, offer.price) == (False, 5000)
    Product.objects.filter(pk=product.pk).update(price_kzt=None, quarantine="no_cost")
    assert build().end == "unchanged"


def test_a_remapped_product_leaves_its_old_sku_withdrawn(shop, feed_dir):
    product = make_product(sku="OLD", stock=4)
    build()
    Product.objects.filter(pk=product.pk).update(sku="NEW")
    result = build()
    offers = live(feed_dir)
    assert (offers["OLD"].units, offers["NEW"].units) == (0, 4)
    assert result.counts["withdrawn_for"] == {"remapped": 1}
    assert {row.sku: row.product_id for row in Listing.objects.all()} == {
        "OLD": product.pk,
        "NEW": product.pk,
    }
    assert build().end == "unchanged"


def test_an_sku_that_moves_to_another_product_stands_in_the_list_once(shop, feed_dir):
    first = make_product(sku="A", stock=4)
    second = make_product(sku="B", stock=9)
    build()
    Product.objects.filter(pk=first.pk).update(sku="C")
    Product.objects.filter(pk=second.pk).update(sku="A")
    result = build()
    offers = live(feed_dir)
    assert {sku: offer.units for sku, offer in offers.items()} == {
        "C": 4,
        "A": 9,
        "B": 0,
    }
    assert result.counts["changes"]["stock"] == 1
    assert Listing.objects.get(sku="A").product_id == second.pk
    assert build().end == "unchanged"


def test_two_products_can_swap_their_skus(shop, feed_dir):
    first = make_product(sku="A", stock=4)
    second = make_product(sku="B", stock=9)
    build()
    Product.objects.filter(pk=first.pk).update(sku="X")
    Product.objects.filter(pk=second.pk).update(sku="A")
    Product.objects.filter(pk=first.pk).update(sku="B")
    build()
    assert {sku: offer.units for sku, offer in live(feed_dir).items()} == {
        "A": 9,
        "B": 4,
    }
    assert Listing.objects.get(sku="B").product_id == first.pk


def test_old_stock_figures_take_everything_off_sale(shop, settings, feed_dir):
    for _ in range(30):
        make_product()
    build()
    late = timezone.now() + timedelta(minutes=settings.STOCK_STALE_AFTER_MIN + 5)
    result = build(now=late)
    assert result.end == "published"
    assert result.counts["on_sale"] == 0
    assert result.counts["withdrawn_for"] == {"stale": 30}
    assert len(live(feed_dir)) == 30


def test_reservations_are_not_offered_again(shop, monkeypatch, feed_dir):
    product = make_product(sku="1", stock=10)
    monkeypatch.setattr("feeds.offers.reserved_units", lambda _read_at: {product.pk: 4})
    build()
    assert live(feed_dir)["1"].units == 6


def test_the_cap_hides_how_much_there_is(shop, settings, feed_dir):
    settings.STOCK_CAP = 50
    make_product(sku="1", stock=4000)
    build()
    assert live(feed_dir)["1"].units == 50


def test_odd_characters_in_an_sku_are_counted_not_refused(shop, feed_dir):
    make_product(sku="AB_1")
    make_product(sku="A-2")
    make_product(sku="ЯБ")
    result = build()
    assert result.counts["warnings"] == {"sku_has_dash_or_underscore": 2}
    assert result.counts["left_out"] == {"bad_sku": 1}
    assert set(live(feed_dir)) == {"AB_1", "A-2"}


def test_a_listed_product_whose_name_is_blanked_stays_in_the_list(shop, feed_dir):
    product = make_product(sku="1")
    build()
    Product.objects.filter(pk=product.pk).update(name="")
    build()
    offer = live(feed_dir)["1"]
    assert (offer.model, offer.is_on_sale) == ("1", False)
