"""Points of sale as staff keep them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product
from feeds import files
from feeds.dividing import Shelf
from feeds.models import Store
from feeds.proposals import propose
from feeds.sampling import read_sample, read_shelves
from feeds.store_codes import check_store_id
from tests.feeds.live_list import live_bytes
from tests.feeds.making import build, make_product, make_store
from tests.staff import confirm, log_in, page, queued

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
    return confirm(client, client.post(NEW, {**POINT, **values}))


def show(client, url, **values):
    """Press "show what changes", and give the page of the effects."""
    answer = client.post(url, {**POINT, **values})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    return answer.url, client.get(answer.url)


def effects(shown):
    """Give goods and pieces of each point: as they are, and as they would be."""

    def side(one):
        return one and (one.shelf.goods, one.shelf.units)

    found = shown.context["points"].effects
    return {str(e.store): (side(e.before), side(e.after)) for e in found}


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
    confirm(owner, owner.post(url, {**form, "for_whole_city": "on"}))
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


def test_the_sample_is_what_stands_in_the_list(shop, feed_dir):
    """Whatever has changed since the list was made."""
    make_store("PP2", city_code=ASTANA, supplement_kzt=500, preorder_days=3)
    make_product(sku="AB_1", price_kzt=1000, stock=9, name="Чайник & Ко")
    make_product(sku="AB_11", stock=1)
    build()
    Product.objects.update(price_kzt=4000, quarantine="jump")
    Store.objects.update(supplement_kzt=0)
    sample = read_sample()
    assert sample is not None
    assert sample.sku == "AB_1"
    written = "".join(line.strip() for line in sample.lines)
    assert written in live_bytes(feed_dir).decode()
    assert "1500</cityprice>" in written
    files.live_path().unlink()
    assert read_sample() is None


def test_without_a_list_there_is_no_sample_and_the_page_says_so(owner, shop):
    text = page(owner, reverse("admin:feeds_store_change", args=[shop.pk]))
    assert "Nothing is on sale yet" in text


def test_who_may_only_look_sees_the_city_and_no_form(settings, shop):
    client = log_in(settings, "viewer")
    text = page(client, reverse("admin:feeds_store_change", args=[shop.pk]))
    assert "Almaty" in text
    assert 'name="_save"' not in text


@pytest.fixture
def sold(shop, feed_dir):
    """Sell two goods by one point: of one there are eight pieces, of the other one."""
    make_product(sku="1", name="Чайник", price_kzt=1000, stock=8)
    make_product(sku="2", price_kzt=1000, stock=1)
    build()
    return shop


def test_a_new_point_shows_what_it_takes_from_the_others(owner, sold):
    _url, shown = show(owner, NEW, stock_share=3)
    assert effects(shown) == {"PP1": ((2, 9), (1, 2)), "PP2": (None, (2, 7))}
    assert not Store.objects.filter(store_id="PP2").exists()


def test_a_supplement_shows_the_price_that_buyers_will_see(owner, sold):
    far = make_store("PP2", city_code=ASTANA)
    url = reverse("admin:feeds_store_change", args=[far.pk])
    proposal, shown = show(owner, url, city_code=ASTANA, supplement_percent=5)
    prices = {
        str(e.store): (e.before.price_kzt, e.after.price_kzt)
        for e in shown.context["points"].effects
    }
    assert prices == {"PP1": (1000, 1000), "PP2": (1000, 1050)}
    assert "1 product gets another price in PP2" in shown.content.decode()
    data = {"seal": shown.context["seal"]}
    assert "Tick that you mean it" in owner.post(proposal, data).content.decode()
    owner.post(proposal, {**data, "sure": "on"})
    far.refresh_from_db()
    assert far.supplement_percent == 5


def test_switching_the_only_point_off_is_warned_of(owner, sold):
    url = reverse("admin:feeds_store_change", args=[sold.pk])
    form = {"store_id": "PP1", "is_active": ""}
    _proposal, shown = show(owner, url, **form)
    assert effects(shown) == {"PP1": ((2, 9), None)}
    assert "no new price list can be made" in shown.content.decode()


def test_a_point_that_would_offer_nothing_is_warned_of(owner, sold):
    make_store("PP2")
    url = reverse("admin:feeds_store_change", args=[sold.pk])
    _url, shown = show(owner, url, store_id="PP1", stock_share=0)
    assert "PP1 would offer nothing any more" in shown.content.decode()


def test_a_former_state_that_differs_from_the_citys_other_points_is_warned_of(
    owner, sold
):
    """No list can be made with it: what is sold out would stay on sale."""
    make_store("PP2")
    proposal = propose(
        table="store",
        title="Back to how it was",
        author_pk=User.objects.get().pk,
        wanted={sold.pk: {"preorder_days": 3}},
        now=timezone.now(),
    )
    url = reverse("admin:feeds_proposal_change", args=[proposal.pk])
    assert "The points of city Almaty would differ" in page(owner, url)


def test_a_points_name_is_saved_at_once(owner, sold):
    url = reverse("admin:feeds_store_change", args=[sold.pk])
    answer = owner.post(url, {**POINT, "store_id": "PP1", "name": "Сатпаева"})
    assert "/proposal/" not in answer.url
    sold.refresh_from_db()
    assert sold.name == "Сатпаева"
    assert queued() == []


def test_deleting_points_shows_what_is_left_first(owner, sold):
    make_store("PP2")
    answer = owner.post(
        reverse("admin:feeds_store_changelist"),
        {"action": "delete_selected", "_selected_action": [str(sold.pk)]},
    )
    shown = owner.get(answer.url)
    assert effects(shown)["PP1"][1] is None
    assert Store.objects.count() == 2
    confirm(owner, answer)
    assert [str(store) for store in Store.objects.all()] == ["PP2"]
    assert queued() == ["feeds.tasks.build_feed"]


def test_going_back_the_form_holds_what_was_typed(owner, sold):
    url = reverse("admin:feeds_store_change", args=[sold.pk])
    _url, shown = show(owner, url, store_id="PP1", stock_share=7)
    text = page(owner, shown.context["again_url"])
    assert 'name="stock_share" value="7"' in text


def test_who_may_only_look_changes_no_point(settings, sold):
    viewer = log_in(settings, "viewer")
    url = reverse("admin:feeds_store_change", args=[sold.pk])
    assert viewer.post(url, {**POINT, "stock_share": 5}).status_code == 403
    url = reverse("admin:feeds_store_delete", args=[sold.pk])
    assert viewer.post(url, {"post": "yes"}).status_code == 403
