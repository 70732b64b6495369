from __future__ import annotations

import re

import pytest
import requests

from sandbox import AlStyleServer


@pytest.fixture
def get(supplier, http):
    def call(method, **params):
        params = {"access-token": supplier.token} | params
        return http.get(f"{supplier.url}/api/{method}", params=params, timeout=5)

    return call


def crawl(get, **params):
    rows: list[dict[str, object]] = []
    total = 1
    while len(rows) < total:
        answer = get("elements-pagination", offset=len(rows), **params).json()
        total = answer["pagination"]["totalCount"]
        if not answer["elements"]:
            break
        rows += answer["elements"]
    return rows


def test_limit_above_250_is_clamped_in_silence(get):
    answer = get("elements-pagination", limit=20_000)

    assert answer.status_code == 200
    assert len(answer.json()["elements"]) == 250
    assert answer.json()["pagination"]["limit"] == 250
    assert answer.json()["pagination"]["totalPages"] == 2


def test_crawl_reads_every_good_once_in_a_stable_order(get, supplier):
    articles = [row["article"] for row in crawl(get, limit=100)]

    assert articles == list(supplier.goods)
    assert len(set(articles)) == len(articles) >= 300


def test_goods_have_the_contracts_oddities(get):
    rows = crawl(get, additional_fields="brand,barcode,multiplicity,rrp")
    quantities = [row["quantity"] for row in rows]
    lower_bounds = [q for q in quantities if isinstance(q, str)]

    assert 0.2 <= len(lower_bounds) / len(rows) <= 0.3
    assert all(re.fullmatch(r">\d+", q) and int(q[1:]) >= 50 for q in lower_bounds)
    assert any(isinstance(q, int) and q < 0 for q in quantities)
    in_stock = sum(1 for q in quantities if isinstance(q, str) or q > 0)
    assert 0.7 <= in_stock / len(rows) <= 0.85
    placeholders = [r for r in rows if r["price2"] in (0, 1) or r["price2"] > 9_000_000]
    assert 0.02 <= len(placeholders) / len(rows) <= 0.04
    assert any(row["price1"] == 1 for row in rows)
    assert any(row["article_pn"] == "" for row in rows)
    numbers = [row["article_pn"] for row in rows if row["article_pn"]]
    assert len(set(numbers)) < len(numbers)
    assert any(row["brand"] == "" for row in rows)
    assert any(row["multiplicity"] for row in rows)
    assert all(isinstance(row["article"], int) for row in rows)


def test_same_seed_gives_the_same_goods():
    with AlStyleServer(seed=7) as one, AlStyleServer(seed=7) as other:
        assert one.goods == other.goods
    with AlStyleServer(seed=8) as third:
        assert third.goods != one.goods


def test_additional_fields_come_only_when_asked(get):
    bare = get("elements-pagination", limit=1).json()["elements"][0]
    full = get("elements-pagination", limit=1, additional_fields="brand,rrp").json()

    assert "brand" not in bare
    assert {"brand", "rrp"} <= set(full["elements"][0])


@pytest.mark.parametrize(
    "params", [{"additional_fields": "brand,colour"}, {"category": "abc"}]
)
def test_unknown_field_or_malformed_category_breaks_the_server(get, params):
    answer = get("elements-pagination", **params)

    assert answer.status_code == 500
    assert "html" in answer.headers["Content-Type"]


def test_unknown_parameters_are_ignored(get):
    assert get("elements-pagination", changed_since="2024-01-01").status_code == 200


def test_categories_are_nested_sets_of_three_levels_and_more(get, supplier):
    rows = get("categories").json()

    assert max(row["level"] for row in rows) >= 3
    bounds = sorted(n for row in rows for n in (row["left"], row["right"]))
    assert bounds == list(range(1, 2 * len(rows) + 1))
    leaves = {row["id"] for row in rows if row["right"] == row["left"] + 1}
    assert {good.category for good in supplier.goods.values()} <= leaves


def test_category_intervals_can_be_spoilt(get, supplier):
    first, second = supplier.shop.categories[:2]
    supplier.set_category(first.id, left=second.left, right=second.right)
    supplier.shop.raw_categories.append({"id": None})
    rows = get("categories").json()
    assert (rows[0]["left"], rows[0]["right"]) == (rows[1]["left"], rows[1]["right"])
    assert rows[-1] == {"id": None}


def test_category_filter_counts_only_its_goods(get, supplier):
    leaf = next(iter(supplier.goods.values())).category
    answer = get("elements-pagination", category=leaf).json()

    assert {row["category"] for row in answer["elements"]} == {leaf}
    assert answer["pagination"]["totalCount"] == len(answer["elements"])


def test_elements_come_flat_or_nested_once(get, supplier):
    flat = get("elements", limit=3).json()
    supplier.settings.elements_nested = True

    assert get("elements", limit=3).json() == [flat]


def test_quantity_price_without_article_gives_every_good(get, supplier):
    answer = get("quantity-price").json()

    assert set(answer) == {str(article) for article in supplier.goods}
    assert set(next(iter(answer.values()))) == {
        "quantity",
        "price1",
        "price2",
        "discountPrice",
        "discount",
        "warehouse",
    }


def test_empty_map_arrives_as_an_empty_list(get):
    assert get("quantity", article="1").json() == []
    assert get("quantity-price", article="1").json() == []


def test_exclude_missing_leaves_out_what_is_sold_out(get, supplier):
    article = next(iter(supplier.goods))
    supplier.set_good(article, quantity=0)

    assert str(article) not in get("quantity-price", exclude_missing=1).json()


@pytest.mark.parametrize("shown", [0, -3, 7, ">50", ">6000", "abc", None, 1.5, ""])
def test_set_quantity_is_shown_as_it_was_set(get, supplier, shown):
    article = next(iter(supplier.goods))
    supplier.set_good(article, quantity=shown)

    assert get("quantity", article=article).json() == {str(article): shown}


def test_info_images_properties_and_reference_data_answer(get, supplier):
    article = next(iter(supplier.goods))
    info = get("element-info", article=article, additional_fields="detailText").json()

    assert info[0]["article"] == article
    assert info[0]["detailText"].startswith("<p>")
    assert get("images", article=article).json()[0].endswith(".jpg")
    properties = get("properties", article=article).json()
    assert properties["elements"][0]["article"] == article
    assert set(get("warehouses").json()) == {"panfilov", "suyunbai"}
    assert get("brands").json()["status"] is True
    assert "date" in get("date").json()
    assert get("no-such-method").status_code == 404


def test_raw_rows_and_prices_are_sent_as_they_are(get, supplier):
    article = next(iter(supplier.goods))
    supplier.set_raw(article, price1="договорная", name=None)
    supplier.add_raw_row({"article": article, "name": "дубль"})
    supplier.add_raw_row("не объект")
    supplier.set_raw_price(article, None)
    supplier.set_raw_price("abc", {"quantity": []})
    rows = crawl(get)

    assert rows[0]["price1"] == "договорная"
    assert rows[0]["name"] is None
    assert rows[-2:] == [{"article": article, "name": "дубль"}, "не объект"]
    prices = get("quantity-price").json()
    assert prices[str(article)] is None
    assert prices["abc"] == {"quantity": []}


def test_odd_names_travel_whole(http):
    with AlStyleServer(interval_s=0, oddities=True) as peer:
        answer = http.get(
            f"{peer.url}/api/elements-pagination",
            params={"access-token": peer.token, "offset": 300},
            timeout=5,
        )
        names = [row["name"] for row in answer.json()["elements"]]
    assert any("🐭" in name for name in names)
    assert any("\x00" in name for name in names)
    assert any(len(name) > 10_000 for name in names)


def test_life_moves_stock_and_prices_at_the_contracts_pace(supplier):
    before = {a: (g.stock, g.price1) for a, g in supplier.goods.items()}
    for _ in range(24):
        supplier.tick(3600)
    changed = [a for a, g in supplier.goods.items() if before[a] != (g.stock, g.price1)]

    assert 0.02 <= len(changed) / len(before) <= 0.06


def test_user_data_has_its_variants(get, supplier):
    papers = get("user-data").json()["data"]["Доверенности"]
    assert papers[0]["Основной"] is True
    assert papers[1]["empty"] is True
    supplier.user_data.variant = "empty"
    assert get("user-data").json() == {"status": True, "data": []}


def test_real_sized_catalogue_is_loaded_from_json_lines(tmp_path, http):
    lines = tmp_path / "goods.jsonl"
    lines.write_text(
        '{"article_pn": "A", "name": "Мышь A", "brand": "B", "price2": 0,'
        ' "quantity": ">50"}\n' * 15_000,
        encoding="utf-8",
    )
    with AlStyleServer(interval_s=0, catalogue=lines) as peer:
        answer: requests.Response = http.get(
            f"{peer.url}/api/quantity-price",
            params={"access-token": peer.token},
            timeout=10,
        )
        assert len(answer.json()) == 15_000
        assert answer.elapsed.total_seconds() < 2
