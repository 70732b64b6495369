from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from catalog.commissions import CommissionBook, load_commissions
from catalog.models import CommissionRate, PriceRule
from catalog.repricing import reprice
from catalog.rules import load_rules
from tests.catalog.factories import make_category, make_product

DAY = date(2026, 3, 10)
LONG_AGO = date(2020, 1, 1)


def rate(percent: str, **values: object) -> CommissionRate:
    defaults: dict[str, object] = {"holds_from": LONG_AGO}
    return CommissionRate(percent=Decimal(percent), **{**defaults, **values})


def book(*rates: CommissionRate, parents: dict[int, int | None] | None = None):
    return CommissionBook(list(rates), parents or {})


def test_kaspis_category_beats_ours_which_beats_all_others():
    known = book(
        rate("12.5"),
        rate("9", category_id=1),
        rate("8", category_id=2),
        rate("15.5", kaspi_category="Чехлы  для смартфонов"),
        parents={1: None, 2: 1, 3: 2, 4: None},
    )
    ask = known.percent_of
    assert ask(category_id=4, on=DAY) == Decimal("12.5")
    assert ask(category_id=None, on=DAY) == Decimal("12.5")
    assert ask(category_id=1, on=DAY) == Decimal(9)
    assert ask(category_id=3, on=DAY) == Decimal(8)
    title = "чехлы для смартфонов "
    assert ask(category_id=3, kaspi_category=title, on=DAY) == Decimal("15.5")
    assert ask(category_id=3, kaspi_category="Чехлы", on=DAY) == Decimal(8)


def test_a_loop_in_the_tree_ends():
    known = book(rate("9", category_id=7), parents={1: 2, 2: 1})
    assert known.percent_of(category_id=1, on=DAY) is None


@given(
    days=st.lists(st.dates(LONG_AGO, date(2030, 1, 1)), unique=True, max_size=6),
    asked=st.dates(date(2019, 1, 1), date(2031, 1, 1)),
)
def test_the_latest_day_not_after_the_sale_counts(days, asked):
    rates = [rate(str(n), holds_from=day) for n, day in enumerate(days)]
    found = book(*rates).percent_of(category_id=None, on=asked)
    before = [day for day in days if day <= asked]
    expected = Decimal(days.index(max(before))) if before else None
    assert found == expected


@pytest.mark.django_db
def test_a_new_bridge_ships_a_table_that_nobody_has_checked():
    known = load_commissions()
    assert not known.is_empty
    assert known.unchecked == len(known.rates)
    assert known.percent_of(category_id=None, on=DAY) == Decimal("12.50")
    assert PriceRule.objects.get().commission_percent is None


@pytest.mark.django_db
def test_a_rule_without_a_commission_of_its_own_takes_the_tables():
    category = make_category()
    CommissionRate.objects.create(
        category=category, percent=8, holds_from=timezone.localdate()
    )
    product = make_product(category=category)
    reprice(now=timezone.now())

    def commission():
        rule = load_rules().find(
            product_id=product.pk, category_id=category.pk, brand="", cost=1000
        )
        return rule.commission_percent

    assert commission() == 8
    PriceRule.objects.update(commission_percent=20)
    assert commission() == 20


@pytest.mark.django_db
def test_prices_follow_the_table_from_the_day_on_which_it_holds():
    now = timezone.now()
    product = make_product(retail_kzt=0)
    reprice(now=now)
    # 1000 + 20 %, of which 12.5 % are Kaspi's.
    product.refresh_from_db()
    assert product.price_kzt == 1380
    tomorrow = timezone.localdate() + timedelta(days=1)
    CommissionRate.objects.create(percent=20, holds_from=tomorrow)
    assert reprice(now=now).examined == 0
    with time_machine.travel(now + timedelta(days=1), tick=False):
        reprice(now=timezone.now())
    product.refresh_from_db()
    assert product.price_kzt == 1500


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        {"percent": 41},
        {"percent": -1},
        {"kaspi_category": "Чехлы", "category": True},
        {"holds_from": LONG_AGO},
    ],
)
def test_the_database_refuses_what_makes_no_sense(values):
    if "category" in values:
        values = {**values, "category": make_category()}
    defaults = {"percent": 10, "holds_from": DAY}
    with pytest.raises(IntegrityError), transaction.atomic():
        CommissionRate.objects.create(**{**defaults, **values})
