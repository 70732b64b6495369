"""A database made when these tables were the site's own is used on as it is."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.loader import MigrationLoader

LABEL = "bridge_site"
TABLES = {
    "AdjustedSetting": "bridge_site_adjustedsetting",
    "HistoricalAdjustedSetting": "bridge_site_historicaladjustedsetting",
    "Heartbeat": "bridge_site_heartbeat",
    "HostPart": "bridge_site_hostpart",
    "CallCount": "bridge_site_callcount",
    "ClockApart": "bridge_site_clockapart",
    "Epoch": "bridge_site_epoch",
    "Lease": "bridge_site_lease",
    "PeerClock": "bridge_site_peerclock",
    "PeerSlot": "bridge_site_peerslot",
    "TimeJump": "bridge_site_timejump",
}
# The names under which every database notes them as done.
FIRST_MIGRATIONS = {"0001_create_tables", "0002_limit_calls_at_once"}


def test_the_tables_keep_their_names():
    config = apps.get_app_config(LABEL)
    assert config.name == "plumbing"
    tables = {model.__name__: model._meta.db_table for model in config.get_models()}
    assert tables == TABLES


@pytest.mark.django_db
def test_what_was_migrated_counts_as_migrated():
    loader = MigrationLoader(connection)
    known = {name for label, name in loader.disk_migrations if label == LABEL}
    applied = {name for label, name in loader.applied_migrations if label == LABEL}
    assert applied == known
    assert known >= FIRST_MIGRATIONS
    loader.check_consistent_history(connection)
    for name in FIRST_MIGRATIONS:
        # Replaced or renamed ones would be made a second time.
        assert not loader.disk_migrations[LABEL, name].replaces


@pytest.mark.django_db
def test_rights_given_before_are_the_rights_asked_for_now():
    models = {name.lower() for name in TABLES}
    kinds = ContentType.objects.filter(model__in=models)
    assert {(kind.app_label, kind.model) for kind in kinds} == {
        (LABEL, model) for model in models
    }
    rights = Permission.objects.filter(content_type__in=kinds)
    assert "view_lease" in rights.values_list("codename", flat=True)
    assert {right.content_type.app_label for right in rights} == {LABEL}
