"""Points of sale as staff keep them."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from feeds.models import Store
from feeds.sampling import Shelf, read_sample, read_shelves
from feeds.store_codes import check_store_id
from tests.feeds.making import build, make_product, make_store
from tests.staff import log_in, page, queued

pytestmark = pytest.mark.django_db
NEW = reverse("admin:feeds_store_add")
ALMATY, ASTANA = "750000000", "710000000"
POINT = {
    "store_id": "PP2",
    "name": "Абая",
    "city_code": ALMATY,
    "other_city": "",
    "stock_share": 1,
    "supplement_percent": 0,
    "supplement_kzt": 0,
    "preorder_days": "",
    "is_active": "on",
}


@pytest.fixture
def owner(settings):
    return log_in(settings, "owner")


def add(client, **values):
    return client.post(NEW, {**POINT, **values})


def errors_of(answer):
    assert answer.status_code == 200
    return {
        name: " ".join(errors)
        for name, errors in answer.context["adminform"].form.errors.items()
    }


@pytest.mark.parametrize("code", ["PP1", "QazDemo_PP1", "qaz-demo.1_PP12"])
def test_what_the_cabinet_shows_is_taken(code):
    check_store_id(code)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ПП1", "“П”"),
        ("ПП1", "Perhaps “PP1” is meant"),
        ("РР1", "Perhaps “PP1” is meant"),
        ("PP 1", "no spaces"),
        ("PP1&2", "“&”"),
        ("Ж1", "“Ж”"),
    ],
)
def test_what_kaspi_would_not_take_is_refused_with_its_letters(owner, code, said):
    assert said in errors_of(add(owner, store_id=code))["store_id"]
    assert not Store.objects.exists()


def test_a_code_that_cannot_be_guessed_suggests_nothing():
    with pytest.raises(ValidationError) as raised:
        check_store_id("Ж1")
    assert len(raised.value.messages) == 1
    assert "PP" not in raised.value.messages[0]


@pytest.mark.parametrize("again", ["PP1", "pp1", "QazDemo_PP1"])
def test_one_point_is_not_there_twice_however_it_is_written(owner, shop, again):
    assert "store_id" in errors_of(add(owner, store_id=again))
    assert Store.objects.count() == 1


def test_a_city_is_chosen_by_its_name_and_kept_by_its_code(owner):
    assert "Astana" in page(owner, NEW)
    add(owner, city_code=ASTANA)
    store = Store.objects.get()
    assert (store.city_code, store.city_name) == (ASTANA, "Astana")
    assert "Astana" in page(owner, reverse("admin:feeds_store_changelist"))


def test_a_city_that_is_not_named_is_given_by_its_code(owner):
    assert "other_city" in errors_of(
        add(owner, city_code="other", other_city="Каскелен")
    )
    add(owner, city_code="other", other_city="195220100")
    store = Store.objects.get()
    assert store.city_code == "195220100"
    # And stands among the choices from now on.
    url = reverse("admin:feeds_store_change", args=[store.pk])
    assert 'value="195220100" selected' in page(owner, url)


def test_what_a_city_has_one_of_is_changed_for_all_its_points_at_once(owner, shop):
    make_store("PP2")
    far = make_store("PP9", city_code=ASTANA)
    url = reverse("admin:feeds_store_change", args=[shop.pk])
    form = {**POINT, "store_id": shop.store_id, "preorder_days": 5}
    assert "preorder_days" in errors_of(owner.post(url, form))
    answer = owner.post(url, {**form, "for_whole_city": "on"})
    assert answer.status_code == 302
    days = dict(Store.objects.values_list("store_id", "preorder_days"))
    assert days == {"PP1": 5, "PP2": 5, far.store_id: None}
    assert Store.objects.torn_cities() == []
    assert queued() == ["feeds.tasks.build_feed"]


def test_a_point_shows_what_the_list_holds_of_it(owner, shop, feed_dir):
    second = make_store("PP2", stock_share=3, city_code=ASTANA, supplement_kzt=500)
    make_product(sku="1", price_kzt=1000, stock=8)
    make_product(sku="2", price_kzt=1000, stock=1)
    build()
    assert read_shelves() == {
        "PP1": Shelf(goods=1, units=2),
        "PP2": Shelf(goods=2, units=7),
    }
    text = page(owner, reverse("admin:feeds_store_change", args=[second.pk]))
    assert (
        "<mark>    &lt;availability available=&quot;yes&quot; storeId=&quot;PP2&quot; "
        "stockCount=&quot;6&quot;/&gt;</mark>"
    ) in text
    assert "2 products are on sale here, 7 pieces" in text
    assert "cityprice cityId=&quot;710000000&quot;&gt;1500" in text


def test_the_sample_is_what_a_build_writes(shop, feed_dir):
    make_store("PP2", city_code=ASTANA, supplement_kzt=500, preorder_days=3)
    make_product(sku="1", price_kzt=1000, stock=9, name="Чайник & Ко")
    build()
    (file,) = [path for path in feed_dir.iterdir() if path.suffix == ".xml"]
    sample = read_sample(now=timezone.now())
    assert sample is not None
    written = "".join(line.strip() for line in sample.lines)
    assert written in file.read_text("utf-8").replace("\n", "")


def test_without_a_list_there_is_no_sample_and_the_page_says_so(owner, shop):
    text = page(owner, reverse("admin:feeds_store_change", args=[shop.pk]))
    assert "Nothing is on sale yet" in text


def test_who_may_only_look_sees_the_city_and_no_form(settings, shop):
    client = log_in(settings, "viewer")
    text = page(client, reverse("admin:feeds_store_change", args=[shop.pk]))
    assert "Almaty" in text
    assert 'name="_save"' not in text
