from datetime import datetime, timezone

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feeds.checking import check_price_list
from feeds.offers import Offer, clean_text
from feeds.writing import NO_BRAND, Point, split_units, write_price_list
from tests.feeds.live_list import read_bytes

NOW = datetime(2026, 3, 10, 6, 0, tzinfo=timezone.utc)
MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def write(path, offers, points=None):
    return write_price_list(
        path,
        offers,
        points=points or [Point(store_id="PP1", stock_share=1, preorder_days=None)],
        company='ТОО "Мышь & Ко"',
        merchant_id="QazDemo",
        date=NOW,
    )


def offer(sku="1", **fields):
    wanted = {
        "model": "Мышь",
        "brand": "Zeta",
        "units": 3,
        "preorder_days": None,
        "price_kzt": 7990,
    }
    return Offer(sku=sku, **{**wanted, **fields})


def test_the_list_looks_as_kaspi_documents_it(tmp_path):
    path = tmp_path / "list.xml"
    points = [Point(store_id="PP1", stock_share=1, preorder_days=5)]
    write(path, [offer(brand="", model="Лампа & подставка", units=0)], points)
    assert path.read_text(encoding="utf-8") == (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<kaspi_catalog xmlns="kaspiShopping" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'date="2026-03-10 11:00" '
        'xsi:schemaLocation="kaspiShopping http://kaspi.kz/kaspishopping.xsd">\n'
        '<company>ТОО "Мышь &amp; Ко"</company>\n'
        "<merchantid>QazDemo</merchantid>\n"
        "<offers>\n"
        '<offer sku="1"><model>Лампа &amp; подставка</model><brand>Без бренда</brand>'
        '<availabilities><availability available="no" storeId="PP1" stockCount="0" '
        'preOrder="5"/></availabilities><price>7990</price></offer>\n'
        "</offers>\n"
        "</kaspi_catalog>"
    )


@MANY
@given(st.text(max_size=300), st.text(max_size=80))
@example("<&\"'> ]]> <!-- --> &amp; 😀 \U0010ffff", "\ud800")
@example("a\x00\x01\x08\x0b\x1f\x7f\x85\u2028\ufffe\uffffb", "\r\n\t")
@example("Ж" * 10_000, "")
def test_any_text_comes_out_as_it_went_in_but_for_what_xml_cannot_hold(
    tmp_path, name, brand
):
    path = tmp_path / "list.xml"
    model, maker = clean_text(name) or "?", clean_text(brand)
    written = write(path, [offer(model=model, brand=maker)])
    read = read_bytes(path.read_bytes())["1"]
    assert (read.model, read.brand) == (model, maker or NO_BRAND)
    checked = check_price_list(path, store_ids=frozenset({"PP1"}))
    assert (checked.offers, checked.units) == (written.offers, written.units)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 50), min_size=1, max_size=6))
@example(5, [1, 1])
def test_points_together_never_offer_more_than_there_is(units, shares):
    parts = split_units(units, shares)
    assert len(parts) == len(shares)
    assert all(part >= 0 for part in parts)
    assert sum(parts) == (units if sum(shares) else 0)
    assert all(
        part == 0 for part, share in zip(parts, shares, strict=True) if not share
    )


@MANY
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any),
    st.lists(st.integers(0, 1000), min_size=1, max_size=20),
)
def test_the_file_never_offers_more_than_there_is(tmp_path, shares, stocks):
    points = [
        Point(store_id=f"PP{i}", stock_share=share, preorder_days=None)
        for i, share in enumerate(shares)
    ]
    path = tmp_path / "list.xml"
    write(path, [offer(str(i), units=u) for i, u in enumerate(stocks)], points)
    read = read_bytes(path.read_bytes())
    assert [read[str(i)].units for i in range(len(stocks))] == stocks
    for sold in read.values():
        for _store, available, count, _days in sold.points:
            assert (available == "yes") == (count > 0)


def test_five_over_two_equal_points_are_three_and_two():
    assert split_units(5, [1, 1]) == [3, 2]
    assert split_units(1, [1, 3]) == [0, 1]


def test_a_point_without_a_share_offers_nothing(tmp_path):
    points = [
        Point(store_id="PP1", stock_share=1, preorder_days=None),
        Point(store_id="PP2", stock_share=0, preorder_days=7),
    ]
    path = tmp_path / "list.xml"
    write(path, [offer(units=4), offer("2", units=1, preorder_days=3)], points)
    offers = read_bytes(path.read_bytes())
    assert offers["1"].points == (("PP1", "yes", 4, None), ("PP2", "no", 0, "7"))
    assert offers["2"].points == (("PP1", "yes", 1, "3"), ("PP2", "no", 0, "3"))


def test_the_digest_depends_on_everything_but_the_date(tmp_path):
    path = tmp_path / "list.xml"
    points = [Point(store_id="PP1", stock_share=1, preorder_days=None)]

    def digest(date=NOW, company="Qaz", merchant_id="Qaz", **fields):
        return write_price_list(
            path,
            [offer(**fields)],
            points=points,
            company=company,
            merchant_id=merchant_id,
            date=date,
        ).content_sha256

    same = digest()
    assert digest(date=NOW.replace(year=2027)) == same
    assert digest(company="Other") != same
    assert digest(merchant_id="Other") != same
    assert digest(units=4) != same


@pytest.mark.parametrize("number", [1, 700])
def test_writing_counts_what_it_wrote(tmp_path, number):
    path = tmp_path / "list.xml"
    offers = [offer(str(i), units=i % 3) for i in range(number)]
    written = write(path, iter(offers))
    read = read_bytes(path.read_bytes())
    assert written.offers == len(read) == number
    assert written.on_sale == sum(item.is_on_sale for item in read.values())
    assert written.units == sum(item.units for item in read.values())
