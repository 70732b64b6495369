"""Which SKUs Kaspi takes, as Python and the database tell them."""

from __future__ import annotations

import string

import pytest
from django.utils import timezone

from catalog.models import SKU, Product

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def test_the_database_knows_an_unusable_sku_as_the_build_does():
    signs = [f"a{sign}b" for sign in string.printable + "ёЖ\u00a0²"]
    lengths = ["x" * length for length in (0, 1, 20, 21)]
    edges = ["-", "_-_", " 7", "7 ", "7\n", "70311", "Ab-9_", "а", "0" * 21]
    skus = dict.fromkeys([*signs, *lengths, *edges])
    Product.objects.bulk_create(
        Product(article=str(n), sku=sku, name="x", first_seen=NOW, last_seen=NOW)
        for n, sku in enumerate(skus)
    )
    told = dict(Product.objects.values_list("sku", "is_sku_usable"))
    assert told == {sku: bool(SKU.fullmatch(sku)) for sku in skus}
