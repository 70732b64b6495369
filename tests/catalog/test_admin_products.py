import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product, ProductChange
from tests.staff import (
    confirm,
    log_in,
    make_category,
    make_import,
    make_product,
    messages_of,
    page,
    queued,
)

pytestmark = pytest.mark.django_db

LIST = "admin:catalog_product_changelist"
OURS = ("is_published", "sku", "price_override_kzt", "min_price_kzt", "safety_stock")


@pytest.fixture
def operator(settings):
    return log_in(settings, "operator")


def found(client, **query):
    """Name the articles on the list, in its order."""
    response = client.get(reverse(LIST), query)
    assert response.status_code == 200
    return [row.article for row in response.context["cl"].result_list]


def act(client, action, *products, **data):
    data |= {"action": action, "_selected_action": [p.pk for p in products]}
    response = confirm(client, client.post(reverse(LIST), data))
    return client.get(response.url) if response.status_code == 302 else response


def save(client, product, **values):
    form = {name: getattr(product, name) for name in OURS}
    form = {name: "" if value is None else value for name, value in form.items()}
    form |= {"price_override_until_0": "", "price_override_until_1": "", "note": ""}
    url = reverse("admin:catalog_product_change", args=[product.pk])
    return confirm(client, client.post(url, form | values))


def errors(response):
    return " ".join(response.context["adminform"].errors.as_text().split())


@pytest.mark.parametrize(
    "words",
    ["70311", "ZX-118", "zx-118b", "4870000000017", "мышь zeta", "МЫШЬ", "zeta мышь"],
)
def test_search_takes_what_people_type(operator, words):
    make_product(
        article="70311",
        part_number="ZX-118B",
        barcode="4870000000017",
        name="Мышь беспроводная Zeta",
    )
    make_product(article="9", sku="9", name="Кабель", part_number="", barcode="")
    assert found(operator, q=words) == ["70311"]


def test_several_pasted_numbers_find_several_products(operator):
    for article in ("811", "812", "813"):
        make_product(article=article, sku=f"S{article}")
    assert found(operator, q="811, 813") == ["811", "813"]


def test_words_must_all_be_there(operator):
    make_product(name="Мышь Zeta")
    assert found(operator, q="мышь kvantor") == []


def test_a_branch_is_listed_with_everything_below_it(operator):
    top = make_category("Периферия")
    below = make_category("Мыши", parent=top)
    deeper = make_category("Игровые", parent=below)
    other = make_category("Бумага")
    for article, category in (("1", top), ("2", below), ("3", deeper), ("4", other)):
        make_product(article=article, sku=article, category=category)
    assert found(operator, branch=top.pk) == ["1", "2", "3"]
    assert found(operator, branch=below.pk) == ["2", "3"]
    assert found(operator, branch="nonsense") == []


def test_filters_match_the_work(operator):
    make_product(article="1", quarantine="jump", stock=5)
    make_product(article="2", quarantine="no_cost", stock=0)
    make_product(article="3", quarantine="jump", gone_at=timezone.now())
    assert found(operator, quarantine="jump") == ["1"]
    assert found(operator, quarantine="any") == ["1", "2"]
    assert found(operator, presence="in_stock") == ["1"]
    assert found(operator, presence="sold_out") == ["2"]
    assert found(operator, presence="gone") == ["3"]


def test_stock_and_money_are_shown_as_people_write_them(operator):
    make_product(stock=51, stock_is_lower_bound=True, retail_kzt=1_234_990)
    text = page(operator, reverse(LIST))
    assert "&gt;50<" in text
    assert "1\u202f234\u202f990" in text


def test_a_fixed_price_is_worked_in_with_the_next_build(operator):
    product = make_product(priced_with="0123456789abcdef")
    save(operator, product, price_override_kzt=9990)
    product.refresh_from_db()
    assert (product.price_override_kzt, product.priced_with) == (9990, "")
    assert queued() == ["feeds.tasks.build_feed"]
    assert LogEntry.objects.get().object_id == str(product.pk)


def test_a_note_starts_no_build_and_keeps_the_price(operator):
    product = make_product(priced_with="0123456789abcdef")
    save(operator, product, note="ask Olga")
    product.refresh_from_db()
    assert (product.note, product.priced_with) == ("ask Olga", "0123456789abcdef")
    assert queued() == []


def test_saving_leaves_alone_what_an_import_writes_meanwhile(operator):
    product = make_product(stock=10)
    form = {name: getattr(product, name) or "" for name in OURS}
    form |= {"safety_stock": 2, "price_override_until_0": "", "note": ""}
    form |= {"price_override_until_1": ""}
    url = reverse("admin:catalog_product_change", args=[product.pk])
    shown = operator.post(url, form)
    Product.objects.update(stock=3, cost_kzt=6000)
    confirm(operator, shown)
    product.refresh_from_db()
    assert (product.stock, product.cost_kzt, product.safety_stock) == (3, 6000, 2)


@pytest.mark.parametrize("sku", ["два слова", "a" * 21, "a b", "a/b", "a\nb"])
def test_an_sku_that_kaspi_would_refuse_is_refused(operator, sku):
    product = make_product()
    assert "1 to 20 Latin letters" in errors(save(operator, product, sku=sku))


def test_an_sku_in_use_is_refused_with_its_owner(operator):
    make_product(article="812", sku="PP-7", name="Лампа")
    response = save(operator, make_product(), sku="PP-7")
    assert "belongs to another product already: 812 · Лампа" in errors(response)


def test_a_term_needs_a_price_and_a_future(operator):
    product = make_product()
    local = timezone.localtime(timezone.now())

    def term(days):
        day = local + timedelta(days=days)
        return {
            "price_override_until_0": f"{day:%Y-%m-%d}",
            "price_override_until_1": "12:00:00",
        }

    assert "needs a fixed price" in errors(save(operator, product, **term(2)))
    past = save(operator, product, price_override_kzt=9990, **term(-2))
    assert "passed already" in errors(past)
    fine = save(operator, product, price_override_kzt=9990, **term(2))
    assert "Saved" in messages_of(fine)
    forgotten = save(operator, product, price_override_kzt="", **term(2))
    assert "needs a fixed price" in errors(forgotten)


def test_the_suppliers_fields_cannot_be_written(operator):
    product = make_product(stock=10)
    save(operator, product, stock=99, name="Another", cost_kzt=1, safety_stock=1)
    product.refresh_from_db()
    assert (product.stock, product.cost_kzt, product.safety_stock) == (10, 5000, 1)


def test_actions_choose_what_is_sold_and_say_how_many(operator):
    sold = make_product(is_published="yes")
    unsold = make_product(is_published="no")
    response = act(operator, "sell", sold, unsold)
    assert "Saved: 1 row." in messages_of(response)
    unsold.refresh_from_db()
    assert unsold.is_published == "yes"
    assert queued() == ["feeds.tasks.build_feed"]
    entry = LogEntry.objects.get()
    assert entry.object_id == str(unsold.pk)
    assert entry.user.get_username() == "operator"
    act(operator, "stop_selling", sold)
    act(operator, "sell_as_category", unsold)
    choices = Product.objects.order_by("pk").values_list("is_published", flat=True)
    assert list(choices) == ["no", "category"]


def test_an_action_that_changes_nothing_starts_no_build(operator):
    response = act(operator, "sell", make_product(is_published="yes"))
    assert "nothing would change" in messages_of(response)
    assert queued() == []


def jumped_product(**values):
    return make_product(
        quarantine=Product.Quarantine.JUMP,
        price_kzt=9990,
        accepted_price_kzt=2990,
        priced_with="0123456789abcdef",
        **values,
    )


def release_url(client, product):
    """Give what the button on the product's page posts to."""
    text = page(client, reverse("admin:catalog_product_change", args=[product.pk]))
    url = reverse("admin:release_product", args=[product.pk])
    (action,) = re.findall(rf'action="({url}[^"]*)"', text)
    return str(action)


def shown_prices(text):
    """Give what a list posts along with an action."""
    return dict(re.findall(r'name="(seen-price-\d+)" value="(\d+)"', text))


def test_jumped_prices_are_released_and_others_are_not(operator):
    jumped = jumped_product()
    no_cost = make_product(quarantine=Product.Quarantine.NO_COST)
    shown = shown_prices(page(operator, reverse(LIST)))
    assert shown == {f"seen-price-{jumped.pk}": "9990"}
    response = act(operator, "release_prices", jumped, no_cost, **shown)
    assert "1 done, 1 skipped" in messages_of(response)
    jumped.refresh_from_db()
    no_cost.refresh_from_db()
    assert (jumped.quarantine, jumped.accepted_price_kzt) == ("", 9990)
    assert no_cost.quarantine == Product.Quarantine.NO_COST
    assert LogEntry.objects.get().object_id == str(jumped.pk)
    assert queued() == ["feeds.tasks.build_feed"]


def test_a_jumped_price_is_released_on_its_page(operator):
    product = jumped_product()
    url = release_url(operator, product)
    assert operator.get(url).status_code == 403
    assert operator.post(url).status_code == 302
    product.refresh_from_db()
    assert product.quarantine == ""


def test_a_price_that_changed_since_it_was_shown_is_not_released(operator):
    product = jumped_product()
    url = release_url(operator, product)
    shown = shown_prices(page(operator, reverse(LIST)))
    Product.objects.update(price_kzt=99)
    assert "0 done, 1 skipped" in messages_of(operator.post(url, follow=True))
    response = act(operator, "release_prices", product, **shown)
    assert "0 done, 1 skipped" in messages_of(response)
    # It jumped after the list was shown.
    act(operator, "release_prices", product)
    operator.post(reverse("admin:release_product", args=[product.pk]))
    product.refresh_from_db()
    assert (product.quarantine, product.accepted_price_kzt) == ("jump", 2990)
    assert not LogEntry.objects.exists()
    assert queued() == []


def test_prices_of_all_pages_are_released_as_they_are(operator):
    for _ in range(60):
        jumped_product()
    shown = shown_prices(page(operator, reverse(LIST)))
    assert len(shown) == 50
    one = Product.objects.get(pk=next(iter(shown)).removeprefix("seen-price-"))
    Product.objects.filter(pk=one.pk).update(price_kzt=99)
    response = act(operator, "release_prices", one, select_across="1", **shown)
    assert "59 done, 1 skipped" in messages_of(response)
    assert Product.objects.get(quarantine="jump") == one


def test_a_viewer_can_press_none_of_it(settings):
    viewer = log_in(settings, "viewer")
    product = jumped_product(is_published="no")
    act(viewer, "sell", product)
    act(viewer, "release_prices", product)
    assert save(viewer, product, sku="X1").status_code == 403
    url = reverse("admin:release_product", args=[product.pk])
    assert viewer.post(url).status_code == 403
    product.refresh_from_db()
    assert (product.quarantine, product.is_published) == ("jump", "no")
    assert queued() == []


def test_the_page_tells_how_the_price_and_the_stock_came_about(operator):
    make_import()
    product = make_product(
        stock=51, stock_is_lower_bound=True, safety_stock=3, price_kzt=7990
    )
    now = timezone.now()
    for days, stock in ((9, 4), (5, 12), (1, 51)):
        ProductChange.objects.create(
            product=product,
            field="stock",
            old=2,
            new=stock,
            changed_at=now - timedelta(days=days),
        )
    text = page(operator, reverse("admin:catalog_product_change", args=[product.pk]))
    for words in (
        "Dealer price: 5\u202f000 ₸",
        "Price: 7\u202f990 ₸",
        "at least 51",
        "Kept back: −3",
        '<path class="line"',
        "<b>12</b>",
    ):
        assert words in text, words
    assert f"product__id__exact={product.pk}" in text


def test_the_first_page_of_many_products_takes_few_queries(
    operator, django_assert_max_num_queries
):
    make_import()
    category = make_category()
    for _number in range(60):
        make_product(category=category)
    with django_assert_max_num_queries(12):
        assert len(found(operator)) == 50
