"""What an update asks of the database, and how a release tests itself."""

from __future__ import annotations

import shutil
from collections import namedtuple
from datetime import timedelta

import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import User
from django.db import connection

from bridge_site import self_test, updating
from feeds.models import Store
from plumbing.leases import database_now
from plumbing.models import Epoch, HostPart

UNSTYLED = "the pages' styles are not collected"


@pytest.fixture
def var(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.mark.django_db(transaction=True)
def test_the_database_is_taken_back_whatever_a_newer_release_made(var):
    Store.objects.create(store_id="PP1", name="Before")
    kept = updating.keep_database("one")
    Store.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE newer (id integer, store_id bigint REFERENCES feeds_store)"
        )
    updating.take_back(kept)
    assert [store.name for store in Store.objects.all()] == ["Before"]
    assert "newer" not in connection.introspection.table_names()


@pytest.mark.django_db(transaction=True)
def test_the_database_is_not_taken_back_from_under_other_hosts(var):
    kept = updating.keep_database("one")
    now = database_now()
    seen = {"since": now, "seen_at": now, "fit": "fits"}
    other = HostPart.objects.create(host="other", part="dispatch", **seen)
    with pytest.raises(updating.CannotKeep, match="other hosts work with it: other"):
        updating.take_back(kept)
    HostPart.objects.filter(pk=other.pk).update(seen_at=now - timedelta(hours=1))
    updating.take_back(kept)


@pytest.mark.django_db(transaction=True)
def test_only_the_last_copies_are_kept(var):
    for name in ("one", "two", "three"):
        updating.keep_database(name)
    left = {each.name for each in (var / "before-updates").iterdir()}
    assert left == {"two", "three"}


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_without_room_nothing_is_begun(var, monkeypatch):
    """The file's disk; a server's is not ours to look at."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage(10, 9, 1))
    with pytest.raises(updating.CannotKeep, match="lacks room"):
        updating.keep_database("one")
    assert list((var / "before-updates").iterdir()) == []


@pytest.mark.django_db
def test_the_number_of_the_last_write_is_the_epochs():
    assert updating.write_sequence() == 0
    Epoch.objects.update_or_create(pk=Epoch.ONLY, defaults={"sequence": 7})
    assert updating.write_sequence() == 7
    assert not updating.has_migrations()


@pytest.mark.django_db
def test_a_release_opens_its_pages_and_leaves_nobody_behind():
    assert set(self_test.test_itself()) <= {UNSTYLED}
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_page_that_fails_is_found(monkeypatch):
    def fail(*_arguments, **_options):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(ModelAdmin, "get_queryset", fail)
    found = "; ".join(self_test.test_itself())
    assert "/admin/catalog/product/: ZeroDivisionError: by nothing" in found
