"""Two buyers, one unit: one gets it, a person sees the other, the list says none."""

from __future__ import annotations

import pytest
from django.utils import timezone
from lxml import etree

from catalog.models import ImportRun, PriceRule
from feeds.files import live_path
from feeds.models import Store
from feeds.publishing import build_price_list
from orders.clients import Clients
from orders.models import Step
from orders.steps.machine import process_due
from sandbox import AlStyleServer
from tests.orders.factories import make_order, product_of, step_of

pytestmark = pytest.mark.django_db(transaction=True)
NS = {"k": "kaspiShopping"}


@pytest.fixture
def supplier(settings):
    settings.AUTO_ACCEPT = False
    with AlStyleServer(token="alstyle-test-token", interval_s=0) as server:
        settings.ALSTYLE_URL = server.url
        yield server


def shown() -> dict[str, tuple[str, str]]:
    assert build_price_list(now=timezone.now()).is_success
    tree = etree.parse(str(live_path()))
    return {
        str(offer.get("sku")): (
            str(place.get("available")),
            str(place.get("stockCount")),
        )
        for offer in tree.iterfind(".//k:offer", NS)
        for place in offer.iterfind(".//k:availability", NS)
    }


def test_the_last_unit_is_sold_once_and_then_shown_as_none(supplier):
    now = timezone.now()
    good = next(
        g
        for g in supplier.goods.values()
        if g.price1 > 1 and g.available and not g.multiplicity
    )
    supplier.set_good(good.article, quantity=1)
    product = product_of(supplier, good.article, stock=1, is_published="yes")
    plenty = next(g for g in supplier.goods.values() if g.price1 > 1 and g is not good)
    other = product_of(supplier, plenty.article, stock=9, is_published="yes")
    Store.objects.create(store_id="PP1")
    PriceRule.objects.create(name="default")
    ImportRun.objects.create(
        kind="stock", status="done", started_at=now, finished_at=now
    )
    assert shown()[product.sku] == ("yes", "1")

    orders = [make_order((product, 1)), make_order((product, 1))]
    assert shown() == {product.sku: ("no", "0"), other.sku: ("yes", "9")}
    with Clients() as clients:
        process_due(clients, budget_s=20)
    statuses = sorted(step_of(order).status for order in orders)
    assert statuses == [Step.Status.DONE, Step.Status.REFUSED]
    assert shown()[product.sku] == ("no", "0")
