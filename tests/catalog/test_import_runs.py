from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError
from django_q.models import OrmQ

from catalog import importing, tasks
from catalog.availability import stock_before_last_import
from catalog.import_runs import ImportSession
from catalog.models import ImportRun, ProductChange
from tests.catalog.factories import NOW, make_product, make_run, stored_product

pytestmark = pytest.mark.django_db


# --- completeness ---------------------------------------------------------------------


@pytest.mark.parametrize("method", ["elements-pagination", "quantity-price"])
@pytest.mark.parametrize("kind", ["half_catalogue", "empty_catalogue"])
def test_a_shrunk_answer_changes_nothing_until_a_person_accepts(
    alstyle, sync_catalogue, sync_stock, stored, method, kind
):
    sync_catalogue()
    before = stored()
    is_stock = method == "quantity-price"
    sync = sync_stock if is_stock else sync_catalogue
    alstyle.faults.add(kind, method)
    run = sync()
    assert run.status == "failed"
    assert stored() == before
    if kind == "half_catalogue":
        command = "sync_stock" if is_stock else "sync_catalog"
        known = len(alstyle.goods)
        assert run.message == (
            f"Only {known // 2} of {known} known goods came, 90 % are needed; nothing "
            "was changed. If Al-Style really dropped them, run: "
            f"{command} --accept-shrunk"
        )
    else:
        assert run.message == "Al-Style listed no goods at all; nothing was changed."
    assert sync(accept_shrunk=True).status == "done"
    assert stored() != before


def test_the_share_is_a_setting(alstyle, sync_catalogue, sync_stock, settings):
    sync_catalogue()
    alstyle.faults.add("missing_prices", share=0.2)
    assert sync_stock().status == "failed"
    settings.COMPLETE_SHARE_PERCENT = 80
    assert sync_stock().status == "done"


def test_other_goods_in_the_place_of_known_ones_are_no_whole_answer(
    alstyle, sync_catalogue, sync_stock
):
    sync_catalogue()
    for number, article in enumerate(list(alstyle.goods)[:60]):
        alstyle.remove_good(article)
        alstyle.add_good(95_000 + number)
    assert sync_stock().status == "failed"
    assert sync_catalogue().status == "failed"


def test_a_tree_that_lost_its_branches_is_refused(alstyle, sync_catalogue, stored):
    sync_catalogue()
    before = stored()
    del alstyle.shop.categories[:10]
    run = sync_catalogue()
    assert run.status == "failed"
    assert "known categories came" in run.message
    assert stored() == before


def test_a_dry_run_tells_what_would_change(
    alstyle, sync_catalogue, sync_stock, stored, article
):
    sync_catalogue()
    alstyle.set_good(article, name="Other", quantity=0)
    alstyle.add_good(95_000)
    OrmQ.objects.all().delete()
    before = stored()
    run = sync_catalogue(dry_run=True)
    assert (run.status, run.is_dry_run) == ("done", True)
    assert (run.counts["changed"], run.counts["new"]) == (1, 1)
    run = sync_stock(dry_run=True)
    assert (run.counts["changed"], run.counts["unknown"]) == (1, 1)
    assert stored() == before
    assert OrmQ.objects.count() == 0


def test_a_dry_stock_run_does_not_make_the_crawls_figures_old(
    alstyle, sync_catalogue, sync_stock, article
):
    sync_catalogue(now=NOW)
    alstyle.set_good(article, quantity=0)
    sync_stock(now=NOW, dry_run=True)
    sync_catalogue(now=NOW)
    assert stored_product(article).stock == 0


def test_a_changed_catalogue_has_the_feed_built(
    alstyle, sync_catalogue, sync_stock, settings, article
):
    def queued():
        tasks = [(row.func(), row.key) for row in OrmQ.objects.all()]
        OrmQ.objects.all().delete()
        return tasks

    settings.TASKS_AFTER_CATALOGUE_CHANGE = ["one.task", "other.task"]
    sync_catalogue()
    assert queued() == [("one.task", "imports"), ("other.task", "imports")]
    sync_stock()
    assert queued() == []
    alstyle.set_good(article, quantity=0)
    sync_stock()
    assert queued() == [("one.task", "imports"), ("other.task", "imports")]


def test_a_write_that_fails_leaves_nothing_behind(
    alstyle, sync_catalogue, sync_stock, stored, article, monkeypatch
):
    sync_catalogue()
    OrmQ.objects.all().delete()
    before = stored()
    alstyle.set_good(article, quantity=0)

    def explode(*_args, **_options):
        raise RuntimeError("disk is full")

    monkeypatch.setattr(importing, "write_differences", explode)
    with pytest.raises(RuntimeError):
        sync_stock()
    run = ImportRun.objects.get(kind="stock")
    assert run.status == "failed"
    assert run.message == "stopped by an error: RuntimeError disk is full"
    monkeypatch.setattr("catalog.import_runs.enqueue", explode)
    with pytest.raises(RuntimeError):
        sync_catalogue()
    assert stored() == before
    assert OrmQ.objects.count() == 0


def test_a_run_left_running_is_closed_by_the_next_one(sync_stock, sync_catalogue):
    dead = make_run("stock", "running", finished_at=None)
    other = make_run("catalogue", "running", finished_at=None)
    sync_catalogue()
    dead.refresh_from_db()
    other.refresh_from_db()
    assert (dead.status, other.status) == ("running", "failed")
    assert other.message.startswith("interrupted")
    assert other.finished_at is not None
    sync_stock()
    dead.refresh_from_db()
    assert dead.status == "failed"


def test_old_changes_and_imports_are_deleted(settings):
    settings.CHANGES_KEPT_DAYS = 30
    item = make_product()
    for days in (0, 29, 31):
        moment = NOW - timedelta(days=days)
        run = make_run(started_at=moment, bad_rows=[["1", "odd"]])
        ProductChange.objects.create(
            product=item, run=run, field="stock", old=1, new=0, changed_at=moment
        )
    assert importing.delete_old_changes(now=NOW) == (1, 1)
    assert ProductChange.objects.count() == 2
    rows = ImportRun.objects.order_by("-started_at").values_list("bad_rows", flat=True)
    assert list(rows) == [[["1", "odd"]], []]


# --- tried again ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "is_owed"),
    [("down", True), ("other", True), ("access", False), ("incomplete", False)],
)
def test_a_catalogue_that_could_not_be_read_is_owed_until_it_is(failure, is_owed):
    assert not importing.is_catalogue_owed()
    make_run("catalogue", status="failed", failure=failure)
    assert importing.is_catalogue_owed() is is_owed
    # A rehearsal pays nothing, and the stock is something else.
    later = NOW + timedelta(hours=1)
    make_run("catalogue", is_dry_run=True, started_at=later)
    make_run("stock", started_at=later)
    assert importing.is_catalogue_owed() is is_owed
    make_run("catalogue", started_at=later)
    assert not importing.is_catalogue_owed()


def test_it_is_read_within_the_hour(alstyle, sync_catalogue):
    assert tasks.retry_catalog() == "nothing is owed"
    alstyle.faults.add("status", code=503, times=4)
    assert sync_catalogue().status == "failed"
    assert f"{len(alstyle.goods)} read" in tasks.retry_catalog()
    assert tasks.retry_catalog() == "nothing is owed"


# --- what follows the storing ---------------------------------------------------------


@pytest.mark.parametrize("error", [SystemExit, OperationalError])
def test_an_import_that_is_stored_stays_good_whatever_follows(
    sync_catalogue, supplier_client, sync_stock, monkeypatch, article, alstyle, error
):
    """As a failed one it would no longer tell what it lowered, and the reading before
    would pass for the second that says so."""
    sync_catalogue()
    assert sync_stock().is_done
    alstyle.set_good(article, quantity=0)

    def stop():
        raise error

    monkeypatch.setattr(supplier_client, "date", stop)
    with pytest.raises(error):
        sync_stock()
    run = ImportRun.objects.order_by("-pk")[0]
    assert (run.status, run.failure, run.counts["changed"]) == ("done", "", 1)
    product = stored_product(article)
    assert (product.stock, stock_before_last_import()) == (0, {product.pk: 7})


def test_an_import_whose_storing_is_rolled_back_has_failed(
    sync_catalogue, sync_stock, monkeypatch, article, alstyle
):
    sync_catalogue()
    alstyle.set_good(article, quantity=0)
    finish = ImportSession.finish

    def stop(session, status, message):
        finish(session, status, message)
        if status == "done":
            raise OperationalError("the commit failed")

    monkeypatch.setattr(ImportSession, "finish", stop)
    with pytest.raises(OperationalError):
        sync_stock()
    assert ImportRun.objects.order_by("-pk")[0].status == "failed"
    assert stored_product(article).stock == 7
