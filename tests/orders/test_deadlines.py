from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.checks import check_working_time
from orders.working_time import (
    ALMATY,
    WorkingTime,
    accept_deadline,
    collect_deadline,
    parse_holidays,
    parse_work_week,
)

WEEK = ["10-20"] * 6 + ["-"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ALMATY)


@pytest.mark.parametrize(
    ("approved", "deadline"),
    [
        # 2026-03-10 is a Tuesday.
        ("2026-03-10 11:00", "2026-03-10 14:00"),
        ("2026-03-10 18:30", "2026-03-11 11:30"),
        ("2026-03-10 23:00", "2026-03-11 13:00"),
        ("2026-03-10 03:00", "2026-03-10 13:00"),
        ("2026-03-10 17:00", "2026-03-10 20:00"),
        # Saturday evening: Sunday is closed.
        ("2026-03-14 19:00", "2026-03-16 12:00"),
        ("2026-03-15 12:00", "2026-03-16 13:00"),
    ],
)
def test_three_hours_run_only_while_the_shop_is_open(settings, approved, deadline):
    settings.WORK_WEEK, settings.HOLIDAYS = WEEK, []
    found = accept_deadline(at(approved), is_express=False)
    assert found == at(deadline)


def test_holidays_are_closed(settings):
    settings.WORK_WEEK, settings.HOLIDAYS = WEEK, ["2026-03-21", "2026-03-23"]
    # Friday evening; Saturday and Monday are holidays, Sunday is closed.
    found = accept_deadline(at("2026-03-20 19:00"), is_express=False)
    assert found == at("2026-03-24 12:00")


@pytest.mark.parametrize(
    ("accepted", "deadline"),
    [
        # 2026-03-10 is a Tuesday, Sunday is closed and Monday a holiday.
        ("2026-03-10 11:00", "2026-03-13 20:00"),
        ("2026-03-10 23:30", "2026-03-13 20:00"),
        ("2026-03-13 11:00", "2026-03-18 20:00"),
    ],
)
def test_a_buyer_has_three_working_days_to_collect(settings, accepted, deadline):
    settings.WORK_WEEK, settings.HOLIDAYS = WEEK, ["2026-03-16"]
    assert collect_deadline(at(accepted)) == at(deadline)


@pytest.mark.parametrize("week", [["-"] * 7, ["nonsense"]])
def test_without_opening_hours_every_day_counts(settings, week):
    settings.WORK_WEEK, settings.HOLIDAYS = week, []
    assert collect_deadline(at("2026-03-10 11:00")) == at("2026-03-13 11:00")


def test_an_express_order_has_an_hour_day_and_night(settings):
    settings.WORK_WEEK, settings.HOLIDAYS = ["-"] * 7, []
    approved = at("2026-03-15 02:10")
    assert accept_deadline(approved, is_express=True) == at("2026-03-15 03:10")


def test_a_deadline_is_given_in_the_moments_own_zone(settings):
    settings.WORK_WEEK = ["00-24"] * 7
    moment = datetime(2026, 3, 10, 6, 0, tzinfo=timezone.utc)
    found = accept_deadline(moment, is_express=False)
    assert (found.tzinfo, found.hour) == (timezone.utc, 9)


@pytest.mark.parametrize("week", [["-"] * 7, ["10"] * 7, ["10-20"]])
def test_hours_that_cannot_be_used_give_an_early_deadline_rather_than_none(
    settings, week
):
    settings.WORK_WEEK = week
    approved = at("2026-03-10 11:00")
    assert accept_deadline(approved, is_express=False) == at("2026-03-10 14:00")


hours = st.one_of(
    st.none(),
    st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(
        lambda pair: pair[1] - pair[0] >= 60
    ),
)
weeks = st.tuples(*[hours] * 7)
moments = st.integers(0, 3 * 365 * 24 * 60).map(
    lambda minute: at("2025-01-01 00:00") + timedelta(minutes=minute)
)
days_off = st.frozensets(st.dates(date(2025, 1, 1), date(2028, 1, 31)), max_size=4)


def open_minutes(time: WorkingTime, start: datetime, end: datetime) -> timedelta:
    """Add up the open hours between two moments, the slow way."""
    total, day = timedelta(0), start.astimezone(ALMATY).date()
    while day <= end.astimezone(ALMATY).date():
        opened = time._open_on(day)
        if opened is not None:
            total += max(min(opened[1], end) - max(opened[0], start), timedelta(0))
        day += timedelta(days=1)
    return total


@given(week=weeks, holidays=days_off, start=moments, minutes=st.integers(1, 600))
def test_between_start_and_deadline_lie_exactly_the_working_minutes(
    week, holidays, start, minutes
):
    time = WorkingTime(week=week, holidays=holidays)
    end = time.after(start, minutes=minutes)
    assert end > start
    if any(week):
        assert open_minutes(time, start, end) == timedelta(minutes=minutes)
    else:
        assert end == start + timedelta(minutes=minutes)


@given(week=weeks, start=moments, later=st.integers(0, 5000))
def test_who_comes_later_is_never_due_earlier(week, start, later):
    time = WorkingTime(week=week, holidays=frozenset())
    after = start + timedelta(minutes=later)
    assert time.after(start, minutes=180) <= time.after(after, minutes=180)


@pytest.mark.parametrize("text", ["10", "10-9", "9-9", "x-y", "10-25", "", "10-20-30"])
def test_hours_of_another_shape_are_refused(text):
    with pytest.raises(ValueError, match="has"):
        parse_work_week([text] * 7)


def test_half_hours_and_midnight_are_read():
    assert parse_work_week(["09:30-18", "0-24", *["-"] * 5])[:3] == (
        (570, 1080),
        (0, 1440),
        None,
    )


def test_days_of_another_shape_are_refused():
    assert parse_holidays(["2026-03-21"]) == {date(2026, 3, 21)}
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        parse_holidays(["21.03.2026"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORK_WEEK", ["10-20"] * 6),
        ("WORK_WEEK", ["10-20"] * 6 + ["ten"]),
        ("HOLIDAYS", ["2026-13-01"]),
        ("SUPPLIER_WORK_WEEK", ["1", "8"]),
        ("SUPPLIER_HOLIDAYS", ["21.03.2026"]),
        ("SHIPPING_CUTOFF_HOUR", 25),
    ],
)
def test_the_system_check_names_the_setting(settings, name, value):
    assert check_working_time(None) == []
    setattr(settings, name, value)
    (found,) = check_working_time(None)
    assert found.id == "orders.E001"
    assert name in found.msg
