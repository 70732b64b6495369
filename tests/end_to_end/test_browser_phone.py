"""Every kind of page in a phone's width: nothing off-screen, nothing too small."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from orders.models import Order
from tests.full_house import furnish_house, sign_in, walk_pages
from tests.orders.factories import make_product
from tests.orders.parcels import asked_to_assemble, make_parcel

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
WIDTH, HEIGHT = 390, 844
# WCAG 2.5.8: 24 px, but for links among words and what no finger can miss: a target
# whose circle of 24 px touches no other.
FINDINGS = """
(screen) => {
    const shown = (e) => {
        const box = e.getBoundingClientRect();
        const style = getComputedStyle(e);
        return box.width > 1 && box.height > 1 && style.visibility === "visible"
            && e.checkVisibility() && !e.closest(".skip-to-content-link");
    };
    const name = (e) => e.outerHTML.slice(0, 110);
    const found = [];
    const wide = document.documentElement.scrollWidth;
    if (wide > screen) found.push(`${wide} px wide`);
    const fields = "input:not([type=checkbox], [type=radio], [type=hidden],"
        + "[type=submit], [type=button], [type=file]), select, textarea";
    for (const field of [...document.querySelectorAll(fields)].filter(shown)) {
        const size = parseFloat(getComputedStyle(field).fontSize);
        if (size < 16) found.push(`${size} px letters: ${name(field)}`);
    }
    const targets = [...document.querySelectorAll(
        "a[href], button, summary, input:not([type=hidden]), select, textarea")
    ].filter(shown);
    const inText = (e) => getComputedStyle(e).display === "inline" && [
        ...e.parentElement.childNodes].some((node) => node !== e
            && node.nodeType === Node.TEXT_NODE && node.textContent.trim().length > 1);
    const hit = (e) => {
        // A label's words are a target as well.
        const label = e.labels?.[0];
        const boxes = [e, ...(label && shown(label) ? [label] : [])].map(
            (one) => one.getBoundingClientRect());
        return {
            width: Math.max(...boxes.map((b) => b.width)),
            height: Math.max(...boxes.map((b) => b.height)),
            x: boxes[0].x + boxes[0].width / 2, y: boxes[0].y + boxes[0].height / 2,
            box: boxes[0],
        };
    };
    const boxes = targets.map(hit);
    targets.forEach((target, i) => {
        const { width, height, x, y } = boxes[i];
        if ((width >= 23.5 && height >= 23.5) || inText(target)) return;
        const near = boxes.some((other, j) => {
            if (i === j || target.contains(targets[j]) || targets[j].contains(target)) {
                return false;
            }
            const dx = Math.max(other.box.left - x, 0, x - other.box.right);
            const dy = Math.max(other.box.top - y, 0, y - other.box.bottom);
            return Math.hypot(dx, dy) < 12;
        });
        if (near || height < 16) {
            found.push(`${Math.round(width)}×${Math.round(height)}: ${name(target)}`);
        }
    });
    // What stands beyond the edge can be reached only by scrolling sideways.
    const parts = "#content a, #content button, #content .pill";
    for (const e of document.querySelectorAll(parts)) {
        if (!shown(e)) continue;
        const box = e.getBoundingClientRect();
        if (box.left < -1 || box.right > screen + 1) {
            found.push(`off-screen: ${name(e)}`);
        }
    }
    return found;
}
"""


@pytest.fixture
def house(settings: Any, alstyle: Any, tmp_path: Path) -> Any:
    furnish_house(settings, alstyle, tmp_path / "feed")
    mouse = make_product("103704", name="Мышь беспроводная Zeta ZX-910B, чёрная")
    for number in ("884001", "884002"):
        order = make_parcel((mouse, 2), waybill=number, total_kzt=25_980)
        order.lines.update(name=mouse.name)
    asked_to_assemble(order, places=2)
    make_parcel((mouse, 1))
    return sign_in("owner", PASSWORD)


def open_phone(browser: Any, url: str, *, dark: bool = False) -> Any:
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        has_touch=True,
        is_mobile=True,
        locale="ru-RU",
        color_scheme="dark" if dark else "light",
    )
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(f"{url}/admin/login/")
    page.fill("#id_username", "owner")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
    page.wait_for_url(f"{url}/admin/")
    return page


def shot(page: Any, url: str, *, dark: bool = False) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        name = re.sub(r"\W+", "-", url.removeprefix("/admin/")) or "overview"
        path = Path(folder) / f"phone-{name}{'-dark' * dark}.png"
        page.screenshot(path=path, full_page=True)


@pytest.mark.long
def test_no_page_asks_a_thumb_too_much(house, live_server, chromium):
    page = open_phone(chromium, live_server.url)
    problems = []
    for url, _text in list(walk_pages(house)):
        page.goto(f"{live_server.url}{url}")
        shot(page, url)
        problems += [f"{url}: {found}" for found in page.evaluate(FINDINGS, WIDTH)]
    assert not problems, "\n".join(problems)


def test_orders_are_cards_that_say_what_matters(house, live_server, chromium):
    page = open_phone(chromium, live_server.url, dark=True)
    url = "/admin/orders/order/"
    page.goto(f"{live_server.url}{url}")
    shot(page, url, dark=True)
    order = Order.objects.get(waybill_number="884001")
    card = page.locator("#result_list tbody tr", has_text=order.code)
    expect(card).to_contain_text("Мышь беспроводная")
    expect(card).to_contain_text("собран: передать")
    for cell in ("show_code", "show_left", "show_goods", "show_situation"):
        box = card.locator(f".field-{cell}").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= WIDTH
    assert card.bounding_box()["height"] < 200


def test_an_order_says_its_status_before_its_buttons(house, live_server, chromium):
    page = open_phone(chromium, live_server.url)
    order = Order.objects.filter(state="PICKUP").first()
    url = f"/admin/orders/order/{order.pk}/change/"
    page.goto(f"{live_server.url}{url}")
    status = page.locator(".order-head").bounding_box()
    buttons = page.locator(".order-head ~ .page-buttons, .order-head + .page-buttons")
    assert buttons.first.bounding_box()["y"] > status["y"]
    cancel = page.get_by_role("link", name="Отменить заказ")
    expect(cancel).to_be_hidden()
    page.get_by_text("Ещё", exact=True).click()
    expect(cancel).to_be_visible()
    # On a wide screen all buttons are where they were.
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(page.locator(".title-row .page-buttons")).to_contain_text("Отменить заказ")
    expect(page.get_by_text("Ещё", exact=True)).to_have_count(0)


def test_the_site_can_be_installed(house, live_server, chromium):
    page = open_phone(chromium, live_server.url)
    href = page.get_attribute("link[rel=manifest]", "href")
    answer = page.request.get(f"{live_server.url}{href}")
    assert answer.headers["content-type"] == "application/manifest+json"
    manifest = answer.json()
    assert manifest["display"] == "standalone"
    assert page.request.get(f"{live_server.url}{manifest['start_url']}").ok
    sizes = set()
    for icon in manifest["icons"]:
        picture = page.request.get(f"{live_server.url}{icon['src']}")
        assert picture.ok
        width = int.from_bytes(picture.body()[16:20], "big")
        assert icon["sizes"] == f"{width}x{width}"
        sizes.add((width, icon["purpose"]))
    assert {(192, "any"), (512, "any"), (512, "maskable")} <= sizes
    client = page.context.new_cdp_session(page)
    found = client.send("Page.getInstallabilityErrors")
    wrong = {one["errorId"] for one in found["installabilityErrors"]}
    # A context of its own counts as incognito.
    assert wrong <= {"in-incognito"}
