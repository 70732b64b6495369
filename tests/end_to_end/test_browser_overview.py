"""The overview in a real browser: what waits is refreshed, counted and reached."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from bridge_site.roles import set_staff, sync_roles
from orders.models import Order, ReadMark, Step
from tests.end_to_end.judging import looked_at
from tests.orders.factories import make_order
from tests.staff import furnish, make_product

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
WIDTHS = {"desktop": 1440, "phone": 390}


@pytest.fixture
def bridge(live_server, settings, tmp_path):
    """Serve a bridge with something of everything, two orders stuck, two at ease."""
    furnish(settings, tmp_path / "feed")
    product, now = make_product(name="Чайник"), timezone.now()
    ReadMark.objects.create(state="NEW", read_until=now, first_read_at=now)
    for place in range(4):
        order = make_order(
            (product, 1),
            accept_by=now + timedelta(minutes=25 + 40 * place),
            total_kzt=15_990,
        )
        if place < 2:
            get_stuck(order)
    for days in range(1, 14):
        for _number in range(1 + days % 4):
            make_order(
                (product, 1),
                created_at=now - timedelta(days=days),
                state=Order.ARCHIVE,
                status=Order.COMPLETED,
                ended_at=now - timedelta(days=days),
                total_kzt=8_990 + 1000 * days,
            )
    sync_roles()
    set_staff("anna", role="owner", password=PASSWORD)
    return live_server.url


def get_stuck(order: Order) -> None:
    Step.objects.filter(order=order).update(
        status=Step.Status.NEEDS_PERSON,
        last_error="Нет у поставщика: 70311, нужно 1, есть 0",
        finished_at=timezone.now() - timedelta(minutes=7),
    )


@pytest.fixture
def open_page(chromium, bridge):
    """Give the overview of the operator, who typed name and password."""

    def log_in(*, width: int = 1440, dark: bool = False, path: str = "/admin/") -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            locale="ru-RU",
            color_scheme="dark" if dark else "light",
        )
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.clock.install()
        page.goto(bridge + path)
        page.fill("#id_username", "anna")
        page.fill("#id_password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(bridge + path)
        return page

    return log_in


def counted(page: Any) -> int:
    """Read from the tab's title how many things wait."""
    return int(re.match(r"\((\d+)\) ", page.title()).group(1))


def test_the_overview_refreshes_in_its_place(open_page):
    page = open_page()
    before = counted(page)
    waiting = page.locator("#waiting")
    expect(waiting.locator("tr")).to_have_count(2)
    page.evaluate("window.isTheSamePage = true")
    fold = page.locator("#health")
    expect(fold.locator("#health-more table")).not_to_have_count(0)
    fold.locator("summary").first.click()
    assert fold.get_attribute("open") is None
    link = page.locator("#deadlines a.num").nth(3)
    code = link.inner_text()
    link.focus()
    get_stuck(Order.objects.get(code=code))
    page.clock.run_for(31_000)
    expect(waiting.locator("tr")).to_have_count(3)
    expect(page).to_have_title(f"({before + 1}) Обзор | Мост")
    expect(page.locator("#announcement")).to_have_text(f"Ждут вас: {before + 1}")
    assert page.evaluate("window.isTheSamePage")
    assert page.evaluate("document.activeElement.innerText") == code
    # Closed by the reader, it stays closed though something is still wrong.
    assert fold.get_attribute("open") is None


def test_it_says_when_it_cannot_refresh(open_page):
    page = open_page()
    said = page.locator("#as-of")
    expect(said).to_contain_text("Обновлено в ")
    page.route("**/admin/", lambda route: route.abort())
    page.clock.run_for(31_000)
    expect(said).to_contain_text("программа не отвечает")
    page.unroute("**/admin/")
    page.clock.run_for(31_000)
    expect(said).not_to_contain_text("программа не отвечает")


def test_logged_out_it_stops_and_shows_the_way_back(open_page):
    page = open_page()
    page.context.clear_cookies()
    page.clock.run_for(31_000)
    said = page.locator("#as-of")
    expect(said).to_contain_text("вы вышли из программы")
    expect(page).to_have_title("Обзор | Мост")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(180_000)
    assert asked == []
    said.get_by_role("link").click()
    expect(page.locator("#id_username")).to_be_visible()


def test_other_pages_count_too_and_sound_on_wish(open_page):
    page = open_page()
    before = counted(page)
    sound = page.locator("#sound")
    expect(sound).to_have_attribute("aria-pressed", "false")
    page.evaluate(
        "document.addEventListener('desk:sound', () => {"
        "  localStorage.heard = Number(localStorage.heard || 0) + 1;"
        "})"
    )
    heard = "Number(localStorage.heard || 0)"
    sound.click()
    expect(sound).to_have_attribute("aria-pressed", "true")
    # It is played once, so that one knows what to listen for.
    page.wait_for_function(f"{heard} === 1")
    page.goto(page.url + "catalog/product/")
    expect(page).to_have_title(f"({before}) Товары | Мост")
    page.evaluate(
        "document.addEventListener('desk:sound', () => {"
        "  localStorage.heard = Number(localStorage.heard || 0) + 1;"
        "})"
    )
    page.locator("h1").click()
    make_late(Order.objects.filter(ended_at=None).order_by("-pk")[0])
    page.clock.run_for(61_000)
    expect(page).to_have_title(f"({before + 1}) Товары | Мост")
    page.wait_for_function(f"{heard} === 2")


def make_late(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(
        accept_by=timezone.now() - timedelta(minutes=5)
    )


def test_the_first_order_is_five_tabs_behind_the_skip_link(open_page):
    page = open_page()
    page.locator(".skip-to-content-link").focus()
    page.keyboard.press("Enter")
    for _press in range(5):
        page.keyboard.press("Tab")
        href = page.evaluate("document.activeElement.getAttribute('href') || ''")
        if "/orders/order/" in href and href.endswith("/change/"):
            break
    else:
        pytest.fail("no order within five tabs")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_the_overview_has_no_accessibility_violations(open_page, width, dark):
    page = open_page(width=width, dark=dark)
    expect(page.locator("#health-more table")).not_to_have_count(0)
    looked_at(page, "overview")
