"""Points of several cities: one price and one pre-order for each."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import Product
from feeds.checking import check_price_list
from feeds.city_prices import CityPrices
from feeds.models import FeedBuild, Listing, Store
from feeds.publishing import roll_back
from feeds.validating import InvalidPriceList
from sandbox.kaspi.pricelist import read_price_list
from tests.feeds.live_list import live, live_bytes
from tests.feeds.making import build, make_product, make_store

pytestmark = pytest.mark.django_db
ALMATY, ASTANA = "750000000", "710000000"


@pytest.fixture
def astana(shop):
    return make_store("PP2", city_code=ASTANA, supplement_percent=5, supplement_kzt=300)


def prices(feed_dir, sku="1"):
    offer = live(feed_dir)[sku]
    return offer.cities or offer.price


def test_a_city_farther_off_has_a_price_of_its_own(astana, feed_dir):
    make_product(sku="1", price_kzt=7990, stock=5)
    assert build().end == "published"
    assert prices(feed_dir) == {ALMATY: 7990, ASTANA: 8690}
    listing = Listing.objects.get()
    assert (listing.price_kzt, listing.stock_count) == (7990, 5)
    assert build().end == "unchanged"
    assert FeedBuild.objects.first().counts["changes"]["price"] == 0
    read = read_price_list(live_bytes(feed_dir)).offers["1"]
    assert (read.city_prices, read.stock) == ({ALMATY: 7990, ASTANA: 8690}, 5)


def test_points_of_one_city_share_its_price(astana, feed_dir):
    make_store("PP3", city_code=ASTANA, supplement_percent=5, supplement_kzt=300)
    make_product(sku="1", price_kzt=1000)
    build()
    assert prices(feed_dir) == {ALMATY: 1000, ASTANA: 1350}
    assert len(live(feed_dir)["1"].points) == 3


def test_cities_that_cost_the_same_have_one_price(shop, feed_dir):
    make_store("PP2", city_code=ASTANA)
    make_product(sku="1", price_kzt=1000)
    build()
    assert prices(feed_dir) == 1000
    Store.objects.update(supplement_percent=10)
    build()
    assert prices(feed_dir) == 1100
    assert build().end == "unchanged", "a supplement is not added to itself"


def test_a_price_kept_without_another_is_not_raised_again(shop, feed_dir):
    Store.objects.update(supplement_percent=10)
    product = make_product(sku="1", price_kzt=1000)
    build()
    Product.objects.filter(pk=product.pk).update(price_kzt=None, quarantine="no_cost")
    build()
    assert prices(feed_dir) == 1100
    assert build().end == "unchanged"


def test_a_version_tells_that_its_points_are_others(astana, settings, feed_dir):
    """Each offer differs then, though its stock and its least price do not."""
    settings.LANGUAGE_CODE = "en"
    product = make_product(sku="1", price_kzt=7990, stock=5)
    build()
    Store.objects.filter(pk=astana.pk).update(supplement_kzt=100)
    assert "supplements changed" in build().reason
    assert prices(feed_dir) == {ALMATY: 7990, ASTANA: 8490}
    assert "supplements changed" in FeedBuild.objects.live().get().reason
    Product.objects.filter(pk=product.pk).update(stock=4)
    assert build().reason == ""


@pytest.mark.parametrize(
    "terms", [{"supplement_percent": 1}, {"supplement_kzt": 1}, {"preorder_days": 3}]
)
def test_points_of_a_city_that_differ_make_no_list(shop, settings, terms):
    settings.LANGUAGE_CODE = "en"
    make_product()
    make_store("PP2", **terms)
    result = build()
    assert (result.end, "Almaty" in result.reason) == ("refused", True)
    Store.objects.filter(store_id="PP2").update(is_active=False)
    assert build().end == "published"


@pytest.mark.parametrize("name", ["supplement_percent", "supplement_kzt"])
def test_the_database_takes_no_negative_supplement(shop, name):
    with pytest.raises(IntegrityError), transaction.atomic():
        Store.objects.update(**{name: -1})


def test_a_supplement_above_any_price_is_refused(shop):
    shop.supplement_kzt = 90_000_001
    with pytest.raises(ValidationError) as caught:
        shop.full_clean()
    assert set(caught.value.message_dict) == {"supplement_kzt"}


def test_a_version_put_back_has_the_prices_of_each_city_then(astana, feed_dir):
    make_product(sku="1", price_kzt=1000)
    build()
    Store.objects.filter(pk=astana.pk).update(supplement_percent=50)
    build()
    assert prices(feed_dir) == {ALMATY: 1000, ASTANA: 1800}
    make_store("PP4", city_code="511010000", supplement_kzt=1)
    earlier = FeedBuild.objects.order_by("pk")[0]
    roll_back(earlier, reason="too dear", actor="olga", now=timezone.now())
    assert prices(feed_dir) == {ALMATY: 1000, ASTANA: 1350, "511010000": 1350}


CITY_LIST = """<?xml version="1.0" encoding="utf-8"?>
<kaspi_catalog xmlns="kaspiShopping" date="x"><company>C</company>
<merchantid>M</merchantid><offers><offer sku="1"><model>x</model><brand>y</brand>
<availabilities><availability available="yes" storeId="PP1" stockCount="1"/>
</availabilities><cityprices>%s</cityprices></offer></offers></kaspi_catalog>"""


@pytest.mark.parametrize(
    ("cities", "words"),
    [
        ([ALMATY, ASTANA], ""),
        ([ALMATY], "no price for city 710000000"),
        ([ALMATY, ALMATY, ASTANA], "two prices for city 750000000"),
        ([ALMATY, "1"], "no active point is in city"),
    ],
)
def test_each_city_has_one_price(tmp_path, settings, cities, words):
    settings.LANGUAGE_CODE = "en"
    path = tmp_path / "list.xml"
    rows = "".join(f'<cityprice cityId="{city}">9</cityprice>' for city in cities)
    path.write_text(CITY_LIST % rows, encoding="utf-8")
    options = {
        "store_ids": frozenset({"PP1"}),
        "cities": frozenset({ALMATY, ASTANA}),
    }
    if not words:
        assert check_price_list(path, **options).offers == 1
        return
    with pytest.raises(InvalidPriceList, match=words):
        check_price_list(path, **options)


@given(
    st.integers(1, 9_000_000),
    st.decimals(0, 999, places=2),
    st.integers(0, 1_000_000),
)
def test_a_supplement_never_lowers_a_price(price, percent, fixed):
    near, far = CityPrices(
        supplements={"1": (Decimal(0), 0), "2": (percent, fixed)}
    ).at(price)
    assert near == price
    assert far >= price * (1 + percent / 100) + fixed >= price
