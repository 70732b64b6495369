from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from orders.kaspi import listing
from orders.kaspi.client import open_client
from orders.kaspi.listing import SKEW, WINDOW, read_list, windows
from plumbing.peers import PeerProtocolError

NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now_is_now(monkeypatch):
    """Whenever these tests come in a long run: some are about the last minutes."""
    monkeypatch.setitem(globals(), "NOW", datetime.now(timezone.utc))


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def read(kaspi):
    """Read all new orders of the last days; returns the codes as they came."""

    def run(*, since=NOW - DAY, until=NOW + SKEW, state="NEW"):
        with open_client() as client:
            return [
                order.code
                for batch in read_list(
                    client, state, since=since, until=until, moment=lambda: NOW
                )
                for order in batch.orders
            ]

    return run


def fill(kaspi, count: int) -> set[str]:
    return {kaspi.new_order([{"sku": "1"}]).code for _ in range(count)}


@pytest.mark.parametrize(
    ("count", "calls"), [(0, 1), (1, 1), (100, 1), (101, 2), (250, 3)]
)
def test_all_pages_are_read_with_one_call_each(kaspi, read, count, calls):
    codes = fill(kaspi, count)
    found = read()
    assert set(found) == codes
    assert len(found) == count
    assert len(kaspi.arrivals) == calls


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("page_shifts", {"by": 3}),
        ("page_shrinks", {"by": 3}),
        ("page_repeats", {}),
    ],
)
def test_pages_that_move_once_are_read_again_and_each_order_comes_once(
    kaspi, read, fault, options
):
    codes = fill(kaspi, 250)
    kaspi.faults.add(fault, times=2, **options)
    found = read()
    assert set(found) == codes
    assert len(found) == len(codes)


def test_orders_that_come_while_pages_are_read_are_found(kaspi, read, monkeypatch):
    codes = fill(kaspi, 150)
    with open_client() as client:
        batches = read_list(
            client, "NEW", since=NOW - DAY, until=NOW + SKEW, moment=lambda: NOW
        )
        found = [order.code for order in next(batches).orders]
        codes |= fill(kaspi, 5)
        found += [order.code for batch in batches for order in batch.orders]
    assert set(found) == codes
    assert len(found) == len(codes)


def test_a_list_that_stays_short_is_no_reading(kaspi, read):
    fill(kaspi, 250)
    kaspi.faults.add("page_repeats")
    with pytest.raises(PeerProtocolError, match="50 orders of “new order”"):
        read()


def test_pages_without_end_come_to_an_end(kaspi, read, monkeypatch):
    monkeypatch.setattr(listing, "MOST_PAGES", 3)
    row = '{"type": "orders", "id": "a", "attributes": {"code": "1"}}'
    body = f'{{"data": [{row}], "meta": {{"pageCount": 99, "totalCount": 9900}}}}'
    kaspi.faults.add("garbage", body=body)
    with pytest.raises(PeerProtocolError, match="without end"):
        read()


def test_without_counts_an_empty_page_or_a_repeated_one_is_the_end(kaspi, read):
    row = '{"type": "orders", "id": "a", "attributes": {"code": "1"}}'
    kaspi.faults.add("garbage", body=f'{{"data": [{row}]}}')
    assert read() == ["1"]


def test_what_was_not_asked_for_is_dropped_but_for_a_clock_an_hour_off(kaspi, read):
    kaspi.change_settings(older_by_s=10 * 86400.0, states_move=False)
    near = kaspi.new_order([{"sku": "1"}], age_s=86400 + 3000)
    kaspi.new_order([{"sku": "1"}], age_s=3 * 86400)
    assert read() == [near.code]


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0])
def test_a_clock_an_hour_off_hides_no_order(kaspi, read, skew_s):
    kaspi.change_settings(clock_skew_s=skew_s)
    codes = fill(kaspi, 2)
    assert set(read()) == codes


@pytest.mark.parametrize("days", [1, 20])
def test_a_list_up_to_now_ends_by_kaspis_clock(kaspi, read, days):
    """Ours is days behind: by it, every new order lies in the future."""
    kaspi.change_settings(clock_skew_s=days * 86400.0)
    codes = fill(kaspi, 2)
    found = read()
    assert set(found) == codes
    assert len(found) == len(codes)
    # One that ends earlier is read as it is asked for.
    assert read(until=NOW - timedelta(minutes=1)) == []


def test_whatever_an_answer_says_of_the_time_few_windows_are_read(kaspi, read):
    kaspi.change_settings(date_skew_s=20 * 365 * 86400.0)
    codes = fill(kaspi, 2)
    assert set(read()) == codes
    assert {arrival.status for arrival in kaspi.arrivals} == {200}
    assert len(kaspi.arrivals) == 1 + listing.MOST_FURTHER
    # Nor is anything lost by a date that lies long ago.
    kaspi.change_settings(date_skew_s=-20 * 365 * 86400.0)
    assert set(read()) == codes


@pytest.mark.parametrize("days", [1, 14, 15, 40])
def test_windows_join_and_kaspi_accepts_each(kaspi, read, days):
    # Up to now, one more is read should Kaspi's clock strike a second meanwhile.
    until = NOW - timedelta(minutes=1)
    spans = list(windows(until - days * DAY, until))
    assert spans[0][0] == until - days * DAY
    assert spans[-1][1] == until
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert all(end - begin <= WINDOW for begin, end in spans)
    read(since=until - days * DAY, until=until)
    assert {arrival.status for arrival in kaspi.arrivals} == {200}
    assert len(kaspi.arrivals) == len(spans)
