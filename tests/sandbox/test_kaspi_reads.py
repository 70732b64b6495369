from __future__ import annotations

import pytest

from sandbox import KaspiServer
from tests.sandbox.feedhost import FeedHost, offer
from tests.sandbox.kaspiclient import (
    CODE,
    DAY_MS,
    GE,
    INCLUDE,
    LE,
    STATE,
    Merchant,
    title,
)

LINE = [{"sku": "70311", "quantity": 2, "price": 15990.0, "name": "Чайник"}]


@pytest.fixture
def merchant(kaspi, http):
    return Merchant(kaspi, http)


def test_order_has_the_contracts_shape(kaspi, merchant):
    order = kaspi.new_order(LINE)
    answer = merchant.list(**{INCLUDE: "entries"}).json()
    (row,) = answer["data"]
    attributes = row["attributes"]

    assert row["type"] == "orders"
    assert row["id"] == order.id != order.code
    assert attributes["code"] == order.code
    assert (attributes["state"], attributes["status"]) == ("NEW", "APPROVED_BY_BANK")
    assert attributes["totalPrice"] == 31980.0
    assert attributes["pickupPointId"] == "QazDemo_PP1"
    assert attributes["kaspiDelivery"]["waybill"] is None
    assert attributes["kaspiDelivery"]["courierTransmissionPlanningDate"]
    assert attributes["customer"]["cellPhone"].isdigit()
    assert isinstance(attributes["creationDate"], int)
    (line,) = answer["included"]
    assert line["id"] == row["relationships"]["entries"]["data"][0]["id"]
    assert line["attributes"]["offer"] == {"code": "70311", "name": "Чайник"}
    assert (line["attributes"]["quantity"], line["attributes"]["totalPrice"]) == (
        2,
        31980.0,
    )
    assert answer["meta"] == {"pageCount": 1, "totalCount": 1}


def test_user_may_be_included_instead(kaspi, merchant):
    kaspi.new_order(LINE)
    included = merchant.list(**{INCLUDE: "user"}).json()["included"]
    assert [row["type"] for row in included] == ["customers"]


def test_creation_date_is_required_in_kaspis_words(merchant):
    answer = merchant.list(**{GE: None})
    assert answer.status_code == 400
    assert title(answer) == "Required filter [orders][creationDate][$ge] is empty."


def test_more_than_fourteen_days_is_refused_in_kaspis_words(merchant):
    answer = merchant.list(**{GE: merchant.now_ms() - 30 * DAY_MS + 60_000})
    assert answer.status_code == 400
    assert title(answer) == (
        "Exceeded the maximum difference for the filter[orders][creationDate]"
        " (in days). Actual [30], max [14]."
    )
    now = merchant.now_ms()
    assert merchant.list(**{GE: now - 14 * DAY_MS, LE: now}).status_code == 200


@pytest.mark.parametrize(
    "spoil",
    [
        {"page[number]": None},
        {"page[size]": None},
        {"page[size]": 101},
        {GE: "yesterday"},
        {STATE: "PACKING"},
    ],
)
def test_other_wrong_filters_are_a_400(merchant, spoil):
    answer = merchant.list(**spoil)
    assert answer.status_code == 400
    assert title(answer)


def test_switches_make_lists_stricter(kaspi, merchant):
    kaspi.change_settings(state_required=True, sign_required_400=True)
    assert merchant.list().status_code == 400
    assert merchant.list(**{STATE: "SIGN_REQUIRED"}).status_code == 400
    assert merchant.list(**{STATE: "NEW"}).status_code == 200


def test_lists_are_filtered_by_state_status_and_date(kaspi, merchant):
    new = kaspi.new_order(LINE)
    unsigned = kaspi.new_order(LINE, credit=True)
    old = kaspi.new_order(LINE, age_s=5 * 86_400, frozen=True)
    assert merchant.codes(**{STATE: "NEW"}) == [new.code, old.code]
    assert merchant.codes(**{STATE: "SIGN_REQUIRED"}) == [unsigned.code]
    begin = merchant.now_ms() - DAY_MS
    assert set(merchant.codes(**{GE: begin})) == {new.code, unsigned.code}
    assert merchant.codes(**{GE: begin - 9 * DAY_MS, LE: begin}) == [old.code]
    assert merchant.codes(**{"filter[orders][status]": "COMPLETED"}) == []


def test_lists_may_hold_orders_slightly_older_than_asked(kaspi, merchant):
    order = kaspi.new_order(LINE)
    after = int(order.created * 1000) + 500
    assert merchant.codes(**{GE: after}) == [order.code]
    kaspi.settings.older_by_s = 0
    assert merchant.codes(**{GE: after}) == []


def test_paging_counts_pages_and_ends_empty(kaspi, merchant):
    for _ in range(25):
        kaspi.new_order(LINE)
    read = []
    for number in range(3):
        read += merchant.codes(**{"page[size]": 10, "page[number]": number})
    assert len(set(read)) == 25
    answer = merchant.list(**{"page[size]": 10, "page[number]": 3}).json()
    assert answer["data"] == []
    assert answer["meta"] == {"pageCount": 3, "totalCount": 25}


@pytest.mark.parametrize(
    ("fault", "second"),
    [("page_repeats", (0, 10)), ("page_shifts", (9, 19)), ("page_shrinks", (11, 21))],
)
def test_pages_can_repeat_shift_and_shrink(kaspi, merchant, fault, second):
    for _ in range(25):
        kaspi.new_order(LINE)
    every = merchant.codes()
    kaspi.faults.add(fault)
    page = merchant.codes(**{"page[size]": 10, "page[number]": 1})
    assert page == every[slice(*second)]


def test_order_by_code_needs_no_paging(kaspi, merchant):
    order = kaspi.new_order(LINE)
    assert merchant.order(order.code)["id"] == order.id
    assert merchant.order("1") is None
    assert [arrival.method for arrival in kaspi.arrivals] == ["order-by-code"] * 2


def test_order_by_id_and_not_by_code(kaspi, merchant):
    order = kaspi.new_order(LINE)
    answer = merchant.send("GET", f"v2/orders/{order.id}")
    assert answer.json()["data"]["attributes"]["code"] == order.code
    assert merchant.send("GET", f"v2/orders/{order.code}").status_code == 404


def test_entries_lead_to_the_sku_in_two_ways(kaspi, merchant):
    order = kaspi.new_order(LINE)
    kaspi.settings.omit_offer = True
    (line,) = merchant.entries(order)
    assert "offer" not in line["attributes"]
    product = merchant.send("GET", f"v2/orderentries/{line['id']}/product").json()
    assert product["data"]["attributes"]["code"] != "70311"
    path = f"v2/masterproducts/{product['data']['id']}/merchantProduct"
    ours = merchant.send("GET", path).json()
    assert ours["data"]["attributes"]["code"] == "70311"


def test_entry_may_lead_nowhere(kaspi, merchant):
    order = kaspi.new_order([{"sku": "70311", "shows_product": False}])
    (line,) = merchant.entries(order)
    assert "offer" not in line["attributes"]
    assert "product" not in line["relationships"]
    answer = merchant.send("GET", f"v2/orderentries/{line['id']}/product")
    assert answer.status_code == 404


def test_user_points_and_cities_answer(kaspi, merchant):
    order = kaspi.new_order(LINE)
    (line,) = merchant.entries(order)
    user = merchant.send("GET", f"v2/orders/{order.id}/user").json()["data"]
    assert user["attributes"]["firstName"] == order.buyer.first_name
    path = f"v2/orderentries/{line['id']}/deliveryPointOfService"
    point = merchant.send("GET", path).json()["data"]
    answer = merchant.send("GET", f"v2/pointofservices/{point['id']}").json()
    assert answer["data"]["attributes"]["displayName"] == "PP1"
    cities = merchant.send("GET", "v2/cities").json()["data"]
    assert {"750000000", "710000000"} <= {c["attributes"]["code"] for c in cities}


def test_attributes_can_be_null_missing_or_unknown(kaspi, merchant):
    order = kaspi.new_order(LINE, raw={"status": "FROZEN_IN_SPACE", "state": "MOON"})
    kaspi.change_settings(
        null_attributes=["deliveryCost"], omit_attributes=["kaspiDelivery"]
    )
    attributes = merchant.attributes(order.code)
    assert attributes["status"] == "FROZEN_IN_SPACE"
    assert attributes["deliveryCost"] is None
    assert "kaspiDelivery" not in attributes
    kaspi.set_order(order.code, omit=["customer"], raw={})
    assert "customer" not in merchant.attributes(order.code)


def test_lines_can_be_weighed_fractional_negative_or_absent(kaspi, merchant):
    odd = {"sku": "1", "quantity": 1.5, "unit_type": "MEASURABLE", "weight": 1500.0}
    order = kaspi.new_order([odd, {"sku": "2", "price": -5.0}, {"sku": "3"}])
    kaspi.set_order(order.code)
    order.entries[2].raw = {"quantity": 0}
    shown = [line["attributes"] for line in merchant.entries(order)]
    assert (shown[0]["quantity"], shown[0]["unitType"]) == (1.5, "MEASURABLE")
    assert shown[1]["basePrice"] == -5.0
    assert shown[2]["quantity"] == 0
    kaspi.set_order(order.code, shows_entries=False)
    assert merchant.entries(order) == []


def test_phones_can_be_masked(kaspi, merchant):
    order = kaspi.new_order(LINE, masked_phone=True)
    customer = merchant.attributes(order.code)["customer"]
    assert customer["cellPhone"] == "+0(000)-000-00-00"


def test_links_can_be_relative_and_data_absent(kaspi, merchant):
    order = kaspi.new_order(LINE)
    kaspi.change_settings(relative_links=True, links_only=True)
    entries = merchant.order(order.code)["relationships"]["entries"]
    assert entries == {"links": {"related": f"/shop/api/v2/orders/{order.id}/entries"}}


def test_kaspis_clock_can_be_ahead(kaspi, merchant):
    order = kaspi.new_order(LINE)
    kaspi.settings.clock_skew_s = 3600
    created = merchant.attributes(order.code)["creationDate"]
    assert created == int((order.created + 3600) * 1000)
    assert order.code in merchant.codes()


def test_too_many_requests_a_second_get_429(kaspi, merchant):
    kaspi.settings.requests_per_s = 2
    answers = [merchant.list() for _ in range(4)]
    assert [answer.status_code for answer in answers][:2] == [200, 200]
    assert answers[3].status_code == 429
    assert answers[3].headers["Retry-After"] == "1"


def test_unknown_paths_are_a_404(merchant):
    assert merchant.send("GET", "v2/nonsense").status_code == 404
    assert merchant.send("GET", "v2/orders/x/nonsense").status_code == 404


def test_faults_strike_kaspis_methods_by_name(kaspi, merchant):
    order = kaspi.new_order(LINE)
    kaspi.faults.add("status", "entries", code=503, times=1)
    path = f"v2/orders/{order.id}/entries"
    assert merchant.send("GET", path).status_code == 503
    assert merchant.send("GET", path).status_code == 200
    kaspi.faults.add("html", "reads")
    assert merchant.list().text.startswith("<html>")
    assert merchant.accept(order).status_code == 200


def test_generated_orders_stay_within_published_stock(http):
    offers = [offer(str(n), stock=n % 4) for n in range(20)]
    with FeedHost(*offers) as host, KaspiServer(feed_url=host.url) as kaspi:
        assert kaspi.generate(5) == []
        kaspi.fetch_now()
        orders = kaspi.generate(100)
        taken: dict[str, int] = {}
        for order in orders:
            for entry in order.entries:
                taken[entry.sku] = taken.get(entry.sku, 0) + int(entry.quantity)
        assert taken == {str(n): n % 4 for n in range(20) if n % 4}
        assert kaspi.generate(1) == []
        host.serve_offers(*offers)
        kaspi.fetch_now()
        assert kaspi.generate(1)
        assert {order.buyer.phone[:3] for order in orders} == {"700"}
        page = http.get(kaspi.page_url, timeout=5).text
        assert orders[-1].code in page
        assert orders[-1].buyer.phone not in page


def test_same_seed_makes_the_same_orders():
    def made():
        with (
            FeedHost(*(offer(str(n)) for n in range(20))) as host,
            KaspiServer(feed_url=host.url, seed=5) as kaspi,
        ):
            kaspi.fetch_now()
            return [
                (o.code, o.kind, o.fate, [(e.sku, e.quantity) for e in o.entries])
                for o in kaspi.generate(20)
            ]

    assert made() == made()


def test_listing_a_thousand_orders_is_quick(kaspi, merchant):
    for _ in range(1000):
        kaspi.new_order(LINE)
    answer = merchant.list(**{INCLUDE: "entries", CODE: None})
    assert len(answer.json()["data"]) == 100
    # A tenth of a second, but on a busy machine.
    assert answer.elapsed.total_seconds() < 5
