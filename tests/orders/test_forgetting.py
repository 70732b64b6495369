"""Nothing of a buyer outlives what it was kept for, wherever it was written."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.utils import timezone

from orders.forgetting import forget_buyers, without_buyer
from orders.kaspi.client import open_client
from orders.models import Buyer, Finding, Order, Waybill
from orders.plan.events import record
from orders.reading.refreshing import refresh_order
from orders.retention import delete_buyer_data
from tests.orders.factories import make_order, make_product, step_of

pytestmark = pytest.mark.django_db
NAME, PHONE, ADDRESS = "Айгуль Примерова", "7012345678", "Алматы, Абая 10, кв. 5"
SPELLINGS = (NAME, "примеровой", "+7 (701) 234-56-78", "87012345678", ADDRESS)
TRACES = ("Айгуль", "Пример", "пример", "2345678", "234-56-78", "Абая 10")


def write_everywhere(order: Order) -> None:
    """Write the buyer's data into every column that could hold them."""
    said = "; ".join(SPELLINGS)
    now = timezone.now()
    Buyer.objects.create(order=order, name=NAME, phone=PHONE, address=ADDRESS)
    Waybill.objects.create(order=order, number="W1", pdf=said.encode(), fetched_at=now)
    Order.objects.filter(pk=order.pk).update(note=said, problem=said)
    step = step_of(order)
    cancel = {"reason": "BUYER_NOT_REACHABLE", "comment": said, "code": "4711"}
    order.steps.filter(pk=step.pk).update(
        kind="cancel",
        peer="kaspi",
        status="refused",
        last_error=said,
        parameters=cancel,
    )
    record(order, said, now=now)
    Finding.objects.create(
        kind="nobodys",
        subject=order.code,
        order=order,
        text=said,
        note=said,
        raised_at=now,
        seen_at=now,
    )
    user, _ = User.objects.get_or_create(username="aigerim")
    LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(Order),
        object_id=str(order.pk),
        object_repr=order.code,
        action_flag=CHANGE,
        change_message=f"Отменить: {said}",
    )


def everything_kept() -> str:
    """Give every column of every table as one text."""
    rows = []
    for model in apps.get_models():
        for row in model._base_manager.values_list():
            rows += [
                bytes(v).decode("utf8", "replace")
                if isinstance(v, bytes | memoryview)
                else str(v)
                for v in row
            ]
    return "\n".join(rows)


def traces() -> list[str]:
    kept = everything_kept()
    return [trace for trace in TRACES if trace in kept]


@pytest.fixture
def order():
    order = make_order((make_product("70311"), 2), total_kzt=9_000)
    write_everywhere(order)
    return order


def end(order: Order, *, days: float = 31) -> None:
    ended_at = timezone.now() - timedelta(days=days)
    Order.objects.filter(pk=order.pk).update(
        state="ARCHIVE", status=Order.COMPLETED, ended_at=ended_at
    )


@pytest.mark.parametrize("on_request", [True, False])
def test_no_column_of_any_table_names_a_forgotten_buyer(order, on_request):
    assert len(traces()) == len(TRACES)
    assert forget_buyers([order.pk], now=timezone.now(), on_request=on_request) == 1
    assert traces() == []
    kept = Order.objects.get()
    assert (kept.total_kzt, kept.lines.get().quantity) == (9_000, 2)
    step = kept.steps.get()
    assert step.parameters["reason"] == "BUYER_NOT_REACHABLE"
    assert "code" not in step.parameters
    assert ("comment" in step.parameters) is not on_request
    assert kept.note == ("" if on_request else kept.note)
    assert (kept.buyer_erased_at is not None) is on_request


def test_the_others_keep_what_is_theirs(order):
    other = make_order()
    write_everywhere(other)
    forget_buyers([order.pk], now=timezone.now())
    assert len(traces()) == len(TRACES)
    assert Buyer.objects.get().order == other


def test_what_staff_wrote_goes_on_request_though_it_names_nobody(order):
    Order.objects.update(note="ворчит, торгуется")
    LogEntry.objects.update(change_message="Отменить: ворчит, торгуется")
    forget_buyers([order.pk], now=timezone.now(), on_request=True)
    assert "ворчит" not in everything_kept()


def test_all_of_it_goes_by_itself_the_set_time_after_the_end(settings, order):
    settings.BUYER_DATA_KEPT_DAYS = 30
    assert delete_buyer_data(now=timezone.now()) == 0
    end(order, days=29)
    assert delete_buyer_data(now=timezone.now()) == 0
    assert len(traces()) == len(TRACES)
    end(order)
    assert delete_buyer_data(now=timezone.now()) == 1
    assert traces() == []


def test_many_more_buyers_than_go_at_once_are_forgotten(settings, monkeypatch):
    monkeypatch.setattr("orders.retention.BATCH", 2)
    for _number in range(5):
        order = make_order()
        Buyer.objects.create(order=order, name=NAME)
        end(order)
    assert delete_buyer_data(now=timezone.now()) == 5


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("Роза И.", "И розы и Роза", "И *** и ***"),
        ("Ли", "Лимон для Ли", "Лимон для ***"),
        ("Марат", "Маратом, марату", "***, ***"),
        ("", "как есть 7", "как есть 7"),
    ],
)
def test_only_the_buyers_name_is_taken_out_of_a_text(name, text, shown):
    assert without_buyer(text, Buyer(name=name)) == shown


@pytest.mark.django_db(transaction=True)
def test_a_waybill_that_was_deleted_is_not_fetched_again(settings, kaspi):
    """Kaspi goes on showing the link of an order that was called off."""
    kaspi.change_settings(states_move=False, waybill_after_s=0)
    make_product("70311")
    order = kaspi.new_order([{"sku": "70311"}])
    row = make_order(kaspi_id=order.id, code=order.code)
    with open_client() as client:
        client.accept(order.id, code=order.code)
        client.assemble(order.id, code=order.code, places=1)
        refresh_order(row.pk, client)
        assert row.waybills.count() == 1
        end(row)
        delete_buyer_data(now=timezone.now())
        assert row.waybills.count() == 0
        kaspi.happen(order.code, "buyer-cancel")
        refresh_order(row.pk, client)
    assert row.waybills.count() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.sqlite
def test_not_even_the_databases_file_holds_a_forgotten_buyer():
    order = make_order()
    write_everywhere(order)
    end(order)
    path = connection.settings_dict["NAME"]

    def in_files() -> bool:
        # By another process: one that closes such a file loses its own locks on it.
        held = subprocess.run(
            ["cat", path, f"{path}-wal"], check=True, capture_output=True
        ).stdout
        return PHONE.encode() in held or "Примерова".encode() in held

    assert in_files()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA secure_delete = OFF")
    assert delete_buyer_data(now=timezone.now()) == 1
    assert not in_files()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA secure_delete")
        assert cursor.fetchone() == (0,)
