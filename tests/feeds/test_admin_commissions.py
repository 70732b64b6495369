from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.commissions import commission_warning
from catalog.models import CommissionRate, PriceRule
from tests.feeds.making import make_import, make_product, make_store
from tests.staff import build, confirm, log_in, page, queued

pytestmark = pytest.mark.django_db
LIST = reverse("admin:catalog_commissionrate_changelist")
ADD = reverse("admin:catalog_commissionrate_add")


def filled(**values: object) -> dict[str, object]:
    usual = {
        "category": "",
        "kaspi_category": "Мыши",
        "percent": "11",
        "holds_from": "2026-03-01",
        "note": "",
    }
    return {**usual, **values}


def test_what_nobody_has_checked_is_warned_of(settings):
    client = log_in(settings, "viewer")
    assert "profit may be overstated" in page(client, LIST)
    CommissionRate.objects.update(checked_at=timezone.now(), checked_by="anna")
    assert commission_warning() == ""
    assert "overstated" not in page(client, LIST)
    CommissionRate.objects.filter(kaspi_category="").delete()
    assert "no row for all other goods" in commission_warning()
    CommissionRate.objects.all().delete()
    assert "table of Kaspi's commission is empty" in commission_warning()


def test_the_owner_confirms_what_is_shipped(settings):
    client = log_in(settings, "owner")
    pks = [str(pk) for pk in CommissionRate.objects.values_list("pk", flat=True)]
    chosen = {"action": "mark_checked", "_selected_action": pks}
    client.post(LIST, chosen)
    assert not CommissionRate.objects.unchecked().exists()
    assert set(CommissionRate.objects.values_list("checked_by", flat=True)) == {"owner"}


@pytest.mark.parametrize(("role", "by"), [("owner", "owner"), ("operator", "")])
def test_an_operators_figure_counts_and_waits_for_the_owner(settings, role, by):
    client = log_in(settings, role)
    response = client.post(ADD, filled())
    assert not CommissionRate.objects.filter(kaspi_category="Мыши").exists()
    confirm(client, response)
    rate = CommissionRate.objects.get(kaspi_category="Мыши")
    assert (rate.checked_by, rate.is_checked) == (by, bool(by))
    assert {"build_feed", "recount_money"} <= {name.split(".")[-1] for name in queued()}


def test_a_change_shows_what_it_does_to_prices_and_is_to_be_confirmed_anew(settings):
    make_import()
    make_store()
    PriceRule.objects.update(base="cost", commission_percent=None)
    for _ in range(12):
        make_product(price_kzt=None, accepted_price_kzt=None)
    build()
    rate = CommissionRate.objects.get(kaspi_category="")
    CommissionRate.objects.update(checked_at=timezone.now(), checked_by="anna")
    client = log_in(settings, "operator")
    url = reverse("admin:catalog_commissionrate_change", args=[rate.pk])
    form = filled(kaspi_category="", percent="20", holds_from="2020-01-01")
    response = client.post(url, form)
    assert "12 goods on sale" in page(client, response["Location"])
    rate.refresh_from_db()
    assert (rate.percent, rate.is_checked) == (Decimal("12.50"), True)
    confirm(client, response)
    rate.refresh_from_db()
    assert (rate.percent, rate.is_checked) == (Decimal(20), False)


def test_a_row_is_deleted_by_way_of_the_same_page(settings):
    client = log_in(settings, "owner")
    rate = CommissionRate.objects.exclude(kaspi_category="").first()
    chosen = {"action": "delete_selected", "_selected_action": [str(rate.pk)]}
    response = client.post(LIST, chosen)
    assert CommissionRate.objects.filter(pk=rate.pk).exists()
    confirm(client, response)
    assert not CommissionRate.objects.filter(pk=rate.pk).exists()


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_the_owner_confirms(settings, role):
    client = log_in(settings, role)
    pks = [str(CommissionRate.objects.first().pk)]
    client.post(LIST, {"action": "mark_checked", "_selected_action": pks})
    assert CommissionRate.objects.unchecked().count() == CommissionRate.objects.count()


def test_a_viewer_changes_nothing(settings):
    assert log_in(settings, "viewer").post(ADD, filled()).status_code == 403


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"percent": "41"}, "less than or equal to 40"),
        ({"kaspi_category": "", "holds_from": "2020-01-01"}, "row of these goods"),
    ],
)
def test_nonsense_is_an_error_of_the_form(settings, values, words):
    response = log_in(settings, "owner").post(ADD, filled(**values))
    assert response.status_code == 200
    assert words in response.content.decode()


def test_a_rule_that_leaves_kaspi_less_than_it_takes_stands_out(settings):
    rules = reverse("admin:catalog_pricerule_changelist")
    client = log_in(settings, "viewer")
    assert "prices are too low" not in page(client, rules)
    PriceRule.objects.update(commission_percent=10)
    assert "Kaspi takes 12.5 %: prices are too low" in page(client, rules)
    PriceRule.objects.update(commission_percent=13)
    assert "prices are too low" not in page(client, rules)
