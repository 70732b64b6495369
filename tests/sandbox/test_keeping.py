from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sandbox import AlStyleServer, KaspiServer
from sandbox.alstyle.orders import FIRST_ORDER
from sandbox.keeping import Keeper
from tests.sandbox.buyer import Buyer
from tests.sandbox.kaspiclient import Merchant

ARTICLE = 91_001


@contextmanager
def peers(path) -> Iterator[tuple[AlStyleServer, KaspiServer, str]]:
    """Both servers, started on what is kept in `path`, with the sentence said."""
    supplier, kaspi = AlStyleServer(interval_s=0), KaspiServer()
    supplier.add_good(ARTICLE, stock=10, price1=1000)
    keeper = Keeper(path, supplier, kaspi)
    said = keeper.load()
    with supplier, kaspi:
        keeper.keep()
        yield supplier, kaspi, said
        keeper.save()
        assert supplier.crashes == kaspi.crashes == []


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.json"


def buy_and_sell(path, http):
    """One order at each side; return the supplier's number and Kaspi's code."""
    with peers(path) as (supplier, kaspi, _):
        buyer = Buyer(supplier, http)
        order = kaspi.new_order([{"sku": str(ARTICLE), "quantity": 3}], fate="returned")
        merchant = Merchant(kaspi, http)
        merchant.accept(order)
        merchant.write(order, "ASSEMBLE", numberOfSpace="1")
        number = buyer.order(ARTICLE, 3, external_id=order.code)
        buyer.add(ARTICLE, 2)
        supplier.add_foreign_row(ARTICLE, 1)
    return number, order.code


def test_a_restart_goes_on_where_the_last_one_was(path, http):
    number, code = buy_and_sell(path, http)
    before = json.loads(path.read_text())["state"]
    with peers(path) as (supplier, kaspi, said):
        assert said == f"The sandbox goes on with 1 orders of {path}."
        assert json.loads(path.read_text())["state"] == before
        buyer = Buyer(supplier, http)
        assert buyer.send("api/order", id=number).json()["data"]["sum"] == 3000
        assert supplier.goods[ARTICLE].stock == 7
        assert [row["quantity"] for row in buyer.cart().values()] == [1]
        order = kaspi.orders[code]
        assert order.fate == "returned"
        assert order.status == "ACCEPTED_BY_MERCHANT"
        assert Merchant(kaspi, http).entries(order)[0]["attributes"]["quantity"] == 3
        assert buyer.submit()["data"]["id"] == number + 1
        assert int(kaspi.new_order([{"sku": "1"}]).code) > int(code)


def test_what_was_answered_is_kept_though_the_process_dies_at_once(path, http):
    with peers(path) as (supplier, _kaspi, _):
        number = Buyer(supplier, http).order(ARTICLE, 1)
        kept = json.loads(path.read_text())["state"]["alstyle"]
        assert [order["id"] for order in kept["orders"]] == [number]
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("how", ["changed", "cut", "another version", "not a map"])
def test_a_damaged_file_is_refused_and_no_number_is_used_again(path, http, how):
    number, code = buy_and_sell(path, http)
    text = path.read_text()
    path.write_text(
        {
            "changed": text.replace('"stock":7', '"stock":8'),
            "cut": text[: len(text) // 2],
            "another version": text.replace('"version":1', '"version":2'),
            "not a map": "[]",
        }[how]
    )
    assert path.read_text() != text
    with peers(path) as (supplier, kaspi, said):
        assert said.startswith(f"The sandbox's state in {path} is refused: ")
        assert said.endswith(f"a fresh one begins with order {number + 1}.")
        assert path.with_name("state.json.refused").is_file()
        assert Buyer(supplier, http).order(ARTICLE, 1) == number + 1
        assert int(kaspi.new_order([{"sku": "1"}]).code) > int(code)
    with peers(path) as (_supplier, _kaspi, said):
        assert "goes on with 1 orders" in said


@pytest.mark.parametrize("numbers_too", [False, True])
def test_a_lost_file_begins_above_all_numbers_used(path, http, numbers_too):
    number, code = buy_and_sell(path, http)
    path.unlink()
    if numbers_too:
        path.with_name("state-numbers.json").write_text("{")
    with peers(path) as (supplier, kaspi, said):
        assert said.startswith("The sandbox begins anew with order ")
        supplier.clock.advance(60)
        made = Buyer(supplier, http).order(ARTICLE, 1)
        # By the clock alone, a number is free after a minute for each order made.
        assert made > (FIRST_ORDER if numbers_too else number)
        assert len(str(made)) == 6 or numbers_too
        if not numbers_too:
            assert int(kaspi.new_order([{"sku": "1"}]).code) > int(code)


def test_waybills_get_other_numbers_after_a_restart(path, http):
    buy_and_sell(path, http)
    numbers = set()
    for _ in range(2):
        with peers(path) as (_supplier, kaspi, _):
            order = kaspi.new_order([{"sku": "1"}])
            merchant = Merchant(kaspi, http)
            merchant.accept(order)
            merchant.write(order, "ASSEMBLE", numberOfSpace="1")
            numbers |= {w.number for o in kaspi.orders.values() for w in o.waybills}
    assert len(numbers) == 3
