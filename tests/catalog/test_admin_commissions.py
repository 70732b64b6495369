from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.commissions import commission_warning
from catalog.models import CommissionRate
from tests.staff import log_in, page, queued

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
    response = log_in(settings, role).post(ADD, filled())
    assert response.status_code == 302
    rate = CommissionRate.objects.get(kaspi_category="Мыши")
    assert (rate.checked_by, rate.is_checked) == (by, bool(by))
    assert {"build_feed", "recount_money"} <= {name.split(".")[-1] for name in queued()}


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
