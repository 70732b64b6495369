"""A build that finds everything as it was writes nothing; one that does not, does.

A wrong "as it was" would keep a false list up, so every single input is changed here.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import Product
from feeds.digesting import AT_ONCE, Digests, digest_of
from feeds.models import FeedBuild, Listing, Store
from feeds.offers import ProductRow, Terms
from feeds.publishing import Override, roll_back
from feeds.unchanged import WHOLE_EVERY
from feeds.writing import Point
from tests.feeds.live_list import live
from tests.feeds.making import (
    build,
    make_category,
    make_import,
    make_product,
    make_products,
    make_store,
)

pytestmark = pytest.mark.django_db
Status = FeedBuild.Status
LONG_AGO = timezone.now() - timedelta(days=400)


def was_written_whole():
    """Tell whether the last build decided about every product."""
    return FeedBuild.objects.order_by("-pk")[0].inputs is not None


def change_each_input(product, *, settings, monkeypatch):
    """Give each input by name, and a way to change it alone."""
    own = Product.objects.filter(pk=product.pk)
    listing = Listing.objects.filter(product=product)
    first, last = Store.objects.order_by("pk")
    second = Store.objects.filter(pk=last.pk)
    category = make_category(is_published=True)
    reserved = {"feeds.offers.reserved_units": lambda _read_at: {product.pk: 2}}
    by_row = {
        "name": lambda: own.update(name="Клавиатура"),
        "brand": lambda: own.update(brand="Orion"),
        "category_id": lambda: own.update(category=category),
        "price_kzt": lambda: own.update(price_kzt=9990),
        "stock": lambda: own.update(stock=7),
        "is_lower_bound": lambda: own.update(stock_is_lower_bound=True),
        "safety_stock": lambda: own.update(safety_stock=1),
        "preorder_days": lambda: own.update(preorder_days=3),
        "sells_singly": lambda: own.update(sells_singly=True),
        "multiplicity": lambda: own.update(multiplicity=2),
        "quarantine": lambda: own.update(quarantine="jump"),
        "is_expired": lambda: listing.update(withdrawn_at=LONG_AGO),
        "is_published": lambda: own.update(is_published="category", quarantine=""),
        "was_available": lambda: listing.update(is_available=False),
        "listed_stock": lambda: listing.update(stock_count=99),
        "listed_price_kzt": lambda: listing.update(price_kzt=1),
        "sku": lambda: own.update(sku="another-one"),
        "is_gone": lambda: own.update(gone_at=timezone.now()),
    }
    assert {"pk", *by_row} == {*ProductRow._fields}
    by_terms = {
        "published_categories": lambda: make_category(is_published=True),
        "reserved": lambda: monkeypatch.setattr(*reserved.popitem()),
        "cap": lambda: setattr(settings, "STOCK_CAP", 3),
        "least": lambda: setattr(settings, "LEAST_STOCK_TO_LIST", 2),
        "is_stale": lambda: setattr(settings, "STOCK_STALE_AFTER_MIN", 0),
        "city_prices": lambda: Store.objects.update(supplement_percent=5),
    }
    assert {*by_terms} == {name for name in Terms.__slots__ if name[0] != "_"}
    by_point = {
        "store_id": lambda: second.update(store_id="PP3"),
        "stock_share": lambda: Store.objects.filter(pk=first.pk).update(stock_share=3),
        "preorder_days": lambda: Store.objects.update(preorder_days=2),
        "city_code": lambda: Store.objects.update(city_code="710000000"),
        "supplement": lambda: Store.objects.update(supplement_kzt=70),
    }
    assert {*by_point} == {*Point.__slots__}
    others = {
        "company": lambda: setattr(settings, "KASPI_COMPANY", "Another"),
        "merchant": lambda: setattr(settings, "KASPI_MERCHANT_ID", "Another"),
        "a new product": make_product,
        "a product less": lambda: Product.objects.order_by("-pk")[0].delete(),
        "a listing less": lambda: Listing.objects.order_by("-pk")[0].delete(),
        "a point less": second.delete,
        "the code": lambda: monkeypatch.setattr(
            "feeds.drafting.digest_of_code", lambda: "another release"
        ),
    }
    return [*by_row.items(), *by_terms.items(), *by_point.items(), *others.items()]


def test_every_single_change_is_noticed_and_then_known(
    shop, settings, monkeypatch, feed_dir
):
    make_store("PP2")
    product = make_product(sku="watched")
    make_products(30)
    changes = change_each_input(product, settings=settings, monkeypatch=monkeypatch)
    now = timezone.now()
    build(now=now)
    for name, change in changes:
        build(now=now)
        assert not was_written_whole(), f"before {name}: written again for nothing"
        change()
        build(now=now)
        assert was_written_whole(), f"{name} changed and nobody noticed"
    build(now=now)
    assert not was_written_whole()


def test_what_is_found_unchanged_is_counted_as_a_whole_build_counts_it(shop, settings):
    settings.STOCK_STALE_AFTER_MIN = 10_000
    make_products(3)
    make_product(is_published="no")
    sold_out = make_product(stock=0)
    Listing.objects.create(
        sku="left-behind",
        product=sold_out,
        price_kzt=7990,
        first_listed_at=LONG_AGO,
        withdrawn_at=LONG_AGO,
        is_available=False,
    )
    now = timezone.now()
    assert build(now=now).counts["left_out"]["remapped"] == 1
    quick = build(now=now)
    assert not was_written_whole()
    whole = build(now=now + WHOLE_EVERY)
    assert was_written_whole()
    assert quick.end == whole.end == "unchanged"
    assert quick.counts == whole.counts


def test_listings_that_went_astray_come_back_though_the_list_stays(shop):
    make_product(stock=5, price_kzt=1000)
    build()
    listings = Listing.objects.values_list("is_available", "stock_count", "price_kzt")
    assert [*listings] == [(True, 5, 1000)]
    Listing.objects.update(is_available=False, stock_count=9, price_kzt=1)
    assert build().end == "unchanged"
    assert [*listings.all()] == [(True, 5, 1000)]


def test_a_listing_that_its_product_left_behind_is_watched_too(shop):
    product = make_product()
    make_products(3)
    build()
    Product.objects.filter(pk=product.pk).update(sku="another-one")
    build()
    build()
    assert not was_written_whole()
    Listing.objects.filter(sku=product.sku).update(price_kzt=1)
    build()
    assert was_written_whole()


def test_a_list_that_keeps_anything_on_sale_is_always_decided_anew(shop):
    make_products(3)
    build()
    Listing.objects.filter(pk=Listing.objects.first().pk).update(
        withheld_since=timezone.now()
    )
    build()
    assert was_written_whole()
    build()
    assert not was_written_whole()


def test_a_merged_list_is_never_taken_for_all_that_it_depends_on(shop, settings):
    settings.FEED_MASS_WITHDRAWAL_PERCENT = 10
    goods = make_products(60)
    build()
    pks = [product.pk for product in goods[:30]]
    Product.objects.filter(pk__in=pks).update(is_published="no")
    assert build().counts["withheld"] == 30
    assert build().counts["withheld"] == 30


def test_a_version_put_back_is_not_mistaken_for_what_it_replaced(shop, feed_dir):
    product = make_product(stock=5, price_kzt=1000)
    now = timezone.now()
    first = FeedBuild.objects.get(pk=build(now=now).build_pk)
    Product.objects.update(price_kzt=1100)
    build(now=now)
    roll_back(first, reason="wrong", actor="olga", now=now)
    FeedBuild.objects.live().update(pinned_until=None)
    build(now=now)
    assert live(feed_dir)[product.sku].price == 1100


def test_a_forced_build_always_writes(shop):
    make_products(3)
    build()
    build(override=Override(reason="to be sure", actor="olga"))
    assert was_written_whole()


def test_a_clock_that_went_back_is_no_reason_to_trust_a_build(shop):
    make_import(age_min=60)
    make_products(3)
    build()
    build(now=timezone.now() - timedelta(minutes=30))
    assert was_written_whole()


def test_rows_are_summed_up_alike_however_they_come():
    rows = [(number, "Мышь" * (number % 3), None, True) for number in range(AT_ONCE)]
    alike = [
        (number, "".join(["Мы", "шь"]) * (number % 3), None, True)
        for number in range(AT_ONCE)
    ]
    digests = Digests("terms")
    for row in rows:
        digests.note(row)
    digests.end([])
    assert digests.found == ["terms", digest_of(alike), digest_of([])]
    assert digest_of([(1,)]) != digest_of([(True,)])
