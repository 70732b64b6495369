from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone, translation

from backoffice.histories import CHANGED, keep, keep_before, read_turns
from catalog.models import Category, PriceRule, Product
from catalog.retention import delete_old_history
from feeds.models import Proposal, Store
from feeds.retention import delete_old_proposals
from tests.catalog.factories import make_category, make_product

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def olga(db):
    return User.objects.create_user("olga")


def test_the_first_change_kept_has_an_old_side(olga):
    now = timezone.now()
    branch = make_category(is_published=False)
    Category.history.all().delete()
    keep_before([branch], now=now)
    branch.is_published = True
    keep([branch], kind=CHANGED, user_pk=olga.pk, reason="season", now=now)
    turn, baseline = read_turns(branch)
    assert turn.changes == [("Sold", "no", "yes")]
    assert (turn.who, turn.reason) == ("olga", "season")
    assert (baseline.who, baseline.changes) == ("", [])
    keep_before([branch], now=now)
    assert Category.history.count() == 2


def test_values_are_told_as_people_read_them(olga):
    branch = make_category(name="Mice", path="Things / Mice")
    rule = PriceRule.objects.create(name="r", markup_percent=20)
    rule.category, rule.base = branch, "cost"
    rule.save()
    assert read_turns(rule)[0].changes == [
        ("Category with its branches", "—", "Things / Mice"),
        (
            "Base",
            "retail price, else cost plus markup",
            "cost plus markup",
        ),
    ]


def test_old_states_are_forgotten_and_the_last_of_each_stays(settings):
    settings.HISTORY_KEPT_DAYS = 30
    product = make_product()
    Product.history.all().delete()
    now = timezone.now()
    for days in (90, 60, 40):
        then = now - timedelta(days=days)
        keep([product], kind=CHANGED, user_pk=None, reason="", now=then)
    assert delete_old_history(now=now) >= 2
    ages = [(now - row.history_date).days for row in Product.history.all()]
    assert ages == [40]


def test_old_proposals_are_forgotten(olga):
    now = timezone.now()
    for days in (8, 6):
        Proposal.objects.create(
            table="product", author=olga, made_at=now - timedelta(days=days)
        )
    store = Store.objects.create(store_id="PP1")
    assert delete_old_proposals(now=now) == 1
    assert read_turns(store) != []
