"""Rows by the thousand stand as objects saved one by one would."""

from __future__ import annotations

import pytest
from django.utils import timezone

from catalog.models import Category, Product, ProductChange
from plumbing import rows
from plumbing.rows import insert_rows, update_rows

pytestmark = pytest.mark.django_db
NOW = timezone.now()
OWN = ("id", "article", "sku")


def stored(product: Product) -> dict[str, object]:
    return {
        field.name: getattr(product, field.attname)
        for field in Product._meta.concrete_fields
        if field.name not in OWN
    }


def test_rows_are_inserted_as_objects_would_be():
    category = Category.objects.create(supplier_id="1", name="Мыши")
    values = {
        "name": "Мышь {1, \"2\"} \\ 'x'",
        "category": category.pk,
        "stock_is_lower_bound": True,
        "multiplicity": None,
        "cost_kzt": 2_000_000_000,
        "is_published": Product.Publish.YES,
        "first_seen": NOW,
        "last_seen": NOW,
    }
    insert_rows(
        Product,
        ("article", "sku", *values),
        [("1", "1", *values.values()), ("2", "2", *values.values())],
    )
    values["category_id"] = values.pop("category")
    Product.objects.create(article="3", sku="3", **values)
    one, two, made = Product.objects.order_by("article")
    assert stored(one) == stored(two) == stored(made)
    assert one.is_published == "yes"


@pytest.mark.parametrize("at_once", [20_000, 12, 5])
def test_each_column_is_given_as_the_database_takes_it(monkeypatch, at_once):
    # Of each statement; on SQLite three, two and one of the rows below.
    monkeypatch.setattr(rows, "VALUES_AT_ONCE", at_once)
    products = [
        Product.objects.create(
            article=str(n), sku=str(n), name="x", first_seen=NOW, last_seen=NOW
        )
        for n in range(3)
    ]
    later = NOW.replace(year=NOW.year + 1)
    update_rows(
        Product,
        ("quarantine", "quarantined_at", "price_kzt", "sells_singly"),
        [
            (Product.Quarantine.JUMP, NOW, 5, True, products[0].pk),
            ("", None, None, False, products[1].pk),
            ("rise", later, 7, False, products[2].pk),
        ],
    )
    columns = ("quarantine", "quarantined_at", "price_kzt", "sells_singly")
    assert [*Product.objects.order_by("pk").values_list(*columns)] == [
        ("jump", NOW, 5, True),
        ("", None, None, False),
        ("rise", later, 7, False),
    ]


def test_thousands_of_rows_go_in_by_the_chunk(django_assert_max_num_queries):
    product = Product.objects.create(
        article="1", sku="1", name="x", first_seen=NOW, last_seen=NOW
    )
    changes = ((product.pk, "price", None, number, NOW) for number in range(4100))
    with django_assert_max_num_queries(3):
        insert_rows(
            ProductChange, ("product", "field", "old", "new", "changed_at"), changes
        )
    assert ProductChange.objects.filter(reason="", run=None).count() == 4100
    insert_rows(ProductChange, ("product", "field", "old", "new", "changed_at"), [])
