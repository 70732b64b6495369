"""Backups: whole, proven, kept by a rule, encrypted off the host, brought back."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyrage
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test import override_settings
from django.utils import timezone as django_timezone

from bridge_site.backups import databases, making
from bridge_site.backups.databases import FILES
from bridge_site.backups.keeping import to_keep
from bridge_site.backups.making import BackupFailed, make_backup, read_manifest
from bridge_site.backups.restoring import PartsAlive, restore
from bridge_site.backups.tasks import note_erased
from bridge_site.models import BackupRun
from catalog.models import Product
from orders.erasures import erased_ids, file_of_erased
from orders.models import Buyer, BuyerRequest, Order
from orders.personal.erasing import erase, erase_again
from plumbing import epoch
from plumbing.leases import database_now
from plumbing.models import Epoch, Heartbeat, HostPart
from tests.orders.factories import make_order, make_product

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = "77010000000"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, mark):
    settings.BACKUP_DIR = tmp_path / "backups"
    settings.BACKUP_SECOND_DIR = None
    return settings.BACKUP_DIR


@pytest.fixture
def empty_again():
    """Leave a database that the next test can flush."""
    yield
    connection.close()


def back_up():
    return make_backup(now=database_now())


def buyer_of(order: Order) -> Buyer:
    return Buyer.objects.create(
        order=order, name="Айгерим Примерова", phone=PHONE, address="Алматы"
    )


# -- making -------------------------------------------------------------------------


def test_a_backup_is_whole_and_proven_by_restoring_it(folder):
    make_product("70311")
    path = back_up()
    manifest = read_manifest(path)
    assert manifest.kind == connection.vendor
    assert manifest.proof == "restored"
    assert manifest.rows["catalog_product"] == 1
    assert set(manifest.files) == {FILES[connection.vendor], "settings.json"}
    assert [p.name for p in folder.iterdir() if p.is_dir()] == [path.name]
    run = BackupRun.objects.get()
    assert (run.name, run.error) == (path.name, "")
    assert run.size_bytes == making.size_of(path) > 0


def test_no_secret_and_no_buyer_stands_beside_the_database(folder, settings):
    settings.ALSTYLE_TOKEN = "alstyle-very-secret-token"
    buyer_of(make_order((make_product("70311"), 1)))
    path = back_up()
    told = "".join(
        p.read_text("utf-8")
        for p in [*path.iterdir(), *folder.glob("*.json")]
        if p.suffix == ".json"
    )
    assert "ALSTYLE_TOKEN" in told
    assert "POLL_ORDERS_EVERY_MIN" in told
    for secret in (settings.ALSTYLE_TOKEN, settings.SECRET_KEY, "Примерова", PHONE):
        assert secret not in told


def test_one_that_cannot_be_restored_is_not_kept(folder, monkeypatch):
    def lose_rows(*_args):
        return {"catalog_product": 5}, "restored"

    monkeypatch.setattr(making, "prove", lose_rows)
    with pytest.raises(BackupFailed, match="differs in"):
        back_up()
    assert making.backups_in(folder) == {}
    assert [p for p in folder.iterdir() if p.is_dir()] == []
    assert "differs" in BackupRun.objects.get().error


@pytest.mark.parametrize("break_", ["cut", "garbage"])
def test_a_damaged_dump_is_noticed(folder, break_):
    path = back_up()
    file = path / FILES[connection.vendor]
    whole = file.read_bytes()
    file.write_bytes(whole[:-200] if break_ == "cut" else b"x" * len(whole))
    with pytest.raises(databases.DatabaseToolFailed):
        databases.prove(path, connection.vendor)
    with pytest.raises(BackupFailed, match="damaged"):
        restore(path)


# -- the rule -----------------------------------------------------------------------


def test_the_newest_of_each_day_week_and_month_is_kept():
    now = datetime(2026, 11, 29, 2, 30, tzinfo=timezone.utc)
    made = {now - timedelta(hours=12 * n) for n in range(500)}
    kept = to_keep(made, keep=(7, 4, 6))
    assert max(made) in kept
    days = {(now - timedelta(days=n)).date() for n in range(7)}
    assert days <= {at.date() for at in kept}
    assert len(kept) <= 7 + 4 + 6
    assert min(kept) < now - timedelta(days=140)
    assert kept == to_keep(kept, keep=(7, 4, 6))


def test_days_without_a_backup_do_not_use_up_the_rule():
    old = [datetime(2025, 1, day, tzinfo=timezone.utc) for day in (3, 9, 20)]
    assert to_keep(old, keep=(7, 0, 0)) == set(old)
    assert to_keep(old, keep=(0, 0, 0)) == {old[-1]}


def test_old_ones_are_dropped_and_nothing_else_in_the_folder(folder, settings):
    settings.BACKUP_KEEP = [1, 0, 0]
    old = back_up()
    shutil.copytree(old, folder / "2026-01-02T03-04-05Z")
    (folder / "notes.txt").write_text("mine")
    new = make_backup(now=database_now() + timedelta(seconds=2))
    assert set(making.backups_in(folder).values()) == {new}
    assert (folder / "notes.txt").exists()


# -- off the host -------------------------------------------------------------------


@pytest.fixture
def second(settings, tmp_path):
    identity = pyrage.x25519.Identity.generate()
    settings.BACKUP_SECOND_DIR = tmp_path / "share"
    settings.BACKUP_RECIPIENT = str(identity.to_public())
    file = tmp_path / "identity.txt"
    file.write_text(f"# created: today\n{identity}\n")
    return file


def test_off_the_host_it_is_one_file_that_only_the_identity_opens(
    settings, second, tmp_path
):
    make_product("70311")
    path = back_up()
    (sealed,) = settings.BACKUP_SECOND_DIR.iterdir()
    assert sealed.name == f"{path.name}.tar.age"
    assert b"manifest.json" not in sealed.read_bytes()
    with pytest.raises(CommandError, match="encrypted"):
        call_command("restore", str(sealed))
    stranger = tmp_path / "stranger.txt"
    stranger.write_text(str(pyrage.x25519.Identity.generate()))
    with pytest.raises(CommandError):
        call_command("restore", str(sealed), identity=stranger)
    Product.objects.all().delete()
    shutil.rmtree(path)
    call_command("restore", str(sealed), identity=second)
    assert Product.objects.get().article == "70311"


def test_without_a_recipient_nothing_leaves_the_host(settings, tmp_path):
    settings.BACKUP_SECOND_DIR = tmp_path / "share"
    settings.BACKUP_RECIPIENT = "age1nonsense"
    with pytest.raises(CommandError, match="not left this host: BACKUP_RECIPIENT"):
        call_command("backup")
    assert not settings.BACKUP_SECOND_DIR.exists()
    with override_settings(BACKUP_RECIPIENT=""), pytest.raises(SystemCheckError):
        call_command("check", tags=["bridge"])


def test_halves_that_killed_backups_have_left_are_cleared_away(folder, second):
    for place in (folder, folder.parent / "share"):
        place.mkdir()
        half = place / ".2026-01-02T03-04-05Z.partial"
        half.mkdir()
        (half / "database.dump").write_bytes(b"half")
        (place / ".2026-01-02T03-04-05Z.tar.age.partial").write_bytes(b"half")
    back_up()
    for place in (folder, folder.parent / "share"):
        assert list(place.glob(".*")) == []


def test_a_backup_killed_while_it_was_proven_leaves_no_copy_for_ever(folder):
    folder.mkdir()
    is_file = connection.vendor == "sqlite"
    killed = (
        databases.scratch_folder(folder) if is_file else databases._scratch_database()
    )
    left = killed.__enter__()
    assert is_there(left)
    back_up()
    assert not is_there(left)
    killed.__exit__(None, None, None)


def is_there(left: str | None) -> bool:
    if connection.vendor == "sqlite":
        return Path(str(left)).exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [left])
        return cursor.fetchone() is not None


# -- bringing back ------------------------------------------------------------------


def test_a_restore_brings_all_rows_back_and_closes_the_guard(folder):
    assert not epoch.is_guarded()
    make_product("70311")
    path = back_up()
    make_product("70312")
    Product.objects.filter(article="70311").update(name="другое имя")
    epoch.count_write()
    wrote_at = Epoch.objects.get().wrote_at
    restored = restore(path)
    assert [(p.article, p.name) for p in Product.objects.all()] == [
        ("70311", "Товар 70311")
    ]
    guard = Epoch.objects.get()
    assert guard.guarded_for == restored.reason == Epoch.Reason.RESTORED
    assert guard.known_until == wrote_at
    make_product("70313")
    if restored.kept is not None:
        assert restored.kept.exists()
        restored.kept.unlink()


def test_a_restore_brings_back_what_was_whatever_newer_code_made(folder):
    make_product("70311")
    path = back_up()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE newer (id bigint REFERENCES catalog_product (id))")
    restored = restore(path)
    assert [product.article for product in Product.objects.all()] == ["70311"]
    assert "newer" not in connection.introspection.table_names()
    if restored.kept is not None:
        restored.kept.unlink()


def test_the_guard_is_closed_even_when_nothing_was_written_since(folder):
    assert not epoch.is_guarded()
    path = back_up()
    call_command("restore", str(path))
    assert Epoch.objects.get().guarded_for == Epoch.Reason.RESTORED


def test_on_another_host_it_waits_for_the_word_that_the_old_one_is_off(folder, mark):
    assert not epoch.is_guarded()
    path = back_up()
    mark.unlink()
    assert restore(path).reason == Epoch.Reason.UNMARKED
    assert Epoch.objects.get().may_have_twin


def test_while_parts_are_alive_nothing_is_restored(folder):
    path = back_up()
    make_product("70311")
    Heartbeat.objects.create(
        name="dispatch-kaspi", host="a", beaten_at=django_timezone.now()
    )
    with pytest.raises(PartsAlive, match="dispatch-kaspi"):
        restore(path)
    assert Product.objects.count() == 1


def test_a_cluster_that_beats_rarely_keeps_a_restore_away_as_well(folder):
    """Of a host that runs no more than imports."""
    path = back_up()
    make_product("70311")
    now = django_timezone.now()
    Heartbeat.objects.create(
        name="imports", host="b", beaten_at=now - timedelta(seconds=110)
    )
    HostPart.objects.create(
        host="b", part="imports", since=now, seen_at=now - timedelta(seconds=20)
    )
    with pytest.raises(PartsAlive, match="b imports"):
        restore(path)
    assert Product.objects.count() == 1


def test_a_backup_of_the_other_database_is_refused(folder):
    path = back_up()
    file = path / "manifest.json"
    other = "sqlite" if connection.vendor == "postgresql" else "postgresql"
    file.write_text(json.dumps({**json.loads(file.read_text()), "kind": other}))
    with pytest.raises(BackupFailed, match="it is of"):
        restore(path)


# -- erased buyers stay erased ------------------------------------------------------


def over(article: str, **fields) -> Order:
    """Make an order that has ended, of a buyer."""
    ended = {"state": "ARCHIVE", "status": Order.COMPLETED, "ended_at": database_now()}
    order = make_order((make_product(article), 1), **{**ended, **fields})
    order.steps.update(status="done")
    buyer_of(order)
    return order


def erase_now(order: Order) -> None:
    done = erase([order.pk], actor="owner", now=database_now())
    assert done.orders == [order]


def test_buyers_erased_since_the_backup_are_erased_again(folder):
    order, other = over("70311", note="просила позвонить"), over("70312")
    path = back_up()
    erase_now(order)
    restored = restore(path)
    assert restored.erased == 1
    assert list(Buyer.objects.values_list("order", flat=True)) == [other.pk]
    assert Order.objects.get(pk=order.pk).note == ""
    trail = BuyerRequest.objects.get()
    assert (trail.kind, trail.done_by, trail.orders) == (
        "erase",
        "bridge",
        [order.code],
    )
    # Once is enough.
    assert erase_again() == 0


def test_the_list_of_the_erased_outlives_the_database(folder):
    order = over("70311")
    path = back_up()
    erase_now(order)
    assert erased_ids() == {order.kaspi_id}
    told = file_of_erased().read_text()
    assert "Примерова" not in told
    assert PHONE not in told
    # The database is lost, and nobody could ask it any more.
    Order.objects.update(buyer_erased_at=None)
    BuyerRequest.objects.all().delete()
    assert restore(path).erased == 1
    assert not Buyer.objects.exists()


def test_what_could_not_be_listed_is_listed_within_the_hour(folder):
    order = over("70311")
    folder.write_text("no folder can be here")
    erase_now(order)
    folder.unlink()
    assert erased_ids() == frozenset()
    assert note_erased().startswith("1 noted")
    assert erased_ids() == {order.kaspi_id}
    # A line that the power cut spoils no other.
    with file_of_erased().open("a") as file:
        file.write("half-of-an-i")
    other = over("70312")
    erase_now(other)
    assert erased_ids() >= {order.kaspi_id, other.kaspi_id}


def test_the_list_follows_the_backups_off_the_host(folder, second, settings):
    order = over("70311")
    path = back_up()
    erase_now(order)
    note_erased()
    listed = settings.BACKUP_SECOND_DIR / "erased-orders.age"
    assert order.kaspi_id.encode() not in listed.read_bytes()
    before = listed.read_bytes()
    note_erased()
    assert listed.read_bytes() == before
    # The host burns down, and another one begins with what is elsewhere.
    shutil.rmtree(folder)
    Order.objects.update(buyer_erased_at=None)
    sealed = settings.BACKUP_SECOND_DIR / f"{path.name}.tar.age"
    assert restore(sealed, identity=second).erased == 1
    assert not Buyer.objects.exists()


def test_the_command_says_what_it_made(folder, capsys):
    call_command("backup")
    assert "proven by restoring" in capsys.readouterr().out
    call_command("backup", list=True)
    assert str(folder) in capsys.readouterr().out
    with pytest.raises(CommandError, match="no whole backup"):
        call_command("restore", str(folder))
