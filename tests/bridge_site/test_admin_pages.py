import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from catalog.models import Category, ImportRun, PriceRule, Product
from feeds.models import FeedBuild, Store
from tests.staff import HOSTILE, furnish, log_in, log_in_superuser, page, queued

pytestmark = pytest.mark.django_db

LISTS = {
    "admin:catalog_product_changelist": ("Товары", "Products"),
    "admin:catalog_category_changelist": ("Категории", "Categories"),
    "admin:catalog_pricerule_changelist": ("Правила цен", "Price rules"),
    "admin:catalog_importrun_changelist": ("Загрузки", "Imports"),
    "admin:catalog_productchange_changelist": ("Изменения", "Changes"),
    "admin:feeds_feedbuild_changelist": ("Версии прайс-листа", "Price list versions"),
    "admin:feeds_store_changelist": ("Точки продаж", "Points of sale"),
    "admin:feeds_feedfetch_changelist": ("Скачивания", "Fetches"),
}
MODELS = (Product, Category, PriceRule, ImportRun, FeedBuild, Store)
BUTTONS: tuple[tuple[str, list[str], str], ...] = (
    ("admin:start_import", ["stock"], "catalog.tasks.sync_stock"),
    ("admin:start_import", ["catalogue"], "catalog.tasks.sync_catalog"),
    ("admin:build_feed_now", [], "feeds.tasks.build_feed"),
)


@pytest.fixture(autouse=True)
def furnished(settings, tmp_path):
    furnish(settings, tmp_path)


def object_pages():
    for model in MODELS:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        for pk in model.objects.values_list("pk", flat=True):
            yield reverse(name, args=[pk])


@pytest.mark.parametrize("language", ["ru", "en"])
def test_every_page_opens_and_shows_hostile_names_as_text(settings, language):
    client = log_in(settings, "owner", language=language)
    urls = [reverse("admin:index"), *map(reverse, LISTS), *object_pages()]
    for url in urls:
        text = page(client, url)
        assert "<script>alert" not in text, url
        assert settings.ALSTYLE_TOKEN not in text, url
    for name, titles in LISTS.items():
        title = titles[0] if language == "ru" else titles[1]
        assert f"<h1>{title}</h1>" in page(client, reverse(name))


def test_a_name_that_is_code_is_shown_letter_by_letter(settings):
    text = page(log_in(settings, "viewer"), reverse("admin:catalog_product_changelist"))
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in text


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_few_queries(settings, name, django_assert_max_num_queries):
    client = log_in(settings, "owner")
    page(client, reverse(name))
    with django_assert_max_num_queries(12):
        page(client, reverse(name))


def test_a_viewer_opens_everything_and_finds_no_button(settings):
    client = log_in(settings, "viewer")
    for url in [reverse("admin:index"), *map(reverse, LISTS), *object_pages()]:
        text = page(client, url)
        actions = set(re.findall(r'method="post"[^>]*action="([^"]+)"', text))
        allowed = {"set_language", "admin:logout", "search"}
        assert actions <= set(map(reverse, allowed)), url
        assert 'name="_save"' not in text, url
        assert 'name="action"' not in text, url


@pytest.mark.parametrize(("name", "args", "task"), BUTTONS)
def test_a_button_works_for_operators_only_and_by_post_only(settings, name, args, task):
    url = reverse(name, args=args)
    assert log_in(settings, "viewer").post(url).status_code == 403
    operator = log_in(settings, "operator")
    assert operator.get(url).status_code == 403
    assert queued() == []
    assert url in page(operator, reverse("overview_health"))
    response = operator.post(url, headers={"referer": "http://evil.example/"})
    assert response.headers["location"] == reverse("admin:index")
    assert queued() == [task]
    log = page(operator, reverse("overview_health"))
    assert "Latest decisions of the staff" in log


def test_a_button_returns_to_the_page_where_it_was_pressed(settings):
    url = reverse("admin:catalog_importrun_changelist")
    response = log_in(settings, "operator").post(
        reverse("admin:start_import", args=["stock"]),
        headers={"referer": f"http://testserver{url}"},
    )
    assert response.headers["location"] == f"http://testserver{url}"


def test_an_unknown_kind_of_reading_is_not_found(settings):
    url = reverse("admin:start_import", args=["orders"])
    assert log_in(settings, "operator").post(url).status_code == 404


def test_strangers_are_sent_to_the_login(client, settings):
    for name in ("admin:index", *LISTS):
        response = client.get(reverse(name))
        assert response.status_code == 302
        assert response.url.startswith(reverse("admin:login"))


def test_observing_only_is_said_loudly_on_every_page(settings):
    client = log_in(settings, "viewer")
    assert "Observing only" not in page(client, reverse("admin:index"))
    settings.OBSERVE_ONLY = True
    for name in ("admin:index", *LISTS):
        assert "Observing only" in page(client, reverse(name))


def test_the_header_names_its_surroundings(settings):
    client = log_in(settings, "viewer")
    assert "imitations on this computer" in page(client, reverse("admin:index"))
    settings.ALSTYLE_URL = "https://api.al-style.kz"
    assert "imitations" not in page(client, reverse("admin:index"))


def test_the_language_is_switched_in_the_header(settings):
    client = log_in(settings, "viewer", language="ru")
    url = reverse("admin:catalog_product_changelist")
    assert "<h1>Товары</h1>" in page(client, url)
    answer = client.post(reverse("set_language"), {"language": "en", "next": url})
    assert answer.headers["location"] == url
    assert "<h1>Products</h1>" in page(client, url)


def test_nothing_of_the_supplier_can_be_added_or_deleted(settings):
    client = log_in_superuser(settings)
    for model in (Product, Category, ImportRun, FeedBuild):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pk = model.objects.values_list("pk", flat=True)[0]
        assert client.post(reverse(f"{name}_add")).status_code == 403
        assert client.post(reverse(f"{name}_delete", args=[pk])).status_code == 403
        assert "delete_selected" not in page(client, reverse(f"{name}_changelist"))


def test_the_queue_has_no_pages_where_code_could_be_entered(settings):
    client = log_in_superuser(settings)
    for name in ("schedule", "success", "failure", "ormq"):
        assert client.get(f"/admin/django_q/{name}/").status_code == 404


def test_an_owner_gives_roles_but_no_rights_beyond_them(settings):
    client = log_in(settings, "owner")
    owner = User.objects.get(username="owner")
    url = reverse("admin:auth_user_change", args=[owner.pk])
    text = page(client, url)
    assert "owner: everything, staff and settings included" in text
    assert "is_superuser" not in text
    form = {"first_name": "Anna", "role": "owner", "is_superuser": "on"}
    assert client.post(url, form).status_code == 302
    owner.refresh_from_db()
    assert not owner.is_superuser


def test_an_owner_cannot_touch_a_superuser(settings):
    client = log_in(settings, "owner")
    root = User.objects.create_superuser("root", password="kept-as-it-is")
    pages = [
        reverse("admin:auth_user_change", args=[root.pk]),
        reverse("admin:new_staff_password", args=[root.pk]),
        reverse("admin:auth_user_delete", args=[root.pk]),
    ]
    form = {"first_name": "Root", "role": "viewer", "chosen_password": "another-one"}
    for url in pages:
        assert client.post(url, form).status_code == 403
    root.refresh_from_db()
    assert root.check_password("kept-as-it-is")


def test_hostile_text_is_what_the_tests_think_it_is():
    assert Product.objects.filter(name=HOSTILE).exists()


@pytest.mark.parametrize(
    "asked",
    [
        "orders_order_changelist?state=%00",
        "orders_step_changelist?status__exact=a%00b",
        "alerts_alert_changelist?kind=%00",
    ],
)
def test_a_list_asked_for_what_no_text_can_hold_is_no_fault(settings, asked):
    name, _mark, query = asked.partition("?")
    owner = log_in(settings, "owner")
    owner.raise_request_exception = False
    url = reverse(f"admin:{name}")
    assert owner.get(f"{url}?{query}").status_code == 400
