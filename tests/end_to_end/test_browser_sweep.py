"""Every kind of page for everybody: axe-core finds nothing, whatever the screen."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.full_house import furnish_house, sign_in, walk_pages

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
SCREENS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
IS_AN_ORDER = "document.activeElement.matches('a[href*=\"/order/\"][href*=change]')"
# Every rule, the "best practices" included.
RULES = {"resultTypes": ["violations"]}


@pytest.fixture
def house(settings, alstyle, tmp_path):
    furnish_house(settings, alstyle, tmp_path / "feed")
    return sign_in("owner", PASSWORD)


def keep_picture(page, url, width, scheme):
    if folder := os.environ.get("SCREENSHOTS"):
        name = re.sub(r"\W+", "-", url.removeprefix("/admin/")) or "overview"
        path = Path(folder) / f"{name}-{width}-{scheme}.png"
        page.screenshot(path=path, full_page=True)


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_no_page_has_a_finding(house, live_server, chromium, width, scheme):
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))

    def hear(told):
        # What the browser refuses because of the page's own policy stands there.
        if told.type == "error":
            problems.append(f"{page.url}: {told.text} {told.location['url']}")

    def judge(url):
        # Axe tries styles of its own, which the policy refuses as well.
        page.on("console", hear)
        page.goto(f"{live_server.url}{url}")
        page.remove_listener("console", hear)
        keep_picture(page, url, width, scheme)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            problems.append(f"{url}: {wide} px wide")
        for found in Axe().run(page, options=RULES).response["violations"]:
            nodes = (node["html"][:160] for node in found["nodes"])
            problems.extend(f"{url}: {found['id']}: {html}" for html in nodes)

    judge("/admin/login/")
    page.fill("#id_username", "owner")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
    for url, _text in list(walk_pages(house)):
        judge(url)
    context.close()
    assert not problems, "\n".join(problems)


def test_the_keyboard_reaches_the_first_order_in_five_tabs(
    house, live_server, chromium
):
    page = chromium.new_page()
    page.goto(f"{live_server.url}/admin/login/")
    page.fill("#id_username", "owner")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
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
