from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import translation
from openpyxl import Workbook, load_workbook

from backoffice.spreadsheets import BadSpreadsheet
from catalog.models import PriceRule, Product
from feeds.models import Store
from feeds.tables import ProductTable, RuleTable, StoreTable
from tests.feeds.making import make_category, make_import, make_product, make_store
from tests.staff import build, confirm, log_in, messages_of, page

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def read(table, headers, *rows):
    return table.read(headers, list(enumerate(map(list, rows), start=2)))


def reasons(many):
    return [why for _row, _which, why in many.errors]


def test_a_table_goes_out_and_in_again_unchanged():
    make_product(
        note="=1+1",
        price_override_kzt=9990,
        price_override_until=datetime.fromisoformat("2030-05-01T12:00:00+05:00"),
        preorder_days=5,
        sells_singly=True,
    )
    make_product(sku="A-1")
    sheet = ProductTable().sheet(Product.objects.order_by("pk"))
    many = read(ProductTable(), sheet.headers, *sheet.rows)
    assert (many.wanted, many.errors) == ({}, [])


def test_only_what_differs_is_wanted():
    product, other = make_product(safety_stock=1), make_product()
    many = read(
        ProductTable(),
        ["Article", "Units kept back", "Sell", "Sell by the piece", "Note"],
        [float(product.article), 3, "as its category", "yes", "x"],
        [other.article, 0, "YES", "no", None],
    )
    assert many.wanted == {
        product.pk: {
            "safety_stock": 3,
            "is_published": "category",
            "sells_singly": True,
            "note": "x",
        }
    }


def test_headers_and_words_of_either_language_are_understood():
    product = make_product()
    many = read(ProductTable(), ["Артикул", "is_published"], [product.article, "нет"])
    assert many.wanted == {product.pk: {"is_published": "no"}}


def test_a_blank_cell_clears_what_can_be_blank_and_leaves_the_rest():
    product = make_product(price_override_kzt=9990, safety_stock=4)
    many = read(
        ProductTable(),
        ["article", "price_override_kzt", "safety_stock"],
        [product.article, "", ""],
    )
    assert many.wanted == {product.pk: {"price_override_kzt": None}}


def test_what_the_supplier_says_is_never_taken_from_a_table():
    product = make_product()
    many = read(
        ProductTable(),
        ["article", "name", "cost_kzt", "stock", "safety_stock"],
        [product.article, "Another", 1, 999, 1],
    )
    assert many.wanted == {product.pk: {"safety_stock": 1}}


def test_each_bad_row_is_named_with_its_reason_and_the_good_ones_go_on():
    good, bad = make_product(cost_kzt=1000), make_product(cost_kzt=1000)
    taken = make_product(sku="TAKEN")
    headers = ["article", "price_override_kzt", "sku", "price_override_until"]
    many = read(
        ProductTable(),
        headers,
        [good.article, 5000, "", ""],
        ["no-such", 5000, "", ""],
        [bad.article, "many", "", ""],
        [bad.article, 5000, "", ""],
    )
    assert set(many.wanted) == {good.pk}
    assert [(row, which) for row, which, _why in many.errors] == [
        (3, "no-such"),
        (4, bad.article),
        (5, bad.article),
    ]
    assert reasons(many)[0] == "There is no such row: a table cannot add any."
    assert "“many” is no number" in reasons(many)[1]
    assert "stands in the table twice" in reasons(many)[2]
    many = read(
        ProductTable(),
        headers,
        [good.article, 100, "", ""],
        [bad.article, "", "TAKEN", ""],
        [taken.article, 9000, "two words", "01.01.2020"],
    )
    assert not many.wanted
    assert "is below its floor of" in reasons(many)[0]
    assert "belongs to another product" in reasons(many)[1]
    assert "1 to 20 Latin letters" in reasons(many)[2]


@pytest.mark.parametrize("text", ["12,000", "12.000", "1,012,000"])
def test_thousands_are_not_taken_for_a_fraction(text):
    """A least price of 12 ₸ in the place of 12 000 would let the good go for less."""
    product = make_product(min_price_kzt=12_000)
    many = read(ProductTable(), ["article", "min_price_kzt"], [product.article, text])
    assert not many.wanted
    (reason,) = reasons(many)
    assert f"“{text}” may mean thousands" in reason


@pytest.mark.parametrize(
    "text", ["13 000", "13\xa0000", "13\u202f000,00", "13000.0", 13000.0]
)
def test_a_whole_number_may_be_written_in_several_ways(text):
    product = make_product()
    many = read(ProductTable(), ["article", "min_price_kzt"], [product.article, text])
    assert many.wanted == {product.pk: {"min_price_kzt": 13_000}}


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (["sku"], "“Article” is missing"),
        (["article", "prise"], "“prise” is not known"),
        (["article", "note", "Note"], "twice"),
    ],
)
def test_headers_that_cannot_be_meant_are_refused(headers, why):
    with pytest.raises(BadSpreadsheet, match=why):
        read(ProductTable(), headers, ["1", "", ""])


def test_rules_are_changed_and_added_by_a_table():
    rule = PriceRule.objects.get()
    branch = make_category()
    product = make_product()
    many = read(
        RuleTable(),
        ["id", "name", "category", "product", "markup_percent", "base", "round_to_kzt"],
        [rule.pk, "", "", "", "12,5", "", ""],
        ["", "Branch", branch.supplier_id, "", 30, "cost plus markup", 100],
        ["", "Both", branch.supplier_id, product.article, 30, "", ""],
        [999, "x", "", "", 30, "", ""],
        ["", "Nowhere", "no-such", "", 30, "", ""],
        ["", "Loss", "", "", -5, "", ""],
    )
    assert many.wanted[rule.pk] == {"markup_percent": Decimal("12.5")}
    (new,) = [v for key, v in many.wanted.items() if str(key).startswith("new-")]
    assert (new["category"], new["base"], new["round_to_kzt"]) == (
        branch.pk,
        "cost",
        100,
    )
    said = " ".join(reasons(many))
    for words in (
        "needs no category",
        "no rule of this number",
        "none with the code “no-such”",
        "cannot be negative",
    ):
        assert words in said, words


def test_points_of_one_city_stay_alike():
    make_store("PP1")
    store = make_store("PP2")
    many = read(StoreTable(), ["store_id", "preorder_days"], ["PP1", 3], ["PP2", 4])
    assert not many.wanted
    assert "the same pre-order" in reasons(many)[0]
    many = read(StoreTable(), ["store_id", "preorder_days"], ["PP1", 3], ["PP2", 3])
    assert many.wanted[store.pk] == {"preorder_days": 3}


def xlsx(*rows):
    book, content = Workbook(), BytesIO()
    for row in rows:
        book.active.append(list(row))
    book.save(content)
    return SimpleUploadedFile("prices.xlsx", content.getvalue())


@pytest.fixture
def operator(settings):
    return log_in(settings, "operator")


def test_a_table_is_brought_in_by_way_of_what_would_change(operator):
    make_import()
    make_store()
    PriceRule.objects.update(base="cost", commission_percent=0)
    goods = [make_product(price_kzt=None, accepted_price_kzt=None) for _ in range(3)]
    build()
    url = reverse("admin:catalog_product_xlsx_in")
    assert "XLSX table" in page(operator, url)
    file = xlsx(
        ["Article", "Fixed price, ₸", "Note"],
        [goods[0].article, 6500, ""],
        [goods[1].article, 1, ""],
        [goods[2].article, "", "ask Olga"],
    )
    response = operator.post(url, {"file": file})
    text = page(operator, response.url)
    for words in ("Table: prices.xlsx", "6\u202f500", "is below its floor", "ask Olga"):
        assert words in text, words
    assert "Saved: 2 rows" in messages_of(confirm(operator, response))
    kept = list(
        Product.objects.order_by("pk").values_list("price_override_kzt", "note")
    )
    assert kept == [(6500, ""), (None, ""), (None, "ask Olga")]
    assert (
        Product.history.filter(history_change_reason="Table: prices.xlsx").count() == 2
    )


def test_a_file_that_is_no_table_is_an_error_of_the_form(operator):
    url = reverse("admin:catalog_product_xlsx_in")
    file = SimpleUploadedFile("prices.xlsx", b"article;price\n1;2\n")
    assert "no XLSX table" in operator.post(url, {"file": file}).content.decode()


@pytest.mark.parametrize("name", ["product", "pricerule", "store"])
def test_lists_go_out_as_they_are_filtered(settings, name):
    viewer = log_in(settings, "viewer")
    make_store()
    product = make_product()
    make_product()
    app = "feeds" if name == "store" else "catalog"
    url = reverse(f"admin:{app}_{name}_xlsx")
    assert url in page(viewer, reverse(f"admin:{app}_{name}_changelist"))
    response = viewer.get(url, {"q": product.article} if name == "product" else {})
    rows = list(load_workbook(BytesIO(response.content)).active.values)
    assert len(rows) == 2
    if name == "product":
        assert rows[1][0] == product.article
    take_in = reverse(f"admin:{app}_{name}_xlsx_in")
    assert viewer.get(take_in).status_code == 403
    assert viewer.post(take_in, {}).status_code == 403
    assert Store.objects.count() == 1
