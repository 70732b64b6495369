from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.alstyle.shipping import check_hour, parse_work_days, shipping_date

ALMATY = ZoneInfo("Asia/Almaty")
WEEK = frozenset({1, 2, 3, 4, 5})
# Monday and Tuesday, the spring holiday.
HOLIDAYS = frozenset({date(2026, 3, 23), date(2026, 3, 24)})


def shipped(now: str, *, days_ahead: int = 1, cutoff_hour: int = 18) -> str:
    day = shipping_date(
        datetime.fromisoformat(now).replace(tzinfo=ALMATY),
        days_ahead=days_ahead,
        work_week=WEEK,
        holidays=HOLIDAYS,
        cutoff_hour=cutoff_hour,
    )
    return f"{day:%a %d}"


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-03-10 10:00", "Wed 11"),
        ("2026-03-10 17:59", "Wed 11"),
        ("2026-03-10 18:00", "Thu 12"),
        ("2026-03-12 18:00", "Mon 16"),
        ("2026-03-13 10:00", "Mon 16"),
        ("2026-03-13 23:59", "Mon 16"),
        ("2026-03-14 10:00", "Mon 16"),
        ("2026-03-15 23:00", "Mon 16"),
        ("2026-03-16 00:01", "Tue 17"),
        ("2026-03-20 10:00", "Wed 25"),
        ("2026-03-24 20:00", "Wed 25"),
    ],
)
def test_an_order_is_shipped_on_the_next_day_the_supplier_can(now, day):
    assert shipped(now) == day


@pytest.mark.parametrize(
    ("days_ahead", "now", "day"),
    [
        (0, "2026-03-10 10:00", "Tue 10"),
        (0, "2026-03-10 20:00", "Wed 11"),
        (0, "2026-03-14 10:00", "Mon 16"),
        (3, "2026-03-10 10:00", "Fri 13"),
        (4, "2026-03-10 10:00", "Mon 16"),
    ],
)
def test_the_days_ahead_are_the_owners(days_ahead, now, day):
    assert shipped(now, days_ahead=days_ahead) == day


def test_a_cutoff_at_24_never_comes():
    assert shipped("2026-03-10 23:59", cutoff_hour=24) == "Wed 11"


def test_the_day_is_almatys():
    late = datetime.fromisoformat("2026-03-10T19:30:00+00:00")
    day = shipping_date(
        late, days_ahead=0, work_week=WEEK, holidays=HOLIDAYS, cutoff_hour=18
    )
    assert day == date(2026, 3, 11)


days = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@given(
    day=days,
    hour=st.integers(0, 23),
    days_ahead=st.integers(0, 10),
    week=st.frozensets(st.integers(1, 7)),
    holidays=st.frozensets(days, max_size=20),
    cutoff=st.integers(0, 24),
)
def test_the_day_is_never_past_nor_one_off(
    day, hour, days_ahead, week, holidays, cutoff
):
    found = shipping_date(
        datetime.combine(day, time(hour), tzinfo=ALMATY),
        days_ahead=days_ahead,
        work_week=week,
        holidays=holidays,
        cutoff_hour=cutoff,
    )
    assert found >= day + timedelta(days=days_ahead)
    assert found.isoweekday() in week or not week
    assert found not in holidays or not week


def test_a_week_names_days_from_1_to_7():
    assert parse_work_days(["1", "6"]) == {1, 6}
    for odd in (["0"], ["8"], ["mon"], []):
        with pytest.raises(ValueError, match=r"day"):
            parse_work_days(odd)


def test_an_hour_is_one_of_the_day():
    assert check_hour(24) == 24
    with pytest.raises(ValueError, match="25"):
        check_hour(25)
