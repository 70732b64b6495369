"""Every kind of page for everybody: axe-core finds nothing, whatever the screen."""

from __future__ import annotations

import zlib

import pytest

from tests.end_to_end.judging import new_page, problems_of
from tests.full_house import (
    furnish_house,
    kind_of,
    pages_of_orders,
    sign_in,
    walk_pages,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
# All pages at once would take one worker longer than all that others are busy with.
SHARES = 3
IS_AN_ORDER = "document.activeElement.matches('a[href*=\"/order/\"][href*=change]')"


@pytest.fixture
def house(settings, alstyle, tmp_path):
    furnish_house(settings, alstyle, tmp_path / "feed")
    return sign_in("owner", PASSWORD)


def log_in(page, live_server):
    page.goto(f"{live_server.url}/admin/login/")
    page.fill("#id_username", "owner")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")


def is_in_share(url, share, orders):
    """Tell whether this share of the pages has this one, whatever the rows' numbers."""
    number = orders.index(url) if url in orders else zlib.crc32(kind_of(url).encode())
    return number % SHARES == share


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
def test_no_page_has_a_finding(house, live_server, chromium, share):
    page = new_page(chromium)
    problems = []
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.goto(f"{live_server.url}/admin/login/")
    problems += problems_of(page, "login")
    log_in(page, live_server)
    orders = pages_of_orders()
    urls = [url for url, _text in walk_pages(house) if is_in_share(url, share, orders)]
    assert len(urls) > 20
    for url in urls:
        page.goto(f"{live_server.url}{url}")
        problems += problems_of(page, url.removeprefix("/admin/") or "overview")
    assert not problems, "\n".join(problems)


def test_the_keyboard_reaches_the_first_order_in_five_tabs(
    house, live_server, chromium
):
    page = chromium.new_page()
    log_in(page, live_server)
    for url in ("/admin/", "/admin/orders/order/?tab=person"):
        page.goto(f"{live_server.url}{url}")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className").startswith("skip-")
        page.keyboard.press("Enter")
        for _tab in range(5):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.className") == "skip-to-rows":
                page.keyboard.press("Enter")
            if page.evaluate(IS_AN_ORDER):
                break
        assert page.evaluate(IS_AN_ORDER), url
