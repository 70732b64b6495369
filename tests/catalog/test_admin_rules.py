from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from catalog.admin import trees
from catalog.admin.rules import describe_price, describe_scope, reach_of
from catalog.models import Category, PriceRule
from tests.staff import (
    confirm,
    log_in,
    make_category,
    make_import,
    make_product,
    messages_of,
    page,
    queued,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(settings):
    return log_in(settings, "owner")


def form(**values):
    return {
        "name": "A rule",
        "is_active": "on",
        "product": "",
        "category": "",
        "brand": "",
        "cost_from_kzt": "",
        "cost_below_kzt": "",
        "base": "retail",
        "markup_percent": "20",
        "markup_kzt": "0",
        "commission_percent": "12",
        "tax_percent": "4",
        "delivery_kzt": "0",
        "least_margin_percent": "5",
        "round_to_kzt": "10",
        "ending_kzt": "0",
        **values,
    }


def errors(response):
    return " ".join(response.context["adminform"].errors.as_text().split())


def test_a_rule_is_added_changed_and_deleted_and_prices_follow(owner):
    PriceRule.objects.all().delete()
    url = reverse("admin:catalog_pricerule_add")
    confirm(owner, owner.post(url, form(brand="Zeta")))
    rule = PriceRule.objects.get()
    change = reverse("admin:catalog_pricerule_change", args=[rule.pk])
    confirm(owner, owner.post(change, form(brand="Zeta", markup_percent="25")))
    owner.post(change, form(brand="Zeta", markup_percent="25.00"))
    rule.refresh_from_db()
    assert rule.markup_percent == 25
    delete = reverse("admin:catalog_pricerule_delete", args=[rule.pk])
    confirm(owner, owner.get(delete))
    assert not PriceRule.objects.exists()
    # The third saving changed nothing.
    assert queued() == ["feeds.tasks.build_feed"] * 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cost_from_kzt": 9, "cost_below_kzt": 9}, "must be more than"),
        ({"round_to_kzt": 10, "ending_kzt": 10}, "ending must be less than the step"),
        ({"commission_percent": 60, "tax_percent": 40}, "must stay below 95"),
        ({"markup_percent": -1}, "cannot be negative"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_reason(owner, values, message):
    response = owner.post(reverse("admin:catalog_pricerule_add"), form(**values))
    assert message in errors(response)


def test_a_rule_for_one_product_takes_no_brand(owner):
    values = form(product=make_product().pk, brand="Zeta")
    response = owner.post(reverse("admin:catalog_pricerule_add"), values)
    assert "needs no category and no brand" in errors(response)


def test_a_rule_is_told_in_words():
    rule = PriceRule(
        brand="Zeta",
        cost_from_kzt=10_000,
        markup_percent=Decimal("12.50"),
        markup_kzt=500,
        commission_percent=Decimal(12),
        tax_percent=Decimal(4),
        round_to_kzt=100,
        ending_kzt=90,
        least_margin_percent=Decimal(5),
    )
    assert describe_scope(rule) == "brand Zeta, cost from 10\u202f000 ₸"
    assert describe_price(rule) == (
        "retail price, else cost + 12.5 % + 500 ₸; commission and tax 16 %; "
        "at least cost + 5 %; rounded up to 100 ₸ with 90 at the end"
    )
    assert describe_scope(PriceRule()) == "all other goods"


def test_a_rules_reach_is_counted_for_all_rules_at_once(django_assert_num_queries):
    PriceRule.objects.all().delete()
    top = make_category("Периферия")
    below = make_category("Мыши", parent=top)
    make_product(category=below, cost_kzt=900, brand="ZETA")
    make_product(category=top, cost_kzt=5000, brand="Zeta")
    make_product(cost_kzt=5000, brand="Kvantor")
    rules = [
        PriceRule.objects.create(name="all"),
        PriceRule.objects.create(name="branch", category=top),
        PriceRule.objects.create(name="brand", brand="zeta"),
        PriceRule.objects.create(name="band", cost_from_kzt=900, cost_below_kzt=5000),
    ]
    with django_assert_num_queries(3):
        reach = reach_of(rules)
    assert [reach[rule.pk] for rule in rules] == [3, 2, 2, 1]


def test_a_viewer_reads_rules_and_changes_none(settings):
    viewer = log_in(settings, "viewer")
    rule = PriceRule.objects.get()
    url = reverse("admin:catalog_pricerule_change", args=[rule.pk])
    page(viewer, url)
    assert viewer.post(url, form()).status_code == 403
    assert (
        viewer.post(reverse("admin:catalog_pricerule_add"), form()).status_code == 403
    )


def act(client, action, *categories):
    data = {"action": action, "_selected_action": [c.pk for c in categories]}
    url = reverse("admin:catalog_category_changelist")
    return confirm(client, client.post(url, data))


@pytest.fixture
def tree():
    top = make_category("Периферия", is_published=False)
    below = make_category("Мыши", parent=top, level=2, is_published=False)
    make_category("Игровые", parent=below, level=3, is_published=True)
    make_category("Бумага", is_published=False)
    return top


def test_a_branch_is_sold_with_everything_below_it(settings, tree):
    operator = log_in(settings, "operator")
    response = act(operator, "sell_branch", tree)
    # The third is sold already.
    assert "Saved: 2 rows" in messages_of(response)
    sold = Category.objects.filter(is_published=True).values_list("name", flat=True)
    assert set(sold) == {"Периферия", "Мыши", "Игровые"}
    assert LogEntry.objects.count() == 2
    act(operator, "stop_selling_branch", tree)
    assert not Category.objects.filter(is_published=True).exists()
    assert queued() == ["feeds.tasks.build_feed"] * 2


def test_a_viewer_cannot_sell_a_branch(settings, tree):
    viewer = log_in(settings, "viewer")
    act(viewer, "sell_branch", tree)
    assert Category.objects.filter(is_published=True).count() == 1
    url = reverse("admin:catalog_category_change", args=[tree.pk])
    assert viewer.post(url, {"is_published": "on"}).status_code == 403


def test_one_category_is_sold_on_its_page(settings, tree):
    operator = log_in(settings, "operator")
    url = reverse("admin:catalog_category_change", args=[tree.pk])
    confirm(operator, operator.post(url, {"is_published": "on", "name": "X"}))
    tree.refresh_from_db()
    assert (tree.is_published, tree.name) == (True, "Периферия")


def test_a_branch_counts_the_goods_below_it(settings, tree):
    below = Category.objects.get(name="Игровые")
    make_product(category=below, stock=3)
    make_product(category=below, stock=0)
    client = log_in(settings, "viewer")
    rows = client.get(reverse("admin:catalog_category_changelist")).context["cl"]
    counts = {c.name: (c.goods.listed, c.goods.in_stock) for c in rows.result_list}
    assert counts["Периферия"] == counts["Игровые"] == (2, 1)
    assert counts["Бумага"] == (0, 0)


def test_many_goods_are_counted_once_for_each_import(settings, tree, monkeypatch):
    monkeypatch.setattr(trees, "KEPT_FROM", 2)
    monkeypatch.setattr(trees, "_Counted", type("Counted", (), {"after": None}))
    below = Category.objects.get(name="Игровые")
    counted = []
    for _ in range(4):
        make_product(category=below)
        counted.append(trees.count_goods()[below.pk].listed)
    assert counted == [1, 2, 2, 2]
    make_import()
    assert trees.count_goods()[below.pk].listed == 4


def test_the_tree_is_indented_and_search_hits_show_their_path(settings, tree):
    client = log_in(settings, "viewer")
    url = reverse("admin:catalog_category_changelist")
    assert '<span class="tree tree-1">Мыши</span>' in page(client, url)
    assert '<span class="second">Мыши</span>' in page(client, url, q="Мыши")


def test_bad_rows_of_an_import_are_a_table_of_reasons(settings):
    run = make_import(
        counts={"read": 9, "bad": 2, "warnings": 1},
        bad_rows=[["70311", "price1: not a number"], "a row of another shape"],
        message="9 read, 0 changed, 2 skipped",
    )
    url = reverse("admin:catalog_importrun_change", args=[run.pk])
    text = page(log_in(settings, "viewer"), url)
    for words in ("70311", "price1: not a number", "a row of another shape", "41 s"):
        assert words in text
    assert "The first 2 are named." in text
