"""No room while backing up or restoring: nothing half-made passes for whole; told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyrage
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from bridge_site.backups import making
from bridge_site.backups.databases import DatabaseToolFailed, copy_sqlite, put_back
from bridge_site.backups.making import BackupFailed, backups_in, make_backup
from bridge_site.models import BackupRun
from bridge_site.workers import BACKUP, read_workers
from catalog.models import Product
from plumbing.leases import database_now
from tests.orders.factories import make_product

pytestmark = pytest.mark.django_db(transaction=True)


def fill(disk: Path, *, leave_kb: int) -> None:
    """Fill a disk but for so much."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave_kb * 1024))


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, mark):
    settings.BACKUP_DIR = tmp_path / "backups"
    settings.BACKUP_SECOND_DIR = None
    for number in range(40):
        make_product(f"{70311 + number}", full_name="x" * 200)
    return settings.BACKUP_DIR


@pytest.mark.parametrize("leave_kb", [0, 8, 64])
def test_where_there_is_no_room_no_backup_is_left_half(
    settings, small_disk, monkeypatch, leave_kb
):
    # Not refused beforehand: it runs into the wall.
    monkeypatch.setattr(making, "ROOM", 0)
    settings.BACKUP_DIR = small_disk / "backups"
    settings.BACKUP_DIR.mkdir()
    fill(small_disk, leave_kb=leave_kb)
    with pytest.raises(BackupFailed):
        make_backup(now=database_now())
    assert list(settings.BACKUP_DIR.iterdir()) == []
    assert BackupRun.objects.get().error
    needs = read_workers(now=timezone.now()).needs
    assert [need.kind for need in needs if need.kind is BACKUP] == [BACKUP]
    (small_disk / "filler").unlink()
    if connection.vendor == "postgresql":
        make_backup(now=database_now())
        assert len(backups_in(settings.BACKUP_DIR)) == 1


@pytest.mark.sqlite
def test_what_surely_does_not_fit_is_not_begun(settings, small_disk):
    settings.BACKUP_DIR = small_disk / "backups"
    fill(small_disk, leave_kb=100)
    with pytest.raises(BackupFailed, match="lacks room"):
        make_backup(now=database_now())


def test_a_full_second_folder_keeps_nothing_half(settings, small_disk, folder):
    settings.BACKUP_SECOND_DIR = small_disk / "share"
    identity = pyrage.x25519.Identity.generate()
    settings.BACKUP_RECIPIENT = str(identity.to_public())
    settings.BACKUP_SECOND_DIR.mkdir()
    fill(small_disk, leave_kb=8)
    path = make_backup(now=database_now())
    assert backups_in(folder) == {next(iter(backups_in(folder))): path}
    assert list(settings.BACKUP_SECOND_DIR.iterdir()) == []
    assert "BACKUP_SECOND_DIR" in BackupRun.objects.get().offsite_error


@pytest.mark.sqlite
@pytest.mark.parametrize("beside_copy_kb", [None, -900, -4, 0, 4, 12, 32, 40, 100])
def test_a_restore_without_room_replaces_nothing(
    folder, small_disk, monkeypatch, beside_copy_kb
):
    path = make_backup(now=database_now())
    name = connection.settings_dict["NAME"]
    present = small_disk / "bridge.sqlite3"
    copy_sqlite(Path(name), present)
    monkeypatch.setitem(connection.settings_dict, "NAME", present)
    before = present.read_bytes()
    size_kb = len(before) >> 10
    fill(
        small_disk,
        leave_kb=0 if beside_copy_kb is None else size_kb + beside_copy_kb,
    )
    with pytest.raises(DatabaseToolFailed, match="No space"):
        put_back(path, "sqlite")
    assert present.read_bytes() == before
    assert {each.name for each in small_disk.iterdir()} == {"bridge.sqlite3", "filler"}
    connection.close()


@pytest.mark.postgresql
def test_a_restore_without_room_changes_nothing(folder, small_disk):
    path = make_backup(now=database_now())
    Product.objects.filter(article="70311").delete()
    there = small_disk / path.name
    shutil.copytree(path, there)
    fill(small_disk, leave_kb=4)
    with pytest.raises(CommandError, match="pg_restore"):
        call_command("restore", str(there))
    assert Product.objects.count() == 39
