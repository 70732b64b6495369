from __future__ import annotations

from datetime import timedelta
from io import BytesIO

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from openpyxl import load_workbook

from catalog.models import PriceRule, Product
from feeds.models import Proposal
from plumbing.leases import database_now
from tests.feeds.making import make_category, make_import, make_product, make_store
from tests.staff import build, confirm, log_in, messages_of, page, queued

pytestmark = pytest.mark.django_db

LIST = "admin:catalog_product_changelist"


@pytest.fixture
def operator(settings):
    return log_in(settings, "operator")


@pytest.fixture
def shop(db):
    make_import()
    make_store()
    PriceRule.objects.update(base="cost", markup_percent=20, commission_percent=0)
    goods = [make_product(price_kzt=None, accepted_price_kzt=None) for _ in range(12)]
    build()
    return goods


def rule_url(name="change"):
    rule = PriceRule.objects.get()
    return reverse(f"admin:catalog_pricerule_{name}", args=[rule.pk])


def rule_form(**values):
    rule = PriceRule.objects.get()
    fields = [f.name for f in PriceRule._meta.concrete_fields if f.name != "id"]
    form = {name: getattr(rule, name) for name in fields}
    form = {name: "" if value is None else value for name, value in form.items()}
    return {**form, "is_active": "on", **values}


def test_a_form_shows_its_effect_and_saves_nothing_by_itself(operator, shop):
    response = operator.post(rule_url(), rule_form(markup_percent=12))
    assert PriceRule.objects.get().markup_percent == 20
    text = page(operator, response.url)
    for words in ("Is this meant?", "12 goods on sale", "6\u202f000", "5\u202f600"):
        assert words in text, words
    assert queued() == []


def test_what_was_warned_of_is_saved_only_when_it_is_meant(operator, shop):
    response = operator.post(rule_url(), rule_form(markup_percent=12))
    shown = operator.get(response.url)
    answer = {"seal": shown.context["seal"]}
    assert (
        "Tick that you mean it" in operator.post(response.url, answer).content.decode()
    )
    assert PriceRule.objects.get().markup_percent == 20
    said = operator.post(response.url, {**answer, "sure": "on"}, follow=True)
    assert "Saved: 1 row" in messages_of(said)
    assert PriceRule.objects.get().markup_percent == 12
    assert queued() == ["feeds.tasks.build_feed"]


def test_what_was_not_shown_is_not_saved(operator, shop):
    response = operator.post(rule_url(), rule_form(markup_percent=12))
    shown = operator.get(response.url)
    PriceRule.objects.create(name="another", brand="Zeta", markup_percent=70)
    answer = {"seal": shown.context["seal"], "sure": "on"}
    again = operator.post(response.url, answer)
    assert "Look once more" in again.content.decode()
    assert PriceRule.objects.get(brand="").markup_percent == 20
    assert operator.post(response.url, {"sure": "on"}).status_code == 200
    assert PriceRule.objects.get(brand="").markup_percent == 20


def test_a_rule_that_changes_nothing_says_why(operator, shop):
    Product.objects.update(retail_kzt=9000)
    PriceRule.objects.update(base="retail")
    build()
    response = operator.post(rule_url(), rule_form(markup_percent=35))
    text = page(operator, response.url)
    assert "No price and no offer changes" in text
    assert "the markup does not matter" in text


def test_the_form_comes_back_with_what_was_typed(operator, shop):
    response = operator.post(rule_url(), rule_form(markup_percent=12))
    again = operator.get(response.url).context["again_url"]
    assert 'value="12.00"' in page(operator, again)
    assert 'value="20.00"' in page(operator, rule_url())


def test_nobody_sees_or_saves_anothers_proposal(settings, operator, shop):
    response = operator.post(rule_url(), rule_form(markup_percent=12))
    owner = log_in(settings, "owner")
    assert owner.get(response.url).status_code == 404
    assert owner.post(response.url, {"sure": "on"}).status_code == 404


def test_who_may_not_any_more_saves_nothing(settings, operator, shop):
    response = operator.post(rule_url(), rule_form(markup_percent=12))
    seal = operator.get(response.url).context["seal"]
    User.objects.get(username="operator").groups.set([Group.objects.get(name="viewer")])
    answer = {"seal": seal, "sure": "on"}
    assert operator.post(response.url, answer).status_code == 403


def test_deleting_a_rule_shows_what_it_leaves_behind(settings, shop):
    owner = log_in(settings, "owner")
    text = page(owner, owner.get(rule_url("delete"))["Location"])
    assert "It is deleted." in text
    assert "no price rule fits" in text
    assert "12 goods would go off sale" in text
    assert PriceRule.objects.exists()


def test_all_that_changes_is_downloaded(operator, shop):
    response = operator.post(rule_url(), rule_form(markup_percent=12))
    url = operator.get(response.url).context["download_url"]
    content = operator.get(url).content
    rows = list(load_workbook(BytesIO(content)).worksheets[0].values)
    assert len(rows) == 13
    assert rows[1][3:5] == (6000, 5600)


def test_a_fixed_price_below_the_floor_is_an_error_of_the_form(operator, shop):
    product = Product.objects.order_by("pk")[0]
    url = reverse("admin:catalog_product_change", args=[product.pk])
    form = {
        "is_published": "yes",
        "sku": product.sku,
        "price_override_kzt": 5100,
        "price_override_until_0": "",
        "price_override_until_1": "",
        "min_price_kzt": "",
        "safety_stock": 0,
    }
    response = operator.post(url, form)
    assert response.status_code == 200
    text = " ".join(response.context["adminform"].errors.as_text().split())
    assert "Below the floor of 5 250 ₸" in text
    raised = operator.post(url, {**form, "price_override_kzt": 5250})
    assert raised.status_code == 302
    confirm(operator, raised)
    # The floor set above a fixed price is as wrong.
    floor = {**form, "price_override_kzt": 5250, "min_price_kzt": 6000}
    response = operator.post(url, floor)
    assert "min_price_kzt" in response.context["adminform"].errors


def prices(client, products, *, across=False, **answer):
    data = {"action": "change_prices", "_selected_action": [p.pk for p in products]}
    if across:
        data["select_across"] = "1"
    asked = client.post(reverse(LIST), data)
    assert "Show what changes" in asked.content.decode()
    answer = {"answered": "1", "way": "percent", "number": "", "until": "", **answer}
    return client.post(reverse(LIST), {**data, **answer})


def overrides(products):
    pks = [p.pk for p in products]
    found = Product.objects.filter(pk__in=pks).order_by("pk")
    return list(found.values_list("price_override_kzt", flat=True))


def test_prices_change_by_percent_rounded_as_the_rule_rounds(operator, shop):
    response = prices(operator, shop[:2], number="5,55")
    assert overrides(shop[:2]) == [None, None]
    said = confirm(operator, response)
    assert "Saved: 2 rows" in messages_of(said)
    # 6000 + 5,55 % = 6333: up to the next ten.
    assert overrides(shop[:3]) == [6340, 6340, None]
    assert (
        Product.history.filter(history_change_reason="Prices: +5.55\u00a0%").count()
        == 2
    )


def test_prices_change_by_tenge_and_go_back_to_the_rules(operator, shop):
    confirm(operator, prices(operator, shop[:2], way="amount", number="-100"))
    assert overrides(shop[:2]) == [5900, 5900]
    confirm(operator, prices(operator, shop[:1], way="reset"))
    assert overrides(shop[:2]) == [None, 5900]
    confirm(operator, prices(operator, shop[:1], way="fixed", number="6990"))
    assert overrides(shop[:1]) == [6990]


def test_no_price_gets_below_its_floor(operator, shop):
    cheap, dear = shop[:2]
    Product.objects.filter(pk=dear.pk).update(min_price_kzt=5990)
    response = prices(operator, [cheap, dear], number="-10")
    text = page(operator, response.url)
    assert "5\u202f400 ₸ is below its floor of 5\u202f990 ₸." in text
    confirm(operator, response)
    assert overrides([cheap, dear]) == [5400, None]


def test_all_that_the_filters_find_are_changed(operator, shop):
    response = prices(operator, shop[:1], across=True, number="10")
    confirm(operator, response)
    assert overrides(shop) == [6600] * 12


def test_only_the_ticked_rows_are_saved(operator, shop):
    response = prices(operator, shop[:3], number="10")
    confirm(operator, response, which="chosen", row=[str(shop[1].pk)])
    assert overrides(shop[:3]) == [None, 6600, None]
    response = prices(operator, shop[:1], number="10")
    assert (
        "No row is ticked"
        in confirm(operator, response, which="chosen").content.decode()
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"number": ""}, "Enter a number"),
        ({"number": "900"}, "From −90 to"),
        ({"way": "fixed", "number": "99,5"}, "whole number"),
        ({"number": "5", "until": "2020-01-01T10:00"}, "passed already"),
    ],
)
def test_an_answer_that_makes_no_sense_is_asked_again(operator, shop, answer, why):
    response = prices(operator, shop[:1], **answer)
    assert why in response.content.decode()
    assert not Proposal.objects.exists()


def test_units_are_kept_back_from_many_at_once(operator, shop):
    data = {"action": "keep_units_back", "_selected_action": [p.pk for p in shop[:2]]}
    operator.post(reverse(LIST), data)
    response = operator.post(reverse(LIST), {**data, "answered": "1", "units": "10"})
    assert "goes off sale" in page(operator, response.url)
    confirm(operator, response)
    assert list(
        Product.objects.order_by("pk").values_list("safety_stock", flat=True)[:3]
    ) == [10, 10, 0]


def test_a_viewer_changes_no_prices(settings, shop):
    viewer = log_in(settings, "viewer")
    data = {"action": "change_prices", "_selected_action": [shop[0].pk]}
    answer = {"answered": "1", "way": "fixed", "number": "9990", "until": ""}
    viewer.post(reverse(LIST), {**data, **answer})
    assert not Proposal.objects.exists()
    assert viewer.post(rule_url(), rule_form(markup_percent=1)).status_code == 403


def test_an_earlier_state_comes_back_by_way_of_the_same_page(operator, shop):
    confirm(operator, operator.post(rule_url(), rule_form(markup_percent=12)))
    history = page(operator, rule_url("history"))
    assert "So it was before the first change kept" in history or "Added" in history
    first = PriceRule.history.order_by("history_date", "history_id")[0]
    rule = PriceRule.objects.get()
    url = reverse("admin:catalog_pricerule_bring_back", args=[rule.pk, first.pk])
    assert url in history
    assert operator.get(url).status_code == 403
    response = operator.post(url)
    assert "6\u202f000" in page(operator, response.url)
    confirm(operator, response)
    assert PriceRule.objects.get().markup_percent == 20
    assert "operator" in page(operator, rule_url("history"))


def test_a_viewer_reads_the_history_and_brings_nothing_back(settings, operator, shop):
    confirm(operator, operator.post(rule_url(), rule_form(markup_percent=12)))
    viewer = log_in(settings, "viewer")
    first = PriceRule.history.order_by("history_date", "history_id")[0]
    args = [PriceRule.objects.get().pk, first.pk]
    url = reverse("admin:catalog_pricerule_bring_back", args=args)
    assert url not in page(viewer, rule_url("history"))
    assert viewer.post(url).status_code == 403


def test_a_branch_taken_off_sale_is_shown_first(operator, shop):
    branch = make_category(is_published=True)
    Product.objects.update(category=branch, is_published="category")
    data = {"action": "stop_selling_branch", "_selected_action": [branch.pk]}
    response = operator.post(reverse("admin:catalog_category_changelist"), data)
    assert "12 goods would go off sale" in page(operator, response.url)
    branch.refresh_from_db()
    assert branch.is_published


def rows_form(products, **values):
    form = {
        "form-TOTAL_FORMS": len(products),
        "form-INITIAL_FORMS": len(products),
        "_save": "Save",
    }
    for number, product in enumerate(products):
        row = {
            "id": product.pk,
            "is_published": product.is_published,
            "price_override_kzt": product.price_override_kzt or "",
            "min_price_kzt": product.min_price_kzt or "",
            "safety_stock": product.safety_stock,
        }
        form |= {f"form-{number}-{name}": value for name, value in row.items()}
    return {**form, **values}


def test_figures_are_edited_in_the_list_and_shown_first(operator, shop):
    url = reverse(LIST) + "?columns=edit"
    text = page(operator, url)
    assert 'name="form-0-price_override_kzt"' in text
    assert 'name="form-0' not in page(operator, reverse(LIST))
    form = {"form-0-price_override_kzt": 6500, "form-1-safety_stock": 3}
    response = operator.post(url, rows_form(shop[:3], **form))
    assert overrides(shop[:1]) == [None]
    assert "6\u202f500" in page(operator, response.url)
    assert "Saved: 2 rows" in messages_of(confirm(operator, response))
    assert overrides(shop[:2]) == [6500, None]


def test_a_price_below_the_floor_is_an_error_in_its_row(operator, shop):
    url = reverse(LIST) + "?columns=edit"
    form = rows_form(shop[:2], **{"form-1-price_override_kzt": 5})
    response = operator.post(url, form)
    assert response.status_code == 200
    assert "Below the floor" in response.content.decode()
    assert overrides(shop[:2]) == [None, None]


def test_a_fixed_price_taken_off_in_the_list_takes_its_term_along(operator, shop):
    until = database_now() + timedelta(days=3)
    Product.objects.filter(pk=shop[0].pk).update(
        price_override_kzt=6500, price_override_until=until
    )
    url = reverse(LIST) + "?columns=edit"
    form = rows_form(shop[:1], **{"form-0-price_override_kzt": ""})
    response = operator.post(url, form)
    assert "Saved: 1 row" in messages_of(confirm(operator, response))
    shop[0].refresh_from_db()
    assert shop[0].price_override_kzt is None
    assert shop[0].price_override_until is None


def test_an_sku_that_is_unusable_spoils_no_row_of_the_list(operator, shop):
    Product.objects.filter(pk=shop[1].pk).update(sku="two words")
    url = reverse(LIST) + "?columns=edit"
    response = operator.post(
        url, rows_form(shop[:2], **{"form-1-price_override_kzt": 6500})
    )
    assert "Saved: 1 row" in messages_of(confirm(operator, response))
    assert overrides(shop[:2]) == [None, 6500]


def test_a_viewer_edits_nothing_in_the_list(settings, shop):
    viewer = log_in(settings, "viewer")
    url = reverse(LIST) + "?columns=edit"
    assert 'name="form-0' not in page(viewer, url)
    form = rows_form(shop[:1], **{"form-0-price_override_kzt": 6500})
    viewer.post(url, form)
    assert overrides(shop[:1]) == [None]
