"""Which hosts live, and which code may work with the database."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder
from django_q.models import Schedule

from bridge_site.reporting import Reporter
from plumbing import hosts
from plumbing.leases import database_now
from plumbing.models import Epoch, HostPart

Fit = hosts.Fit
Applied = MigrationRecorder.Migration
pytestmark = pytest.mark.django_db


def be_older():
    """Let the database have seen a migration that this code does not know."""
    Applied.objects.create(app="orders", name="9999_of_the_next_release")


def be_newer():
    Applied.objects.filter(app="orders").order_by("-name")[0].delete()


def another(host="other", part="dispatch", *, fit=Fit.FITS, age=timedelta(0)):
    now = database_now()
    return HostPart.objects.create(
        host=host, part=part, since=now, seen_at=now - age, fit=fit, revision="abc"
    )


def test_a_part_tells_of_itself(mark, settings):
    settings.HOST_NAME = "north"
    assert Reporter("dispatch").turn()
    row = HostPart.objects.get()
    told = (row.host, row.part, row.fit, row.works)
    assert told == ("north", "dispatch", "fits", True)
    assert row.memory_bytes > 10_000_000
    assert abs(row.clock_apart_s) < 5
    # So that this host is known before it takes another's work over.
    assert mark.exists()
    assert Epoch.objects.get().vouched_at is not None
    Reporter("dispatch").leave()
    assert not HostPart.objects.exists()


def test_older_code_works_on_until_newer_code_does(settings):
    be_older()
    assert Reporter("dispatch").turn(), "a release works with the next one's database"
    another("site", part="web")
    another("late", age=timedelta(minutes=5))
    another("as-old", fit=Fit.OLDER)
    assert Reporter("dispatch").turn()
    another("new")
    assert not Reporter("dispatch").turn()
    mine = HostPart.objects.get(host=settings.HOST_NAME)
    assert (mine.fit, mine.works) == (Fit.OLDER, False)


def test_newer_code_waits_for_the_migrations_and_then_works():
    be_newer()
    waited = []

    def migrate_meanwhile(seconds):
        waited.append(seconds)
        label, name = max(hosts._known_migrations() - set(applied()))
        Applied.objects.create(app=label, name=name)
        reporter._told_in = None
        return False

    reporter = Reporter("orders")
    assert reporter.await_work(wait=migrate_meanwhile)
    assert len(waited) == 1
    be_newer()
    assert not Reporter("orders").await_work(wait=lambda _seconds: True)


def test_a_watch_reads_all_migrations_only_when_one_came_or_went(
    django_assert_num_queries,
):
    watch = hosts.FitWatch()
    assert watch.read() == hosts.read_fit() == Fit.FITS
    with django_assert_num_queries(1):
        assert watch.read() == Fit.FITS
    be_newer()
    assert watch.read() == Fit.NEWER
    label, name = max(hosts._known_migrations() - set(applied()))
    again = Applied.objects.create(app=label, name=name)
    assert watch.read() == Fit.FITS
    # Taken back, and another one applied in its place.
    again.delete()
    be_older()
    assert watch.read() == hosts.read_fit() == Fit.NEWER


def applied():
    return Applied.objects.values_list("app", "name")


def test_an_older_host_leaves_schedules_and_roles_to_the_newer_one():
    call_command("sync_schedules", verbosity=0)
    Schedule.objects.create(name="of-the-next-release", func="x")
    be_older()
    another("new")
    said = StringIO()
    call_command("sync_schedules", stdout=said)
    call_command("sync_roles", stdout=said)
    assert said.getvalue().count("left to another host") == 2
    assert Schedule.objects.filter(name="of-the-next-release").exists()
    # Nobody newer is there any more: the release was rolled back everywhere.
    HostPart.objects.all().delete()
    call_command("sync_schedules", verbosity=0, stdout=said)
    assert not Schedule.objects.filter(name="of-the-next-release").exists()


def test_the_command_shows_the_hosts_and_forgets_one():
    another("north", part="web")
    another("north")
    another("gone", age=timedelta(minutes=7))
    said = StringIO()
    call_command("hosts", stdout=said)
    gone, north = said.getvalue().splitlines()
    assert gone.startswith("gone: SILENT, seen 42")
    assert north.startswith("north: alive, seen ")
    assert "dispatch" in north
    assert "web" in north
    assert "revision abc" in north
    call_command("hosts", "--forget", "gone", stdout=StringIO())
    assert not HostPart.objects.filter(host="gone").exists()
    with pytest.raises(CommandError, match="no host gone"):
        call_command("hosts", "--forget", "gone")


def test_who_was_silent_for_a_day_is_forgotten():
    another("gone", age=timedelta(days=2))
    another("late", age=timedelta(hours=3))
    Reporter("web").turn()
    assert set(HostPart.objects.values_list("host", flat=True)) >= {"late"}
    assert not HostPart.objects.filter(host="gone").exists()


def test_roles_name_the_parts(settings):
    assert hosts.parts_here() == ["web", "dispatch", "orders", "imports"]
    settings.HOST_ROLES = ["workers"]
    assert hosts.parts_here() == ["dispatch", "orders", "imports"]


def test_an_app_somewhere_beneath_the_checkout_is_not_ours(settings):
    auth = apps.get_app_config("auth")
    # As where the virtual environment lies in the checkout.
    settings.BASE_DIR = Path(auth.path).parents[2]
    assert not hosts.is_ours(auth)
    settings.BASE_DIR = Path(auth.path).parent
    assert hosts.is_ours(auth)


def test_a_migration_that_is_missing_is_known_by_its_name_alone():
    assert hosts.has_all_migrations()
    be_older()
    assert hosts.has_all_migrations(), "what the next release brought is no concern"
    Applied.objects.filter(app="django_q").order_by("-name")[0].delete()
    assert not hosts.has_all_migrations(), "others' apps have some, too"
