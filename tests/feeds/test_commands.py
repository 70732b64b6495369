from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from catalog.import_runs import ImportFailed
from catalog.models import ImportRun, Product
from feeds import tasks
from feeds.models import FeedBuild
from feeds.publishing import LEASE, roll_back
from feeds.tasks import build_feed
from plumbing.leases import LeaseTaken, database_now, under_lease
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
def sold(shop, monkeypatch):
    """Three goods are on sale, and a day has passed by the clock, slept or set."""
    make_products(3)
    build()
    day = timedelta(days=1)
    monkeypatch.setattr(tasks, "database_now", lambda: database_now() + day)
    # A task waits for a lease; a test need not.
    monkeypatch.setattr(tasks, "PATIENCE_S", 1)


def make_import_of_tomorrow():
    make_import(age_min=-24 * 60)


def on_sale():
    return FeedBuild.objects.live().get().counts["on_sale"]


def test_stock_is_read_before_a_list_is_emptied(sold, monkeypatch):
    """Whether a clock was set or time has passed, only a reading tells."""
    reads = []
    monkeypatch.setattr(
        tasks, "sync_stock", lambda: reads.append(make_import_of_tomorrow())
    )
    build_feed()
    build_feed()
    assert (on_sale(), len(reads)) == (3, 1)


@pytest.mark.parametrize("waited_for", [make_import_of_tomorrow, lambda: None])
def test_an_import_that_is_under_way_is_waited_for_a_while(
    sold, monkeypatch, waited_for
):
    def read():
        raise LeaseTaken("stock-sync", owner="srv")

    monkeypatch.setattr(tasks, "sync_stock", read)
    monkeypatch.setattr("feeds.tasks.time.sleep", lambda _s: waited_for())
    build_feed()
    assert on_sale() == (3 if waited_for is make_import_of_tomorrow else 0)


@pytest.mark.parametrize("error", [ImportFailed("no answer"), ZeroDivisionError()])
def test_a_list_is_emptied_when_stock_cannot_be_read(sold, monkeypatch, error):
    reads = []

    def read():
        reads.append(1)
        raise error

    monkeypatch.setattr(tasks, "sync_stock", read)
    build_feed()
    # Nothing is on sale any more that a reading could keep there.
    build_feed()
    assert (on_sale(), len(reads)) == (0, 1)


def test_al_style_is_not_asked_again_when_it_has_just_failed(sold, monkeypatch):
    monkeypatch.setattr(tasks, "sync_stock", lambda: pytest.fail("asked again"))
    ImportRun.objects.create(
        kind=ImportRun.Kind.STOCK,
        status=ImportRun.Status.FAILED,
        started_at=database_now() + timedelta(days=1, minutes=-2),
    )
    build_feed()
    assert on_sale() == 0


def test_a_pinned_list_is_no_error(shop, capsys):
    product = make_product()
    build()
    Product.objects.filter(pk=product.pk).update(stock=3)
    build()
    first = FeedBuild.objects.earliest("pk")
    roll_back(first, reason="why", actor="olga", now=timezone.now())
    assert "pinned until" in run(capsys)
