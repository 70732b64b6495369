"""Odd rows are counted, explained, never fatal and never stored wrong."""

from __future__ import annotations

import pytest
from django.utils import timezone

from catalog.models import Category, Product
from tests.catalog.factories import element_row, stock_row, stored_product

pytestmark = pytest.mark.django_db


def reasons(run, article):
    return [reason for key, reason in run.bad_rows if key == str(article)]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("<&\"'>", "<&\"'>"),
        ("Мышь 🐭 «Огонь» 🔥", "Мышь 🐭 «Огонь» 🔥"),
        ("a\x00b\x07c\ud83d", "abc"),
        ("Стяжка\nв две строки\tи с табуляцией", "Стяжка в две строки и с табуляцией"),
        ("&amp; ]]>", "&amp; ]]>"),
    ],
)
def test_names_are_kept_as_far_as_they_can_be_printed(
    alstyle, sync_catalogue, article, name, kept
):
    alstyle.set_good(article, name=name, full_name=name)
    run = sync_catalogue()
    assert run.status == "done"
    assert (stored_product(article).name, stored_product(article).full_name) == (
        kept,
        kept,
    )
    assert run.bad_rows == []


def test_a_name_of_10000_characters_is_cut_and_told(alstyle, sync_catalogue, article):
    alstyle.set_good(article, name="ж" * 10_000)
    run = sync_catalogue()
    assert stored_product(article).name == "ж" * 500
    assert reasons(run, article) == ["name: cut from 10000 to 500 characters"]
    assert run.counts["warnings"] == 1
    assert run.counts["bad"] == 0


def test_a_blank_name_skips_the_row_and_keeps_what_is_stored(
    alstyle, sync_catalogue, article
):
    sync_catalogue()
    name = stored_product(article).name
    alstyle.set_raw(article, name=" \x00 ", price1=5)
    run = sync_catalogue()
    assert run.counts["bad"] == 1
    assert run.message.endswith(", 1 skipped")
    assert reasons(run, article) == ["name: blank: ' \\x00 '"]
    stored = stored_product(article)
    assert (stored.name, stored.gone_at, stored.cost_kzt) == (name, None, 1000)


@pytest.mark.parametrize(
    ("price", "stored_price", "is_doubted"),
    [
        (0, 0, False),
        (1, 1, False),
        (9_999_999, 9_999_999, False),
        ("1500", 1500, False),
        ("text", None, True),
        (None, None, True),
        (-5, None, True),
        (1500.5, None, True),
        (1500.0, 1500, False),
        (10**18, None, True),
        ([1500], None, True),
        (True, None, True),
    ],
)
def test_prices(
    alstyle, sync_catalogue, sync_stock, article, price, stored_price, is_doubted
):
    alstyle.set_raw(article, price2=price)
    run = sync_catalogue()
    assert run.status == "done"
    assert stored_product(article).retail_kzt == stored_price
    assert bool(reasons(run, article)) is is_doubted
    Product.objects.update(retail_kzt=77)
    alstyle.set_raw_price(article, stock_row(7, 1000, price))
    run = sync_stock()
    assert run.status == "done"
    assert stored_product(article).retail_kzt == stored_price
    assert bool(reasons(run, article)) is is_doubted


@pytest.mark.parametrize(
    ("quantity", "units", "is_lower_bound", "is_doubted"),
    [
        (-3, 0, False, False),
        (">50", 51, True, False),
        ("abc", 0, False, True),
        (None, 0, False, True),
        (True, 0, False, True),
        (10**12, 0, False, True),
        ({"panfilov": 3}, 0, False, True),
    ],
)
def test_quantities(
    alstyle,
    sync_catalogue,
    sync_stock,
    article,
    quantity,
    units,
    is_lower_bound,
    is_doubted,
):
    alstyle.set_raw(article, quantity=quantity)
    for sync in (sync_catalogue, sync_stock):
        run = sync()
        assert run.status == "done"
        stored = stored_product(article)
        assert (stored.stock, stored.stock_is_lower_bound) == (units, is_lower_bound)
        assert bool(reasons(run, article)) is is_doubted
        Product.objects.update(stock=9)
        alstyle.set_raw_price(article, stock_row(quantity))


def test_marked_down_units_are_no_stock(alstyle, sync_catalogue, article):
    alstyle.set_good(article, quantity=0, quantity_markdown=3, price_markdown=500)
    sync_catalogue()
    assert stored_product(article).stock == 0


def test_duplicate_articles_are_stored_once_and_told(alstyle, sync_catalogue, article):
    alstyle.add_raw_row(element_row(article, name="The same again"))
    alstyle.add_raw_row(element_row(f"0{article}", name="The same, padded"))
    run = sync_catalogue()
    assert run.status == "done"
    assert run.counts["bad"] == 2
    assert reasons(run, article) == ["article listed more than once"]
    assert stored_product(article).name == alstyle.goods[article].name


@pytest.mark.parametrize(
    "row",
    [
        None,
        "text",
        [],
        {},
        element_row(None),
        element_row("Ж-17"),
        element_row(-4),
        element_row({"id": 1}),
    ],
)
def test_rows_without_an_article_are_skipped(alstyle, sync_catalogue, row):
    alstyle.add_raw_row(row)
    run = sync_catalogue()
    assert run.status == "done", run.message
    assert run.counts["bad"] == 1
    assert Product.objects.count() == len(alstyle.goods)
    assert len(run.bad_rows) == 1


@pytest.mark.parametrize("key", ["Ж-17", "", "-4", "0", "1e5", "12\n13"])
def test_stock_rows_without_an_article_are_skipped(
    alstyle, sync_catalogue, sync_stock, key
):
    sync_catalogue()
    alstyle.set_raw_price(key, stock_row())
    run = sync_stock()
    assert run.status == "done"
    assert run.counts["bad"] == 1
    assert run.counts["changed"] == 0


@pytest.mark.parametrize("value", [None, "text", [], 5])
def test_a_stock_row_of_another_shape_counts_as_absent(
    alstyle, sync_catalogue, sync_stock, article, value
):
    sync_catalogue()
    alstyle.set_raw_price(article, value)
    run = sync_stock()
    assert run.status == "done"
    assert len(reasons(run, article)) == 1
    assert stored_product(article).stock == 0
    assert stored_product(article).cost_kzt == 1000


def test_unprintable_fields_of_every_kind_are_stored_clean(
    alstyle, sync_catalogue, article
):
    odd = "a\x00\ud800 " * 900
    alstyle.set_raw(article, brand=odd, barcode=odd, article_pn=odd, full_name=odd)
    run = sync_catalogue()
    assert run.status == "done"
    stored = stored_product(article)
    for text in (stored.brand, stored.barcode, stored.part_number, stored.full_name):
        assert set(text) == {"a", " "}
    assert len(reasons(run, article)) == 3, "the full name is short enough"


@pytest.mark.parametrize("multiplicity", [0, -1, "abc", [], 10**12])
def test_a_senseless_multiplicity_is_none(
    alstyle, sync_catalogue, article, multiplicity
):
    alstyle.set_raw(article, multiplicity=multiplicity)
    assert sync_catalogue().status == "done"
    assert stored_product(article).multiplicity is None


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("brand", {"brand": ["Eta"]}),
        ("category_id", {"category": "abc"}),
        ("category_id", {"category": None}),
        ("multiplicity", {"multiplicity": "10 шт"}),
        ("rrp_enforced", {"rrp": "N"}),
        ("rrp_enforced", {"rrp": "Y"}),
    ],
)
@pytest.mark.parametrize("is_gone", [False, True])
def test_what_cannot_be_read_of_a_known_good_stays_as_it_was(
    alstyle, sync_catalogue, article, column, values, is_gone
):
    alstyle.set_good(article, multiplicity=10, rrp=int(values != {"rrp": "Y"}))
    sync_catalogue()
    if is_gone:
        Product.objects.filter(article=str(article)).update(gone_at=timezone.now())
    before = getattr(stored_product(article), column)
    alstyle.set_raw(article, name="Another", **values)
    run = sync_catalogue()
    assert run.status == "done"
    assert len(reasons(run, article)) == 1
    assert stored_product(article).name == "Another"
    assert getattr(stored_product(article), column) == before


@pytest.mark.parametrize(
    "values", [{"rrp": "Y"}, {"category": "abc"}, {"multiplicity": "2 шт"}]
)
def test_a_catalogue_that_mostly_cannot_be_read_changes_nothing(
    alstyle, sync_catalogue, stored, values
):
    sync_catalogue()
    before = stored()
    for number in list(alstyle.goods):
        alstyle.set_raw(number, name="Another", **values)
    run = sync_catalogue()
    assert run.status == "failed"
    assert "could be read in all that stock and prices" in run.message
    assert stored() == before


def test_a_field_that_comes_with_no_good_is_not_none(
    alstyle, sync_catalogue, stored, monkeypatch
):
    for number in alstyle.goods:
        alstyle.set_good(number, rrp=1, multiplicity=None)
    sync_catalogue()
    before = stored()
    monkeypatch.setattr("catalog.alstyle.client.ADDITIONAL_FIELDS", "brand,barcode")
    run = sync_catalogue()
    assert run.status == "failed"
    assert "“rrp” came with no good; only 0 of" in run.message
    assert stored() == before
    assert sync_catalogue(accept_shrunk=True).status == "done"
    assert set(Product.objects.values_list("rrp_enforced", flat=True)) == {False}
    assert sync_catalogue().status == "done", "there is nothing to lose any more"


def test_a_few_goods_keep_what_comes_with_no_good(
    alstyle, sync_catalogue, article, monkeypatch
):
    """A supplier may leave a field out where a good has none: none may be left."""
    for number in alstyle.goods:
        alstyle.set_good(number, rrp=0, multiplicity=None)
    alstyle.set_good(article, rrp=1)
    sync_catalogue()
    monkeypatch.setattr("catalog.alstyle.client.ADDITIONAL_FIELDS", "brand,barcode")
    run = sync_catalogue()
    assert run.status == "done"
    assert run.bad_rows == [["", "rrp: came with no good; 1 that had it keep it"]]
    assert stored_product(article).rrp_enforced


@pytest.mark.parametrize("category", [None, "abc", 987_654, -1, []])
def test_a_good_in_no_known_category_is_stored_without_one(
    alstyle, sync_catalogue, article, category
):
    alstyle.set_raw(article, category=category)
    run = sync_catalogue()
    assert run.status == "done"
    assert stored_product(article).category is None
    (reason,) = reasons(run, article)
    assert reason.startswith("category")


def test_category_loops_overlaps_and_repeats_are_explained(alstyle, sync_catalogue):
    first = alstyle.shop.categories[0]
    span = {"left": first.left, "right": first.right, "level": 1, "elements": 0}
    alstyle.shop.raw_categories += [
        {"id": 70001, "name": "The same interval", **span},
        {"id": 70002, "name": "Across", "left": first.left + 2, "right": 99_999},
        {"id": first.id, "name": "Twice", **span},
    ]
    run = sync_catalogue()
    assert run.status == "done", run.message
    assert "crosses that of category" in reasons(run, 70001)[0]
    assert "crosses that of category" in reasons(run, 70002)[0]
    assert reasons(run, first.id) == ["category listed twice"]
    for stored in Category.objects.all():
        category: Category | None = stored
        seen: set[int] = set()
        while category is not None:
            assert category.pk not in seen
            seen.add(category.pk)
            category = category.parent


def test_categories_that_mostly_cannot_be_read_change_nothing(
    alstyle, sync_catalogue, stored
):
    sync_catalogue()
    before = stored()
    alstyle.faults.add("wrong_types", "categories", variant="nulls")
    run = sync_catalogue()
    assert run.status == "failed"
    assert run.message.startswith("Only 0 of ")
    assert stored() == before


def test_numbers_as_text_are_read_as_numbers(
    alstyle, sync_catalogue, sync_stock, stored
):
    negative = [a for a, good in alstyle.goods.items() if good.stock < 0]
    for number in negative:
        alstyle.set_good(number, quantity=0)
    sync_catalogue()
    before = stored()
    alstyle.faults.add("wrong_types", variant="strings")
    assert sync_catalogue().status == "done"
    assert sync_stock().status == "done"
    assert stored() == before


def test_stock_that_mostly_cannot_be_read_changes_nothing(
    alstyle, sync_catalogue, sync_stock, stored
):
    sync_catalogue()
    before = stored()
    alstyle.faults.add("wrong_types", "quantity-price", variant="nulls")
    run = sync_stock()
    assert run.status == "failed"
    assert "could be read in all that stock and prices" in run.message
    assert stored() == before
    assert run.counts["warnings"] == 3 * len(alstyle.goods)
    assert len(run.bad_rows) == 300


def test_every_odd_name_of_the_sandbox_is_read(alstyle, sync_catalogue, sync_stock):
    from sandbox.alstyle.invented import add_odd_goods

    articles = add_odd_goods(alstyle.shop)
    run = sync_catalogue()
    assert run.status == "done"
    assert run.counts["bad"] == 2, "two of them have no name at all"
    kept = Product.objects.filter(article__in=map(str, articles))
    assert kept.count() == len(articles) - 2
    run = sync_stock()
    assert run.counts["unknown"] == 2


@pytest.mark.parametrize("raw", [{"a": "\x00"}, ["\ud800"], "x" * 5000, 5, None])
def test_any_date_can_be_kept(alstyle, sync_catalogue, raw):
    alstyle.settings.date = raw
    run = sync_catalogue()
    run.refresh_from_db()
    assert run.status == "done"
    assert len(run.supplier_date) <= 100
