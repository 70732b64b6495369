from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from catalog.availability import assess_availability, stock_is_stale
from catalog.explaining import explain
from catalog.models import ImportRun


def assess(**figures: object):
    defaults: dict[str, object] = {
        "stock": 20,
        "is_lower_bound": False,
        "multiplicity": None,
        "sells_singly": False,
        "reserved": 0,
        "safety_stock": 0,
        "cap": 500,
        "least": 1,
        "is_stale": False,
    }
    return assess_availability(**{**defaults, **figures})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("figures", "units", "reason"),
    [
        ({}, 20, ""),
        ({"stock": 0}, 0, "out_of_stock"),
        ({"stock": 51, "is_lower_bound": True}, 51, ""),
        ({"reserved": 3, "safety_stock": 2}, 15, ""),
        ({"reserved": 20}, 0, "out_of_stock"),
        ({"reserved": 25}, 0, "out_of_stock"),
        ({"cap": 7}, 7, ""),
        ({"least": 21}, 0, "below_least"),
        ({"is_stale": True}, 0, "stale"),
        ({"multiplicity": 10}, 0, "multiples"),
        ({"multiplicity": 1}, 20, ""),
        ({"multiplicity": 8, "sells_singly": True}, 2, ""),
        ({"multiplicity": 30, "sells_singly": True}, 0, "below_least"),
    ],
)
def test_units_and_the_reason_for_none(figures, units, reason):
    result = assess(**figures)
    assert (result.units, result.reason) == (units, reason)
    assert all(explain(result.lines))


@given(
    stock=st.integers(0, 10_000),
    multiplicity=st.one_of(st.none(), st.integers(1, 50)),
    reserved=st.integers(0, 10_000),
    safety=st.integers(0, 100),
    cap=st.integers(1, 1000),
)
def test_never_more_than_every_single_order_can_take(
    stock, multiplicity, reserved, safety, cap
):
    units = assess(
        stock=stock,
        multiplicity=multiplicity,
        sells_singly=True,
        reserved=reserved,
        safety_stock=safety,
        cap=cap,
    ).units
    assert 0 <= units <= cap
    assert units * (multiplicity or 1) <= max(stock - reserved - safety, 0)


@pytest.mark.django_db
def test_figures_are_stale_until_read_and_when_read_too_long_ago(settings):
    now = timezone.now()
    settings.STOCK_STALE_AFTER_MIN = 60
    assert stock_is_stale(now=now)
    run = ImportRun.objects.create(
        kind="stock", status="failed", started_at=now, finished_at=now
    )
    assert stock_is_stale(now=now)
    ImportRun.objects.filter(pk=run.pk).update(status="done")
    assert not stock_is_stale(now=now)
    assert not stock_is_stale(now=now + timedelta(minutes=60))
    assert stock_is_stale(now=now + timedelta(minutes=61))


@pytest.mark.django_db
def test_a_dry_run_does_not_make_figures_fresh():
    now = timezone.now()
    ImportRun.objects.create(
        kind="stock", status="done", started_at=now, finished_at=now, is_dry_run=True
    )
    assert stock_is_stale(now=now)
