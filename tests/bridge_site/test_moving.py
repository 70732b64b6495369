"""Moving to another database: each row the same, the old one guarded."""

from __future__ import annotations

import secrets
from datetime import timedelta

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from bridge_site.backups import moving
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


@pytest.fixture
def target(tmp_path, monkeypatch):
    # Django's tests keep to the databases that were known when they began.
    monkeypatch.setattr("django.test.testcases.connections", ())
    yield f"sqlite:///{(tmp_path / 'moved.sqlite3').as_posix()}"
    connections["target"].close()
    del connections["target"]
    del connections.settings["target"]


def test_every_row_of_every_table_is_the_same_on_the_other(target):
    alias = add_target(target)
    rows = move("default", alias, say=lambda _text: None)
    assert rows["catalog_product"] == 5
    for model in moving.models_in_order():
        if model is not Epoch:
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
    alias = add_target(target)
    move("default", alias, say=lambda _text: None)
    epoch.forget()
    assert epoch.is_guarded()
    assert Epoch.objects.get().guarded_for == Epoch.Reason.MOVED
    assert not Epoch.objects.using(alias).get().is_guarded


def test_cut_off_it_goes_on_where_tables_differ(target, monkeypatch):
    alias = add_target(target)
    copied: list[str] = []
    copy = moving._copy

    def cut(model, source, to):
        copied.append(model.__name__)
        copy(model, source, to)
        if model is Product and copied.count("Product") == 1:
            raise RuntimeError("the power failed")

    monkeypatch.setattr(moving, "_copy", cut)
    with pytest.raises(RuntimeError):
        move("default", alias, say=lambda _text: None)
    before = len(copied)
    # What was copied before the cut and has changed since is seen to be another.
    Product.objects.filter(article="70311").update(name="Другая мышь")
    move("default", alias, say=lambda _text: None)
    assert copied.count("User") == 1
    assert copied.count("Product") == 2
    assert len(copied) > before
    assert Product.objects.using(alias).get(article="70311").name == "Другая мышь"


def test_a_target_in_use_is_refused(target):
    alias = add_target(target)
    User.objects.using(alias).create(username="stranger")
    with pytest.raises(CannotMove, match="in use"):
        move("default", alias, say=lambda _text: None)
    assert User.objects.using(alias).count() == 1


def test_while_parts_are_alive_nothing_is_moved(target):
    add_target(target)
    Heartbeat.objects.create(name="orders", host="a", beaten_at=timezone.now())
    with pytest.raises(CommandError, match="orders"):
        call_command("move_database", to=target)


def test_what_is_no_database_is_refused_without_repeating_it():
    with pytest.raises(CannotMove) as refused:
        add_target("mysql://me:secret@host/name")
    assert "secret" not in str(refused.value)


@pytest.mark.postgresql
def test_from_postgresql_to_a_file_and_back(target):
    alias = add_target(target)
    move("default", alias, say=lambda _text: None)
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
            del connections["target"]
            move("file", "target", say=lambda _text: None)
            for model in moving.models_in_order():
                if model is not Epoch:
                    assert digest_of(model, "target") == digest_of(model, "default")
            connections["target"].close()
            connections["file"].close()
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
