from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone, translation

from catalog.models import PriceRule, Product
from catalog.repricing import reprice
from feeds.foreseeing import Edits, foresee
from feeds.models import Listing
from feeds.publishing import build_price_list
from tests.feeds.making import make_category, make_import, make_product, make_store

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def rule(db):
    PriceRule.objects.all().delete()
    return PriceRule.objects.create(
        name="all",
        base="cost",
        markup_percent=20,
        commission_percent=0,
        least_margin_percent=5,
    )


@pytest.fixture
def shop(rule):
    make_import()
    make_store()
    return rule


def unsaved(rule, **values):
    copy = PriceRule.objects.get(pk=rule.pk)
    for name, value in values.items():
        setattr(copy, name, value)
    return copy


def edited(rule, **values):
    edits = Edits(
        rules_before=[PriceRule.objects.get(pk=rule.pk)],
        rules_after=[unsaved(rule, **values)],
    )
    return foresee(edits, now=timezone.now())


def stored():
    return dict(Product.objects.values_list("pk", "price_kzt"))


def make_goods(number=3, **values):
    fresh = {"price_kzt": None, "accepted_price_kzt": None}
    goods = [make_product(**{**fresh, **values}) for _ in range(number)]
    build_price_list(now=timezone.now())
    return goods


def test_what_is_foreseen_is_what_saving_brings(shop):
    branch = make_category(is_published=False)
    make_goods(cost_kzt=1000)
    make_goods(cost_kzt=7777, category=branch, is_published="category")
    make_goods(1, cost_kzt=5000, price_override_kzt=5600)
    before = stored()
    values = {
        "markup_percent": Decimal(35),
        "commission_percent": Decimal(12),
        "least_margin_percent": Decimal(15),
    }
    found = edited(shop, **values)
    assert stored() == before
    PriceRule.objects.filter(pk=shop.pk).update(**values)
    reprice(now=timezone.now())
    rows = Product.objects.values_list("pk", "price_kzt", "quarantine")
    after = {pk: (price, reason) for pk, price, reason in rows}
    assert {e.pk: (e.after.price_kzt, e.after.quarantine) for e in found.effects} == {
        pk: now for pk, now in after.items() if now != (before[pk], "")
    }
    assert len(found.effects) == 7
    # The fixed price fell below the new floor.
    assert found.counts["quarantined"] == 1
    build_price_list(now=timezone.now())
    listed = Listing.objects.values_list("product", "is_available", "price_kzt")
    for pk, is_available, price in listed:
        effect = next(e for e in found.effects if e.pk == pk)
        assert is_available == bool(effect.after.units)
        assert price == effect.after.price_kzt


def test_nothing_is_written_while_looking(shop, django_assert_max_num_queries):
    make_goods(20)
    rows = list(Product.objects.order_by("pk").values())
    with django_assert_max_num_queries(13):
        edited(shop, markup_percent=90)
    assert list(Product.objects.order_by("pk").values()) == rows


def test_a_mistyped_mark_up_is_seen_to_take_goods_off_sale(shop, settings):
    settings.CHANGE_WARN_PERCENT = 10
    make_goods(25, cost_kzt=1000)
    found = edited(shop, markup_percent=200)
    assert found.counts["off_sale"] == found.counts["quarantined"] == 25
    said = " ".join(found.warnings())
    assert "25 goods would go off sale" in said
    assert "25 prices rise by more than 40 %" in said
    assert found.kept == 0, "dearer, they are not kept at the old price"
    assert "on sale for now" not in said


def test_a_fall_beyond_the_limit_is_told(shop):
    make_goods(1, cost_kzt=1000, min_price_kzt=3000)
    product = Product.objects.get()
    edits = Edits(products={product.pk: {"min_price_kzt": None}})
    found = foresee(edits, now=timezone.now())
    assert found.effects[0].after.quarantine == "jump"
    assert any("falls by more than 40 %" in text for text in found.warnings())


def test_a_change_of_many_prices_must_be_meant_and_of_few_need_not(shop, settings):
    make_goods(6, cost_kzt=1000)
    assert edited(shop, markup_percent=21).warnings() != []
    settings.CHANGE_WARN_PERCENT = 100
    assert edited(shop, markup_percent=21).warnings() == []


def test_a_rule_whose_base_ignores_the_mark_up_says_so(shop):
    make_goods(2, retail_kzt=9000)
    make_goods(1, retail_kzt=None)
    PriceRule.objects.update(base="retail")
    build_price_list(now=timezone.now())
    found = edited(shop, markup_percent=30)
    assert found.bases == {"retail": 2, "markup": 1}
    assert [e.sells for e in found.effects] == [True]
    assert edited(shop, markup_percent=20, name="other").effects == []


def test_goods_that_another_rule_fits_better_are_counted_apart(shop):
    branch = make_category(is_published=True)
    PriceRule.objects.create(name="branch", category=branch)
    make_goods(2)
    make_goods(1, category=branch)
    found = edited(shop, markup_percent=50)
    assert found.bases == {"markup": 2, "other_rule": 1}
    assert len(found.effects) == 2


def test_a_rule_switched_off_leaves_its_goods_to_the_next(shop):
    make_goods(2, brand="Kvantor")
    special = PriceRule.objects.create(
        name="special",
        brand="Kvantor",
        base="cost",
        markup_percent=50,
        commission_percent=0,
    )
    build_price_list(now=timezone.now())
    found = edited(special, is_active=False)
    assert {(e.before.price_kzt, e.after.price_kzt) for e in found.effects} == {
        (7500, 6000)
    }
    gone = foresee(Edits(rules_before=[special]), now=timezone.now())
    assert [e.after for e in gone.effects] == [e.after for e in found.effects]
    # Where it is gone, no other one fits "better".
    assert gone.bases == found.bases == {}


@pytest.mark.parametrize("brand", ["Kvantor", "Бюрократ"])
def test_a_rule_to_add_is_tried_before_it_exists(shop, brand):
    make_goods(2, brand=brand)
    new = PriceRule(pk=1 << 60, name="n", brand=brand.lower(), base="cost")
    new.markup_percent, new.commission_percent = Decimal(10), Decimal(0)
    found = foresee(Edits(rules_after=[new]), now=timezone.now())
    assert {e.after.price_kzt for e in found.effects} == {5500}


def test_selling_a_branch_puts_its_goods_on_sale(shop):
    branch = make_category(is_published=False)
    make_goods(2, category=branch, is_published="category")
    make_goods(1, category=branch, is_published="no")
    make_goods(1, category=branch, is_published="category", stock=0)
    found = foresee(Edits(sold={branch.pk: True}), now=timezone.now())
    assert found.counts["on_sale"] == 2
    reasons = [e.after.reason for e in found.effects]
    assert reasons == ["", "", "out_of_stock"]


def test_units_kept_back_change_what_is_offered(shop):
    kept, gone = make_goods(2, stock=5)
    edits = Edits(products={kept.pk: {"safety_stock": 2}, gone.pk: {"safety_stock": 5}})
    found = foresee(edits, now=timezone.now())
    assert {e.pk: e.after.units for e in found.effects} == {kept.pk: 3, gone.pk: 0}
    # What goes off sale comes first.
    assert found.effects[0].pk == gone.pk


def test_old_stock_figures_do_not_hide_what_would_go_on_or_off_sale(rule):
    make_import(age_min=10_000)
    make_store()
    product = make_product(price_kzt=None)
    edits = Edits(products={product.pk: {"is_published": "no"}})
    found = foresee(edits, now=timezone.now())
    assert found.stock_is_stale
    assert found.counts["off_sale"] == 1


def test_what_an_order_earns_is_told_by_the_rule(shop):
    make_goods(1, cost_kzt=1000)
    found = edited(
        shop, markup_percent=40, commission_percent=Decimal(10), delivery_kzt=50
    )
    effect = found.effects[0]
    price = effect.after.price_kzt
    assert effect.after.earns_kzt == int(price * Decimal("0.9") - 50 - 1000)
    assert Listing.objects.count() == 1


# --- what the price list keeps when too much goes off sale ----------------------------


def test_the_number_that_the_list_keeps_is_told(shop, settings):
    goods = make_goods(60, cost_kzt=1000)
    branch = make_category(is_published=True)
    pks = [product.pk for product in goods[:30]]
    Product.objects.filter(pk__in=pks).update(category=branch, is_published="category")
    build_price_list(now=timezone.now())
    found = foresee(Edits(sold={branch.pk: False}), now=timezone.now())
    assert (found.counts["off_sale"], found.kept) == (30, 30)
    assert "will keep 30 of them on sale for now" in " ".join(found.warnings())
    branch.is_published = False
    branch.save()
    assert build_price_list(now=timezone.now()).counts["withheld"] == 30


def test_a_fall_of_all_prices_is_told_to_be_kept_at_the_old_ones(shop):
    shop.markup_percent = 100
    shop.save()
    make_goods(25, cost_kzt=1000)
    listed = set(Listing.objects.values_list("price_kzt", flat=True))
    found = edited(shop, markup_percent=10)
    assert (found.counts["off_sale"], found.kept) == (25, 25)
    PriceRule.objects.filter(pk=shop.pk).update(markup_percent=10)
    assert build_price_list(now=timezone.now()).counts["withheld"] == 25
    assert set(Listing.objects.on_sale().values_list("price_kzt", flat=True)) == listed


@pytest.mark.parametrize(
    "changed", [{"LEAST_STOCK_TO_LIST": 11}, {"STOCK_STALE_AFTER_MIN": 0}], ids=str
)
def test_nothing_is_promised_that_goes_off_sale_at_once(shop, settings, changed):
    make_goods(60, cost_kzt=1000)
    found = foresee(Edits(settings=changed), now=timezone.now())
    assert (found.counts["off_sale"], found.kept) == (60, 0)
    assert "on sale for now" not in " ".join(found.warnings())
    for name, value in changed.items():
        setattr(settings, name, value)
    build_price_list(now=timezone.now())
    assert not Listing.objects.on_sale().exists()


def test_few_that_go_off_sale_are_not_told_to_be_kept(shop):
    goods = make_goods(60, cost_kzt=1000)
    hidden = {product.pk: {"is_published": "no"} for product in goods[:19]}
    assert foresee(Edits(products=hidden), now=timezone.now()).kept == 0
