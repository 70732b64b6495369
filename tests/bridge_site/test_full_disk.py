"""A file for which there is no room: said in words, and nothing else stops."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bridge_site import alive, disks
from bridge_site.alive import ALIVE_FILE, Life, can_be_shown, show_life
from bridge_site.management.commands.bridge import NO_ROOM
from bridge_site.reporting import Reporter
from bridge_site.workers import DISK, read_workers
from feeds.models import FeedBuild
from launch import running as launched
from orders.erasures import erased_ids
from orders.models import Step
from orders.personal.erasing import erase, note_all_erased
from plumbing import epoch, marks
from tests.bridge_site.test_processes import ROOT, wait_for
from tests.end_to_end.test_full_disk import Disk
from tests.orders.factories import make_order
from tests.staff import furnish, log_in, make_product

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def full(small_disk: Path) -> Disk:
    """Give a disk without a byte left."""
    disk = Disk(small_disk)
    disk.fill()
    return disk


# --- Pages ----------------------------------------------------------------------------


@pytest.fixture
def owner(settings, tmp_path) -> Client:
    furnish(settings, tmp_path / "feed")
    client = log_in(settings, "owner")
    client.raise_request_exception = False
    return client


def take_table(client: Client) -> object:
    return client.get(reverse("admin:catalog_product_xlsx"))


def take_report(client: Client) -> object:
    return client.get(reverse("admin:orders_booking_xlsx"))


def look_at_roll_back(client: Client) -> object:
    build = FeedBuild.objects.filter(status="archived").latest("pk")
    return client.get(reverse("admin:roll_back_feed", args=[build.pk]))


def bring_table(client: Client) -> object:
    # What is larger than 2.5 MB does not wait in memory.
    file = SimpleUploadedFile("goods.xlsx", b"x" * 3_000_000)
    return client.post(reverse("admin:catalog_product_xlsx_in"), {"file": file})


def take_support_file(client: Client) -> object:
    return client.post(reverse("support_file"))


@pytest.mark.parametrize(
    "ask",
    [take_table, take_report, look_at_roll_back, bring_table, take_support_file],
)
def test_a_page_that_needs_a_file_says_that_the_disk_is_full(
    owner, full, settings, monkeypatch, ask
):
    before = sorted(full.folder.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(full.folder))
        settings.VAR_DIR = full.folder
        answer = ask(owner)
        assert answer.status_code == 503
        assert "Диск заполнен" in answer.content.decode()
        # What was begun takes no room from others.
        assert sorted(full.folder.rglob("*")) == before
        full.empty()
        assert ask(owner).status_code == 200


# --- What is told ---------------------------------------------------------------------


def test_each_disk_that_fills_up_is_told_by_what_it_is_for(settings, full, tmp_path):
    settings.DISK_LOW_MB = 1
    settings.VAR_DIR = settings.FEED_DIR = settings.BACKUP_DIR = tmp_path
    settings.EPOCH_MARK = full.folder / "epoch.json"
    (told,) = [n for n in read_workers(now=timezone.now()).needs if n.kind is DISK]
    assert "EPOCH_MARK" in told.text
    assert told.is_urgent
    # The bridge goes on without it; but for that it buys nothing.
    assert not disks.is_any_full()
    settings.EPOCH_MARK, settings.BACKUP_DIR = None, full.folder
    (told,) = [n for n in read_workers(now=timezone.now()).needs if n.kind is DISK]
    assert ("BACKUP_DIR" in told.text, told.is_urgent) == (True, False)
    settings.FEED_DIR, settings.BACKUP_DIR = full.folder, tmp_path
    assert disks.is_any_full()
    full.empty()
    assert not disks.is_any_full()
    assert not [n for n in read_workers(now=timezone.now()).needs if n.kind is DISK]


# --- What is kept outside the database ------------------------------------------------


def test_a_buyer_is_erased_though_the_list_outside_has_no_room(settings, full):
    settings.BACKUP_DIR = full.folder
    now = timezone.now()
    over = {"state": "ARCHIVE", "status": "COMPLETED", "ended_at": now}
    order = make_order((make_product(), 1), **over)
    order.steps.update(status=Step.Status.DONE)
    assert erase([order.pk], actor="anna", now=now).orders == [order]
    with pytest.raises(OSError, match="No space"):
        note_all_erased()
    assert order.kaspi_id not in erased_ids()
    full.empty()
    # As the task of each hour does.
    assert note_all_erased() == 1
    assert order.kaspi_id in erased_ids()


def test_a_mark_without_room_stops_no_part(full, mark, settings):
    full.empty()
    settings.EPOCH_MARK = full.folder / "epoch.json"
    epoch.count_write()
    full.fill()
    with pytest.raises(OSError, match="No space"):
        epoch.count_write()
    reporter = Reporter("dispatch")
    # It shows life, and may read and look.
    assert reporter.turn()
    assert not epoch.is_guarded()
    full.empty()
    epoch.count_write()
    assert marks.read_mark(settings.EPOCH_MARK).sequence == 3


# --- Signs of life --------------------------------------------------------------------


def test_a_part_that_cannot_show_its_life_is_not_taken_for_dead(monkeypatch, tmp_path):
    """A file system that takes no name more; elsewhere an empty file needs no room."""
    missing = tmp_path / "not-there" / "orders"
    assert not can_be_shown(missing)
    missing.parent.mkdir()
    assert can_be_shown(missing)
    life = Life(part="orders", listen="", file=missing)
    # There it is, but nobody has touched it yet.
    assert life.silent_s(now=time.monotonic()) == 0
    assert not life.was_seen


def test_a_part_goes_on_showing_its_life_once_it_can(monkeypatch, tmp_path):
    file = tmp_path / "alive" / "orders"
    file.parent.mkdir()
    tried = threading.Event()
    touch = Path.touch

    def fail(_path: Path) -> None:
        tried.set()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(alive, "SHOWN_EVERY_S", 0.01)
    monkeypatch.setenv(ALIVE_FILE, str(file))
    monkeypatch.setattr(Path, "touch", fail)
    show_life()
    assert tried.wait(10)
    monkeypatch.setattr(Path, "touch", touch)
    wait_for(file.exists, timeout_s=10)
    # With its folder the thread ends.
    shutil.rmtree(file.parent)


# --- Starting -------------------------------------------------------------------------


def test_a_start_on_a_full_disk_tells_run_py_to_wait(full, bridge_env):
    done = subprocess.run(
        [sys.executable, "manage.py", "bridge", "--prepare"],
        cwd=ROOT,
        env=bridge_env(
            VAR_DIR=str(full.folder),
            DATABASE_URL=f"sqlite:///{full.folder}/bridge.sqlite3",
            MP_START_METHOD="spawn",
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == NO_ROOM == launched.NO_ROOM, done.stderr
    assert "The disk is full" in done.stderr
