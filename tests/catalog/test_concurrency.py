"""Two imports at once, and imports that are killed."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from catalog import import_runs
from catalog.alstyle.client import open_client
from catalog.importing import import_catalogue, import_stock
from catalog.models import Category, ImportRun, Product
from catalog.repricing import reprice
from plumbing.leases import LeaseTaken, database_now, take_lease, under_lease
from plumbing.models import Lease
from sandbox import wait_until
from tests.catalog.factories import make_product, stored_product
from tests.conftest import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def start(command: str, env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", command],
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end_leases() -> int:
    """Do what the 90 s of a dead process's lease would do."""
    return Lease.objects.update(until=database_now() - timedelta(seconds=1))


@pytest.mark.parametrize("sync", [import_catalogue, import_stock])
def test_of_two_imports_at_once_one_does_it_and_the_other_says_so(
    alstyle, in_threads, sync
):
    if sync is import_stock:
        with open_client() as client:
            import_catalogue(client)
    alstyle.faults.add("stall", seconds=0.5, answer=True, times=2)

    def read():
        with open_client() as client:
            return sync(client)

    outcomes = in_threads([read, read])
    (run,) = [outcome for outcome in outcomes if isinstance(outcome, ImportRun)]
    (refusal,) = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert run.status == "done"
    assert isinstance(refusal, LeaseTaken)
    assert "already under way" in str(refusal)
    assert ImportRun.objects.filter(kind=run.kind).count() == 1


@pytest.mark.parametrize(
    ("command", "lease"),
    [("sync_catalog", "catalogue-sync"), ("sync_stock", "stock-sync")],
)
def test_a_command_says_that_another_is_under_way(alstyle, command, lease):
    with under_lease(lease), pytest.raises(CommandError) as caught:
        call_command(command)
    assert str(caught.value).startswith(f"{lease} is already under way")
    assert caught.value.returncode == 1
    assert alstyle.arrivals == []
    assert not ImportRun.objects.exists()


def test_stock_is_refreshed_while_the_catalogue_is_crawled(alstyle, in_threads):
    with open_client() as client:
        import_catalogue(client)
    alstyle.set_good(next(iter(alstyle.goods)), quantity=0)
    alstyle.faults.add(
        "stall", "elements-pagination", seconds=1.5, answer=True, times=1
    )
    ended = {}

    def read(sync):
        with open_client() as client:
            run = sync(client)
        ended[sync] = time.monotonic()
        return run

    runs = in_threads([lambda: read(import_catalogue), lambda: read(import_stock)])
    assert [run.status for run in runs] == ["done", "done"]
    assert ended[import_stock] < ended[import_catalogue]


def test_writing_waits_for_the_other_import_to_have_written(
    alstyle, in_threads, monkeypatch
):
    make_product(1)
    monkeypatch.setattr(import_runs, "WRITING_PATIENCE_S", 20)
    written = []

    def write_slowly():
        with under_lease(import_runs.WRITING_LEASE):
            time.sleep(1)
            written.append(time.monotonic())

    def read():
        wait_until(Lease.objects.filter(name=import_runs.WRITING_LEASE).exists)
        with open_client() as client:
            run = import_stock(client, accept_shrunk=True)
        return run, time.monotonic()

    _nothing, (run, ended) = in_threads([write_slowly, read])
    assert run.status == "done"
    assert ended > written[0]


def test_a_writer_that_never_ends_fails_the_run(alstyle, monkeypatch):
    monkeypatch.setattr(import_runs, "WRITING_PATIENCE_S", 0)
    with under_lease(import_runs.WRITING_LEASE), open_client() as client:
        run = import_catalogue(client)
    assert run.status == "failed"
    assert "alstyle-import is already under way" in run.message
    assert not Product.objects.exists()


def test_an_import_that_lost_its_lease_writes_nothing(alstyle, monkeypatch):
    def lose(*_args, **_options):
        Lease.objects.filter(name=import_runs.WRITING_LEASE).update(
            owner="another process"
        )
        return {}

    monkeypatch.setattr("catalog.importing.choose_skus", lose)
    with open_client() as client:
        run = import_catalogue(client)
    assert run.status == "failed"
    assert "taken over" in run.message
    assert not Product.objects.exists()
    assert not Category.objects.exists()


def test_figures_read_before_a_host_slept_replace_none_that_another_read_since(
    alstyle, article, monkeypatch
):
    """It would sell what is sold out, by figures that look fresh."""
    with open_client() as sleeper, open_client() as other:
        import_catalogue(other)
        read = sleeper.quantity_price

        def sleep():
            listed = read()
            end_leases()
            alstyle.set_good(article, quantity=0)
            assert import_stock(other).is_done
            return listed

        monkeypatch.setattr(sleeper, "quantity_price", sleep)
        run = import_stock(sleeper)
    assert run.status == "failed"
    assert "stock-sync was taken over" in run.message
    assert stored_product(article).stock == 0


def test_pricing_and_an_import_do_not_lock_each_other_out(alstyle, in_threads):
    with open_client() as client:
        import_catalogue(client)
    for change in range(3):
        for number, article in enumerate(reversed(list(alstyle.goods))):
            alstyle.set_good(article, quantity=change + number % 9 + 1, price1=50)
        Product.objects.update(priced_with="")

        def read():
            with open_client() as client:
                return import_stock(client).status

        outcomes = in_threads([read, lambda: reprice(now=database_now())])
        assert outcomes[0] == "done"
        assert not isinstance(outcomes[1], Exception)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["categories", "elements-pagination", "date"])
def test_a_killed_import_leaves_the_data_whole_and_the_next_one_heals(
    alstyle, bridge_env, stored, method
):
    with open_client() as client:
        import_catalogue(client)
    for article in list(alstyle.goods)[:5]:
        alstyle.set_good(article, quantity=3, price1=7, name="Changed")
    alstyle.remove_good(next(iter(alstyle.goods)))
    before = stored()
    alstyle.forget_arrivals()
    # The crawl is struck at its second page.
    skip = int(method == "elements-pagination")
    alstyle.faults.add("stall", method, seconds=60, skip=skip)
    process = start("sync_catalog", bridge_env(OBSERVE_ONLY="1"))
    try:
        assert wait_until(lambda: len(alstyle.calls(method)) > skip, timeout_s=30)
    finally:
        process.kill()
        process.communicate(timeout=30)
    alstyle.faults.clear()

    run = ImportRun.objects.latest("pk")
    if method == "date":
        # Everything was written already; only the date is missing.
        assert run.status == "done"
        assert stored() != before
    else:
        assert run.status == "running"
        assert stored() == before
    with pytest.raises(CommandError, match="already under way"):
        call_command("sync_catalog")
    assert end_leases() == 1
    call_command("sync_catalog")
    run.refresh_from_db()
    assert run.status == ("done" if method == "date" else "failed")
    assert Product.objects.filter(cost_kzt=7, name="Changed").count() == 4
    assert Product.objects.exclude(gone_at=None).count() == 1
    assert not Lease.objects.exists()


@pytest.mark.slow
def test_killed_at_any_moment_of_the_writing_the_data_stay_whole(alstyle, bridge_env):
    for number in range(2000):
        alstyle.add_good(100_000 + number)
    count = len(alstyle.goods)
    env = bridge_env()
    killed = 0
    for delay_s in (0.0, 0.03, 0.1, 0.25, 0.5):
        process = start("sync_catalog", env)
        assert wait_until(
            lambda: len(alstyle.calls("elements-pagination")) >= 10, timeout_s=30
        )
        alstyle.forget_arrivals()
        time.sleep(delay_s)
        process.kill()
        process.communicate(timeout=30)
        killed += process.returncode != 0
        assert Product.objects.count() in (0, count)
        assert bool(Category.objects.count()) is bool(Product.objects.count())
        end_leases()
    assert killed > 1
    with open_client() as client:
        assert import_catalogue(client).status == "done"
    assert Product.objects.count() == count
    assert not ImportRun.objects.filter(status="running").exists()


def test_the_dead_leases_of_a_killed_writer_are_waited_for(alstyle):
    take_lease(import_runs.WRITING_LEASE, seconds=1)
    with open_client() as client:
        assert import_catalogue(client).status == "done"
