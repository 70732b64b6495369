import gzip
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from catalog.models import PriceRule, Product
from feeds import carrying, files, publishing
from feeds.models import FeedBuild, ListPiece, Store
from feeds.proposals import propose, save
from plumbing.leases import under_lease
from tests.feeds.making import make_products
from tests.staff import build, confirm, log_in, make_version, messages_of, page, queued

pytestmark = pytest.mark.django_db
Status = FeedBuild.Status


@pytest.fixture
def owner(settings, shop):
    make_products(30)
    return log_in(settings, "owner")


def url_of(build, name="admin:feeds_feedbuild_change"):
    return reverse(name, args=[build.pk])


def cheaper():
    Product.objects.update(price_kzt=6990)


@pytest.fixture
def withholding(owner):
    """Give a build that keeps on sale what somebody took out of the choice."""
    make_version()
    Product.objects.update(is_published="no")
    assert build().counts["withheld"] == 30
    return FeedBuild.objects.first()


def test_a_version_shows_its_counts_and_differences(owner):
    make_version()
    version = make_version(cheaper)
    text = page(owner, url_of(version))
    assert "Price changed" in text
    assert "7\u202f990 → <b>6\u202f990\u00a0₸</b>" in text
    product = Product.objects.order_by("pk")[0]
    assert reverse("admin:catalog_product_change", args=[product.pk]) in text


def test_an_earlier_version_is_put_back_with_a_reason(owner):
    earlier = make_version()
    make_version(cheaper)
    url = url_of(earlier, "admin:roll_back_feed")
    assert url in page(owner, url_of(earlier))
    assert "Why" in page(owner, url)
    response = owner.post(url, {"reason": "wrong prices"}, follow=True)
    assert f"№{earlier.pk} put back" in messages_of(response)
    live = FeedBuild.objects.get(status=Status.ACTIVE)
    assert live.content_sha256 == earlier.content_sha256
    assert "owner: wrong prices" in live.reason
    assert "wrong prices" in LogEntry.objects.get().change_message
    text = page(owner, url_of(live))
    assert "automatic builds wait until" in text


def test_a_reason_must_be_given(owner):
    earlier = make_version()
    live = make_version(cheaper)
    response = owner.post(url_of(earlier, "admin:roll_back_feed"), {"reason": " "})
    assert response.status_code == 200
    assert FeedBuild.objects.get(status=Status.ACTIVE) == live


def test_automatic_builds_go_on_when_somebody_says_so(owner):
    live = make_version()
    FeedBuild.objects.update(pinned_until=timezone.now() + timedelta(hours=1))
    url = url_of(live, "admin:unpin_feed")
    assert url in page(owner, url_of(live))
    owner.post(url)
    live.refresh_from_db()
    assert live.pinned_until is None
    assert queued() == ["feeds.tasks.build_feed"]
    owner.post(url)
    assert len(queued()) == 1


def test_the_live_version_cannot_be_put_back(owner):
    live = make_version()
    assert "roll-back" not in page(owner, url_of(live))
    response = owner.post(
        url_of(live, "admin:roll_back_feed"), {"reason": "why not"}, follow=True
    )
    assert "not possible any more" in messages_of(response)


def test_a_version_whose_file_is_gone_cannot_be_put_back(owner):
    earlier = make_version()
    make_version(cheaper)
    files.version_path(earlier.pk).unlink()
    carrying.forget_all_but([])
    text = page(owner, url_of(earlier))
    assert "roll-back" not in text
    assert "download" not in text
    assert owner.get(url_of(earlier, "admin:download_feed")).status_code == 404


def test_what_is_withheld_goes_off_sale_by_an_owners_word(owner, withholding):
    text = page(owner, url_of(withholding))
    assert "30 of 30 offers on sale would go off sale" in text
    assert "Would go off sale and stays for now" in text
    url = url_of(withholding, "admin:override_feed")
    assert url in text
    assert f"Take off sale what №{withholding.pk} keeps" in page(owner, url)
    products = reverse("admin:catalog_product_changelist")
    assert "stays on sale for now" in page(owner, products)
    response = owner.post(url, {"reason": "a warehouse closed"}, follow=True)
    assert "published" in messages_of(response)
    live = FeedBuild.objects.get(status=Status.ACTIVE)
    assert live.counts["on_sale"] == 0
    assert "a warehouse closed" in live.reason
    # What was published since has settled it.
    assert url not in page(owner, url_of(withholding))


def test_a_refused_list_is_built_again_by_an_owners_word(owner):
    version = make_version()
    Store.objects.update(is_active=False)
    assert build().end == "refused"
    Store.objects.update(is_active=True)
    refused = FeedBuild.objects.get(status=Status.REFUSED)
    text = page(owner, url_of(refused))
    assert "Why it was not published" in text
    url = url_of(refused, "admin:override_feed")
    assert url in text
    assert f"the refusal of №{refused.pk}" in page(owner, url)
    owner.post(url, {"reason": "the point is open again"}, follow=True)
    assert FeedBuild.objects.get(status=Status.ACTIVE) == version, "nothing changed"


def test_what_still_cannot_be_published_is_said_as_an_error(
    owner, withholding, monkeypatch
):
    Store.objects.update(is_active=False)
    response = owner.post(
        url_of(withholding, "admin:override_feed"), {"reason": "do it"}, follow=True
    )
    assert "no active point of sale" in messages_of(response)
    assert [message.level_tag for message in response.context["messages"]] == ["error"]


def test_a_build_under_way_is_not_disturbed(owner, withholding):
    with under_lease(publishing.LEASE):
        response = owner.post(
            url_of(withholding, "admin:override_feed"), {"reason": "do it"}, follow=True
        )
    assert "A build is under way" in messages_of(response)


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", set()),
        ("operator", {"roll_back_feed", "unpin_feed"}),
        ("owner", {"roll_back_feed", "override_feed", "unpin_feed"}),
    ],
)
def test_each_button_has_a_permission_of_its_own(
    settings, owner, withholding, role, may
):
    client = log_in(settings, role)
    for name in ("roll_back_feed", "override_feed", "unpin_feed"):
        response = client.post(url_of(withholding, f"admin:{name}"), {"reason": "x"})
        assert (response.status_code != 403) == (name in may), name


def test_a_version_is_downloaded_as_it_was(settings, owner):
    version = make_version()
    viewer = log_in(settings, "viewer")
    response = viewer.get(url_of(version, "admin:download_feed"))
    assert response.getvalue() == files.live_path().read_bytes()
    name = f'filename="kaspi_price_list-{version.pk}.xml"'
    assert name in response.headers["content-disposition"]


@pytest.mark.parametrize("kept", [b"<kaspi_catalog>", None])
def test_a_version_whose_file_is_damaged_is_not_given_for_it(owner, kept):
    version = make_version()
    path = files.version_path(version.pk)
    path.write_bytes(path.read_bytes()[:-20] if kept is None else gzip.compress(kept))
    ListPiece.objects.all().delete()
    response = owner.get(url_of(version, "admin:download_feed"))
    assert response.status_code == 302
    assert "damaged" in messages_of(owner.get(response.url))


def store_form(**values):
    return {
        "store_id": "PP2",
        "name": "",
        "city_code": "750000000",
        "preorder_days": "",
        "stock_share": "1",
        "supplement_percent": "0",
        "supplement_kzt": "0",
        "is_active": "on",
        **values,
    }


def store_errors(response):
    return " ".join(response.context["adminform"].errors.as_text().split())


def test_points_of_a_city_share_one_pre_order(owner):
    url = reverse("admin:feeds_store_add")
    response = owner.post(url, store_form(preorder_days=5))
    assert "PP1 of the same city has no pre-order" in store_errors(response)
    elsewhere = store_form(preorder_days=5, city_code="710000000")
    confirm(owner, owner.post(url, elsewhere))
    inactive = store_form(store_id="PP3", preorder_days=5, is_active="")
    confirm(owner, owner.post(url, inactive))
    assert queued() == ["feeds.tasks.build_feed"] * 2


def test_points_of_a_city_share_one_price(owner):
    url = reverse("admin:feeds_store_add")
    response = owner.post(url, store_form(supplement_percent="5"))
    assert "PP1 of the same city has no supplement" in store_errors(response)
    elsewhere = store_form(supplement_percent="5", city_code="710000000")
    confirm(owner, owner.post(url, elsewhere))
    response = owner.post(
        url, store_form(store_id="PP3", city_code="710000000", supplement_kzt="100")
    )
    assert (
        "PP2 of the same city has +5\u00a0%"
        in response.context["adminform"].errors.as_text()
    )
    assert "+5\u00a0%" in page(owner, reverse("admin:feeds_store_changelist"))
    lowered = store_form(store_id="PP4", city_code="1", supplement_percent="-1")
    response = owner.post(url, lowered)
    assert "cannot be negative" in store_errors(response)


def test_a_points_id_is_kept_as_copied_but_for_blanks(owner):
    form = store_form(store_id=" Merchant_PP2 ")
    confirm(owner, owner.post(reverse("admin:feeds_store_add"), form))
    assert Store.objects.filter(store_id="Merchant_PP2").exists()


def test_a_deleted_point_makes_a_new_list(owner):
    store = Store.objects.get()
    confirm(owner, owner.post(reverse("admin:feeds_store_delete", args=[store.pk])))
    assert not Store.objects.exists()
    assert queued() == ["feeds.tasks.build_feed"]


def test_a_roll_back_shows_what_it_changes_and_what_undoes_it(owner, settings):
    settings.FEED_ROLLBACK_HOLD_MIN = 45
    earlier = make_version()
    make_version(cheaper)
    rule = PriceRule.objects.get()
    saved = propose(
        table="pricerule",
        title="Autumn",
        author_pk=User.objects.get(username="owner").pk,
        wanted={rule.pk: {"markup_percent": 12}},
        now=timezone.now(),
    )
    assert saved is not None
    save(saved, now=timezone.now())
    text = page(owner, url_of(earlier, "admin:roll_back_feed"))
    for words in (
        "Price changed",
        "6\u202f990 → <b>7\u202f990\u00a0₸</b>",
        "What comes back at",
        "Markup, % 20 → 12",
        reverse("admin:catalog_pricerule_history", args=[rule.pk]),
    ):
        assert words in text, words
    # Looking published nothing.
    assert FeedBuild.objects.get(status=Status.ACTIVE).pk != earlier.pk


def test_a_roll_back_that_changes_nothing_says_so(owner):
    earlier = make_version()
    live = make_version(cheaper)
    Product.objects.update(price_kzt=7990)
    make_version()
    assert "The list would stay as it is" in page(
        owner, url_of(earlier, "admin:roll_back_feed")
    )
    assert live.pk
