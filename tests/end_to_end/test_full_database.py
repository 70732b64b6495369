"""No room for another page of the database: each reading comes again, and is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection
from django.utils import timezone

from alerts.following import Look
from alerts.models import Alert, Notice
from alerts.watching import Watch
from backoffice.dashboard import Need, NeedKind
from backoffice.formatting import Tone
from bridge_site.adjusting.saving import save_settings
from bridge_site.roles import set_staff, sync_roles
from catalog.models import ImportRun, Product
from orders.kaspi.client import open_client
from orders.models import Buyer, BuyerRequest, Order, ReadMark, Step, Waybill
from orders.personal.erasing import erase
from orders.reading.polling import poll_orders
from orders.reading.refreshing import refresh_orders
from plumbing.leases import under_lease
from plumbing.models import AdjustedSetting
from tests.orders.factories import make_order, make_product

pytestmark = [
    pytest.mark.once,
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
]


@contextmanager
def full_database() -> Iterator[None]:
    """Let the database get no page more, and have none left."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE filler (bytes BLOB)")
        cursor.execute("PRAGMA page_count")
        (pages,) = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        for size in (3000, 10):
            with suppress(OperationalError):
                while True:
                    cursor.execute(f"INSERT INTO filler VALUES (zeroblob({size}))")
        try:
            yield
        finally:
            cursor.execute("PRAGMA max_page_count = 1073741823")
            cursor.execute("DROP TABLE filler")


def poll() -> None:
    with open_client() as client:
        result = poll_orders(client, now=timezone.now())
    assert not result.failures, result.failures


def refresh() -> None:
    with open_client() as client:
        refresh_orders(client, now=timezone.now())


# Each case: what is done before, what is tried, and whether it came about.
Case = tuple[Callable[[], object], Callable[[], bool]]


def new_orders(kaspi: Any, _supplier: Any) -> Case:
    make_product("70311", name="Чайник " * 40)
    made = [kaspi.new_order([{"sku": "70311"}]) for _number in range(60)]

    def are_there() -> bool:
        codes = Order.objects.filter(steps__kind=Step.Kind.RESERVE)
        known = sorted(codes.values_list("code", flat=True))
        assert len(known) == len(set(known))
        is_read = ReadMark.objects.filter(state="NEW", failure="").exists()
        assert is_read == (len(known) == len(made))
        return is_read

    return poll, are_there


def a_waybill(kaspi: Any, _supplier: Any) -> Case:
    make_product("70311")
    kaspi.change_settings(states_move=False, waybill_after_s=0)
    order = kaspi.new_order([{"sku": "70311"}])
    poll()
    with open_client() as client:
        client.accept(order.id, code=order.code)
        client.assemble(order.id, code=order.code, places=9)
    return refresh, Waybill.objects.exists


def the_catalogue(_kaspi: Any, supplier: Any) -> Case:
    def read() -> None:
        call_command("sync_catalog")

    def is_there() -> bool:
        known = Product.objects.count()
        assert known in (0, len(supplier.goods))
        last = ImportRun.objects.order_by("pk").last()
        return known > 0 and last is not None and last.status == "done"

    return read, is_there


def alerts(_kaspi: Any, _supplier: Any) -> Case:
    kind = NeedKind(code="leak", label="Leak")
    needs = [
        Need(tone=Tone.BAD, text=f"It drips {n}" * 9, kind=kind, subject=f"pipe {n}")
        for n in range(60)
    ]
    watch = Watch(
        look=lambda _now: [Look(source="cellar", needs=needs)],
        digest=lambda _now: [],
        is_alive=lambda _now: True,
    )

    def look() -> None:
        with under_lease("watch") as lease:
            watch.round(lease, now=timezone.now())

    def is_told() -> bool:
        assert Alert.objects.count() in (0, len(needs))
        return Alert.objects.exists()

    assert not Notice.objects.exists()
    return look, is_told


def a_buyers_wish(_kaspi: Any, _supplier: Any) -> Case:
    now = timezone.now()
    over = {"state": "ARCHIVE", "status": Order.COMPLETED, "ended_at": now}
    orders = [make_order((make_product(f"{n}"), 1), **over) for n in range(7000, 7060)]
    Step.objects.update(status=Step.Status.DONE)
    for order in orders:
        Buyer.objects.create(order=order, name="Айгуль", phone="7012345678")

    def wish() -> None:
        erase([order.pk for order in orders], actor="anna", now=now + timedelta(1))

    def is_erased() -> bool:
        left = Buyer.objects.count()
        # Never half, and never without its trail.
        assert left in (0, len(orders))
        assert BuyerRequest.objects.exists() == (left == 0)
        return left == 0

    return wish, is_erased


def a_setting(_kaspi: Any, _supplier: Any) -> Case:
    sync_roles()
    set_staff("anna", role="owner", password="a-long-password")
    owner = User.objects.get(username="anna")
    first = date(2027, 1, 1)
    holidays = ",".join(f"{first + timedelta(days)}" for days in range(730))

    def save() -> None:
        save_settings({"HOLIDAYS": holidays}, by=owner)

    return save, AdjustedSetting.objects.filter(name="HOLIDAYS").exists


@pytest.mark.parametrize(
    "case", [new_orders, a_waybill, the_catalogue, alerts, a_buyers_wish, a_setting]
)
def test_what_finds_no_room_is_whole_once_there_is_some(
    kaspi, alstyle, settings, tmp_path, case
):
    settings.BACKUP_DIR = tmp_path / "backups"
    attempt, came_about = case(kaspi, alstyle)
    with full_database():
        with suppress(DatabaseError, CommandError, AssertionError):
            attempt()
        assert not came_about()
    attempt()
    assert came_about()
