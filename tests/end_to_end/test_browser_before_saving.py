"""What a change would do, seen and saved in a real browser, wide and narrow."""

from urllib.parse import urljoin

import pytest
from django.urls import reverse
from openpyxl import load_workbook
from playwright.sync_api import expect

from bridge_site.roles import set_staff, sync_roles
from catalog.models import PriceRule, Product
from feeds.models import Store
from tests.end_to_end.judging import follow, looked_at, problems_of
from tests.staff import build, furnish, make_category, make_product

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
]

WIDTHS = {"desktop": 1440, "phone": 390}
PASSWORD = "a-long-password"


@pytest.fixture
def bridge(live_server, settings, tmp_path):
    """Serve a furnished bridge with a branch that sells; returns its address."""
    furnish(settings, tmp_path / "feed")
    branch = make_category("Клавиатуры", left=900, right=901)
    for number in range(30):
        make_product(
            name=f"Клавиатура Redragon K5{number:02d}",
            category=branch,
            is_published="category",
            retail_kzt=0,
        )
    PriceRule.objects.create(
        name="Клавиатуры", category=branch, base="cost", commission_percent=0
    )
    build()
    sync_roles()
    set_staff("owner", role="owner", password=PASSWORD)
    return live_server.url


@pytest.fixture
def open_at(open_as):
    """Give the owner's page of a width."""
    return lambda width, *, dark=False: open_as("owner", width=width, dark=dark)


def goto(page, name, *args):
    assert page.goto(urljoin(page.url, reverse(name, args=args))).status == 200


def show(page):
    page.get_by_role("button", name="Показать, что изменится").click()
    page.wait_for_selector("#proposal")


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_a_mistyped_mark_up_is_seen_put_right_and_brought_back(open_at, width):
    page = open_at(width, dark=width == WIDTHS["phone"])
    rule = PriceRule.objects.get(name="Клавиатуры")
    goto(page, "admin:catalog_pricerule_change", rule.pk)
    page.fill("#id_markup_percent", "200")
    show(page)
    looked_at(page, "before-saving-mistyped")
    expect(page.locator(".loud")).to_contain_text("С продажи снимется товаров: 30")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator(".errornote")).to_contain_text("Отметьте")
    page.get_by_role("link", name="Вернуться и поправить").click()
    expect(page.locator("#id_markup_percent")).to_have_value("200.00")
    page.fill("#id_markup_percent", "25")
    show(page)
    expect(page.locator(".effects tbody tr")).to_have_count(30)
    page.get_by_label("Предупреждение прочитано").check()
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator(".messagelist")).to_contain_text("Сохранено: 1 запись")
    rule.refresh_from_db()
    assert rule.markup_percent == 25
    goto(page, "admin:catalog_pricerule_history", rule.pk)
    looked_at(page, "before-saving-history")
    expect(page.locator(".turn").first).to_contain_text("owner")
    page.get_by_role("button", name="Вернуть, как было").last.click()
    page.wait_for_selector("#proposal")
    page.get_by_label("Предупреждение прочитано").check()
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator(".messagelist")).to_contain_text("Сохранено")
    rule.refresh_from_db()
    assert rule.markup_percent == 20


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_prices_of_ticked_goods_change_and_unticked_ones_stay(open_at, width):
    page = open_at(width)
    goto(page, "admin:catalog_product_changelist")
    page.goto(page.url + "?q=Redragon")
    for number in range(3):
        page.locator("#result_list tbody .action-select").nth(number).check()
    page.select_option("select[name=action]", "change_prices")
    page.locator("button[name=index]").first.click()
    page.fill("#id_number", "-5")
    looked_at(page, "before-saving-prices")
    show(page)
    expect(page.locator(".effects tbody tr")).to_have_count(3)
    page.locator("input[name=row]").first.uncheck()
    expect(page.locator("#ticked-number")).to_have_text(" (2)")
    # Who unticks one means the others.
    expect(page.get_by_label("только отмеченные")).to_be_checked()
    looked_at(page, "before-saving-ticked")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator(".messagelist")).to_contain_text("Сохранено: 2 записи")
    fixed = Product.objects.filter(price_override_kzt=5700)
    assert fixed.count() == 2


def test_a_table_goes_out_is_changed_and_comes_in(open_at, tmp_path):
    page = open_at(WIDTHS["desktop"])
    goto(page, "admin:catalog_product_changelist")
    page.goto(page.url + "?q=Redragon")
    with page.expect_download() as download:
        page.get_by_role("link", name="Скачать XLSX").click()
    path = tmp_path / "goods.xlsx"
    download.value.save_as(path)
    book = load_workbook(path)
    sheet = book.active
    headers = [cell.value for cell in sheet[1]]
    column = headers.index("Фиксированная цена,\u00a0₸") + 1
    # As people type it.
    sheet.cell(1, column).value = "Фиксированная цена, ₸"
    sheet.cell(2, column).value = 6500
    sheet.cell(3, column).value = 10
    sheet.cell(4, column).value = "дорого"
    book.save(path)
    follow(page.get_by_role("link", name="Загрузить XLSX…"))
    looked_at(page, "before-saving-upload")
    page.set_input_files("#id_file", path)
    show(page)
    looked_at(page, "before-saving-table")
    errors = page.locator(".panel", has_text="Строки с ошибками")
    expect(errors).to_contain_text("ниже предела")
    expect(errors).to_contain_text("«дорого» — не число")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator(".messagelist")).to_contain_text("Сохранено: 1 запись")
    assert Product.objects.filter(price_override_kzt=6500).count() == 1


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_figures_are_edited_where_they_stand(open_at, width):
    page = open_at(width)
    goto(page, "admin:catalog_product_changelist")
    page.goto(page.url + "?q=Redragon")
    page.get_by_role("link", name="Править в списке").click()
    page.locator("input[name=form-0-price_override_kzt]").fill("6500")
    page.locator("input[name=form-1-safety_stock]").fill("4")
    looked_at(page, "before-saving-edited")
    page.locator("input[name=_save]").first.click()
    page.wait_for_selector("#proposal")
    looked_at(page, "before-saving-edited-shown")
    page.get_by_role("button", name="Сохранить").click()
    expect(page.locator(".messagelist")).to_contain_text("Сохранено: 2 записи")
    assert Product.objects.filter(price_override_kzt=6500).count() == 1
    assert Product.objects.filter(safety_stock=4).count() == 1


def test_a_points_share_shows_what_the_others_lose(open_at):
    page = open_at(WIDTHS["desktop"])
    goto(page, "admin:feeds_store_add")
    page.fill("#id_store_id", "PP2")
    page.fill("#id_name", "Склад на Абая")
    page.select_option("#id_city_code", "710000000")
    page.fill("#id_stock_share", "3")
    page.fill("#id_supplement_percent", "5")
    show(page)
    rows = page.locator(".effects tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.last).to_contain_text("появится в прайс-листе")
    assert list(problems_of(page, "store-proposed")) == []
    page.get_by_role("button", name="Сохранить").click()
    page.wait_for_selector(".messagelist .success")
    assert Store.objects.get(store_id="PP2").stock_share == 3
