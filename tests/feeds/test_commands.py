from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.import_runs import ImportFailed
from catalog.models import Product
from feeds import tasks
from feeds.models import FeedBuild
from feeds.publishing import LEASE, roll_back
from feeds.tasks import build_feed
from plumbing import timekeeping
from plumbing.leases import LeaseTaken, database_now, under_lease
from plumbing.timekeeping import ClockSteps
from tests.feeds.live_list import live
from tests.feeds.making import build, make_import, make_product, make_products

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english(settings):
    settings.LANGUAGE_CODE = "en"


def run(capsys, *arguments):
    call_command("build_feed", *arguments)
    return capsys.readouterr().out.strip()


def test_the_command_publishes_and_says_so_in_one_line(shop, capsys, feed_dir):
    make_products(3)
    said = run(capsys)
    assert said.endswith("published; 3 offers, 3 on sale, 0 withdrawn")
    assert len(said.splitlines()) == 1
    assert "nothing changed" in run(capsys)
    assert len(live(feed_dir)) == 3


def test_a_dry_run_says_what_would_be(shop, capsys, feed_dir):
    make_products(3)
    assert run(capsys, "--dry-run").startswith("valid, not published; 3 offers")
    assert not (feed_dir / "kaspi_price_list.xml").exists()


def test_a_refusal_ends_with_an_error(db, fixed_prices):
    with pytest.raises(CommandError, match="no active point of sale: add one"):
        call_command("build_feed")


def test_force_needs_a_reason_and_leaves_it_in_the_row(shop, capsys):
    made = make_products(60)
    build()
    Product.objects.filter(pk__in=[p.pk for p in made[:30]]).update(is_published="no")
    assert "30 of 60" in run(capsys)
    with pytest.raises(CommandError, match="needs --reason"):
        call_command("build_feed", "--force")
    assert "published" in run(capsys, "--force", "--reason", "sold out")
    reason = FeedBuild.objects.get(status="active").reason
    assert reason == "forced by build_feed: sold out"


def test_command_and_task_say_when_another_build_is_under_way(shop, monkeypatch):
    monkeypatch.setattr(tasks, "PATIENCE_S", 0)
    make_product()
    with under_lease(LEASE):
        with pytest.raises(CommandError, match="under way"):
            call_command("build_feed")
        assert build_feed() == "Another build is under way."


def test_the_task_waits_for_a_build_that_may_have_read_the_goods_before(
    shop, monkeypatch, feed_dir
):
    make_product()
    another = ExitStack()
    another.enter_context(under_lease(LEASE))
    monkeypatch.setattr("feeds.tasks.time.sleep", lambda _s: another.close())
    assert "published" in build_feed()


def test_the_task_tells_what_became_of_it(shop):
    assert "would be empty" in build_feed()
    make_product()
    assert "published" in build_feed()


@pytest.fixture
def ahead(monkeypatch):
    """Let a test set the clock ahead of what builds have seen so far."""
    ahead = [timedelta(0)]
    for module in (tasks, timekeeping):
        monkeypatch.setattr(module, "database_now", lambda: database_now() + ahead[0])
    monkeypatch.setattr(tasks, "STEPS", ClockSteps())
    return ahead


def test_a_clock_that_was_just_set_ahead_empties_no_list(shop, ahead, monkeypatch):
    """Whether time has passed instead, only a new reading of the stock tells."""
    reads = []

    def read():
        reads.append(make_import(age_min=-24 * 60))

    monkeypatch.setattr(tasks, "sync_stock", read)
    make_products(3)
    build_feed()
    ahead[0] = timedelta(days=1)
    build_feed()
    assert FeedBuild.objects.live().get().counts["on_sale"] == 3
    # The next one reads no more.
    build_feed()
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("fault", "on_sale"),
    [(LeaseTaken("stock-sync", owner="srv"), 3), (ImportFailed("no answer"), 0)],
)
def test_nothing_is_sold_by_figures_of_which_nobody_knows_how_old_they_are(
    shop, ahead, monkeypatch, fault, on_sale
):
    """An import that is under way just then is waited for; it takes seconds."""

    def read():
        raise fault

    monkeypatch.setattr(tasks, "sync_stock", read)
    make_products(3)
    build_feed()
    ahead[0] = timedelta(days=1)
    build_feed()
    assert FeedBuild.objects.live().get().counts["on_sale"] == on_sale
    build_feed()
    assert FeedBuild.objects.live().get().counts["on_sale"] == 0


def test_a_pinned_list_is_no_error(shop, capsys):
    product = make_product()
    build()
    Product.objects.filter(pk=product.pk).update(stock=3)
    build()
    first = FeedBuild.objects.earliest("pk")
    roll_back(first, reason="why", actor="olga", now=timezone.now())
    assert "pinned until" in run(capsys)
