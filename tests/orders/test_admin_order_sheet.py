from __future__ import annotations

from io import BytesIO

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from catalog.models import ProductChange
from orders.models import Buyer, Order
from tests.orders.factories import make_order
from tests.staff import log_in, make_product, page

pytestmark = pytest.mark.django_db


def rows_of(response):
    return list(load_workbook(BytesIO(response.content)).active.values)


def test_orders_go_out_line_by_line_and_without_their_buyers(settings):
    product = make_product(name="=HYPERLINK(1)")
    other = make_product()
    order = make_order((product, 1), (other, 2))
    order.lines.filter(product=product).update(name=product.name)
    Order.objects.filter(pk=order.pk).update(total_kzt=15980)
    Buyer.objects.update_or_create(
        order=order, defaults={"name": "Айгуль", "phone": "77010000001"}
    )
    owner = log_in(settings, "owner")
    url = reverse("admin:orders_order_xlsx")
    assert url in page(owner, reverse("admin:orders_order_changelist"))
    response = owner.get(url)
    _headers, *rows = rows_of(response)
    assert [row[0] for row in rows] == [order.code, order.code]
    assert rows[0][5] == product.article
    # No program runs what a name says.
    assert rows[0][6] == "'=HYPERLINK(1)"
    text = str(rows)
    assert "Айгуль" not in text
    assert "77010000001" not in text


def test_only_what_the_filters_find_goes_out(settings):
    product = make_product()
    wanted, other = make_order((product, 1)), make_order((product, 1))
    client = log_in(settings, "operator")
    response = client.get(reverse("admin:orders_order_xlsx"), {"q": wanted.code})
    codes = {row[0] for row in rows_of(response)[1:]}
    assert codes == {wanted.code} != {other.code}


def test_changes_go_out(settings):
    product = make_product()
    ProductChange.objects.create(
        product=product, field="stock", old=7, new=10, changed_at=product.first_seen
    )
    viewer = log_in(settings, "viewer")
    row = rows_of(viewer.get(reverse("admin:catalog_productchange_xlsx")))[1]
    assert (row[1], row[4], row[5]) == (product.article, 7, 10)


def test_a_stranger_takes_nothing_out(client):
    for name in ("orders_order_xlsx", "catalog_productchange_xlsx"):
        response = client.get(reverse(f"admin:{name}"))
        assert response.status_code == 302
        assert "login" in response.url
