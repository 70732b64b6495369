"""Moving to another database: each row the same, the old one guarded."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from bridge_site.backups import moving
from bridge_site.backups.databases import copy_sqlite
from bridge_site.backups.moving import CannotMove, add_target, digest_of, move
from bridge_site.roles import set_staff, sync_roles
from catalog.models import Product
from orders.models import Buyer, Order, OrderEvent, SupplierOrder, Waybill
from plumbing import epoch
from plumbing.models import Epoch, Heartbeat
from tests.orders.factories import make_order, make_product

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def filled(mark):
    """A little of what is hard to carry: moments, bytes, JSON, keys to oneself."""
    assert not epoch.is_guarded()
    sync_roles()
    set_staff("anna", role="owner", password="a-long-password")
    order = make_order((make_product("70311", name="Мышь «Zeta»"), 2))
    Buyer.objects.create(order=order, name="Айгерим", phone="7701", address="Алматы")
    Waybill.objects.create(
        order=order, number="1", pdf=b"%PDF\x00\xff", fetched_at=timezone.now()
    )
    now = timezone.now()
    later = SupplierOrder.objects.create(supplier_order_id="2", placed_at=now)
    SupplierOrder.objects.create(
        supplier_order_id="1",
        placed_at=now - timedelta(microseconds=1),
        merged_into=later,
        lines=[["70311", 2, 1000]],
    )
    for article in ("б", "A", "a", "Я"):
        make_product(article)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A database with its tables and what the migrations put there, made once."""
    file = tmp_path_factory.mktemp("migrated") / "empty.sqlite3"
    moving.migrate_target(f"sqlite:///{file.as_posix()}")
    return file


@pytest.fixture
def target(migrated, tmp_path, monkeypatch):
    """The URL of an empty database; it is forgotten after the test."""
    # Django's tests keep to the databases that were known when they began.
    monkeypatch.setattr("django.test.testcases.connections", ())
    file = tmp_path / "moved.sqlite3"
    copy_sqlite(migrated, file)
    yield f"sqlite:///{file.as_posix()}"
    if "target" in connections.settings:
        connections["target"].close()
        del connections["target"]
        del connections.settings["target"]


def quietly(_text: str) -> None:
    pass


def test_every_row_of_every_table_is_the_same_on_the_other(target):
    alias = add_target(target)
    rows = move("default", alias, say=quietly)
    assert rows["catalog_product"] == 5
    for model in moving.models_in_order():
        assert digest_of(model, "default") == digest_of(model, alias), model
    assert User.objects.using(alias).get().check_password("a-long-password")
    assert bytes(Waybill.objects.using(alias).get().pdf) == b"%PDF\x00\xff"
    assert Order.objects.using(alias).get(code_end=Order.objects.get().code[-4:])
    assert User.objects.using(alias).get().has_perm("orders.cancel_order")
    # The next row there gets a key of its own.
    make_on = OrderEvent.objects.using(alias).create(
        order_id=Order.objects.get().pk, happened_at=timezone.now(), text="x"
    )
    assert make_on.pk > OrderEvent.objects.latest("pk").pk


def test_the_old_one_sends_nothing_any_more_and_the_new_one_does(target):
    epoch.count_write()
    alias = add_target(target)
    move("default", alias, say=quietly)
    epoch.forget()
    assert epoch.is_guarded()
    old, new = Epoch.objects.get(), Epoch.objects.using(alias).get()
    assert old.guarded_for == Epoch.Reason.MOVED
    assert not new.is_guarded
    assert (new.identity, new.sequence, new.progress) == (old.identity, 1, {})
    # The new one may have lived on: nothing of it is replaced by what is older.
    with pytest.raises(CannotMove, match="reconciled"):
        move("default", alias, say=quietly)
    epoch.confirm(by="anna")
    epoch.lift(by="anna")
    with pytest.raises(CannotMove, match="newer"):
        move("default", alias, say=quietly)


@pytest.mark.parametrize("cut_at", ["catalog_product", "orders_order", "_close"])
def test_cut_off_anywhere_neither_is_lost_and_the_next_run_ends_it(
    target, monkeypatch, cut_at
):
    alias = add_target(target)

    def fail(*_args, **_options):
        raise RuntimeError("the power failed")

    def say(text):
        if text.startswith(f"{cut_at}:"):
            fail()

    with monkeypatch.context() as patch:
        if cut_at == "_close":
            patch.setattr(moving, "_close", fail)
        with pytest.raises(RuntimeError):
            move("default", alias, say=say)
    epoch.forget()
    assert not epoch.is_guarded()
    assert Epoch.objects.using(alias).get().guarded_for == Epoch.Reason.MOVED
    copied: list[str] = []
    copy = moving._copy

    def note(model, *args):
        copied.append(model.__name__)
        copy(model, *args)

    # The bridge went on with the old one: what refers to what went goes as well.
    Product.objects.filter(article="A").update(name="Другая мышь")
    Order.objects.all().delete()
    monkeypatch.setattr(moving, "_copy", note)
    rows = move("default", alias, say=quietly)
    assert "User" not in copied
    assert "Product" in copied
    assert Product.objects.using(alias).get(article="A").name == "Другая мышь"
    assert rows["orders_order"] == Order.objects.using(alias).count() == 0
    assert not Epoch.objects.using(alias).get().is_guarded


def test_cut_off_at_the_last_moment_neither_sends_and_the_next_run_ends_it(
    target, monkeypatch
):
    alias = add_target(target)
    with monkeypatch.context() as patch:
        patch.setattr(moving, "_open", lambda *_args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            move("default", alias, say=quietly)
    for database in ("default", alias):
        assert Epoch.objects.using(database).get().guarded_for == Epoch.Reason.MOVED
    move("default", alias, say=quietly)
    assert Epoch.objects.get().is_guarded
    assert not Epoch.objects.using(alias).get().is_guarded


def test_meanwhile_nobody_can_write_to_the_old_one(target):
    alias = add_target(target)
    refused: list[Exception] = []
    config = connection.settings_dict

    def write(_text):
        if refused:
            return
        try:
            if connection.vendor == "sqlite":
                with closing(sqlite3.connect(config["NAME"], timeout=0.1)) as other:
                    other.execute("UPDATE catalog_product SET name = 'x'")
            else:
                login = {"user": config["USER"], "password": config["PASSWORD"]}
                place = {"host": config["HOST"], "port": config["PORT"]}
                with psycopg.connect(dbname=config["NAME"], **login, **place) as other:
                    other.execute("SET lock_timeout = '100ms'")
                    other.execute("UPDATE catalog_product SET name = 'x'")
        except (sqlite3.OperationalError, psycopg.errors.LockNotAvailable) as error:
            refused.append(error)

    move("default", alias, say=write)
    assert len(refused) == 1


def test_what_is_not_migrated_or_not_reconciled_is_not_moved(target):
    alias = add_target(target)
    recorder = MigrationRecorder(connection)
    last = recorder.migration_qs.filter(app="catalog").latest("pk").name
    recorder.record_unapplied("catalog", last)
    try:
        with pytest.raises(CannotMove, match="migrate"):
            move("default", alias, say=quietly)
    finally:
        recorder.record_applied("catalog", last)
    epoch.close(Epoch.Reason.RESTORED)
    with pytest.raises(CannotMove, match="reconciled"):
        move("default", alias, say=quietly)


def test_a_target_in_use_is_refused(target):
    alias = add_target(target)
    User.objects.using(alias).create(username="stranger")
    with pytest.raises(CannotMove, match="in use"):
        move("default", alias, say=quietly)
    assert User.objects.using(alias).count() == 1


@pytest.mark.once
def test_the_command_makes_the_tables_and_moves(target, tmp_path, capsys):
    Heartbeat.objects.create(name="orders", host="a", beaten_at=timezone.now())
    with pytest.raises(CommandError, match="orders"):
        call_command("move_database", to=target)
    Heartbeat.objects.all().delete()
    new = tmp_path / "new.sqlite3"
    address = tmp_path / "address.txt"
    address.write_text(f"sqlite:///{new.as_posix()}\n")
    call_command("move_database", to=str(address))
    assert "are the same on both" in capsys.readouterr().out
    with closing(sqlite3.connect(new)) as there:
        assert there.execute("SELECT COUNT(*) FROM catalog_product").fetchone() == (5,)
    assert Epoch.objects.get().is_guarded
    with pytest.raises(CommandError, match="nowhere"):
        call_command("move_database", to=str(tmp_path / "nowhere.txt"))


def test_what_is_no_database_is_refused_without_repeating_it():
    with pytest.raises(CannotMove) as refused:
        add_target("mysql://me:secret@host/name")
    assert "secret" not in str(refused.value)


@pytest.mark.postgresql
def test_from_postgresql_to_a_file_and_back(target):
    alias = add_target(target)
    move("default", alias, say=quietly)
    config = connection.settings_dict
    name = f"moved_{secrets.token_hex(4)}"
    server = (
        f"postgres://{config['USER']}:{config['PASSWORD']}@"
        f"{config['HOST']}:{config['PORT']}"
    )
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        try:
            connections.settings["file"] = connections.settings[alias]
            add_target(f"{server}/{name}")
            moving.migrate_target(f"{server}/{name}")
            del connections["target"]
            kept = Product.objects.using("file").get(article="A").name
            Product.objects.using("file").filter(article="A").update(name="a\x00b")
            with pytest.raises(CannotMove, match="catalog_product cannot be copied"):
                move("file", "target", say=quietly)
            Product.objects.using("file").filter(article="A").update(name=kept)
            move("file", "target", say=quietly)
            for model in moving.models_in_order():
                assert digest_of(model, "target") == digest_of(model, "default")
            make_on = OrderEvent.objects.using("target").create(
                order_id=Order.objects.get().pk, happened_at=timezone.now(), text="x"
            )
            assert make_on.pk > OrderEvent.objects.latest("pk").pk
            connections["target"].close()
            connections["file"].close()
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
