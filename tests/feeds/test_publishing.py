import contextlib
import gc
import os
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import PriceRule, Product
from feeds import carrying, drafting, files, publishing
from feeds.models import FeedBuild, Listing, ListPiece, Store
from feeds.needs import OLD, needs_of_builds, read_state
from feeds.offers import read_terms
from feeds.publishing import Override, roll_back
from feeds.validating import InvalidPriceList
from plumbing.leases import LeaseTaken, under_lease
from plumbing.models import Lease, TimeJump
from tests.feeds.live_list import live, live_bytes, read_bytes
from tests.feeds.making import (
    build,
    make_import,
    make_product,
    make_products,
    make_store,
)

pytestmark = pytest.mark.django_db
Status = FeedBuild.Status
FORCE = Override(reason="the supplier closed a warehouse", actor="olga")


def statuses():
    return list(FeedBuild.objects.order_by("pk").values_list("status", flat=True))


def test_a_published_version_says_what_stands_in_it(shop, feed_dir):
    make_products(3)
    make_product(is_published="no")
    result = build()
    assert result.end == "published"
    row = FeedBuild.objects.get()
    assert (row.status, row.published_at) == (Status.ACTIVE, row.started_at)
    assert row.sha256 == files.sha256_of(files.live_path())
    assert row.size_bytes == len(live_bytes(feed_dir))
    assert row.seconds is not None
    assert row.counts == result.counts
    assert row.counts["products"] == 4
    assert (row.counts["offers"], row.counts["on_sale"]) == (3, 3)
    assert row.counts["left_out"] == {"not_published": 1}
    assert row.counts["changes"]["added"] == 3
    assert len(row.diff["added"]) == 3
    assert str(row.pk) in result.summary
    assert sorted(p.name for p in feed_dir.rglob("*.*")) == [
        f"{row.pk}.xml.gz",
        "kaspi_price_list.xml",
        "kaspi_price_list.xml.gz",
        "live.lock",
    ]


def test_the_same_offers_leave_the_live_file_alone(shop, feed_dir):
    make_products(3)
    now = timezone.now()
    build(now=now)
    before, stat = live_bytes(feed_dir), files.live_path().stat()
    result = build(now=now + timedelta(minutes=30))
    assert result.end == "unchanged"
    after = files.live_path().stat()
    assert live_bytes(feed_dir) == before
    assert (after.st_mtime_ns, after.st_ino) == (stat.st_mtime_ns, stat.st_ino)
    assert statuses() == [Status.ACTIVE, Status.UNCHANGED]


def test_a_change_makes_a_version_with_its_diff(shop, feed_dir):
    product = make_product(sku="1", stock=5, price_kzt=1000)
    make_product(sku="2")
    build()
    Product.objects.filter(pk=product.pk).update(stock=4, price_kzt=1100)
    build()
    assert statuses() == [Status.ARCHIVED, Status.ACTIVE]
    active = FeedBuild.objects.get(status=Status.ACTIVE)
    assert active.diff == {"price": [["1", 1000, 1100]], "stock": [["1", 5, 4]]}
    listing = Listing.objects.get(sku="1")
    assert (listing.stock_count, listing.price_kzt) == (4, 1100)


def test_versions_of_one_second_differ_in_their_time(shop):
    product = make_product()
    times = []
    for stock in (5, 4, 3):
        Product.objects.filter(pk=product.pk).update(stock=stock)
        build()
        times.append(int(files.live_path().stat().st_mtime))
        assert files.gzip_is_paired()
    assert times == sorted(set(times))


# --- refusals -------------------------------------------------------------------------


def refused(result, feed_dir, words):
    assert result.end == "refused"
    assert not result.is_success
    assert words in result.reason
    row = FeedBuild.objects.get(pk=result.build_pk)
    assert (row.status, row.reason) == (Status.REFUSED, result.reason)
    assert not list(feed_dir.glob("*.tmp"))


@pytest.fixture
def english(settings):
    settings.LANGUAGE_CODE = "en"


def test_without_a_point_of_sale_nothing_is_published(
    db, fixed_prices, english, feed_dir
):
    make_import()
    make_product()
    make_store(is_active=False)
    refused(build(), feed_dir, "no active point of sale")
    assert not files.live_path().exists()


def test_points_of_a_city_must_agree_on_the_preorder(shop, english, feed_dir):
    make_product()
    build()
    make_store("PP2", preorder_days=3)
    refused(build(), feed_dir, "Almaty")
    Store.objects.filter(store_id="PP2").update(city_code="710000000")
    assert build().end == "published"
    assert live(feed_dir).popitem()[1].points == (
        ("PP1", "yes", 5, None),
        ("PP2", "yes", 5, "3"),
    )


def test_points_without_any_share_offer_nothing_at_all(shop, english, feed_dir):
    make_product()
    Store.objects.update(stock_share=0)
    refused(build(), feed_dir, "share of the stock")


def test_an_empty_list_is_refused_even_when_forced(shop, english, feed_dir):
    make_product(is_published="no")
    make_product(stock=0)
    result = build(override=FORCE)
    refused(result, feed_dir, "would be empty")
    assert "not chosen for sale: 1" in result.reason
    assert not files.live_path().exists()


def test_a_live_list_survives_an_empty_one(shop, english, feed_dir):
    make_products(3)
    build()
    before = live_bytes(feed_dir)
    Listing.objects.all().delete()
    Product.objects.update(is_published="no")
    refused(build(override=FORCE), feed_dir, "would be empty")
    assert live_bytes(feed_dir) == before


def test_stale_figures_come_off_sale_whatever_the_limit(shop, settings, feed_dir):
    make_products(60)
    build()
    late = timezone.now() + timedelta(minutes=settings.STOCK_STALE_AFTER_MIN + 1)
    assert build(now=late).counts["on_sale"] == 0
    make_import(age_min=-settings.STOCK_STALE_AFTER_MIN)
    assert build(now=late).counts["changes"]["returned"] == 60


def test_the_same_refusal_again_does_not_fill_the_journal(shop, feed_dir):
    make_products(3)
    now = timezone.now()
    build(now=now)
    Store.objects.update(is_active=False)
    first = build(now=now + timedelta(minutes=10))
    again = build(now=now + timedelta(minutes=20))
    assert again.build_pk == first.build_pk
    assert statuses() == [Status.ACTIVE, Status.REFUSED]
    row = FeedBuild.objects.get(pk=first.build_pk)
    assert row.started_at == now + timedelta(minutes=20)


def test_a_file_that_reads_back_wrong_never_goes_live(
    shop, english, monkeypatch, feed_dir
):
    make_products(3)
    build()
    before = live_bytes(feed_dir)
    Product.objects.update(stock=4)

    def broken(*_args, **_kwargs):
        raise InvalidPriceList("offer 70001: on sale without stock")

    monkeypatch.setattr("feeds.drafting.check_price_list", broken)
    refused(build(override=FORCE), feed_dir, "on sale without stock")
    assert live_bytes(feed_dir) == before


def test_a_file_with_other_offers_than_written_never_goes_live(
    shop, english, monkeypatch, feed_dir
):
    make_products(3)
    whole = drafting.write_draft

    def cut(draft, **options):
        whole(draft, **options)
        text = draft.path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if "<offer " in line]
        draft.path.write_text(text.replace(lines[0], ""), encoding="utf-8")

    monkeypatch.setattr(publishing, "write_draft", cut)
    refused(build(), feed_dir, "2 offers were read back, 3 were written")
    assert not files.live_path().exists()


@pytest.mark.parametrize("target", ["sync_to_disk", "keep_version", "replace"])
def test_a_full_disk_leaves_the_live_list(shop, monkeypatch, feed_dir, target):
    make_products(3)
    build()
    before = live_bytes(feed_dir)
    Product.objects.update(stock=4)

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, target, full)
        result = build()
    assert result.end == "failed"
    assert "No space left" in result.reason
    assert live_bytes(feed_dir) == before
    assert statuses() == [Status.ACTIVE, Status.FAILED]
    assert not list(feed_dir.glob("build-*"))
    assert build().end == "published"


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_no_twin_of_the_list_before_is_left_to_a_web_server(
    shop, monkeypatch, feed_dir, error
):
    """While the bridge is away it gives out the twin, whatever list that belongs to."""
    make_product()
    build()
    Product.objects.update(stock=0)

    def fail(_pk):
        raise error

    monkeypatch.setattr(files, "pair_gzip", fail)
    with contextlib.suppress(KeyboardInterrupt):
        build()
    (offer,) = read_bytes(live_bytes(feed_dir)).values()
    assert not offer.is_on_sale
    assert not files.live_gzip_path().exists()


def test_a_locked_live_file_is_tried_again(shop, monkeypatch, feed_dir):
    make_products(3)
    monkeypatch.setattr(files, "REPLACE_WAITS_S", (0, 0, 0))
    real = os.replace
    failures: list[object] = []

    def busy(source, target):
        if len(failures) < 2:
            failures.append(target)
            raise PermissionError(13, "used by another process")
        real(source, target)

    monkeypatch.setattr("pathlib.Path.replace", lambda self, to: busy(self, to))
    assert build().end == "published"
    assert len(failures) == 2


@pytest.mark.parametrize("options", [{}, {"is_dry_run": True}])
def test_a_directory_that_cannot_be_used_is_told(shop, settings, tmp_path, options):
    settings.FEED_DIR = tmp_path / "file"
    settings.FEED_DIR.write_text("in the way")
    make_product()
    result = build(**options)
    assert (result.end, result.is_success) == ("failed", False)
    assert result.reason
    assert statuses() == ([] if options else [Status.FAILED])


def test_a_build_that_lost_its_lease_publishes_nothing(shop, monkeypatch, feed_dir):
    make_product()
    write_draft = drafting.write_draft

    def oversleep(draft, **options):
        write_draft(draft, **options)
        Lease.objects.update(owner="another")

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_draft", oversleep)
        assert build().end == "failed"
    assert not files.live_path().exists()
    Lease.objects.all().delete()
    assert build().end == "published"


def test_an_unexpected_error_is_told_by_the_row_and_raised(
    shop, monkeypatch, settings, feed_dir
):
    make_products(3)

    def boom(*_args, **_kwargs):
        raise RuntimeError(f"with {settings.ALSTYLE_TOKEN}")

    monkeypatch.setattr(publishing, "write_draft", boom)
    with pytest.raises(RuntimeError):
        build()
    row = FeedBuild.objects.get()
    assert (row.status, row.reason) == (Status.FAILED, "RuntimeError: with ***")


def test_a_build_leaves_python_collecting_as_it_did(shop, monkeypatch):
    make_products(2)
    before = gc.get_threshold()
    assert build().is_success
    monkeypatch.setattr(publishing, "write_draft", lambda *_, **__: 1 / 0)
    make_products(1)
    with pytest.raises(ZeroDivisionError):
        build()
    assert gc.get_threshold() == before


def test_one_of_two_builds_at_once_says_so(shop):
    make_products(3)
    with under_lease(publishing.LEASE), pytest.raises(LeaseTaken):
        build()
    assert FeedBuild.objects.count() == 0
    assert build().end == "published"


@pytest.fixture
def both_write(transactional_db, fixed_prices, monkeypatch, in_threads):
    """Run two builds that both get as far as writing before either goes on."""
    make_import()
    make_store()
    make_products(3)
    meet = threading.Barrier(2)
    write_draft = drafting.write_draft

    def write_together(draft, **options):
        write_draft(draft, **options)
        # Alone behind the lease, a build waits in vain and goes on by itself.
        with contextlib.suppress(threading.BrokenBarrierError):
            meet.wait(1)

    monkeypatch.setattr(publishing, "write_draft", write_together)
    return lambda: in_threads([build, build])


def test_two_builds_at_once_make_one_version(both_write, feed_dir):
    results = both_write()
    taken = [result for result in results if isinstance(result, LeaseTaken)]
    assert len(taken) == 1, results
    assert statuses() == [Status.ACTIVE]
    assert len(live(feed_dir)) == 3


def test_without_the_lease_two_builds_spoil_each_other(both_write, monkeypatch):
    class NoLease:
        def confirm(self):
            pass

    monkeypatch.setattr(
        publishing, "under_lease", lambda _name: contextlib.nullcontext(NoLease())
    )
    both_write()
    assert statuses() != [Status.ACTIVE]


# --- dry run --------------------------------------------------------------------------


def test_a_dry_run_changes_nothing(shop, feed_dir):
    make_products(3)
    result = build(is_dry_run=True)
    assert (result.end, result.counts["offers"]) == ("valid", 3)
    assert FeedBuild.objects.count() == Listing.objects.count() == 0
    assert not list(feed_dir.glob("*.*"))


def test_a_dry_run_tells_a_refusal(shop, feed_dir):
    make_products(60)
    build()
    Store.objects.update(is_active=False)
    result = build(is_dry_run=True)
    assert (result.end, result.is_success) == ("refused", False)
    assert statuses() == [Status.ACTIVE]


# --- rolling back ---------------------------------------------------------------------


@pytest.fixture
def two_versions(shop):
    make_product(sku="1", stock=5, price_kzt=1000)
    build()
    Product.objects.update(price_kzt=9)
    make_product(sku="2")
    build()
    return FeedBuild.objects.order_by("pk")


def put_back(version, now=None):
    return roll_back(
        version, reason="wrong prices", actor="olga", now=now or timezone.now()
    )


def test_an_earlier_version_can_be_put_back(two_versions, feed_dir):
    first, second = two_versions
    wrong = live_bytes(feed_dir)
    result = put_back(first)
    assert result.end == "published"
    assert live_bytes(feed_dir) != wrong
    assert {sku: offer.price for sku, offer in live(feed_dir).items()} == {"1": 1000}
    assert statuses() == [Status.ARCHIVED, Status.ARCHIVED, Status.ACTIVE]
    active = FeedBuild.objects.get(status=Status.ACTIVE)
    assert "olga: wrong prices" in active.reason
    assert active.content_sha256 == first.content_sha256, "the stock is the same yet"
    assert active.counts["put_back"] == first.pk
    assert active.diff == {
        "withdrawn": ["2"],
        "dropped": ["2"],
        "price": [["1", 9, 1000]],
    }
    # The listings say what stands in the list now.
    assert list(Listing.objects.values_list("sku", "price_kzt")) == [("1", 1000)]
    assert second.sha256 != first.sha256


def units_of(feed_dir):
    return {sku: offer.units for sku, offer in live(feed_dir).items()}


def test_a_version_put_back_has_the_stock_of_today(shop, feed_dir):
    for sku in ("sold", "fewer", "more", "gone", "unchosen", "jumped", "renamed"):
        make_product(sku=sku, stock=5, price_kzt=1000)
    build()
    Product.objects.update(price_kzt=9)
    build()
    changes: dict[str, dict[str, object]] = {
        "sold": {"stock": 0},
        "fewer": {"stock": 2},
        "more": {"stock": 8},
        "gone": {"gone_at": timezone.now()},
        "unchosen": {"is_published": "no"},
        "jumped": {"quarantine": "jump"},
        "renamed": {"sku": "other"},
    }
    for sku, change in changes.items():
        Product.objects.filter(sku=sku).update(**change)
    assert put_back(FeedBuild.objects.order_by("pk")[0]).end == "published"
    assert units_of(feed_dir) == {
        "sold": 0,
        "fewer": 2,
        "more": 8,
        "gone": 0,
        # What is for sale, and at which price, is the earlier list's word.
        "unchosen": 5,
        "jumped": 5,
        "renamed": 0,
    }
    assert {offer.price for offer in live(feed_dir).values()} == {1000}


def test_figures_too_old_sell_nothing_of_a_version_put_back(two_versions, feed_dir):
    late = timezone.now() + timedelta(days=1)
    assert put_back(two_versions[0], now=late).counts["on_sale"] == 0
    assert units_of(feed_dir) == {"1": 0}


def test_reservations_count_in_a_version_put_back(two_versions, monkeypatch, feed_dir):
    pk = Product.objects.get(sku="1").pk
    monkeypatch.setattr("feeds.offers.reserved_units", lambda _read_at: {pk: 4})
    put_back(two_versions[0])
    assert units_of(feed_dir) == {"1": 1}


def test_what_was_not_on_sale_then_is_sold_at_no_price_below_todays(shop, feed_dir):
    for sku in ("same", "dearer"):
        make_product(sku=sku, price_kzt=1000)
    build()
    Product.objects.update(stock=0)
    build()
    Product.objects.update(stock=3)
    Product.objects.filter(sku="dearer").update(price_kzt=2000)
    build()
    put_back(FeedBuild.objects.order_by("pk")[1])
    assert units_of(feed_dir) == {"same": 3, "dearer": 0}


def test_a_supplement_of_then_hides_no_price_that_todays_overtook(shop, feed_dir):
    """The price of then has a city's supplement in it, today's base price has not."""
    Store.objects.update(supplement_kzt=3000)
    make_store("PP2", city_code="710000000", supplement_kzt=4000)
    for sku in ("same", "dearer"):
        make_product(sku=sku, price_kzt=6000)
    build()
    Product.objects.update(stock=0)
    build()
    Product.objects.update(stock=3)
    Product.objects.filter(sku="dearer").update(price_kzt=8500)
    build()
    put_back(FeedBuild.objects.order_by("pk")[1])
    assert units_of(feed_dir) == {"same": 3, "dearer": 0}
    Store.objects.filter(store_id="PP2").update(supplement_kzt=5000)
    build()
    assert units_of(feed_dir) == {"same": 0, "dearer": 0}, "dearer in one city"


def test_a_version_put_back_sells_no_product_at_the_price_of_another(shop, feed_dir):
    """An SKU may have moved to another product since, which only the name tells."""
    cable = make_product(sku="A", name="Cable", price_kzt=1500)
    laptop = make_product(sku="B", name="Laptop", price_kzt=250_000)
    named = make_product(sku="C", name="Mouse", price_kzt=4000)
    build()
    for product, sku in ((cable, "X"), (laptop, "A"), (cable, "B")):
        Product.objects.filter(pk=product.pk).update(sku=sku)
    Product.objects.filter(pk=named.pk).update(name="Mouse, black")
    build()
    put_back(FeedBuild.objects.order_by("pk")[0])
    assert units_of(feed_dir) == {"A": 0, "B": 10, "C": 10}


def test_the_stock_of_a_version_put_back_stays_todays_while_it_is_pinned(
    two_versions, settings, feed_dir
):
    settings.FEED_KEPT_VERSIONS = 2
    now = timezone.now()
    put_back(two_versions[0], now=now)
    pinned_until = FeedBuild.objects.get(status=Status.ACTIVE).pinned_until
    for minutes, stock in ((10, 0), (20, 7), (30, 1)):
        Product.objects.filter(sku="1").update(stock=stock)
        result = build(now=now + timedelta(minutes=minutes))
        assert result.end == "published"
        assert units_of(feed_dir) == {"1": stock}
        assert live(feed_dir)["1"].price == 1000
        active = FeedBuild.objects.get(status=Status.ACTIVE)
        assert active.pinned_until == pinned_until
        assert active.counts["put_back"] == two_versions[0].pk
        assert "olga: wrong prices" in active.reason
    rows = FeedBuild.objects.count()
    assert build(now=now + timedelta(minutes=40)).end == "pinned"
    assert statuses()[rows:] == [Status.UNCHANGED], "seen to be alive"


def test_a_pinned_version_outlives_the_file_that_it_was_made_of(two_versions, feed_dir):
    """Its own has the same goods and prices: nothing that is sold out stays on sale."""
    first = two_versions[0]
    put_back(first)
    files.version_path(first.pk).unlink()
    ListPiece.objects.filter(build_pk=first.pk).delete()
    for stock in (0, 3):
        Product.objects.update(stock=stock, price_kzt=900)
        build()
        assert units_of(feed_dir) == {"1": stock}
        assert live(feed_dir)["1"].price == 1000
    assert FeedBuild.objects.live().get().counts["put_back"] == first.pk


def test_automatic_builds_wait_after_a_roll_back(two_versions, settings, feed_dir):
    now = timezone.now()
    settings.FEED_ROLLBACK_HOLD_MIN = 60
    put_back(two_versions[0], now=now)
    before = live_bytes(feed_dir)
    result = build(now=now + timedelta(minutes=59))
    assert (result.end, result.is_success) == ("pinned", True)
    assert live_bytes(feed_dir) == before
    assert build(now=now + timedelta(minutes=61)).end == "published"
    assert set(live(feed_dir)) == {"1", "2"}


def test_a_person_can_unpin(two_versions, feed_dir):
    put_back(two_versions[0])
    result = build(override=FORCE)
    assert result.end == "published"
    assert set(live(feed_dir)) == {"1", "2"}
    assert FeedBuild.objects.filter(pinned_until__isnull=False).count() == 0


def test_a_forced_build_unpins_even_when_nothing_changed(shop):
    product = make_product(sku="1")
    build()
    Product.objects.filter(pk=product.pk).update(stock=3)
    build()
    put_back(FeedBuild.objects.order_by("pk")[0])
    assert build().end == "pinned"
    assert build(override=FORCE).end == "unchanged"
    assert build().end == "unchanged"


def test_only_a_whole_archived_version_can_be_put_back(two_versions, english, feed_dir):
    first, second = two_versions
    before = live_bytes(feed_dir)
    refused(put_back(second), feed_dir, "is not an earlier version")
    carrying.forget_all_but([])
    files.version_path(first.pk).write_bytes(b"\x1f\x8bdamaged")
    refused(put_back(first), feed_dir, "is gone")
    files.version_path(first.pk).unlink()
    refused(put_back(first), feed_dir, "is gone")
    assert live_bytes(feed_dir) == before
    assert FeedBuild.objects.get(status=Status.ACTIVE) == second


def test_a_version_put_back_names_the_points_of_today(two_versions, feed_dir):
    Store.objects.update(store_id="PP7")
    put_back(two_versions[0])
    assert live(feed_dir)["1"].points == (("PP7", "yes", 5, None),)


# --- keeping --------------------------------------------------------------------------


def test_only_so_many_versions_are_kept(shop, settings, feed_dir):
    settings.FEED_KEPT_VERSIONS = 3
    product = make_product()
    for stock in range(1, 7):
        Product.objects.filter(pk=product.pk).update(stock=stock)
        build()
    pks = list(FeedBuild.objects.order_by("pk").values_list("pk", flat=True))
    kept = {path.name for path in (feed_dir / "versions").iterdir()}
    assert kept == {f"{pk}.xml.gz" for pk in pks[-3:]}
    # The rows stay for the charts; their diffs go with the files.
    assert len(pks) == 6
    assert all(row.diff == {} for row in FeedBuild.objects.filter(pk__in=pks[:-3]))
    assert FeedBuild.objects.get(pk=pks[-2]).diff


def test_versions_dated_ahead_do_not_push_out_the_live_one(shop, settings, feed_dir):
    """Another host would go on giving out the list of before."""
    settings.FEED_KEPT_VERSIONS = 2
    make_product()
    for price in (5000, 5010, 5020, 5030, 5040, 5050):
        Product.objects.update(price_kzt=price)
        assert build().end == "published"
    FeedBuild.objects.update(published_at=timezone.now() + timedelta(days=5))
    Product.objects.update(price_kzt=6000)
    assert build().end == "published"
    live_one = FeedBuild.objects.live().get()
    assert files.version_path(live_one.pk).exists()
    assert carrying.is_handed_over(live_one.pk) == carrying.is_needed()


def test_unchanged_builds_are_forgotten_after_a_day(shop, settings):
    settings.STOCK_STALE_AFTER_MIN = 10_000
    make_product()
    now = timezone.now()
    build(now=now)
    build(now=now + timedelta(minutes=10))
    build(now=now + timedelta(hours=25))
    assert statuses() == [Status.ACTIVE, Status.UNCHANGED]


def test_a_clock_that_is_ahead_forgets_no_version(shop):
    make_product()
    for price in (1000, 2000, 3000):
        Product.objects.update(price_kzt=price)
        build()
    ahead = timedelta(days=400)
    now = timezone.now() + ahead
    TimeJump.objects.create(noticed_at=now, seconds=ahead.total_seconds(), host="srv")
    build(now=now)
    assert statuses()[:2] == [Status.ARCHIVED, Status.ARCHIVED]


# --- figures that change meanwhile ----------------------------------------------------


@pytest.fixture
def priced_shop(db):
    make_import()
    make_store()
    PriceRule.objects.all().delete()
    PriceRule.objects.create(
        name="all",
        base="cost",
        markup_percent=20,
        commission_percent=0,
        least_margin_percent=5,
    )
    made = make_products(5, price_kzt=None, accepted_price_kzt=None)
    build()
    return made


def bring_figures_while_reading(monkeypatch, *costs):
    """Let another host's imports come between the pricing and the reading."""
    left = list(costs)

    def read(**options):
        if left:
            Product.objects.update(stock=9, cost_kzt=left.pop(0), priced_with="")
        return read_terms(**options)

    monkeypatch.setattr(drafting, "read_terms", read)


def test_a_cost_that_rises_during_a_build_is_not_sold_at_the_old_price(
    priced_shop, monkeypatch, feed_dir
):
    assert {offer.price for offer in live(feed_dir).values()} == {6000}
    Product.objects.update(safety_stock=1)
    bring_figures_while_reading(monkeypatch, 6900)
    assert build().end == "published"
    shown = {(offer.price, offer.units) for offer in live(feed_dir).values()}
    assert shown == {(8280, 8)}
    assert FeedBuild.objects.live().get().counts["changes"]["price"] == 5


def test_a_cost_that_rises_while_a_version_is_pinned_is_not_sold_at_the_old_price(
    priced_shop, feed_dir
):
    """What was not on sale then comes back only where today's price is no higher."""
    Product.objects.update(stock=0)
    assert build().end == "published"
    make_products(1, price_kzt=None, accepted_price_kzt=None)
    assert build().end == "published"
    put_back(FeedBuild.objects.order_by("pk")[1])
    pks = [made.pk for made in priced_shop]
    Product.objects.filter(pk__in=pks).update(stock=4)
    dearer = Product.objects.filter(pk__in=pks[:2])
    dearer.update(cost_kzt=6900, priced_with="")
    assert build().end == "published"
    assert FeedBuild.objects.live().get().counts["put_back"]
    assert units_of(feed_dir) == {
        made.sku: 0 if made.pk in pks[:2] else 4 for made in priced_shop
    }


def test_a_build_does_not_chase_figures_without_end(priced_shop, monkeypatch, feed_dir):
    Product.objects.update(safety_stock=1)
    bring_figures_while_reading(monkeypatch, *range(5100, 5200))
    assert build().end == "published"
    assert {offer.units for offer in live(feed_dir).values()} == {8}


@pytest.mark.parametrize("hours", [1, 28])
def test_a_pin_mutes_no_alert_that_nothing_is_built(two_versions, hours):
    """While it is pinned its stock is renewed, and when the pin is over it is not."""
    now = timezone.now()
    put_back(two_versions[0], now=now - timedelta(hours=hours))
    FeedBuild.objects.update(started_at=now - timedelta(hours=hours))
    needs = needs_of_builds(read_state(), now=now)
    assert OLD in [need.kind for need in needs]
    build(now=now)
    needs = needs_of_builds(read_state(), now=now)
    assert OLD not in [need.kind for need in needs]
