from datetime import timedelta
from itertools import product as combinations

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from catalog.models import Product
from feeds.admin import sale
from feeds.admin.sale import as_row, kept_off_by, look_at, on_sale, sale_pill
from feeds.models import Listing
from feeds.offers import Reason, decide_offer, product_rows, read_terms
from tests.staff import (
    build,
    log_in,
    make_category,
    make_import,
    make_product,
    page,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def terms():
    return read_terms(now=timezone.now())


@pytest.fixture
def goods():
    """Products in every state that the decision tells apart, and between them."""
    sold, unsold = make_category("Мыши"), make_category("Бумага", is_published=False)
    choices = combinations(
        (None, timezone.now()),
        (("yes", None), ("no", sold), ("category", sold), ("category", unsold)),
        ("", "jump"),
        ((0, None), (2, None), (7, 10), (25, 10), (9, 1)),
    )
    for number, (gone_at, (choice, category), quarantine, (stock, by)) in enumerate(
        choices
    ):
        make_product(
            sku="bad sku" + str(number) if number % 7 == 6 else f"S{number}",
            name="" if number % 11 == 10 else "Мышь",
            gone_at=gone_at,
            is_published=choice,
            category=category,
            quarantine=quarantine,
            price_kzt=(None, 7990, 7990)[number % 3],
            stock=stock,
            multiplicity=by,
            sells_singly=number % 2 == 0,
            safety_stock=number % 3,
        )
    make_product(is_published="category", category=None, price_kzt=1)


@pytest.mark.parametrize("age_min", [1, 500])
@pytest.mark.parametrize("least", [1, 3])
@pytest.mark.parametrize("reserved", [False, True])
def test_the_filter_finds_just_what_the_build_leaves_out(
    goods, settings, monkeypatch, age_min, least, reserved
):
    settings.LEAST_STOCK_TO_LIST = least
    make_import(age=timedelta(minutes=age_min))
    if reserved:
        pks = Product.objects.values_list("pk", flat=True)
        monkeypatch.setattr(
            "feeds.offers.reserved_units", lambda _read_at: {pks[6]: 20}
        )
    now = terms()
    judged = {p.pk: decide_offer(as_row(p), now)[1] for p in Product.objects.all()}
    assert len(set(judged.values())) >= (5 if now.is_stale else 8)
    for reason in Reason:
        found = Product.objects.filter(kept_off_by(reason, now))
        wanted = {pk for pk, code in judged.items() if code == reason}
        assert set(found.values_list("pk", flat=True)) == wanted, reason


def test_a_product_is_judged_in_lists_as_in_builds(goods):
    make_import()
    now = terms()
    rows = {row.pk: row for row in product_rows(now=timezone.now())}
    for product in Product.objects.all():
        assert decide_offer(as_row(product), now) == decide_offer(rows[product.pk], now)


def shown(product):
    product = Product.objects.get(pk=product.pk)
    return str(sale_pill(product, look_at([product], terms())[product.pk]))


def listing(product, **values):
    return Listing.objects.create(
        product=product,
        price_kzt=7990,
        stock_count=9,
        first_listed_at=timezone.now(),
        **{"sku": product.sku, **values},
    )


def test_the_label_tells_the_live_list_from_the_next_one():
    make_import()
    new, listed, falling, jumped = [
        make_product(price_kzt=7990, stock=stock, quarantine=quarantine)
        for stock, quarantine in ((9, ""), (9, ""), (0, ""), (9, "jump"))
    ]
    listing(listed)
    listing(falling)
    with_code = {p: shown(p) for p in (new, listed, falling, jumped)}
    assert "with the next list" in with_code[new]
    assert "pill good" in with_code[listed]
    assert "goes off sale" in with_code[falling]
    assert "out of stock" in with_code[falling]
    assert "price fell sharply" in with_code[jumped]


def test_on_sale_counts_the_products_own_sku_only():
    product = make_product()
    listing(product, sku="its-former-sku")
    assert not Product.objects.filter(on_sale()).exists()
    assert not Product.objects.filter(on_sale(are_many=True)).exists()
    listing(product)
    assert Product.objects.filter(on_sale()).get() == product
    assert Product.objects.filter(on_sale(are_many=True)).get() == product


def test_every_reason_has_a_short_text_and_a_place_in_the_order():
    assert set(sale.SHORT) == set(Reason)
    assert set(sale.ORDER) == set(Reason) - {Reason.REMAPPED}


def test_the_page_says_why_a_product_is_not_on_sale_and_what_to_do(settings):
    make_import()
    viewer = log_in(settings, "viewer")
    unsold = make_category("Бумага", is_published=False)
    cases = {
        make_product(
            is_published="category", category=unsold
        ).pk: "Its category is not sold",
        make_product(is_published="no").pk: "To sell it, set",
        make_product(price_kzt=9, quarantine="jump").pk: "then release it",
        make_product(price_kzt=None).pk: "with the next build",
        make_product(quarantine="no_cost").pk: "on request only",
        make_product(sku="a b").pk: "Give it another SKU",
        make_product(price_kzt=9, multiplicity=5).pk: "allow selling by the piece",
        make_product(price_kzt=9, stock=0).pk: "Why not: out of stock",
    }
    for pk, words in cases.items():
        url = reverse("admin:catalog_product_change", args=[pk])
        assert words in page(viewer, url)


def test_the_page_says_what_the_live_list_offers(settings, shop):
    product = make_product(price_kzt=7990, stock=9)
    build()
    viewer = log_in(settings, "viewer")
    url = reverse("admin:catalog_product_change", args=[product.pk])
    assert "The live price list offers it:" in page(viewer, url)
    Product.objects.update(stock=0)
    assert "goes off sale" in page(viewer, url)
    build()
    assert "as not available, since today" in page(viewer, url)


def test_the_list_filters_by_sale(settings, shop):
    product = make_product(price_kzt=7990)
    make_product(price_kzt=7990, stock=0)
    build()
    client = log_in(settings, "viewer")
    url = reverse("admin:catalog_product_changelist")
    rows = client.get(url, {"sale": "on_sale"}).context["cl"].result_list
    assert rows == [product]
    rows = client.get(url, {"sale": "out_of_stock"}).context["cl"].result_list
    assert [row.stock for row in rows] == [0]
    assert len(client.get(url, {"sale": "nonsense"}).context["cl"].result_list) == 2
