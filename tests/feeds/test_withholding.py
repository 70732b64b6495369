"""What stays on sale, and what does not, when too much would go off sale at once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.models import ImportRun, PriceRule, Product, ProductChange
from feeds import files
from feeds.models import FeedBuild, Listing, Store
from feeds.needs import MERGED, needs_of_builds, read_state
from feeds.publishing import override_refusal, roll_back
from feeds.tasks import confirm_withdrawals
from plumbing.leases import LeaseTaken
from plumbing.models import TimeJump
from tests.feeds.live_list import live
from tests.feeds.making import build, make_import, make_products, make_store
from tests.staff import queued

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
ALMATY, AKTAU = "750000000", "471010000"


@pytest.fixture(autouse=True)
def english(settings):
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def goods(shop):
    made = make_products(60)
    build()
    return made


def the_first(number):
    pks = Product.objects.order_by("pk").values_list("pk", flat=True)[:number]
    return Product.objects.filter(pk__in=list(pks))


def import_stock(number=0, stock=0, at=None):
    """Note an import that finds so many goods at this stock."""
    run = make_import(age_min=0)
    if at is not None:
        ImportRun.objects.filter(pk=run.pk).update(started_at=at, finished_at=at)
    for product in the_first(number):
        if product.stock != stock:
            ProductChange.objects.create(
                product=product,
                run=run,
                field="stock",
                old=product.stock,
                new=stock,
                changed_at=run.finished_at,
            )
    the_first(number).update(stock=stock)


def on_sale(feed_dir):
    return sum(offer.is_on_sale for offer in live(feed_dir).values())


def last_build():
    return FeedBuild.objects.first()


# --- the figure itself fell -----------------------------------------------------------


def test_a_mass_of_drops_goes_off_sale_when_a_second_import_says_so(goods, feed_dir):
    import_stock(40)
    result = build()
    assert result.is_success
    assert on_sale(feed_dir) == 60, "one reading is no proof of a mass withdrawal"
    assert queued() == ["feeds.tasks.confirm_withdrawals"], "the second is asked for"
    assert (result.counts["withheld"], result.counts["unconfirmed"]) == (0, 40)
    assert "40 of 60 offers on sale would go off sale" in result.reason
    import_stock(40)
    result = build()
    assert result.end == "published"
    assert on_sale(feed_dir) == 20
    assert (result.counts["withheld"], result.counts["unconfirmed"]) == (0, 0)
    assert "40 are off sale" in last_build().reason
    assert build().reason == ""


def test_drops_of_the_second_import_wait_for_a_third(goods, feed_dir):
    import_stock(30)
    build()
    import_stock(50)
    build()
    assert on_sale(feed_dir) == 30
    import_stock(50)
    build()
    assert on_sale(feed_dir) == 10


def test_what_comes_back_with_the_second_import_never_went(goods, feed_dir):
    import_stock(40)
    build()
    import_stock(40, stock=10)
    assert build().end == "unchanged"
    assert on_sale(feed_dir) == 60


def test_a_figure_that_fell_but_is_not_nothing_counts_at_once(goods, feed_dir):
    import_stock(60, stock=2)
    import_stock(40)
    build()
    assert {offer.units for offer in live(feed_dir).values()} == {2}


def test_what_our_reservations_take_is_not_kept(goods, monkeypatch, feed_dir):
    reserved = {product.pk: 10 for product in goods[:30]}
    monkeypatch.setattr("feeds.offers.reserved_units", lambda _read_at: reserved)
    build()
    assert on_sale(feed_dir) == 30


def test_stale_figures_come_off_sale_at_once(goods, settings, feed_dir):
    import_stock(40)
    late = timezone.now() + timedelta(minutes=settings.STOCK_STALE_AFTER_MIN + 1)
    assert build(now=late).counts["on_sale"] == 0


@pytest.mark.parametrize(("total", "gone"), [(60, 18), (30, 19)])
def test_a_few_drops_pass_at_once(shop, feed_dir, total, gone):
    make_products(total)
    build()
    import_stock(gone)
    result = build()
    assert (result.end, result.reason) == ("published", "")
    assert on_sale(feed_dir) == total - gone
    assert queued() == []


def test_the_second_import_is_followed_by_a_build(goods, monkeypatch, feed_dir):
    import_stock(40)
    build()

    def read_again():
        import_stock(40)
        return "read"

    monkeypatch.setattr("feeds.tasks.sync_stock", read_again)
    assert "40 are off sale" in confirm_withdrawals()
    assert on_sale(feed_dir) == 20

    def taken():
        raise LeaseTaken("stock-sync", owner="another")

    monkeypatch.setattr("feeds.tasks.sync_stock", taken)
    assert "under way" in confirm_withdrawals()


# --- a word of ours or of the supplier's catalogue ------------------------------------

WORDS = {
    "gone": {"gone_at": timezone.now()},
    "not_published": {"is_published": "no"},
    "no_price": {"price_kzt": None, "quarantine": "no_rule"},
}


@pytest.mark.parametrize("change", WORDS.values(), ids=WORDS)
def test_what_is_there_stays_as_it_was_until_a_person_decides(goods, feed_dir, change):
    the_first(40).update(**change)
    result = build()
    assert result.counts["withheld"] == 40
    assert "40 stay as they were" in result.reason
    assert on_sale(feed_dir) == 60
    assert {offer.price for offer in live(feed_dir).values()} == {7990}
    assert queued() == [], "no import would tell more"
    row = last_build()
    assert row.may_be_overridden
    assert len(row.diff["withheld"]) == 40
    assert build().end == "unchanged"
    row = last_build()
    assert row.may_be_overridden

    allowed = override_refusal(
        row, reason="a branch closed", actor="olga", now=timezone.now()
    )
    assert allowed.end == "published"
    assert on_sale(feed_dir) == 20
    assert "olga: a branch closed" in FeedBuild.objects.live().get().reason
    assert "kept offers on sale" in FeedBuild.objects.live().get().reason
    assert not Listing.objects.withheld().exists()
    assert not last_build().may_be_overridden


def test_a_true_drop_is_not_kept_among_what_stays(goods, feed_dir):
    the_first(40).update(is_published="no")
    build()
    import_stock(10)
    import_stock(10)
    build()
    assert on_sale(feed_dir) == 50
    import_stock(20, stock=4)
    build()
    assert {offer.units for offer in live(feed_dir).values()} == {0, 4, 10}


def test_what_was_read_for_the_set_time_goes_off_sale(goods, settings, feed_dir):
    settings.FEED_WITHHELD_HOURS = 24
    start = timezone.now()
    the_first(30).update(is_published="no")
    build(now=start)
    import_stock(at=start + 20 * HOUR)
    the_first(50).update(is_published="no")
    build(now=start + 20 * HOUR)
    assert on_sale(feed_dir) == 60
    import_stock(at=start + 23 * HOUR)
    build(now=start + 24.5 * HOUR)
    assert on_sale(feed_dir) == 60, "imports have not said so for long enough"
    import_stock(at=start + 24.5 * HOUR)
    build(now=start + 24.5 * HOUR)
    assert on_sale(feed_dir) == 30
    import_stock(at=start + 44.5 * HOUR)
    build(now=start + 44.5 * HOUR)
    assert on_sale(feed_dir) == 10
    assert not Listing.objects.withheld().exists()


def test_a_clock_set_ahead_is_no_set_time(goods, feed_dir):
    start = timezone.now()
    the_first(30).update(is_published="no")
    build(now=start)
    TimeJump.objects.create(noticed_at=start + 25 * HOUR, seconds=25 * 3600, host="srv")
    import_stock(at=start + 26 * HOUR)
    build(now=start + 26 * HOUR)
    assert on_sale(feed_dir) == 60, "an hour has passed"
    import_stock(at=start + 49 * HOUR)
    build(now=start + 49 * HOUR)
    assert on_sale(feed_dir) == 30


def test_what_came_back_meanwhile_begins_anew(goods, settings, feed_dir):
    start = timezone.now()
    the_first(30).update(is_published="no")
    build(now=start)
    the_first(30).update(is_published="yes")
    build(now=start + HOUR)
    assert not Listing.objects.withheld().exists()
    import_stock(at=start + 25 * HOUR)
    the_first(30).update(is_published="no")
    build(now=start + 25 * HOUR)
    assert on_sale(feed_dir) == 60


def test_a_build_that_failed_forgets_nothing(goods, monkeypatch, feed_dir):
    the_first(30).update(is_published="no")
    build()
    Listing.objects.withheld().update(withheld_since=timezone.now() - 48 * HOUR)

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "put_live", full)
        assert build().end == "failed"
    assert Listing.objects.withheld().count() == 30
    assert build().end == "published"
    assert on_sale(feed_dir) == 30


@pytest.mark.parametrize(
    "change",
    [
        {"price_kzt": 12_000, "quarantine": "jump"},
        {"quarantine": "below_floor"},
        {"price_kzt": None, "quarantine": "no_rule", "cost_kzt": 8000},
        {"name": ""},
    ],
    ids=str,
)
def test_what_would_bring_a_loss_is_not_kept_at_its_old_price(goods, feed_dir, change):
    the_first(40).update(**change)
    build()
    assert on_sale(feed_dir) == 20


def test_a_fall_that_waits_for_a_person_stays_at_its_old_price(goods, feed_dir):
    the_first(40).update(price_kzt=1000, quarantine="jump")
    build()
    assert on_sale(feed_dir) == 60
    assert {offer.price for offer in live(feed_dir).values()} == {7990}


def test_what_stays_costs_in_each_city_what_it_did(shop, feed_dir):
    make_store("PP2", city_code=AKTAU, supplement_kzt=3000)
    make_products(60)
    build()
    the_first(40).update(price_kzt=4000, quarantine="jump")
    build()
    assert on_sale(feed_dir) == 60
    for offer in live(feed_dir).values():
        assert offer.cities == {ALMATY: 7990, AKTAU: 10_990}


def test_a_supplement_hides_no_price_that_todays_overtook(shop, feed_dir):
    Store.objects.update(supplement_kzt=3000)
    make_products(60, price_kzt=6000, accepted_price_kzt=6000)
    build()
    the_first(40).update(price_kzt=8500, quarantine="rise")
    build()
    assert on_sale(feed_dir) == 20


def test_a_fixed_price_stays_as_it_was_fixed(shop, feed_dir):
    make_products(60, price_kzt=9900, price_override_kzt=9900)
    build()
    the_first(40).update(price_kzt=None, quarantine="placeholder")
    build()
    assert {o.price for o in live(feed_dir).values() if o.is_on_sale} == {9900}
    assert on_sale(feed_dir) == 60


@pytest.mark.parametrize(("cost", "left"), [(1050, 60), (1350, 0)])
def test_what_stays_is_not_sold_below_its_floor(db, feed_dir, cost, left):
    """Above the bare cost it may be below what commission and margin ask for."""
    make_import()
    make_store()
    PriceRule.objects.update(commission_percent=12, least_margin_percent=5)
    make_products(60, cost_kzt=1000, retail_kzt=1400, rrp_enforced=True, price_kzt=None)
    Product.objects.update(accepted_price_kzt=None)
    build()
    assert {offer.price for offer in live(feed_dir).values()} == {1400}
    import_stock()
    Product.objects.update(cost_kzt=cost, retail_kzt=1, priced_with="")
    build()
    assert set(Product.objects.values_list("quarantine", flat=True)) == {"placeholder"}
    assert on_sale(feed_dir) == left


def test_a_renamed_sku_is_never_sold_twice(goods, feed_dir):
    for product in goods[:40]:
        Product.objects.filter(pk=product.pk).update(sku=f"N{product.sku}")
    build()
    offers = live(feed_dir)
    assert len(offers) == 100
    assert on_sale(feed_dir) == 60


def test_a_dry_run_tells_what_would_stay(goods, feed_dir):
    the_first(40).update(is_published="no")
    result = build(is_dry_run=True)
    assert (result.end, result.counts["withheld"]) == ("valid", 40)
    assert "40 of 60" in result.reason
    assert not Listing.objects.withheld().exists()


def test_what_is_withheld_stays_so_when_little_else_goes_off_sale(shop, feed_dir):
    made = make_products(100)
    build()
    import_stock(12)
    import_stock(12)
    pks = [product.pk for product in made[50:70]]
    Product.objects.filter(pk__in=pks).update(is_published="no")
    assert build().counts["withheld"] == 20
    assert on_sale(feed_dir) == 88
    result = build()
    assert on_sale(feed_dir) == 88, "nobody has decided, and no day has passed"
    assert "20 stay as they were" in result.reason
    assert last_build().may_be_overridden


def test_few_that_go_off_sale_beside_what_is_withheld_go_at_once(goods, feed_dir):
    the_first(40).update(is_published="no")
    build()
    Product.objects.filter(pk__in=[goods[50].pk, goods[51].pk]).update(
        is_published="no"
    )
    import_stock(3)
    result = build()
    assert on_sale(feed_dir) == 55
    assert result.counts["withheld"] == 37
    assert Listing.objects.withheld().count() == 37


def test_a_mass_of_drops_among_what_is_withheld_waits_for_a_second_import(
    goods, feed_dir
):
    the_first(40).update(is_published="no")
    build()
    import_stock(30)
    build()
    assert on_sale(feed_dir) == 60
    import_stock(30, stock=10)
    build()
    assert on_sale(feed_dir) == 60, "withheld as before"
    import_stock(30)
    import_stock(30)
    build()
    assert on_sale(feed_dir) == 30


def test_a_build_that_died_when_its_list_was_live_has_noted_what_it_keeps(
    goods, monkeypatch, feed_dir
):
    import_stock(12)
    import_stock(12)
    pks = [product.pk for product in goods[30:50]]
    Product.objects.filter(pk__in=pks).update(is_published="no")

    def die(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("feeds.publishing.forget_withheld_but", die)
        with pytest.raises(KeyboardInterrupt):
            build()
    assert on_sale(feed_dir) == 48
    build()
    assert on_sale(feed_dir) == 48


def test_a_persons_word_lets_go_only_what_was_shown(shop, feed_dir):
    make_products(100)
    build()
    the_first(40).update(is_published="no")
    build()
    shown = last_build()
    assert shown.counts["withheld"] == 40
    # By then all others are at nothing, by one reading.
    import_stock(100)
    result = override_refusal(shown, reason="closed", actor="olga", now=timezone.now())
    assert on_sale(feed_dir) == 60
    assert (result.counts["withheld"], result.counts["unconfirmed"]) == (0, 60)
    said = FeedBuild.objects.live().get().reason
    assert "olga: closed" in said
    assert "60 until the next import of stock" in said


def test_a_persons_word_lets_go_what_one_reading_felled(goods, feed_dir):
    import_stock(40)
    build()
    override_refusal(last_build(), reason="so it is", actor="olga", now=timezone.now())
    assert on_sale(feed_dir) == 20


def test_what_was_withheld_after_a_version_is_not_let_go_with_it(goods, feed_dir):
    the_first(30).update(is_published="no")
    build()
    shown = last_build()
    the_first(50).update(is_published="no")
    build()
    override_refusal(shown, reason="closed", actor="olga", now=timezone.now())
    assert on_sale(feed_dir) == 30
    assert Listing.objects.withheld().count() == 20


# --- a version that was put back ------------------------------------------------------


@pytest.fixture
def pinned(goods):
    """The first version is put back, with its price of 7990."""
    Product.objects.update(price_kzt=9000)
    build()
    first = FeedBuild.objects.order_by("pk")[0]
    roll_back(first, reason="wrong", actor="olga", now=timezone.now())
    return goods


def needs():
    return list(needs_of_builds(read_state(), now=timezone.now()))


def test_a_pinned_list_believes_no_single_reading_either(pinned, feed_dir):
    import_stock(60)
    build()
    assert on_sale(feed_dir) == 60, "one reading is no proof of a mass withdrawal"
    assert queued() == ["feeds.tasks.confirm_withdrawals"]
    assert [need.kind for need in needs()][:1] == [MERGED]
    import_stock(60)
    build()
    assert on_sale(feed_dir) == 0
    live_build = FeedBuild.objects.live().get()
    assert live_build.is_pinned(timezone.now())
    assert MERGED not in [need.kind for need in needs()]


def test_what_a_pinned_list_keeps_is_told_with_its_numbers(pinned, feed_dir):
    the_first(30).update(gone_at=timezone.now())
    import_stock(50, stock=3)
    build()
    assert FeedBuild.objects.live().get().counts["withheld"] == 30
    assert on_sale(feed_dir) == 60
    (merged,) = [need for need in needs() if need.kind == MERGED]
    assert "30 stay as they were" in merged.text
    build()
    assert on_sale(feed_dir) == 60


def test_a_persons_word_about_goods_leaves_a_list_pinned(pinned, feed_dir):
    the_first(30).update(gone_at=timezone.now())
    build()
    shown = last_build()
    assert shown.may_be_overridden
    result = override_refusal(shown, reason="true", actor="ivan", now=timezone.now())
    assert result.is_success
    assert on_sale(feed_dir) == 30
    assert {offer.price for offer in live(feed_dir).values()} == {7990}
    row = FeedBuild.objects.live().get()
    assert row.is_pinned(timezone.now())
    assert "olga: wrong" in row.reason
    assert "ivan: true" in row.reason


def test_a_dearer_good_is_not_kept_at_the_price_it_had_when_it_was_not_sold(
    goods, feed_dir
):
    """The earlier list had it off sale, at a price older still."""
    the_first(30).update(stock=0)
    import_stock(30)
    build()
    import_stock(30)
    build()
    assert on_sale(feed_dir) == 30
    earlier = FeedBuild.objects.live().get()
    import_stock(30, stock=10)
    Product.objects.update(price_kzt=9000)
    build()
    assert on_sale(feed_dir) == 60
    roll_back(earlier, reason="wrong", actor="olga", now=timezone.now())
    assert on_sale(feed_dir) == 30
