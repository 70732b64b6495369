"""Backups in a store that speaks S3: encrypted, read back, kept by the rule."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pyrage
import pytest
import requests
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings
from django.utils import timezone
from moto.server import ThreadedMotoServer

from bridge_site.backups import stores
from bridge_site.backups.making import make_backup
from bridge_site.backups.offsite import ERASED
from bridge_site.backups.stores import Store
from bridge_site.backups.tasks import note_erased
from bridge_site.models import BackupRun
from bridge_site.workers import OFFSITE, read_workers
from catalog.models import Product
from orders.models import Order
from orders.personal.erasing import erase
from plumbing.leases import database_now
from plumbing.redaction import redact
from tests.orders.factories import make_order, make_product

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server():
    """Serve S3 on loopback, as moto does."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server, settings, tmp_path, mark):
    """An empty bucket, which the settings name, and where its objects are."""
    url = f"{server}/backups-{tmp_path.name.replace('_', '-').lower()}"[:80]
    requests.put(url, timeout=10).raise_for_status()
    settings.BACKUP_DIR = tmp_path / "backups"
    settings.BACKUP_SECOND_DIR = None
    settings.BACKUP_STORE_URL = f"{url}/bridge"
    settings.BACKUP_STORE_KEY = "an-access-key"
    settings.BACKUP_STORE_SECRET = "a-secret-key"
    settings.BACKUP_STORE_REGION = "us-east-1"
    identity = pyrage.x25519.Identity.generate()
    settings.BACKUP_RECIPIENT = str(identity.to_public())
    (tmp_path / "identity.txt").write_text(str(identity))
    return url


@pytest.fixture
def identity(bucket, tmp_path):
    return tmp_path / "identity.txt"


def there() -> Store:
    store = stores.store_in_settings()
    assert store is not None
    return store


def names() -> list[str]:
    return there().names()


def needs() -> list[str]:
    found = read_workers(now=timezone.now()).needs
    return [need.text for need in found if need.kind is OFFSITE]


def test_a_backup_goes_there_encrypted_and_comes_back(
    bucket, identity, settings, monkeypatch
):
    # So that it is brought and read in several pieces.
    monkeypatch.setattr(stores, "PIECE", 5 << 20)
    make_product("70311", name="x" * 400)
    path = make_backup(now=database_now())
    name = f"{path.name}.tar.age"
    assert names() == [name]
    sealed = b"".join(there().pieces(name))
    assert sealed.startswith(b"age-encryption.org/v1")
    assert b"manifest.json" not in sealed
    assert needs() == []
    shutil.rmtree(settings.BACKUP_DIR)
    Product.objects.all().delete()
    with pytest.raises(CommandError, match="encrypted"):
        call_command("restore", f"s3:{name}")
    call_command("restore", f"s3:{name}", identity=identity)
    assert Product.objects.get().article == "70311"


def test_who_was_erased_stays_so_on_another_host(bucket, identity, settings):
    ended = {"state": "ARCHIVE", "status": Order.COMPLETED, "ended_at": database_now()}
    order = make_order((make_product("70311"), 1), **ended)
    order.steps.update(status="done")
    path = make_backup(now=database_now())
    assert erase([order.pk], actor="owner", now=database_now()).orders == [order]
    note_erased()
    assert ERASED in names()
    shutil.rmtree(settings.BACKUP_DIR)
    Order.objects.update(buyer_erased_at=None)
    call_command("restore", f"s3:{path.name}.tar.age", identity=identity)
    assert Order.objects.get().buyer_erased_at is not None


def test_old_ones_are_dropped_there_and_nothing_else(
    bucket, settings, capsys, tmp_path
):
    settings.BACKUP_KEEP = [1, 0, 0]
    (tmp_path / "notes.txt").write_text("mine")
    there().put("notes.txt", tmp_path / "notes.txt")
    make_backup(now=database_now())
    new = make_backup(now=database_now() + timedelta(seconds=2))
    assert names() == [f"{new.name}.tar.age", "notes.txt"]
    call_command("backup", list=True)
    listed = capsys.readouterr().out
    assert f"s3:{new.name}.tar.age" in listed
    assert str(new) in listed


def test_what_reads_back_otherwise_is_told_and_not_left_there(bucket, monkeypatch):
    put = Store.put

    def put_damaged(self, name, file):
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.with_name("damaged").write_bytes(content)
        put(self, name, file.with_name("damaged"))

    monkeypatch.setattr(Store, "put", put_damaged)
    path = make_backup(now=database_now())
    assert path.is_dir()
    assert names() == []
    (text,) = needs()
    assert "reads back otherwise" in text


@pytest.mark.parametrize("fault", ["no server", "no bucket"])
def test_a_store_that_fails_is_told_and_breaks_nothing(
    bucket, settings, fault, tmp_path
):
    settings.BACKUP_SECOND_DIR = tmp_path / "share"
    settings.BACKUP_STORE_URL = {
        "no server": "http://127.0.0.1:9/bucket",
        "no bucket": f"{bucket}-another/bridge",
    }[fault]
    with pytest.raises(CommandError, match="is made, but has not left this host"):
        call_command("backup")
    run = BackupRun.objects.get()
    assert run.error == ""
    assert run.ended_at is not None
    assert (settings.BACKUP_DIR / run.name).is_dir()
    # The other place has it.
    assert (settings.BACKUP_SECOND_DIR / f"{run.name}.tar.age").is_file()
    (text,) = needs()
    assert "BACKUP_STORE_URL" in text
    assert settings.BACKUP_STORE_SECRET not in run.offsite_error
    settings.BACKUP_STORE_URL = f"{bucket}/bridge"
    make_backup(now=database_now() + timedelta(seconds=2))
    assert needs() == []


def test_settings_that_cannot_work_stop_the_start(bucket, settings):
    call_command("check", tags=["bridge"])
    for wrong in (
        {"BACKUP_RECIPIENT": ""},
        {"BACKUP_STORE_SECRET": ""},
        {"BACKUP_STORE_URL": "https://s3.example.com/"},
        {"BACKUP_STORE_URL": "http://s3.example.com/bucket"},
    ):
        with override_settings(**wrong), pytest.raises(SystemCheckError):
            call_command("check", tags=["bridge"])
    assert settings.BACKUP_STORE_SECRET not in redact(
        f"x {settings.BACKUP_STORE_SECRET}"
    )
