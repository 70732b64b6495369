"""A disk that fills up: the list is served, people get in and read why, all goes on."""

from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from django.db import connection
from django.utils import timezone

from bridge_site.roles import set_staff, sync_roles
from catalog.models import Product
from feeds import files
from feeds.models import Store
from sandbox import AlStyleServer, KaspiServer
from tests.orders.factories import ensure_price_rule
from tests.staff import build, make_import, make_product

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
]
ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a-long-password"


class Disk:
    """A small disk that can be filled to the last byte, and emptied again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError:
                    continue

    def empty(self) -> None:
        self._filler.unlink()


class Site:
    """The web part on that disk, as a person's browser meets it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def sign_in(self) -> tuple[requests.Session, requests.Response]:
        browser = requests.Session()
        browser.trust_env = False
        page = browser.get(f"{self.url}/admin/login/", timeout=20)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token, page.text
        form = {"username": "olga", "password": PASSWORD, "next": "/admin/"}
        form["csrfmiddlewaretoken"] = token[1]
        address = f"{self.url}/admin/login/"
        return browser, browser.post(address, form, timeout=30)

    def price_list(self) -> bytes:
        answer = requests.get(f"{self.url}/kaspi_price_list.xml", timeout=20)
        assert answer.status_code == 200
        return answer.content


@pytest.fixture
def disk(small_disk: Path) -> Disk:
    return Disk(small_disk)


@pytest.fixture
def environment(disk, bridge_env, settings) -> Iterator[dict[str, str]]:
    """Put a bridge with goods, a list and an operator on the small disk."""
    settings.FEED_DIR = disk.folder / "var" / "feed"
    Store.objects.create(store_id="PP1", name="Склад")
    ensure_price_rule()
    make_import()
    make_product()
    make_product()
    assert build().is_success
    sync_roles()
    set_staff("olga", role="operator", password=PASSWORD)
    whole = disk.folder / "bridge.sqlite3"
    connection.ensure_connection()
    with sqlite3.connect(whole) as copy:
        connection.connection.backup(copy)
    # As the other parts do: without anybody who has it open, a database on a full disk
    # cannot be opened at all.
    copy.execute("PRAGMA journal_mode=WAL")
    copy.execute("SELECT count(*) FROM feeds_feedbuild").fetchone()
    url = f"sqlite:///{whole}"
    yield bridge_env(
        # Without the collected static files.
        DJANGO_SETTINGS_MODULE="tests.settings",
        TEST_VAR_DIR=str(disk.folder / "var"),
        TEST_DATABASE_URL=url,
        DATABASE_URL=url,
    )
    copy.close()


@pytest.fixture
def site(environment) -> Iterator[Site]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment["LISTEN"] = f"127.0.0.1:{port}"
    web = subprocess.Popen(
        [sys.executable, "manage.py", "bridge_part", "web"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    site = Site(f"http://127.0.0.1:{port}")
    try:
        wait_for(lambda: requests.get(f"{site.url}/healthz", timeout=5).ok)
        yield site
    finally:
        web.kill()
        web.wait()


def wait_for(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            if claim():
                return
        except requests.RequestException:
            pass
        assert time.monotonic() < until, "it did not come to pass in time"
        time.sleep(0.1)


def manage(environment: dict[str, str], *command: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_people_get_in_and_read_it_and_the_list_is_served(site, disk):
    served = site.price_list()
    disk.fill()
    browser, answer = site.sign_in()
    assert answer.status_code == 200, answer.text[:500]
    assert answer.url == f"{site.url}/admin/"
    assert "Диск заполнен" in answer.text
    orders = browser.get(f"{site.url}/admin/orders/order/", timeout=20)
    assert orders.status_code == 200
    assert "Диск заполнен" in orders.text
    assert site.price_list() == served
    # What must be written is refused in a person's words, not by a fault.
    form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    refused = browser.post(f"{site.url}/admin/feeds/feedbuild/build/", form, timeout=60)
    assert refused.status_code != 500
    assert site.price_list() == served
    disk.empty()
    # The cookie served while nothing could be written; now it is asked again.
    again = browser.get(f"{site.url}/admin/", timeout=20)
    assert "/login/" in again.url
    browser, answer = site.sign_in()
    assert answer.url == f"{site.url}/admin/"
    assert "Диск заполнен" not in answer.text
    assert not browser.cookies["sessionid"].startswith("signed")


def test_a_build_leaves_the_last_list_and_no_half_file(environment, disk, settings):
    live = files.live_path()
    before = live.read_bytes(), {f.name for f in live.parent.rglob("*")}
    disk.fill()
    code, said = manage(environment, "build_feed", "--force", "--reason", "x")
    assert code != 0
    assert "Traceback" not in said or "full" in said
    assert (live.read_bytes(), {f.name for f in live.parent.rglob("*")}) == before
    disk.empty()
    database = sqlite3.connect(disk.folder / "bridge.sqlite3")
    with database:
        database.execute("UPDATE catalog_product SET stock = 3")
    database.close()
    code, said = manage(environment, "build_feed")
    assert code == 0, said
    assert live.read_bytes() != before[0]
    assert not [f for f in live.parent.rglob("*") if f.name.endswith(".tmp")]


def test_a_list_too_large_for_the_disk_goes_out_when_there_is_room(
    environment, disk, settings
):
    """The database has room elsewhere; the list's own disk is full."""
    live = files.live_path()
    before = live.read_bytes()
    Product.objects.update(stock=4)
    disk.fill()
    result = build(timezone.now())
    assert not result.is_success
    assert "No space left" in result.reason
    assert live.read_bytes() == before
    assert not list(live.parent.rglob("*.tmp"))
    disk.empty()
    assert build(timezone.now()).is_success
    assert live.read_bytes() != before


@pytest.fixture
def peers(environment) -> Iterator[tuple[AlStyleServer, KaspiServer]]:
    """Let both peers know the goods that are in the database."""
    with (
        AlStyleServer(token=environment["ALSTYLE_TOKEN"], interval_s=0) as supplier,
        KaspiServer(token=environment["KASPI_TOKEN"], states_move=False) as kaspi,
    ):
        for good in Product.objects.all():
            cost = good.cost_kzt or 0
            supplier.add_good(int(good.article), stock=10, price1=cost, price2=cost * 2)
        environment.update(
            # Those of the tests name peers of their own.
            DJANGO_SETTINGS_MODULE="bridge_site.settings",
            VAR_DIR=environment["TEST_VAR_DIR"],
            ALSTYLE_URL=supplier.url,
            KASPI_URL=kaspi.url,
            KASPI_MERCHANT_ID="QazDemo",
            SUPERVISE_FIRST_PURCHASE="0",
        )
        begin = "from plumbing import epoch; epoch.begin()"
        assert manage(environment, "shell", "-v0", "-c", begin)[0] == 0
        yield supplier, kaspi
        assert supplier.crashes == kaspi.crashes == []


def test_an_order_is_bought_once_though_its_answer_cannot_be_kept(
    environment, disk, peers
):
    supplier, kaspi = peers
    good = Product.objects.all()[0]
    line = {"sku": good.sku, "price": 3.0 * (good.cost_kzt or 0)}
    # From its answers it is learned whose an order is; until then a person would say.
    supplier.change_settings(shows_external_id=True)
    earlier = kaspi.new_order([line])
    manage(environment, "poll_orders")
    manage(environment, "process_orders", "--all")
    assert len(supplier.all_orders()) == 1
    code = kaspi.new_order([line]).code
    status, said = manage(environment, "poll_orders")
    assert status == 0, said
    disk.fill()
    # What is to be done cannot be noted down first: nothing is done.
    manage(environment, "process_orders")
    assert len(supplier.calls("add")) == len(supplier.calls("submit")) == 1
    disk.empty()

    def fill_once_bought() -> None:
        with suppress(AssertionError):
            wait_for(lambda: len(supplier.all_orders()) == 2)
        disk.fill()

    supplier.faults.add(
        "stall", "submit", seconds=2.0, after_work=True, answer=True, times=1
    )
    filling = threading.Thread(target=fill_once_bought)
    filling.start()
    said = manage(environment, "process_orders", "--all")[1]
    filling.join()
    assert len(supplier.all_orders()) == 2, said
    disk.empty()

    def is_accepted() -> bool:
        # As if the claim of who could not write were over, and the pauses, too.
        database = sqlite3.connect(disk.folder / "bridge.sqlite3")
        with database:
            database.execute("UPDATE orders_step SET not_before = '2020-01-01 00:00'")
            database.execute(
                "UPDATE orders_step SET claimed_until = '2020-01-01 00:00'"
                " WHERE claimed_until IS NOT NULL"
            )
            database.execute("DELETE FROM bridge_site_lease")
        database.close()
        manage(environment, "process_orders", "--all")
        return all(order["accepted"] for order in kaspi.book())

    wait_for(is_accepted)
    assert {order["code"] for order in kaspi.book()} == {earlier.code, code}
    assert [order.is_live for order in supplier.all_orders()] == [True, True]
