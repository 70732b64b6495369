"""The staff's pages in a real browser, wide and narrow, in both languages."""

import re
from urllib.parse import urljoin

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from bridge_site.roles import set_staff, sync_roles
from feeds.models import FeedBuild
from feeds.tasks import build_feed
from tests.staff import furnish, make_product, queued

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]

WIDTHS = {"desktop": 1440, "phone": 390}
PASSWORD = "a-long-password"


@pytest.fixture
def bridge(live_server, settings, tmp_path):
    """Serve a furnished bridge; returns its address."""
    furnish(settings, tmp_path / "feed")
    for _number in range(60):
        make_product()
    sync_roles()
    for role in ("owner", "viewer"):
        set_staff(role, role=role, password=PASSWORD)
    return live_server.url


def goto(page, name, *args):
    response = page.goto(urljoin(page.url, reverse(name, args=args)))
    assert response.status == 200


def object_pages():
    builds = FeedBuild.objects.filter(status="archived")
    return {
        "overview": ("admin:index",),
        "products": ("admin:catalog_product_changelist",),
        "product": ("admin:catalog_product_change", make_product().pk),
        "categories": ("admin:catalog_category_changelist",),
        "rules": ("admin:catalog_pricerule_changelist",),
        "rule": ("admin:catalog_pricerule_add",),
        "readings": ("admin:catalog_importrun_changelist",),
        "changes": ("admin:catalog_productchange_changelist",),
        "versions": ("admin:feeds_feedbuild_changelist",),
        "version": ("admin:feeds_feedbuild_change", builds[0].pk),
        "roll back": ("admin:roll_back_feed", builds[0].pk),
        "stores": ("admin:feeds_store_changelist",),
        "store": ("admin:feeds_store_add",),
        "fetches": ("admin:feeds_feedfetch_changelist",),
        "staff": ("admin:auth_user_add",),
    }


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_pages_fit_the_screen_and_bring_everything_themselves(
    open_as, bridge, tmp_path, width
):
    page = open_as("owner", width=width, dark=width == WIDTHS["phone"])
    asked, failed = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    for name, address in object_pages().items():
        goto(page, *address)
        page.screenshot(path=tmp_path / f"{name}-{width}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} px wide"
    assert failed == []
    assert {url for url in asked if not url.startswith((bridge, "data:"))} == set()


def test_a_build_is_asked_for_and_its_version_appears(open_as):
    page = open_as("owner")
    goto(page, "admin:feeds_feedbuild_changelist")
    before = page.locator("#result_list tbody tr").count()
    page.get_by_role("button", name="Собрать прайс-лист").click()
    expect(page.locator(".messagelist")).to_contain_text("Поставлено в очередь")
    assert queued() == ["feeds.tasks.build_feed"]
    # As a worker of the cluster would.
    build_feed()
    page.reload()
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(before + 1)
    expect(rows.first).to_contain_text("действует")
    rows.first.locator("a").first.click()
    expect(page.locator("#content")).to_contain_text("Новые в прайс-листе")


def test_an_earlier_version_is_put_back_by_clicking(open_as):
    page = open_as("owner")
    earlier = FeedBuild.objects.filter(status="archived")[0]
    goto(page, "admin:feeds_feedbuild_change", earlier.pk)
    page.get_by_role("link", name="Вернуть эту версию…").click()
    page.get_by_label("Почему").fill("неверные цены")
    page.get_by_role("button", name=f"Вернуть версию №{earlier.pk}").click()
    said = page.locator(".messagelist")
    expect(said).to_contain_text(f"возвращена версия №{earlier.pk}")
    # Its goods and prices; the stock is today's, so the file is another one.
    live = FeedBuild.objects.get(status="active")
    assert live.pk > earlier.pk
    assert live.pinned_until is not None
    assert live.counts["offers"] == earlier.counts["offers"]


def test_products_are_found_and_filtered(open_as):
    page = open_as("viewer")
    goto(page, "admin:catalog_product_changelist")
    rows = page.locator("#result_list tbody tr")
    page.locator("summary", has_text="Продажа").click()
    page.get_by_role("link", name="поставщик отпускает только кратно").click()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("только кратно")
    page.get_by_role("link", name="Сбросить все фильтры").click()
    expect(rows).to_have_count(50)
    page.locator("#searchbar").fill("мышь zx-70003")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    assert page.get_by_role("button", name="Выполнить").count() == 0


def test_the_header_switches_language_and_theme_and_shows_the_focus(open_as):
    page = open_as("viewer")
    page.get_by_role("button", name="EN").click()
    expect(page.locator("h1")).to_have_text("Overview")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator(".theme-toggle").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(ground) != light
    page.keyboard.press("Tab")
    shadow = "getComputedStyle(document.activeElement).boxShadow"
    assert page.evaluate(shadow) != "none"


def test_on_a_phone_the_menu_leads_everywhere(open_as):
    page = open_as("viewer", width=WIDTHS["phone"])
    page.locator(".phone-menu summary").click()
    page.locator(".phone-menu").get_by_role("link", name="Версии прайс-листа").click()
    expect(page.locator("h1")).to_have_text("Версии прайс-листа")
    assert not page.locator("#nav-sidebar").is_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_labels_can_be_read(open_as, dark):
    """WCAG asks for a contrast of 4.5 for small text."""
    page = open_as("owner", dark=dark)
    for address in (("admin:index",), ("admin:catalog_product_changelist",)):
        goto(page, *address)
        for text, colours in page.evaluate(
            """[...document.querySelectorAll('.pill, .action, h2, .second')].map(e => {
                let ground = e, style = getComputedStyle(e);
                while (getComputedStyle(ground).backgroundColor == 'rgba(0, 0, 0, 0)')
                    ground = ground.parentElement;
                return [e.innerText,
                        [style.color, getComputedStyle(ground).backgroundColor]];
            })"""
        ):
            assert contrast(*colours) >= 4.5, (text, colours)


def contrast(one, other):
    lights = sorted(map(luminance, (one, other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(colour):
    parts = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
