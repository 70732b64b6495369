"""The jobs of a day, each walked from the overview to its end in a real browser.

With `-s` what each takes is printed: clicks, fields and keys, and the seconds that the
pages take (nobody reads or thinks).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook
from playwright.sync_api import expect

from alerts.models import Channel
from bridge_site.roles import set_staff, sync_roles
from catalog.models import CommissionRate, PriceRule, Product
from feeds.models import Store
from orders.models import Order, ParcelCheck, Reason, Step, Waybill
from orders.money.booking import book_orders
from tests.alerts.receiver import Receiver
from tests.orders.factories import make_order, make_product
from tests.orders.parcels import make_parcel
from tests.orders.stuck import not_bought
from tests.staff import build, furnish, make_category
from tests.staff import make_product as make_on_sale

pytestmark = [
    pytest.mark.once,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]
PASSWORD = "a-long-password"
WIDTHS = {"desktop": 1440, "phone": 390}
SHEETS_PRINTED = "window.print = () => { localStorage.printed = 'yes'; };"
KEYBOARDS = 50
SOLD_LAST_MONTH = 10


@dataclass
class Walk:
    """Somebody at a page; counts what the hand does."""

    page: Any
    clicks: int = 0
    typed: int = 0
    began: float = field(default_factory=perf_counter)

    def click(self, target: Any) -> None:
        target.click()
        self.clicks += 1

    def fill(self, selector: str, text: str) -> None:
        self.page.locator(selector).fill(text)
        self.typed += 1

    def choose(self, selector: str, value: str) -> None:
        self.page.locator(selector).first.select_option(value)
        self.typed += 1

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.typed += 1

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.typed += 1

    def press_button(self, name: str) -> None:
        """Press what the page names so, though a phone keeps it under "more"."""
        self.page.wait_for_load_state()
        named = self.page.get_by_role("button", name=name)
        named = named.or_(self.page.get_by_role("link", name=name))
        if not named.count():
            self.click(self.page.get_by_text("Ещё", exact=True))
        self.click(named.first)

    def follow(self, address: str) -> None:
        """Click the link there; on a phone the menu may have to be opened first."""
        self.page.wait_for_load_state()
        link = self.page.locator(f'a[href="{address}"]').filter(visible=True)
        if not link.count():
            self.click(self.page.locator(".phone-menu summary"))
        self.click(link.first)
        self.page.wait_for_url(f"**{address}")

    def see(self, selector: str, text: str) -> None:
        expect(self.page.locator(selector).first).to_contain_text(text, timeout=40_000)


@pytest.fixture
def bridge(live_server: Any, settings: Any, tmp_path: Path) -> str:
    """Serve a bridge on an ordinary morning."""
    furnish(settings, tmp_path / "feed")
    branch = make_category("Клавиатуры", left=900, right=901)
    for number in range(KEYBOARDS):
        make_on_sale(
            name=f"Клавиатура Redragon K5{number:02d}",
            category=branch,
            is_published="category",
            retail_kzt=0,
        )
    PriceRule.objects.create(
        name="Клавиатуры", category=branch, base="cost", commission_percent=0
    )
    build()
    kettle = make_product("98120", name="Чайник Redmond RK-M1721", stock=0)
    not_bought(Reason.OUT_OF_STOCK, kettle)
    make_order((kettle, 1), code="703299417")
    mouse = make_product("103704", name="Мышь Zeta ZX-910B", barcode="4870000000017")
    for waybill in ("884001", "884002", "884003"):
        make_parcel((mouse, 1), waybill=waybill)
    sell_last_month(mouse)
    sync_roles()
    set_staff("owner", role="owner", password=PASSWORD)
    return str(live_server.url)


def sell_last_month(product: Product) -> None:
    CommissionRate.objects.get_or_create(percent="12.5", holds_from="2020-01-01")
    first = timezone.localtime().replace(day=1, hour=12)
    for days in range(1, SOLD_LAST_MONTH + 1):
        at = first - timedelta(days=days)
        order = make_order(
            (product, 1),
            created_at=at - timedelta(days=2),
            status=Order.COMPLETED,
            state=Order.ARCHIVE,
            ended_at=at,
            delivery_fee_kzt=1_099,
        )
        order.lines.update(price_kzt=(product.cost_kzt or 0) * 2)
        book_orders([order], now=at)


@pytest.fixture
def desk(chromium: Any, bridge: str) -> Iterator[Callable[[int], Any]]:
    """Give the owner's page of a width, with the overview open."""
    contexts = []

    def log_in(width: int) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900 if width > 1000 else 844},
            has_touch=width < 1000,
            is_mobile=width < 1000,
            color_scheme="dark" if width < 1000 else "light",
            locale="ru-RU",
        )
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(SHEETS_PRINTED)
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.goto(f"{bridge}/admin/")
        page.fill("#id_username", "owner")
        page.fill("#id_password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{bridge}/admin/")
        return page

    yield log_in
    for context in contexts:
        context.close()


def see_what_waits(walk: Walk) -> None:
    walk.click(walk.page.locator("#waiting tr a").first)
    expect(walk.page.locator(".stuck-card, .order-head").first).to_be_visible()


def find_an_order(walk: Walk) -> None:
    if walk.page.viewport_size["width"] < 1000:
        walk.click(walk.page.locator("#search-everywhere"))
    else:
        walk.press("/")
    walk.type("9417")
    walk.press("Enter")
    walk.see("h1", "703299417")


def settle_a_shortage(walk: Walk) -> None:
    step = Step.objects.get(reason=Reason.OUT_OF_STOCK)
    link = walk.page.locator(f'a[href*="/order/{step.order_id}/change/"]')
    walk.click(link.filter(visible=True).first)
    walk.click(walk.page.locator(".stuck-card .decide-main a").first)
    walk.click(walk.page.locator("input[value=MERCHANT_OUT_OF_STOCK]"))
    walk.press_button("Отменить заказ")
    walk.see(".messagelist .success", "")
    wanted = step.order.steps.get(kind=Step.Kind.CANCEL)
    assert wanted.status == Step.Status.PENDING


def print_check_and_hand_over(walk: Walk) -> None:
    page = walk.page
    walk.follow(reverse("hand_over"))
    with page.context.expect_page() as beside:
        walk.press_button("Напечатать 3 новые накладные")
    beside.value.close()
    page.bring_to_front()
    walk.follow(reverse("hand_over_check"))
    expect(page.locator("#code")).to_be_focused()
    for code, verdict in (("884001", "opened"), ("4870000000017", "complete")):
        walk.type(code)
        walk.press("Enter")
        expect(page.locator(f".verdict.{verdict}")).to_be_visible()
    walk.follow(reverse("hand_over_sheet"))
    walk.press_button("Напечатать лист")
    assert page.evaluate("localStorage.printed") == "yes"
    assert not Waybill.objects.filter(printed_at=None).exists()
    assert ParcelCheck.objects.get().is_finished


def save_what_is_shown(walk: Walk) -> None:
    walk.page.wait_for_selector("#proposal")
    warned = walk.page.get_by_label("Предупреждение прочитано")
    if warned.count():
        walk.click(warned)
    walk.press_button("Сохранить")
    walk.see(".messagelist", "Сохранено")


def change_a_rule(walk: Walk) -> None:
    walk.follow(reverse("admin:catalog_pricerule_changelist"))
    walk.click(walk.page.locator("#result_list a", has_text="Клавиатуры").first)
    walk.fill("#id_markup_percent", "25")
    walk.press_button("Показать, что изменится")
    expect(walk.page.locator(".effects tbody tr")).to_have_count(KEYBOARDS)
    save_what_is_shown(walk)
    assert PriceRule.objects.get(name="Клавиатуры").markup_percent == 25


def add_a_point_of_sale(walk: Walk) -> None:
    walk.follow(reverse("admin:feeds_store_changelist"))
    walk.follow(reverse("admin:feeds_store_add"))
    walk.fill("#id_store_id", "ПП2")
    walk.fill("#id_name", "Склад на Абая")
    walk.press_button("Показать, что изменится")
    walk.see(".errorlist", "PP2")
    walk.fill("#id_store_id", "PP2")
    walk.press_button("Показать, что изменится")
    walk.see(".effects", "PP2")
    save_what_is_shown(walk)
    assert Store.objects.filter(store_id="PP2").exists()


def hire(walk: Walk) -> None:
    walk.follow(reverse("admin:auth_user_changelist"))
    walk.follow(reverse("admin:auth_user_add"))
    walk.fill("#id_username", "aigul")
    walk.fill("#id_first_name", "Айгуль")
    walk.click(walk.page.locator("input[name=role][value=packer]"))
    walk.press_button("Сохранить")
    walk.see(".secret", "")
    user = User.objects.get(username="aigul")
    assert user.check_password(walk.page.locator(".secret").inner_text())


def raise_fifty_prices(walk: Walk) -> None:
    walk.follow(reverse("admin:catalog_product_changelist"))
    walk.fill("#searchbar", "Redragon")
    walk.press("Enter")
    walk.page.wait_for_url("**q=Redragon**")
    walk.click(walk.page.locator("#action-toggle"))
    walk.choose("select[name=action]", "change_prices")
    walk.click(walk.page.locator("button[name=index]").first)
    walk.fill("#id_number", "5")
    walk.press_button("Показать, что изменится")
    save_what_is_shown(walk)
    changed = Product.objects.exclude(price_override_kzt=None)
    assert changed.filter(name__contains="Redragon").count() == KEYBOARDS


def take_last_months_profit(walk: Walk) -> None:
    walk.follow(reverse("admin:orders_booking_changelist"))
    walk.click(walk.page.locator(".period .choices a", has_text="прошлый месяц"))
    with walk.page.expect_download() as started:
        walk.press_button("Скачать XLSX")
    book = load_workbook(BytesIO(Path(started.value.path()).read_bytes()))
    rows = list(book.worksheets[0].values)
    assert rows[-1][0] == "итого"
    assert rows[-1][rows[0].index("заказы")] == SOLD_LAST_MONTH


def be_told(walk: Walk) -> None:
    with Receiver() as receiver:
        walk.follow(reverse("admin:alerts_channel_changelist"))
        walk.follow(reverse("admin:alerts_channel_add"))
        walk.fill("#id_name", "Телеграм склада")
        walk.fill("#id_address", receiver.address)
        walk.press_button("Сохранить")
        walk.click(walk.page.locator("#result_list .field-show_name a"))
        walk.press_button("Отправить проверочное сообщение")
        walk.see(".messagelist", "Сообщение принято службой")
        assert "Проверочное сообщение" in receiver.texts()[0]
    assert Channel.objects.get().name == "Телеграм склада"


JOBS = {
    "morning: what needs me, opened": see_what_waits,
    "an order by its last 4 digits": find_an_order,
    "a shortage settled as recommended": settle_a_shortage,
    "waybills printed, a parcel checked, the sheet": print_check_and_hand_over,
    "a price rule, its effect seen, saved": change_a_rule,
    "a point of sale, a Cyrillic code refused": add_a_point_of_sale,
    "a member of staff": hire,
    "50 prices + 5 %": raise_fifty_prices,
    "last month's profit as XLSX": take_last_months_profit,
    "a channel of alerts, tried": be_told,
}


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_each_job_of_a_day_comes_to_its_end(desk, bridge, width):
    page = desk(width)
    print(f"\n{width} px: clicks, fields and keys, seconds")
    for name, job in JOBS.items():
        page.goto(f"{bridge}/admin/")
        walk = Walk(page)
        job(walk)
        took = perf_counter() - walk.began
        print(f"{name:48} {walk.clicks:3} {walk.typed:3} {took:6.1f}")
