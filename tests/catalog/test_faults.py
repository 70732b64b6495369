"""Whatever the supplier does, half an import changes nothing and says so once."""

from __future__ import annotations

import logging
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog import tasks
from catalog.import_runs import ImportFailed
from catalog.models import ImportRun

pytestmark = pytest.mark.django_db

ALWAYS: list[tuple[str, dict[str, Any], str]] = [
    ("throttle", {"variant": "403", "interval": 0.01}, "check ALSTYLE_TOKEN"),
    ("throttle", {"variant": "429", "interval": 0.01}, "HTTP 429"),
    ("throttle", {"variant": "200", "interval": 0.01}, "HTTP 200"),
    ("status", {"code": 401, "body": {"status": 401}}, "check ALSTYLE_TOKEN"),
    ("status", {"code": 404}, "HTTP 404"),
    ("status", {"code": 500}, "HTTP 500"),
    ("status", {"code": 502}, "HTTP 502"),
    ("stall", {"seconds": 5}, "no answer within"),
    ("drip", {"delay_s": 0.02}, "no answer within"),
    ("drop_before_work", {}, "the connection broke"),
    ("drop_after_work", {}, "the connection broke"),
    ("html", {}, "not JSON"),
    ("truncate", {}, "not JSON"),
    ("truncate", {"honest": False}, "the connection broke"),
    ("garbage", {"body": ""}, "not JSON"),
    ("garbage", {"body": '{"unexpected": {"article": 1}}'}, ""),
    ("garbage", {"body": "[[[]]]"}, ""),
    ("wrong_types", {"variant": "nulls"}, ""),
    ("wrong_types", {"variant": "list"}, ""),
    ("wrong_types", {"variant": "scalar"}, ""),
    ("wrong_types", {"variant": "swapped"}, ""),
    ("half_catalogue", {}, "--accept-shrunk"),
    ("empty_catalogue", {}, "no goods at all"),
]
# `page`: in the middle of the crawl, after a first page that was fine.
METHODS = {
    "stock": ("sync_stock", "quantity-price", 0),
    "page": ("sync_catalog", "elements-pagination", 1),
    "first page": ("sync_catalog", "elements-pagination", 0),
    "categories": ("sync_catalog", "categories", 0),
}
# `categories` lists no goods, and may come nested once.
HARMLESS = {
    ("categories", "half_catalogue", None),
    ("categories", "empty_catalogue", None),
    ("categories", "wrong_types", "list"),
}


def cases():
    for where, (command, method, skip) in METHODS.items():
        for kind, options, words in ALWAYS:
            if (where, kind, options.get("variant")) in HARMLESS:
                continue
            shape = options.get("variant") or options.get("code") or ""
            yield pytest.param(
                command, method, skip, kind, options, words, id=f"{where}-{kind}{shape}"
            )


@pytest.fixture
def filled(alstyle, sync_catalogue, settings):
    """Store the catalogue, then let the supplier's differ from it."""
    assert sync_catalogue().status == "done"
    for article in list(alstyle.goods)[:5]:
        alstyle.set_good(article, quantity=3, price1=7, name="Changed")
    return alstyle


@pytest.mark.parametrize(
    ("command", "method", "skip", "kind", "options", "words"), list(cases())
)
def test_a_fault_leaves_everything_as_it_was(
    filled, stored, caplog, settings, command, method, skip, kind, options, words
):
    before = stored()
    filled.faults.add(kind, method, skip=skip, **options)
    if kind in ("stall", "drip"):
        settings.ALSTYLE_TIMEOUT_S = 0.25
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(command, stdout=out)
    assert caught.value.returncode == 1
    assert stored() == before
    run = ImportRun.objects.latest("pk")
    assert run.status == "failed"
    assert run.finished_at is not None
    assert str(caught.value) == run.message
    assert words in run.message
    assert len(run.message.splitlines()) == 1
    assert 20 < len(run.message) < 500
    assert settings.ALSTYLE_TOKEN not in run.message + caplog.text + out.getvalue()


def test_a_refused_token_is_an_error_and_not_tried_again(filled, settings, caplog):
    settings.ALSTYLE_TOKEN = "some-other-token"
    filled.forget_arrivals()
    with pytest.raises(CommandError, match="check ALSTYLE_TOKEN"):
        call_command("sync_stock")
    assert len(filled.arrivals) == 1
    assert [r.levelname for r in caplog.records if r.name == "catalog.import_runs"] == [
        "ERROR"
    ]


@pytest.mark.parametrize(
    ("kind", "options", "failure"),
    [
        ("status", {"code": 401}, "access"),
        ("status", {"code": 502}, "down"),
        ("half_catalogue", {}, "incomplete"),
        ("html", {}, "other"),
    ],
)
def test_the_journal_tells_what_sort_of_failure_it_was(filled, kind, options, failure):
    filled.faults.add(kind, "quantity-price", **options)
    with pytest.raises(CommandError):
        call_command("sync_stock")
    assert ImportRun.objects.latest("pk").failure == failure


@pytest.mark.parametrize("kind", ["vanishing", "appearing", "wrong_total"])
def test_a_list_that_never_holds_still_changes_nothing(filled, stored, kind):
    before = stored()
    filled.faults.add(kind, "elements-pagination")
    with pytest.raises(CommandError, match="did not hold still"):
        call_command("sync_catalog")
    assert stored() == before


@pytest.mark.parametrize("command", ["sync_catalog", "sync_stock"])
def test_a_passing_fault_is_ridden_out(filled, command):
    filled.faults.add("status", code=502, times=1)
    filled.faults.add("throttle", variant="403", interval=0.01, times=1)
    filled.faults.add("truncate", honest=False, times=1, skip=1)
    out = StringIO()
    call_command(command, stdout=out)
    assert "5 changed" in out.getvalue()


def test_the_next_import_heals(filled, stored, sync_catalogue):
    filled.faults.add("html", "elements-pagination", times=1, skip=1)
    with pytest.raises(CommandError):
        call_command("sync_catalog")
    assert sync_catalogue().counts["changed"] == 5


@pytest.mark.parametrize("command", ["sync_catalog", "sync_stock"])
def test_a_command_prints_one_line(filled, command):
    out = StringIO()
    call_command(command, "--dry-run", stdout=out)
    assert out.getvalue() == f"{len(filled.goods)} read, 5 changed, 0 skipped\n"
    call_command(command, stdout=StringIO())
    out = StringIO()
    call_command(command, stdout=out)
    assert out.getvalue() == f"{len(filled.goods)} read, 0 changed, 0 skipped\n"


@pytest.mark.parametrize("command", ["sync_catalog", "sync_stock"])
def test_a_shrunk_answer_is_accepted_by_a_switch(filled, command):
    filled.faults.add("half_catalogue")
    call_command(command, "--accept-shrunk", stdout=StringIO())
    assert ImportRun.objects.latest("pk").status == "done"


@pytest.mark.parametrize("task", [tasks.sync_catalog, tasks.sync_stock])
def test_a_task_returns_the_line_or_fails_with_it(filled, task):
    assert task().startswith(f"{len(filled.goods)} read, 5 changed")
    filled.faults.add("html")
    with pytest.raises(ImportFailed, match="not JSON"):
        task()


def test_old_changes_are_deleted_by_a_task():
    assert (
        tasks.delete_old_changes() == "0 changes, 0 imports and 0 former states deleted"
    )


def test_nothing_is_said_of_the_token_at_any_level(filled, caplog, settings):
    caplog.set_level(logging.DEBUG)
    filled.faults.add("stall", seconds=5, times=1)
    filled.faults.add("status", code=401, body="GET /?access-token=alstyle-test-token")
    with pytest.raises(CommandError) as caught:
        call_command("sync_stock")
    told = repr(caught.value) + repr(caught.value.__cause__) + caplog.text
    assert settings.ALSTYLE_TOKEN not in told
