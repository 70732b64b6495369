from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import Category, PriceRule, Product, ProductChange
from catalog.repricing import explain_price, release_prices, reprice

pytestmark = pytest.mark.django_db
NOW = timezone.now()


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


def test_a_jump_waits_until_released_and_returns_by_itself():
    product = make_product()
    reprice(now=NOW)
    Product.objects.update(retail_kzt=4000, priced_with="")
    assert reprice(now=NOW).quarantined == 1
    assert price_of(product) == (4000, "jump")
    Product.objects.update(retail_kzt=1600, priced_with="")
    reprice(now=NOW)
    assert price_of(product) == (1600, "")

    Product.objects.update(retail_kzt=4000, priced_with="")
    reprice(now=NOW)
    assert release_prices([product.pk]) == 1
    reprice(now=NOW)
    assert price_of(product) == (4000, "")


def test_releasing_touches_jumps_only():
    product = make_product(cost_kzt=1)
    reprice(now=NOW)
    assert release_prices([product.pk]) == 0
    assert price_of(product) == (None, "no_cost")


def test_a_fixed_price_ends_at_its_moment():
    product = make_product(
        price_override_kzt=1400, price_override_until=NOW + timedelta(hours=1)
    )
    reprice(now=NOW)
    assert price_of(product) == (1400, "")
    reprice(now=NOW + timedelta(hours=2))
    assert price_of(product) == (1500, "")


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
        for brand in ("", " ZETA ", "Other")
        for low, high in ((None, None), (1000, None), (None, 1000), (900, 1001))
    ]
    products = [
        make_product(str(number), brand=brand, cost_kzt=cost)
        for number, (brand, cost) in enumerate(
            [("Zeta", 999), ("zeta", 1000), ("", 1001), ("Other", 5), ("Zeta", 900)]
        )
    ]
    for rule in rules:
        matched = set(Product.objects.filter(rule.matched_by()))
        assert matched == {
            p for p in products if rule.fits(brand=p.brand, cost_kzt=p.cost_kzt)
        }
