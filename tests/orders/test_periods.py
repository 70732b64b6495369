from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.money.periods import LONGEST, PRESETS, Period, choose_period

TODAY = date(2026, 3, 31)
days = st.dates(date(2020, 1, 1), date(2035, 1, 1))


def period(preset: str, *, today: date = TODAY) -> tuple[date, date]:
    found = choose_period(preset, today=today)
    return found.first, found.last


def test_presets_are_what_people_mean():
    assert period("today") == (TODAY, TODAY)
    assert period("yesterday") == (date(2026, 3, 30), date(2026, 3, 30))
    assert period("7") == (date(2026, 3, 25), TODAY)
    assert period("30") == (date(2026, 3, 2), TODAY)
    assert period("this_month") == (date(2026, 3, 1), TODAY)
    assert period("last_month") == (date(2026, 2, 1), date(2026, 2, 28))
    assert period("nonsense") == period("30")


def test_a_month_is_compared_with_the_month_before():
    def before(preset: str, today: date) -> tuple[date, date]:
        found = choose_period(preset, today=today).previous
        return found.first, found.last

    assert before("this_month", date(2026, 3, 12)) == (
        date(2026, 2, 1),
        date(2026, 2, 12),
    )
    # February has no 31st.
    assert before("this_month", TODAY) == (date(2026, 2, 1), date(2026, 2, 28))
    assert before("last_month", TODAY) == (date(2026, 1, 1), date(2026, 1, 31))
    assert before("7", TODAY) == (date(2026, 3, 18), date(2026, 3, 24))


@given(today=days, preset=st.sampled_from(PRESETS))
def test_the_period_before_ends_where_the_period_begins(today, preset):
    found = choose_period(preset, today=today)
    before = found.previous
    assert before.first <= before.last < found.first
    if preset not in ("this_month", "last_month"):
        assert before.last == found.first - timedelta(days=1)
        assert len(before.days) == len(found.days)


@given(first=days, last=days)
def test_days_of_ones_own_may_come_in_either_order_and_have_an_end(first, last):
    found = choose_period("custom", today=TODAY, first=first, last=last)
    assert found.last == max(first, last)
    assert found.first in (min(first, last), found.last - LONGEST)
    assert all(found.has(day) for day in found.days)


@pytest.mark.parametrize(("first", "last"), [(TODAY, None), (None, TODAY)])
def test_one_day_alone_is_a_period(first, last):
    found = choose_period("custom", today=TODAY, first=first, last=last)
    assert found == Period(first=TODAY, last=TODAY)
