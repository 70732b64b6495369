"""Several hosts, each with a folder of its own, give out one list."""

import gzip

import pytest

from catalog.models import Product
from feeds import carrying, changes, files, healing, publishing
from feeds.healing import keep_up
from feeds.models import FeedBuild, Listing, ListPiece
from feeds.rolling_back import draft_roll_back
from plumbing.models import Lease
from tests.feeds.live_list import live, live_bytes
from tests.feeds.making import build, make_product, make_products

Status = FeedBuild.Status
pytestmark = pytest.mark.django_db


@pytest.fixture
def hosts(settings, tmp_path):
    """Give a function that lets the rest of the test happen on the host of a name."""

    def become(name):
        settings.FEED_DIR = tmp_path / name / "feed"
        files.forget_digests()
        return settings.FEED_DIR

    return become


def what_is_given_out(folder):
    paths = (files.live_path(), files.live_gzip_path())
    live(folder)
    return [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]


@pytest.mark.sqlite
def test_one_host_keeps_no_list_in_the_database(shop, hosts):
    hosts("one")
    make_product()
    assert build().end == "published"
    assert not ListPiece.objects.exists()


@pytest.mark.postgresql
def test_a_list_comes_to_every_host_byte_for_byte(shop, hosts, monkeypatch):
    monkeypatch.setattr(carrying, "PIECE_BYTES", 200)
    first = hosts("first")
    make_products(40)
    assert build().end == "published"
    assert ListPiece.objects.count() > 2
    given_out = what_is_given_out(first)

    second = hosts("second")
    assert keep_up()
    assert not keep_up()
    assert what_is_given_out(second) == given_out
    # It goes on from there: the same goods make no new version on the other host.
    assert build().end == "unchanged"
    Product.objects.update(stock=3)
    assert build().end == "published"
    given_out = what_is_given_out(second)

    hosts("first")
    assert keep_up()
    assert what_is_given_out(first) == given_out
    assert [*first.rglob("*.tmp"), *first.rglob("*.part")] == []


@pytest.mark.postgresql
def test_a_host_puts_its_own_list_right(shop, hosts):
    folder = hosts("only")
    make_products(3)
    build()
    given_out = what_is_given_out(folder)
    files.live_path().write_text("altered")
    assert keep_up()
    files.live_gzip_path().unlink()
    assert keep_up()
    files.live_path().unlink()
    files.version_path(FeedBuild.objects.get().pk).unlink()
    assert keep_up()
    assert what_is_given_out(folder) == given_out


@pytest.mark.postgresql
@pytest.mark.parametrize("point", ["put_live", "finish_publication"])
def test_another_host_goes_on_where_one_was_killed(shop, hosts, monkeypatch, point):
    first = hosts("first")
    make_products(3)

    def die(*_args, **_kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files if point == "put_live" else publishing, point, die)
        with pytest.raises(KeyboardInterrupt):
            build()
    assert FeedBuild.objects.get().status == Status.PUBLISHING

    second = hosts("second")
    assert not keep_up(), "it is not in force before the listings follow"
    assert build().end == "unchanged"
    assert Listing.objects.count() == len(live(second)) == 3
    given_out = what_is_given_out(second)
    hosts("first")
    keep_up()
    assert what_is_given_out(first) == given_out


@pytest.mark.postgresql
def test_a_host_that_wakes_up_late_changes_nothing(shop, hosts, monkeypatch):
    hosts("first")
    make_products(3)
    follow = changes.follow_changes

    def oversleep(*args, **options):
        Lease.objects.update(owner="another")
        follow(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(healing, "follow_changes", oversleep)
        assert build().end == "failed"
    assert not Listing.objects.exists()
    # Whoever has the lease now decides what becomes of it.
    assert FeedBuild.objects.get().status == Status.PUBLISHING
    Lease.objects.all().delete()
    hosts("second")
    assert build().end == "unchanged"
    assert Listing.objects.count() == 3


@pytest.mark.postgresql
def test_what_is_being_published_here_is_not_taken_back(shop, hosts, monkeypatch):
    folder = hosts("first")
    make_products(3)
    build()
    seen = []
    follow = changes.follow_changes

    def look_meanwhile(*args, **options):
        seen.append((live_bytes(folder), keep_up(), live_bytes(folder)))
        follow(*args, **options)

    monkeypatch.setattr(healing, "follow_changes", look_meanwhile)
    Product.objects.update(stock=3)
    assert build().end == "published"
    ((before, was_replaced, after),) = seen
    assert (was_replaced, before) == (False, after)


@pytest.mark.postgresql
def test_a_damaged_copy_replaces_no_list(shop, hosts, caplog):
    hosts("first")
    make_products(3)
    build()
    second = hosts("second")
    keep_up()
    before = what_is_given_out(second)
    hosts("first")
    Product.objects.update(stock=3)
    build()
    newest = FeedBuild.objects.live().get()
    ListPiece.objects.filter(build_pk=newest.pk).update(data=b"not a list")
    hosts("second")
    assert not keep_up()
    assert what_is_given_out(second) == before
    assert "so is its copy" in caplog.text


@pytest.mark.postgresql
def test_few_lists_stay_and_each_may_be_put_back_from_any_host(shop, hosts):
    hosts("first")
    make_products(3)
    for stock in range(1, carrying.KEPT + 3):
        Product.objects.update(stock=stock)
        assert build().end == "published"
    versions = FeedBuild.objects.published().order_by("pk")
    kept = set(ListPiece.objects.values_list("build_pk", flat=True))
    assert kept == {build.pk for build in versions[2:]}

    hosts("second")
    gone, earlier = versions[0], versions[2]
    assert carrying.is_kept(earlier)
    assert not carrying.is_kept(gone)
    Product.objects.update(price_kzt=9990, accepted_price_kzt=9990)
    now = earlier.started_at
    put_back = publishing.roll_back(earlier, reason="why", actor="olga", now=now)
    assert put_back.is_success, put_back.summary
    # While it is pinned every host can bring its stock up to date.
    Product.objects.update(stock=1)
    hosts("third")
    assert build(now=now).end == "published"
    assert FeedBuild.objects.live().get().counts["put_back"] == earlier.pk


@pytest.mark.postgresql
def test_the_file_of_another_life_is_taken_for_no_version(shop, hosts):
    """A restored database gives numbers again that hosts have files of."""
    hosts("first")
    make_products(3)
    build()
    Product.objects.update(price_kzt=9)
    build()
    earlier = FeedBuild.objects.earliest("pk")
    second = hosts("second")
    keep_up()
    files.version_path(earlier.pk).write_bytes(gzip.compress(b"another list"))
    now = earlier.started_at
    assert draft_roll_back(earlier, now=now).written.offers == 3
    files.version_path(earlier.pk).write_bytes(gzip.compress(b"another list"))
    result = publishing.roll_back(earlier, reason="x", actor="olga", now=now)
    assert result.is_success, result.reason
    assert {offer.price for offer in live(second).values()} == {7990}
