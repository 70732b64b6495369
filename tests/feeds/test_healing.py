import gzip
import os
import random
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone
from lxml import etree

from catalog.models import ImportRun, PriceRule, Product
from feeds import carrying, files, publishing
from feeds.healing import keep_up
from feeds.models import FeedBuild, Listing, ListPiece
from feeds.publishing import Override
from tests.conftest import ROOT
from tests.feeds.dying import KILLED, LIVE_FROM, POINTS
from tests.feeds.live_list import live, live_bytes, read_bytes
from tests.feeds.making import (
    build,
    make_import,
    make_product,
    make_products,
    make_store,
)

Status = FeedBuild.Status


def listed():
    rows = Listing.objects.values_list("sku", "stock_count", "price_kzt")
    return {sku: (units, price) for sku, units, price in rows}


def in_step(feed_dir):
    """See that file, twin, rows and listings all say the same."""
    offers = live(feed_dir)
    assert listed() == {sku: (o.units, o.price) for sku, o in offers.items()}
    active = FeedBuild.objects.get(status=Status.ACTIVE)
    assert active.sha256 == files.sha256_of(files.live_path())
    kept = gzip.decompress(files.version_path(active.pk).read_bytes())
    assert kept == live_bytes(feed_dir)
    unsettled = [Status.BUILDING, Status.PUBLISHING]
    assert not FeedBuild.objects.filter(status__in=unsettled).exists()
    assert not [*feed_dir.rglob("*.tmp"), *feed_dir.rglob("*.listed.csv")]
    return offers


# --- killed in a process of its own ---------------------------------------------------


@pytest.fixture
def goods(transactional_db):
    make_import()
    make_store()
    if not PriceRule.objects.exists():
        # Emptied with every other table after the test before.
        PriceRule.objects.create(name="Default")
    return make_products(1200, accepted_price_kzt=None)


@pytest.fixture
def environment(bridge_env, feed_dir):
    return bridge_env(FEED_DIR=str(feed_dir))


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_the_next_run_heals(goods, environment, feed_dir, point):
    call_command("build_feed")
    before = live_bytes(feed_dir)
    half = [product.pk for product in goods[::2]]
    Product.objects.filter(pk__in=half).update(stock=4)
    # One offer leaves the list for good, so that every part of the work is done.
    Listing.objects.filter(product=goods[0]).update(
        is_available=False, withdrawn_at="2020-01-01T00:00Z"
    )
    Product.objects.filter(pk=goods[0].pk).update(is_published="no")

    command = [sys.executable, "-m", "tests.feeds.dying", point]
    died = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    assert died.returncode == KILLED, died.stderr.decode()
    went_live = POINTS.index(point) >= LIVE_FROM
    assert (live_bytes(feed_dir) != before) == went_live
    read_bytes(live_bytes(feed_dir))
    # A dead process keeps its lease until it runs out.
    expire_leases()

    # Another host would finish what was handed over to the database; so does this one.
    handed_over = carrying.is_needed() and point in ("before going live", "at the door")
    is_finished = went_live or handed_over
    result = build()
    assert result.end == ("unchanged" if is_finished else "published")
    offers = in_step(feed_dir)
    assert len(offers) == 1199
    assert offers[goods[2].sku].units == 4
    assert FeedBuild.objects.filter(status=Status.FAILED).count() == (not is_finished)


@pytest.mark.parametrize("point", ["before the listings", "amid the listings"])
def test_without_the_changes_the_listings_follow_the_file(
    goods, environment, feed_dir, point
):
    call_command("build_feed")
    Product.objects.filter(pk__in=[x.pk for x in goods[::2]]).update(stock=4)
    command = [sys.executable, "-m", "tests.feeds.dying", point]
    died = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True)
    assert died.returncode == KILLED, died.stderr.decode()
    (changes,) = feed_dir.rglob("*.listed.csv")
    changes.unlink()
    expire_leases()
    assert build().end == "unchanged"
    assert in_step(feed_dir)[goods[2].sku].units == 4


def expire_leases():
    from plumbing.models import Lease

    Lease.objects.all().delete()


def test_killed_at_any_moment_the_live_list_is_whole(goods, environment, feed_dir):
    call_command("build_feed")
    stop = threading.Event()
    faults: list[object] = []

    def fetch():
        while not stop.is_set():
            data = live_bytes(feed_dir)
            try:
                if len(read_bytes(data)) != 1200:
                    faults.append("not all offers")
            except (etree.Error, AssertionError) as error:
                faults.append(error)

    reader = threading.Thread(target=fetch)
    reader.start()
    dice = random.Random(7)
    try:
        for round_number in range(8):
            Product.objects.update(stock=5 + round_number)
            kill_a_build(environment, after_s=dice.uniform(0.35, 1.1))
    finally:
        stop.set()
        reader.join()
    assert not faults
    Product.objects.update(stock=99)
    build()
    assert {offer.units for offer in in_step(feed_dir).values()} == {99}


def kill_a_build(environment, *, after_s):
    """Kill a real `manage.py build_feed`; it dies wherever it happens to be."""
    child = subprocess.Popen(
        [sys.executable, "manage.py", "build_feed"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after_s)
    child.kill()
    child.wait()
    expire_leases()


def test_two_builds_at_once_publish_one_version(goods, environment, feed_dir):
    command = [sys.executable, "manage.py", "build_feed"]
    # English words, whatever language the messages have in the end.
    children = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    errors = [child.communicate()[1] for child in children]
    codes = sorted(child.returncode for child in children)
    # Started apart enough, the second finds nothing to change; else it says so.
    assert codes in ([0, 0], [0, 1]), errors
    published = FeedBuild.objects.exclude(status=Status.UNCHANGED)
    assert published.count() == 1
    assert len(in_step(feed_dir)) == 1200


# --- files that somebody touched ------------------------------------------------------


@pytest.fixture
def published(shop, feed_dir):
    make_products(3)
    build()
    return FeedBuild.objects.get()


def test_a_missing_live_list_is_restored(published, feed_dir):
    before = live_bytes(feed_dir)
    files.live_path().unlink()
    assert build().end == "unchanged"
    assert live_bytes(feed_dir) == before
    in_step(feed_dir)


def test_an_altered_live_list_is_restored(published, feed_dir):
    before = live_bytes(feed_dir)
    files.live_path().write_bytes(before[:200])
    assert build().end == "unchanged"
    assert live_bytes(feed_dir) == before
    in_step(feed_dir)


def test_a_list_without_a_good_copy_is_published_anew(published, feed_dir):
    before = live_bytes(feed_dir)
    files.live_path().unlink()
    files.version_path(published.pk).write_bytes(b"nonsense")
    carrying.forget_all_but([])
    assert build().end == "published"
    assert read_bytes(live_bytes(feed_dir)) == read_bytes(before)
    in_step(feed_dir)


@pytest.mark.parametrize("name", ["kaspi_price_list.xml.gz", "versions/{pk}.xml.gz"])
def test_a_missing_copy_is_made_again(published, feed_dir, name):
    (feed_dir / name.format(pk=published.pk)).unlink()
    assert build().end == "unchanged"
    in_step(feed_dir)


def test_a_twin_of_another_version_is_replaced(published, feed_dir):
    twin = files.live_gzip_path()
    twin.write_bytes(gzip.compress(b"<old/>"))
    os.utime(twin, (1, 1))
    assert build().end == "unchanged"
    in_step(feed_dir)


def test_strays_of_a_killed_build_are_removed(published, feed_dir):
    for name in ("build-7.tmp", "live.gz.tmp"):
        (feed_dir / name).write_bytes(b"<half")
    build()
    in_step(feed_dir)


def test_a_wiped_directory_is_filled_again(published, feed_dir):
    before = live_bytes(feed_dir)
    for path in sorted(feed_dir.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    carrying.forget_all_but([])
    assert build().end == "published"
    assert read_bytes(live_bytes(feed_dir)) == read_bytes(before)
    in_step(feed_dir)


def test_a_product_without_a_listing_is_followed_from_the_file(published, feed_dir):
    # As if the listings' batch had been lost: the file decides.
    FeedBuild.objects.update(status=Status.PUBLISHING)
    Listing.objects.all().delete()
    make_product(sku="LATER")
    build()
    assert "LATER" in in_step(feed_dir)
    assert FeedBuild.objects.filter(status=Status.ARCHIVED).count() == 1


# --- a database that was restored -----------------------------------------------------


@pytest.fixture
def restored(shop, feed_dir):
    """The database of twenty hours ago comes back over the files of today."""
    make_products(30)
    then = timezone.now() - timedelta(hours=20)
    ImportRun.objects.update(started_at=then, finished_at=then)
    build(now=then)
    models = (ImportRun, FeedBuild, ListPiece, Product, Listing)
    copied = {model: list(model.objects.all()) for model in models}
    make_import()
    Product.objects.update(stock=0)
    build(override=Override(reason="sold out", actor="olga"))
    for model in reversed(copied):
        model.objects.all().delete()
    for model, rows in copied.items():
        model.objects.bulk_create(rows)
    assert on_sale(feed_dir) == 0


def on_sale(feed_dir):
    return sum(offer.is_on_sale for offer in live(feed_dir).values())


def test_a_restored_database_puts_no_old_stock_on_sale(restored, feed_dir, monkeypatch):
    def die(**_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "reprice", die)
        with pytest.raises(KeyboardInterrupt):
            build()
    assert on_sale(feed_dir) == 0
    # Nobody has read the stock yet; then it is on sale again.
    assert build().counts["on_sale"] == 0
    make_import()
    assert build().counts["on_sale"] == 30
    in_step(feed_dir)


@pytest.mark.postgresql
def test_a_restored_database_gives_web_hosts_no_old_stock(restored, feed_dir):
    assert not keep_up()
    assert on_sale(feed_dir) == 0
