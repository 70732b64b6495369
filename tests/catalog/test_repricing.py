from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from catalog.models import (
    Category,
    CommissionRate,
    PriceRule,
    Product,
    ProductChange,
)
from catalog.repricing import explain_price, release_prices, reprice
from catalog.rules import reached_by
from plumbing.models import TimeJump
from tests.catalog.factories import make_run

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture(autouse=True)
def no_commission(db):
    # Plain figures; tests/catalog/test_commissions.py has Kaspi take its part.
    CommissionRate.objects.all().delete()


def make_product(article: str = "70311", **fields: object) -> Product:
    defaults = {
        "sku": article,
        "name": f"Товар {article}",
        "cost_kzt": 1000,
        "retail_kzt": 1500,
        "stock": 5,
        "first_seen": NOW,
        "last_seen": NOW,
    }
    return Product.objects.create(article=article, **{**defaults, **fields})


def price_of(product: Product) -> tuple[int | None, str]:
    product.refresh_from_db()
    return product.price_kzt, product.quarantine


def test_a_new_bridge_sells_at_the_retail_price():
    product = make_product()
    result = reprice(now=NOW)
    assert price_of(product) == (1500, "")
    assert (result.examined, result.changed, result.quarantined) == (1, 1, 0)
    assert reprice(now=NOW).examined == 0


def test_a_new_cost_is_priced_again_and_the_change_keeps_its_explanation():
    product = make_product(retail_kzt=0)
    reprice(now=NOW)
    Product.objects.update(cost_kzt=1100, priced_with="")
    reprice(now=NOW)
    assert price_of(product) == (1320, "")
    change = ProductChange.objects.get(field="price")
    assert (change.old, change.new) == (1200, 1320)
    assert change.reason.splitlines() == explain_price(product)


def test_a_changed_rule_reprices_everything():
    product = make_product(retail_kzt=0)
    reprice(now=NOW)
    PriceRule.objects.update(markup_percent=30)
    assert reprice(now=NOW).changed == 1
    assert price_of(product) == (1300, "")


def waits_since(product: Product) -> datetime | None:
    return Product.objects.get(pk=product.pk).quarantined_at


@pytest.mark.parametrize(
    ("before", "after", "why"), [(4000, 1500, "jump"), (1500, 4000, "rise")]
)
def test_a_jump_waits_until_released_and_returns_by_itself(before, after, why):
    product = make_product(retail_kzt=before)
    reprice(now=NOW)
    Product.objects.update(retail_kzt=after, priced_with="")
    assert reprice(now=NOW).quarantined == 1
    assert price_of(product) == (after, why)
    assert waits_since(product) == NOW
    Product.objects.update(retail_kzt=before + 100, priced_with="")
    reprice(now=NOW)
    assert price_of(product) == (before + 100, "")
    assert waits_since(product) is None

    Product.objects.update(retail_kzt=after, priced_with="")
    reprice(now=NOW)
    assert release_prices({product.pk: after}) == [product.pk]
    reprice(now=NOW)
    assert price_of(product) == (after, "")


def imported(at: timedelta) -> None:
    make_run(started_at=NOW + at, finished_at=NOW + at)


def jumped(before: int, after: int) -> Product:
    product = make_product(retail_kzt=before)
    reprice(now=NOW)
    Product.objects.filter(pk=product.pk).update(retail_kzt=after, priced_with="")
    reprice(now=NOW)
    return product


HOUR = timedelta(hours=1)


def test_a_rise_goes_through_when_imports_showed_it_for_a_day():
    product = jumped(1500, 4000)
    imported(23 * HOUR)
    reprice(now=NOW + 30 * HOUR)
    assert price_of(product) == (4000, "rise"), "no import has shown it for a day"
    imported(24 * HOUR)
    assert reprice(now=NOW + 30 * HOUR).released == 1
    assert price_of(product) == (4000, "")
    assert (product.accepted_price_kzt, waits_since(product)) == (4000, None)
    change = ProductChange.objects.order_by("-pk")[0]
    assert (change.old, change.new) == (1500, 4000)
    assert "24" in change.reason
    assert reprice(now=NOW + 31 * HOUR).examined == 0


def test_a_fall_waits_for_a_person_however_long():
    product = jumped(4000, 1500)
    imported(1000 * HOUR)
    reprice(now=NOW + 1000 * HOUR)
    assert price_of(product) == (1500, "jump")


def test_a_rise_that_moves_on_begins_its_day_anew():
    product = jumped(1500, 4000)
    Product.objects.update(retail_kzt=5000, priced_with="")
    reprice(now=NOW + 12 * HOUR)
    imported(25 * HOUR)
    reprice(now=NOW + 25 * HOUR)
    assert price_of(product) == (5000, "rise")
    imported(36 * HOUR)
    reprice(now=NOW + 36 * HOUR)
    assert price_of(product) == (5000, "")


def test_a_clock_set_ahead_is_no_day_of_steady_imports():
    product = jumped(1500, 4000)
    TimeJump.objects.create(noticed_at=NOW + 25 * HOUR, seconds=25 * 3600, host="srv")
    imported(26 * HOUR)
    assert reprice(now=NOW + 26 * HOUR).released == 0
    assert price_of(product) == (4000, "rise"), "an hour has passed"
    imported(49 * HOUR)
    assert reprice(now=NOW + 49 * HOUR).released == 1


def test_a_price_out_of_date_is_worked_out_before_it_is_let_through():
    product = jumped(1500, 4000)
    imported(48 * HOUR)
    Product.objects.update(retail_kzt=1600, priced_with="")
    assert reprice(now=NOW + 48 * HOUR).released == 0
    assert price_of(product) == (1600, "")


def test_releasing_touches_jumps_only():
    product = make_product(cost_kzt=1)
    reprice(now=NOW)
    assert release_prices({product.pk: 1}) == []
    assert price_of(product) == (None, "no_cost")


def test_a_fixed_price_ends_at_its_moment():
    product = make_product(
        price_override_kzt=1400, price_override_until=NOW + timedelta(hours=1)
    )
    reprice(now=NOW)
    assert price_of(product) == (1400, "")
    reprice(now=NOW + timedelta(hours=2))
    assert price_of(product) == (1500, "")


@pytest.mark.parametrize("fixed", [1100, 2400])
def test_the_end_of_a_fixed_price_is_no_jump(fixed):
    product = make_product()
    reprice(now=NOW)
    ends = NOW + timedelta(hours=1)
    Product.objects.update(
        price_override_kzt=fixed, price_override_until=ends, priced_with=""
    )
    reprice(now=NOW)
    assert price_of(product) == (fixed, "")
    assert reprice(now=ends).quarantined == 0
    assert price_of(product) == (1500, "")


def test_what_the_rules_price_became_behind_a_fixed_one_may_be_a_jump():
    product = make_product(retail_kzt=4000)
    reprice(now=NOW)
    Product.objects.update(price_override_kzt=2000, priced_with="")
    reprice(now=NOW)
    Product.objects.update(price_override_kzt=None, retail_kzt=1500, priced_with="")
    reprice(now=NOW)
    assert price_of(product) == (1500, "jump")


def test_a_clock_that_is_ahead_ends_no_fixed_prices():
    product = make_product(
        price_override_kzt=1400, price_override_until=NOW + timedelta(days=9)
    )
    ahead = timedelta(days=40)
    jump = TimeJump.objects.create(
        noticed_at=NOW + ahead, seconds=ahead.total_seconds(), host="srv"
    )
    reprice(now=NOW + ahead)
    assert price_of(product) == (1400, "")
    jump.delete()
    reprice(now=NOW + ahead)
    assert price_of(product) == (1500, "")


def test_one_goods_mistyped_rule_stops_no_other_price():
    odd, sane = make_product("1", retail_kzt=0), make_product("2", retail_kzt=0)
    rule = make_rule(20, product=odd)
    PriceRule.objects.filter(pk=rule.pk).update(markup_kzt=2_147_483_647)
    reprice(now=NOW)
    assert price_of(odd) == (None, "no_rule")
    assert price_of(sane) == (1200, "")


@pytest.mark.parametrize("field", ["markup_kzt", "delivery_kzt", "round_to_kzt"])
def test_a_rule_by_which_nothing_has_a_price_is_refused(field):
    rule = make_rule(20)
    rule.full_clean()
    setattr(rule, field, 90_000_001)
    with pytest.raises(ValidationError) as caught:
        rule.full_clean()
    assert set(caught.value.message_dict) == {field}


def make_rule(markup: int, **conditions: object) -> PriceRule:
    return PriceRule.objects.create(
        name=f"+{markup}", base="cost", markup_percent=markup, **conditions
    )


def test_the_most_specific_rule_wins():
    root = Category.objects.create(supplier_id="1", name="root")
    leaf = Category.objects.create(supplier_id="2", name="leaf", parent=root)
    product = make_product(category=leaf, brand="Zeta")

    def priced() -> int | None:
        reprice(now=NOW)
        return price_of(product)[0]

    make_rule(11, cost_from_kzt=1000, cost_below_kzt=2000)
    assert priced() == 1110
    make_rule(12, brand="ZETA")
    assert priced() == 1120
    make_rule(13, category=root)
    assert priced() == 1130
    make_rule(14, category=leaf)
    assert priced() == 1140
    make_rule(15, category=leaf, brand="zeta")
    assert priced() == 1150
    make_rule(16, product=product)
    assert priced() == 1160
    make_rule(17, category=leaf, brand="Other")
    make_rule(18, cost_from_kzt=5000)
    assert priced() == 1160


def test_a_category_loop_does_not_hang_the_search():
    one = Category.objects.create(supplier_id="1", name="one")
    two = Category.objects.create(supplier_id="2", name="two", parent=one)
    Category.objects.filter(pk=one.pk).update(parent=two)
    make_rule(13, category=one)
    product = make_product(category=two)
    reprice(now=NOW)
    assert price_of(product)[0] == 1130


def test_thousands_of_products_are_priced_in_chunks(django_assert_max_num_queries):
    Product.objects.bulk_create(
        Product(
            article=str(n),
            sku=str(n),
            name="x",
            cost_kzt=1000,
            retail_kzt=1500,
            first_seen=NOW,
            last_seen=NOW,
        )
        for n in range(4500)
    )
    with django_assert_max_num_queries(40):
        assert reprice(now=NOW).changed == 4500
    assert Product.objects.filter(price_kzt=1500, quarantine="").count() == 4500


def test_a_rule_fits_in_python_as_in_the_database():
    rules = [
        PriceRule(brand=brand, cost_from_kzt=low, cost_below_kzt=high)
        for brand in ("", " ZETA ", "Other", "бюрократ", "Nobody's")
        for low, high in ((None, None), (1000, None), (None, 1000), (900, 1001))
    ]
    products = [
        make_product(str(number), brand=brand, cost_kzt=cost)
        for number, (brand, cost) in enumerate(
            [
                *(("Zeta", 999), ("zeta", 1000), ("", 1001), ("Other", 5)),
                *(("Zeta", 900), ("Бюрократ", 900), ("БЮРОКРАТ", 1200)),
            ]
        )
    ]
    for rule, reach in zip(rules, reached_by(rules), strict=True):
        matched = set(Product.objects.filter(reach))
        assert matched == {
            p for p in products if rule.fits(brand=p.brand, cost_kzt=p.cost_kzt)
        }
