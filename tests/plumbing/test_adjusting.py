from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.conf import settings as live
from django.core.management import get_commands, load_command_class
from django.db import DatabaseError
from django.utils import timezone

from bridge_site.adjustable import ADJUSTABLE, OBSERVING
from plumbing import adjusting
from plumbing.adjusting import (
    ChangeWatch,
    look,
    settle_for_task,
    settled,
    settled_by_last_look,
)
from plumbing.commands import SettledCommand
from plumbing.models import AdjustedSetting

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("plumbing", "backoffice", "catalog", "orders", "feeds", "bridge_site")


def store(name: str, value: str) -> None:
    AdjustedSetting.objects.update_or_create(
        name=name, defaults={"value": value, "changed_at": timezone.now()}
    )


@pytest.mark.django_db
def test_what_the_owner_stored_counts_for_work_that_begins_afterwards():
    assert live.STOCK_CAP == 500
    store("STOCK_CAP", "7")
    with settled():
        assert live.STOCK_CAP == 7


@pytest.mark.django_db
def test_work_under_way_keeps_the_settings_it_began_with():
    with settled():
        store("STOCK_CAP", "7")
        look()
        assert live.STOCK_CAP == 500
        with settled():
            assert live.STOCK_CAP == 500
        with settled(anew=True):
            assert live.STOCK_CAP == 7
        assert live.STOCK_CAP == 500
    with settled():
        assert live.STOCK_CAP == 7


@pytest.mark.django_db(transaction=True)
def test_a_change_that_another_thread_learns_of_leaves_work_here_alone(in_threads):
    def change() -> int:
        store("STOCK_CAP", "7")
        with settled():
            return int(live.STOCK_CAP)

    with settled():
        assert in_threads([change]) == [7]
        assert live.STOCK_CAP == 500


@pytest.mark.django_db
def test_each_task_begins_with_a_look():
    settle_for_task()
    assert live.STOCK_CAP == 500
    store("STOCK_CAP", "7")
    assert live.STOCK_CAP == 500
    settle_for_task()
    assert live.STOCK_CAP == 7


@pytest.mark.django_db
def test_a_round_learns_between_two_steps_that_something_changed(monkeypatch):
    monkeypatch.setattr("plumbing.adjusting.LOOK_EVERY_S", 0)
    with settled():
        watch = ChangeWatch()
        assert not watch.has_changed()
        store("OBSERVE_ONLY", "1")
        assert watch.has_changed()
        assert not bool(live.OBSERVE_ONLY)
    with settled():
        assert bool(live.OBSERVE_ONLY)
        assert not ChangeWatch().has_changed()


@pytest.mark.django_db(transaction=True)
def test_the_web_asks_the_database_only_once(django_assert_num_queries):
    store("STOCK_CAP", "7")
    look()
    with django_assert_num_queries(0), settled_by_last_look():
        assert live.STOCK_CAP == 7


@pytest.mark.django_db
def test_a_web_part_begun_without_a_database_goes_by_the_environment(monkeypatch):
    def gone(*_args, **_options):
        raise DatabaseError("gone")

    monkeypatch.setattr(AdjustedSetting.objects, "values_list", gone)
    monkeypatch.setattr(adjusting._Process, "latest", None)
    with settled_by_last_look():
        assert live.STOCK_CAP == 500
    with pytest.raises(DatabaseError), settled():
        pass


@pytest.mark.django_db
def test_what_is_set_in_the_environment_wins():
    # The tests' own environment sets it.
    assert live.SETTING_DECLARATIONS["SUPERVISE_FIRST_PURCHASE"].is_set
    store("SUPERVISE_FIRST_PURCHASE", "1")
    with settled():
        assert live.SUPERVISE_FIRST_PURCHASE is False


@pytest.mark.django_db
def test_what_cannot_be_used_does_not_count():
    store("STOCK_CAP", "many")
    store("WORK_WEEK", "10-20")
    store("NO_SUCH_SETTING", "1")
    with settled():
        assert live.STOCK_CAP == 500
        assert live.WORK_WEEK == ["10-20"] * 6 + ["-"]


@pytest.mark.django_db(transaction=True)
def test_work_does_not_begin_while_the_settings_cannot_be_read(monkeypatch):
    def fail(*_args: object) -> None:
        raise DatabaseError

    look()
    monkeypatch.setattr(AdjustedSetting.objects, "values_list", fail)
    with pytest.raises(DatabaseError), settled():
        pass


@pytest.mark.django_db
def test_what_a_test_or_code_sets_is_given_as_ever(settings):
    settings.STOCK_CAP = 9
    assert live.STOCK_CAP == 9


def test_no_adjustable_setting_is_read_when_a_module_is_loaded():
    names = {*ADJUSTABLE, OBSERVING.name}
    found = []
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            tree = ast.parse(file.read_text("utf-8"))
            inside = {
                id(node)
                for function in ast.walk(tree)
                if isinstance(function, ast.FunctionDef | ast.Lambda)
                for part in (
                    function.body
                    if isinstance(function.body, list)
                    else [function.body]
                )
                for node in ast.walk(part)
            }
            found += [
                f"{file.name}: {node.attr}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "settings"
                and node.attr in names
                and id(node) not in inside
            ]
    assert found == []


# They start parts, which settle for themselves, or work by no setting of the owner's.
UNSETTLED = {
    *("prepare_demo", "bridge", "bridge_part", "create_staff", "sync_roles"),
    *("let_in", "restore", "self_test", "update_database"),
    *("hosts", "migrate", "move_database", "substitute"),
}


def test_our_commands_work_by_the_owners_settings():
    ours = {name: app for name, app in get_commands().items() if app in PACKAGES}
    unsettled = {
        name
        for name, app in ours.items()
        if not isinstance(load_command_class(app, name), SettledCommand)
    }
    assert unsettled == UNSETTLED
