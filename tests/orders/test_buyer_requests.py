"""A buyer may have what is held of them, or have it erased, and erased it stays."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from datetime import datetime, timedelta, timezone

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.urls import reverse

from bridge_site.roles import set_staff, sync_roles
from orders.erasures import file_of_erased
from orders.kaspi.client import open_client
from orders.models import Buyer, BuyerRequest, Order, OrderEvent, Step, Waybill
from orders.personal.erasing import erase
from orders.personal.requests import find_order, orders_of_buyer, why_kept
from orders.reading import comparing, saving
from orders.reading.refreshing import refresh_order
from orders.reading.waybills import _keep
from orders.recovery.books import read_kaspi
from plumbing.leases import database_now, under_lease
from tests.orders.factories import make_order, make_product
from tests.staff import log_in, messages_of, page

pytestmark = pytest.mark.django_db
NAME, PHONE, ADDRESS = "Айгуль Примерова", "7012345678", "Алматы, Абая 10"
FIND = reverse("admin:find_buyer")
EXPORT, ERASE = reverse("admin:export_buyer"), reverse("admin:erase_buyer")
ANSWER = {"action": "erase", "answered": "1", "checked": "on"}


def bought(*, phone: str = PHONE, ended: bool = True, **values: object) -> Order:
    """Make an order of the buyer's with all that is kept of one."""
    over = {"state": "ARCHIVE", "status": Order.COMPLETED, "ended_at": database_now()}
    order = make_order(
        (make_product(f"{7000 + Order.objects.count()}"), 1),
        total_kzt=5_000,
        **{**(over if ended else {}), **values},
    )
    if ended:
        order.steps.update(status=Step.Status.DONE)
    Buyer.objects.create(order=order, name=NAME, phone=phone, address=ADDRESS)
    Waybill.objects.create(
        order=order, number="W1", pdf=b"%PDF-1.4 A", fetched_at=database_now()
    )
    return order


def about(order: Order) -> str:
    return reverse("admin:about_buyer", args=[order.pk])


@pytest.fixture
def owner(settings):
    return log_in(settings, "owner")


# --- Who is it ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["+7 (701) 234-56-78", "8 701 234 56 78", PHONE])
def test_a_buyer_is_found_by_the_phone_however_it_is_written(text):
    bought(created_at=database_now() - timedelta(days=2))
    newest = bought()
    assert find_order(text) == newest
    assert find_order("7019999999") is None


def test_an_orders_code_leads_to_all_orders_of_its_buyer():
    first, second = bought(), bought()
    other, nameless = bought(phone="7029999999"), bought(phone="")
    assert find_order(f"№{first.code}") == first
    assert set(orders_of_buyer(first)) == {first, second}
    assert orders_of_buyer(other) == [other]
    assert orders_of_buyer(nameless) == [nameless]


def test_the_phone_stands_in_no_address(owner):
    order = bought()
    answer = owner.post(FIND, {"buyer": "+7 701 234 56 78"})
    assert answer.url == about(order)
    shown = page(owner, answer.url)
    assert order.code in shown
    assert NAME in shown
    assert "nothing is held" in owner.post(FIND, {"buyer": "123"}).content.decode()


@pytest.mark.parametrize("role", ["viewer", "packer", "operator"])
def test_only_owners_answer_buyers(settings, role):
    client, order = log_in(settings, role), bought()
    chosen = {"order": order.pk}
    assert client.get(FIND).status_code == 403
    assert client.get(about(order)).status_code == 403
    assert client.post(EXPORT, chosen).status_code == 403
    assert client.post(ERASE, {**chosen, **ANSWER}).status_code == 403
    changelist = reverse("admin:orders_buyerrequest_changelist")
    assert client.get(changelist).status_code == 403
    order_page = client.get(reverse("admin:orders_order_change", args=[order.pk]))
    assert about(order) not in order_page.content.decode()
    assert Buyer.objects.exists()
    assert not BuyerRequest.objects.exists()


@pytest.mark.parametrize("url", [EXPORT, ERASE])
def test_a_link_alone_does_nothing(owner, url):
    assert owner.get(url, {"order": bought().pk}).status_code == 403


# --- Export ---------------------------------------------------------------------------


def test_the_export_holds_all_that_is_held_of_the_buyer(owner):
    order = bought(note="звонила дважды")
    now = database_now()
    Step.objects.create(
        order=order,
        kind="cancel",
        peer="kaspi",
        status="refused",
        not_before=now,
        created_at=now,
        parameters={"comment": "не дозвонились"},
    )
    answer = owner.post(EXPORT, {"order": [order.pk]})
    assert answer["Content-Type"] == "application/zip"
    assert "no-store" in answer["Cache-Control"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        held = json.loads(archive.read("buyer.json"))
        told = archive.read("buyer.txt").decode()
        pdf = archive.read(f"waybill-{order.code}-1.pdf")
    assert pdf == b"%PDF-1.4 A"
    (its,) = held["orders"]
    assert its["buyer"] == {"name": NAME, "phone": PHONE, "address": ADDRESS}
    assert its["our_note"] == "звонила дважды"
    assert its["told_to_kaspi"] == ["не дозвонились"]
    for words in (NAME, PHONE, ADDRESS, order.code, "звонила", "не дозвонились"):
        assert words in told
    # What the goods cost us is no business of the buyer's.
    assert "cost" not in json.dumps(held)


# --- Erasing --------------------------------------------------------------------------


def test_what_is_over_is_erased_and_what_is_under_way_is_refused(owner):
    over, under_way = bought(), bought(ended=False)
    shown = page(owner, about(over))
    assert "still under way" in shown
    chosen = {"order": [over.pk, under_way.pk]}
    asked = owner.post(ERASE, {**chosen, "action": "erase"})
    assert "checked" in asked.context["form"].fields
    assert Buyer.objects.count() == 2
    unticked = owner.post(ERASE, {**chosen, "action": "erase", "answered": "1"})
    assert "Tick it" in unticked.content.decode()
    answer = owner.post(ERASE, {**chosen, **ANSWER}, follow=True)
    assert f"{under_way.code}: the order is still under way" in messages_of(answer)
    assert Buyer.objects.get().order == under_way
    assert Waybill.objects.get().order == under_way
    over.refresh_from_db()
    assert over.total_kzt == 5_000
    assert over.lines.get().quantity == 1
    order_page = page(owner, reverse("admin:orders_order_change", args=[over.pk]))
    assert "erased on request" in order_page


def test_what_kaspi_is_still_asked_is_waited_for():
    order = bought()
    now = database_now()
    step = Step.objects.create(
        order=order,
        kind="cancel",
        peer="kaspi",
        status="pending",
        not_before=now,
        created_at=now,
        parameters={"comment": "адрес неверен"},
    )
    assert "Kaspi is still being asked" in why_kept(order)
    assert erase([order.pk], actor="a", now=now).orders == []
    Step.objects.filter(pk=step.pk).update(status="done")
    assert erase([order.pk], actor="a", now=now).orders == [order]
    assert erase([order.pk], actor="a", now=now).orders == []


def test_the_trail_tells_who_when_and_which_orders_and_nothing_of_the_buyer(owner):
    order = bought()
    owner.post(EXPORT, {"order": [order.pk]})
    owner.post(ERASE, {"order": [order.pk], **ANSWER})
    export, erased = BuyerRequest.objects.order_by("pk")
    assert (export.kind, erased.kind) == ("export", "erase")
    for done in (export, erased):
        assert (done.done_by, done.orders) == ("owner", [order.code])
    trail = [
        *OrderEvent.objects.filter(order=order).values_list("text", flat=True),
        *LogEntry.objects.values_list("change_message", flat=True),
        page(owner, reverse("admin:orders_buyerrequest_changelist")),
    ]
    assert "The buyer's data were erased at their request" in trail
    assert order.code in trail[-1]
    for trace in ("Айгуль", "Примеров", PHONE, "234 56 78", "Абая"):
        assert not [text for text in trail if trace in text]


# --- It stays so ----------------------------------------------------------------------


@pytest.fixture
def quiet(kaspi, settings):
    kaspi.change_settings(states_move=False, waybill_after_s=0)
    settings.KASPI_TIMEOUT_S = 2
    return kaspi


def read_again(order: Order) -> Order:
    with open_client() as client:
        return refresh_order(order.pk, client)


def read_archive() -> None:
    """Read what has ended, as after a restore."""
    now = database_now()
    with open_client() as client, under_lease("test") as lease:
        read_kaspi(client, lease, now=now, takes_in_all=True)


@pytest.fixture
def delivered(quiet):
    """An order that Kaspi goes on showing with its buyer, waybill and all."""
    make_product("70311")
    made = quiet.new_order([{"sku": "70311"}])
    row = make_order(kaspi_id=made.id, code=made.code)
    with open_client() as client:
        client.accept(made.id, code=made.code)
        client.assemble(made.id, code=made.code, places=1)
    read_again(row)
    assert (Buyer.objects.count(), Waybill.objects.count()) == (1, 1)
    quiet.happen(made.code, "deliver")
    read_again(row).steps.update(status=Step.Status.DONE)
    return row


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("comes_back", [False, True])
def test_what_was_erased_is_not_read_again(quiet, delivered, comes_back):
    erase([delivered.pk], actor="owner", now=database_now())
    before = list(delivered.events.values_list("pk", flat=True))
    if comes_back:
        # Open again, and shown with all that Kaspi knows.
        quiet.happen(delivered.code, "return")
    order = read_again(delivered)
    assert (order.ended_at is None) is comes_back
    assert order.buyer_erased_at is not None
    assert not Buyer.objects.exists()
    assert not Waybill.objects.exists()
    told = order.events.exclude(pk__in=before).values_list("text", flat=True)
    assert len(told) == comes_back
    assert not [text for text in told if "buyer's data:" in text]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_listed", [True, False])
def test_an_older_database_does_not_take_an_erased_buyer_in_anew(
    quiet, delivered, is_listed
):
    erase([delivered.pk], actor="owner", now=database_now())
    if not is_listed:
        file_of_erased().unlink()
    # Brought back from before the order came.
    Order.objects.all().delete()
    read_archive()
    order = Order.objects.get(code=delivered.code)
    assert Buyer.objects.exists() is not is_listed
    assert (order.buyer_erased_at is not None) is is_listed


@pytest.mark.django_db(transaction=True)
def test_without_the_mark_a_return_would_bring_the_buyer_back(quiet, delivered):
    erase([delivered.pk], actor="owner", now=database_now())
    Order.objects.update(buyer_erased_at=None)
    quiet.happen(delivered.code, "return")
    read_again(delivered)
    assert Buyer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_reading_that_is_just_saving_loses_against_the_erasing(
    quiet, delivered, in_threads, monkeypatch
):
    """The answer was compared before the erasing, and is saved after it."""
    quiet.happen(delivered.code, "return")
    Order.objects.update(buyer_erased_at=None)
    Buyer.objects.update(phone="7009999999")
    compared, erased = threading.Event(), threading.Event()
    compare = comparing.compare

    def compare_slowly(*args, **kwargs):
        differs = compare(*args, **kwargs)
        if not compared.is_set():
            compared.set()
            assert erased.wait(30)
        return differs

    monkeypatch.setattr(saving, "compare", compare_slowly)

    def erase_meanwhile() -> None:
        assert compared.wait(30)
        done = erase([delivered.pk], actor="owner", now=database_now())
        erased.set()
        assert done.orders

    assert in_threads([lambda: read_again(delivered) and None, erase_meanwhile]) == [
        None,
        None,
    ]
    assert not Buyer.objects.exists()
    assert Order.objects.get().status == Order.RETURN_REQUESTED


@pytest.mark.django_db(transaction=True)
def test_a_waybill_that_was_under_way_meanwhile_is_thrown_away(quiet, delivered):
    with open_client() as client:
        seen = client.order_by_code(delivered.code)
    assert seen is not None
    erase([delivered.pk], actor="owner", now=database_now())
    assert not _keep(b"%PDF", seen, now=datetime.now(timezone.utc))
    assert not Waybill.objects.exists()


# --- The command ----------------------------------------------------------------------


@pytest.fixture
def aigerim():
    sync_roles()
    set_staff("aigerim", role="owner", password="a-long-password")
    return "aigerim"


def test_the_command_exports_to_a_file_for_its_owner_only(aigerim, tmp_path, capsys):
    order, file = bought(), tmp_path / "out.zip"
    call_command("buyer_data", "export", order.code, by=aigerim, to=file)
    assert zipfile.is_zipfile(file)
    assert file.stat().st_mode & 0o77 == 0
    assert BuyerRequest.objects.get().done_by == aigerim
    assert NAME not in capsys.readouterr().out


def test_the_command_asks_for_the_phone_itself(aigerim, monkeypatch, capsys):
    order = bought()
    monkeypatch.setattr("builtins.input", lambda _text: "+7 701 234-56-78")
    call_command("buyer_data", "erase", by=aigerim)
    assert f"would erase the buyer of {order.code}" in capsys.readouterr().out
    assert Buyer.objects.exists()
    call_command("buyer_data", "erase", by=aigerim, yes=True)
    assert not Buyer.objects.exists()


def test_the_command_refuses_with_a_reason(aigerim, capsys):
    order = bought(ended=False)
    with pytest.raises(CommandError, match="nothing was erased"):
        call_command("buyer_data", "erase", order.code, by=aigerim, yes=True)
    assert "still under way" in capsys.readouterr().out
    set_staff("ivan", role="operator", password="a-long-password")
    for nobody in ("ivan", "ghost"):
        with pytest.raises(CommandError, match="may answer"):
            call_command("buyer_data", "export", order.code, by=nobody)
    with pytest.raises(CommandError, match="no order"):
        call_command("buyer_data", "export", "404", by=aigerim)
