"""A packer at work in a real browser: printing, checking by scanner, the sheet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from bridge_site.roles import set_staff, sync_roles
from launch.programs import find_chromium
from orders.models import Order, ParcelCheck, Step, Waybill
from sandbox.kaspi.orders import Waybill as Issued
from sandbox.kaspi.waybills import waybill_pdf
from tests.conftest import CHROMIUM_FLAGS
from tests.end_to_end.judging import keep_picture, looked_at
from tests.orders.factories import make_product
from tests.orders.parcels import asked_to_assemble, make_parcel

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
PAGES = ("", "picking/", "check/", "sheet/")
# Notes down what is played instead of playing it.
SOUNDS = """
window.tones = [];
window.AudioContext = class {
    constructor() { this.currentTime = 0; }
    resume() {}
    createOscillator() {
        const tone = {
            frequency: {}, connect: (next) => next, start() {},
            stop() { window.tones.push(tone.frequency.value); },
        };
        return tone;
    }
    createGain() { return { gain: {}, connect: (next) => next }; }
};
"""


def furnish() -> dict[str, Order]:
    """Make a morning's parcels."""
    now = timezone.now()
    mouse = make_product(
        "103704", name="Мышь беспроводная Zeta ZX-910B, чёрная", barcode="4870000000017"
    )
    cable = make_product("103911", name="Кабель HDMI 2.1, 3 м", barcode="4870000000024")
    kettle = make_product("98120", name="Чайник электрический Redmond RK-M1721")
    orders = {
        "ready": make_parcel((mouse, 2), (cable, 1), waybill="884001"),
        "late": make_parcel(
            (kettle, 1), waybill="884002", hand_over_by=now - timedelta(minutes=40)
        ),
        "big": make_parcel((kettle, 3), (mouse, 1), waybill="884003", is_express=True),
        "plain": make_parcel((cable, 5)),
        "stuck": make_parcel((mouse, 1)),
        "made": make_parcel((mouse, 1), is_assembled=True, waybill_number="884009"),
        "pickup": make_parcel((kettle, 1), state=Order.PICKUP),
        "own": make_parcel((cable, 2), state=Order.DELIVERY),
        "gone": make_parcel((cable, 2), waybill="884004", handed_over_at=now),
    }
    asked_to_assemble(orders["big"], places=3)
    asked_to_assemble(orders["stuck"], status=Step.Status.REFUSED)
    printed = orders["big"].waybills.get()
    printed.printed_at, printed.printed_by = now, "anna"
    printed.save()
    return orders


@pytest.fixture
def orders() -> dict[str, Order]:
    return furnish()


def log_in(browser: Any, url: str, *, width: int = 1440, dark: bool = False) -> Any:
    sync_roles()
    set_staff("anna", role="operator", password=PASSWORD)
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        locale="ru-RU",
        color_scheme="dark" if dark else "light",
    )
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(f"{url}/admin/")
    page.fill("#id_username", "anna")
    page.fill("#id_password", PASSWORD)
    page.click("#login-form [type=submit]")
    page.wait_for_url(f"{url}/admin/")
    return page


def goto(page: Any, url: str, path: str = "") -> None:
    page.goto(f"{url}/admin/orders/handover/{path}")


def scan(page: Any, code: str) -> None:
    """Type as a scanner does: fast, and with Enter at the end."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(
    ("width", "dark"),
    [(1440, False), (1440, True), (390, False), (390, True)],
    ids=["desktop", "desktop-dark", "phone", "phone-dark"],
)
def test_the_pages_fit_and_have_no_finding(orders, live_server, chromium, width, dark):
    page = log_in(chromium, live_server.url, width=width, dark=dark)
    for path in PAGES:
        goto(page, live_server.url, path)
        name = f"handover-{path.strip('/') or 'parcels'}"
        if path == "check/":
            scan(page, "884001")
            expect(page.locator(".verdict.opened")).to_be_visible()
            scan(page, "4870000000024")
            expect(page.locator(".verdict.counted")).to_be_visible()
            keep_picture(page, f"{name}-counted-{width}{'-dark' * dark}")
            scan(page, "98120")
            expect(page.locator(".verdict.wrong")).to_be_visible()
        looked_at(page, name)


def test_new_waybills_print_beside_and_the_list_knows(orders, live_server, chromium):
    page = log_in(chromium, live_server.url)
    goto(page, live_server.url)
    rows = page.locator("[data-prints] .parcel")
    # The late one first, then the other new one; what is printed comes last.
    expect(rows).to_have_count(3)
    assert orders["late"].code in rows.first.inner_text()
    assert orders["big"].code in rows.last.inner_text()
    with page.context.expect_page() as beside:
        page.get_by_role("button", name="Напечатать 2 новые накладные").click()
    assert beside.value != page
    beside.value.close()
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.locator(".messagelist")).to_contain_text(
        "В файле накладных: 2; без накладной:"
    )
    expect(page.get_by_role("button", name="новые накладные")).to_have_count(0)
    assert rows.filter(has_text="anna").count() == 3


@pytest.fixture
def whole_chromium(chromium):
    """Start the browser as people have it: the viewer of PDFs is a part of that."""
    whole = chromium.browser_type.launch(
        executable_path=str(find_chromium()),
        headless=False,
        args=[*CHROMIUM_FLAGS, "--headless=new"],
        ignore_default_args=[
            "--disable-extensions",
            "--disable-component-extensions-with-background-pages",
        ],
    )
    yield whole
    whole.close()


def test_the_browsers_own_viewer_shows_waybills_under_our_policy(
    orders, live_server, whole_chromium
):
    for waybill in Waybill.objects.select_related("order"):
        issued = Issued(number=waybill.number, places=2, issued=0, ready_at=0)
        waybill.pdf = waybill_pdf(issued, code=waybill.order.code)
        waybill.save()
    page = log_in(whole_chromium, live_server.url)
    said: list[str] = []
    page.context.on("console", lambda message: said.append(message.text))
    goto(page, live_server.url)
    with page.context.expect_page() as beside:
        page.get_by_role("button", name="Напечатать 2 новые накладные").click()
    shown = beside.value
    for _try in range(100):
        frames = [frame.url for frame in shown.frames]
        if any(url.startswith("chrome-extension://") for url in frames):
            break
        shown.wait_for_timeout(100)
    else:
        pytest.fail(f"no viewer: {frames}")
    assert shown.evaluate("document.contentType") == "application/pdf"
    keep_picture(shown, "handover-waybills")
    assert [text for text in said if "Policy" in text] == []


def test_parcels_are_chosen_to_be_printed_again(orders, live_server, chromium):
    page = log_in(chromium, live_server.url)
    goto(page, live_server.url)
    button = page.get_by_role("button", name="Напечатать отмеченные")
    expect(button).to_be_disabled()
    page.get_by_label("отметить все").check()
    expect(button).to_be_enabled()
    assert page.locator("input[name=order]:checked").count() == 3


def test_a_parcel_is_assembled_in_the_list(orders, live_server, chromium):
    page = log_in(chromium, live_server.url)
    goto(page, live_server.url)
    code = orders["plain"].code
    row = page.locator(".parcel", has_text=code)
    row.get_by_label("Мест").fill("2")
    row.get_by_role("button", name="Собрать").click()
    expect(page.locator(".messagelist")).to_contain_text(code)
    expect(page.locator(".parcel", has_text=code)).to_contain_text("сборка оформляется")
    step = orders["plain"].steps.get(kind=Step.Kind.ASSEMBLE)
    assert step.parameters["places"] == 2


def test_a_parcel_is_checked_by_scanner_without_a_mouse(orders, live_server, chromium):
    page = log_in(chromium, live_server.url)
    page.add_init_script(SOUNDS)
    goto(page, live_server.url, "check/")
    verdict = page.locator(".verdict")
    scan(page, "884001")
    expect(verdict).to_have_class("verdict opened")
    # A kettle is not in this parcel.
    scan(page, "98120")
    expect(verdict).to_have_class("verdict wrong")
    expect(verdict).to_contain_text("Не для этой посылки")
    assert page.evaluate("tones.at(-1)") < 200
    # A scanner does not wait for answers.
    for code in ("4870000000017", "103704", "4870000000024"):
        scan(page, code)
    expect(verdict).to_have_class("verdict complete")
    assert page.evaluate("tones.at(-1)") > 1500
    check = ParcelCheck.objects.get()
    assert check.is_finished
    assert (check.order, check.checked_by) == (orders["ready"], "anna")
    # The next parcel, from wherever the focus went.
    page.evaluate("document.activeElement.blur()")
    scan(page, orders["late"].code)
    expect(verdict).to_have_class("verdict opened")
    scan(page, "98120")
    expect(verdict).to_have_class("verdict complete")
    goto(page, live_server.url)
    row = page.locator(".parcel", has_text=orders["late"].code)
    expect(row).to_contain_text("проверен")


def test_a_lost_scan_is_told_and_not_counted(orders, live_server, chromium):
    page = log_in(chromium, live_server.url)
    goto(page, live_server.url, "check/")
    scan(page, "884001")
    expect(page.locator(".verdict.opened")).to_be_visible()
    page.route("**/handover/check/", lambda route: route.abort())
    scan(page, "103704")
    expect(page.locator(".verdict.wrong")).to_contain_text("не засчитан")
    page.unroute("**/handover/check/")
    scan(page, "103704")
    expect(page.locator(".verdict.counted")).to_be_visible()
    assert sum(ParcelCheck.objects.get().counted.values()) == 1


def test_on_paper_there_is_the_sheet_and_nothing_else(orders, live_server, chromium):
    page = log_in(chromium, live_server.url, dark=True)
    goto(page, live_server.url, "sheet/")
    page.emulate_media(media="print")
    keep_picture(page, "handover-sheet-print")
    for name in ("#header", ".tabs", ".scopes", ".page-buttons"):
        assert not page.locator(name).first.is_visible(), name
    assert page.locator(".sheet-table tbody tr").count() == 5
    ink = "getComputedStyle(document.querySelector('.sheet-table td')).color"
    assert page.evaluate(ink) == "rgb(0, 0, 0)"
    goto(page, live_server.url, "picking/")
    keep_picture(page, "handover-picking-print")
