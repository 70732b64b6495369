"""What the search reads finds just what the goods themselves would show."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from catalog.admin.products import ProductAdmin
from catalog.admin.searching import find_matches
from catalog.models import Product, ProductWords
from catalog.words import mend_words
from tests.catalog.factories import NOW, make_product
from tests.staff import log_in

pytestmark = pytest.mark.django_db
SEEN = {"first_seen": NOW, "last_seen": NOW}
NAMES = (
    "Чайник Zeta ZK-12 белый",
    "чАЙНИК ZETA zk-13",
    "Ёмкость 100% «Алматы»",
    "ÖL_Filter m-1",
    "Кабель USB\\C 'x'",
    "",
)
NUMBERS = ("ZETA-1", "m-1", "100", "C'x")
TYPED = (
    *("чайник", "ЧАЙНИК zeta", "ай", "ё", "zk", "ZK-1", "100%", "%", "_", "\\", "'"),
    *("m-1", "öl", "чайник m-1", "zeta zeta", "алматы»", "нет", "x c", "zeta 100"),
)


@pytest.fixture
def goods():
    for number, name in enumerate(NAMES):
        for part in NUMBERS[number % 3 : number % 3 + 2]:
            make_product(part_number=part, name=name)
    make_product("100777", sku="M-1X", barcode="100200", name="Прочее")


def is_found(product: Product, text: str) -> bool:
    """Read the good as a person would."""

    def has(word: str) -> bool:
        if word.lower() in product.name.lower():
            return True
        starts = (word, word.upper())
        numbers = (product.sku, product.part_number)
        if any(number.startswith(starts) for number in numbers):
            return word.isascii() or not word.isalpha()
        plain = (product.article, product.barcode)
        return not word.isalpha() and any(n.startswith(word) for n in plain)

    return all(has(word) for word in text.replace(",", " ").split())


def pks_of(text: str, *, most: int) -> list[int]:
    chosen = find_matches(text, most=most).chosen
    return sorted(Product.objects.filter(chosen).values_list("pk", flat=True))


@pytest.mark.parametrize("most", [0, 2, 10_000])
@pytest.mark.parametrize("typed", TYPED)
def test_few_and_many_are_found_as_reading_all_names_would(goods, typed, most):
    expected = [p.pk for p in Product.objects.order_by("pk") if is_found(p, typed)]
    assert pks_of(typed, most=most) == expected
    matches = find_matches(typed, most=most)
    assert matches.are_many == (len(expected) > most)
    assert len(matches.pks) == len(set(matches.pks)) == min(len(expected), most)


def test_many_are_counted_no_further_and_none_is_left_out(goods, monkeypatch, settings):
    monkeypatch.setattr("catalog.admin.products.MOST", 3)
    monkeypatch.setattr(ProductAdmin, "list_per_page", 2)
    operator = log_in(settings, "operator")

    def look(address: str) -> tuple[int, str]:
        response = operator.get(f"/admin/catalog/product/{address}")
        html = response.content.decode()
        shown = re.search(r"(In all: \d+|More than \d+)", html)
        assert shown is not None
        assert ("Select all that were found" in html) == ("More" in shown[0])
        return len(response.context["cl"].queryset), shown[0]

    assert look("?q=чайник") == (4, "More than 3")
    assert look("?q=чайник&presence=in_stock") == (4, "More than 3")
    assert look("?q=чайник&o=-4") == (4, "More than 3")
    assert look("?q=ёмкость") == (2, "In all: 2")
    assert look("?q=чайник&presence=sold_out") == (0, "In all: 0")


def words_of(article: object) -> str:
    return ProductWords.objects.get(product__article=str(article)).text


def test_imports_keep_the_names_that_are_searched(alstyle, sync_catalogue, article):
    sync_catalogue()
    assert ProductWords.objects.count() == len(alstyle.goods)
    good = alstyle.goods[article]
    assert words_of(article) == good.name.lower()
    alstyle.goods[article] = replace(good, name="Мышь ПЕРЕИМЕНОВАННАЯ")
    sync_catalogue()
    assert words_of(article) == "мышь переименованная"
    assert mend_words() == 0


def test_what_another_release_wrote_is_mended(goods):
    one, two, three, *_rest = Product.objects.order_by("pk")
    Product.objects.filter(pk=one.pk).update(name="Кружка")
    ProductWords.objects.filter(pk=two.pk).delete()
    Product.objects.filter(pk=three.pk)._raw_delete("default")
    late = Product.objects.create(article="5", sku="5", name="Ложка", **SEEN)
    assert mend_words() == 4
    texts = dict(ProductWords.objects.values_list("pk", "text"))
    assert texts == {p.pk: p.name.lower() for p in Product.objects.all()}
    assert texts[late.pk] == "ложка"
    assert mend_words() == 0


def test_a_migration_fills_the_names_of_goods_that_are_there(goods):
    expected = dict(ProductWords.objects.values_list("pk", "text"))
    ProductWords.objects.all().delete()
    migration = import_module("catalog.migrations.0017_fill_names_to_search_by")
    migration.fill_from(apps, connection)
    assert dict(ProductWords.objects.values_list("pk", "text")) == expected
