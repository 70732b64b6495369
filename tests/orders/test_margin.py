from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from catalog.models import CommissionRate, PriceRule
from catalog.pricing import PriceInputs, decide_price
from orders.admin.full_order import load_full_order
from orders.admin.profit import profit_of
from orders.models import Order, OrderEvent, Step, SupplierOrder
from orders.money.booking import book_orders
from orders.money.earnings import BoughtLine, SoldLine, expected_margin
from orders.plan import actions
from orders.plan.actions import ActionImpossible
from orders.supply.margin import (
    accepted_cost,
    judge_margin,
    margin_reason,
    weigh_order,
)
from tests.orders.factories import make_order, make_product, reservation_of, step_of
from tests.staff import log_in, page

S = Step.Status
tenge = st.integers(0, 9_000_000)
pieces = st.integers(1, 200)
percents = st.decimals(0, 40, places=2)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def rule(**values: object) -> PriceRule:
    figures = {"commission_percent": Decimal(0), "tax_percent": Decimal(0)}
    return PriceRule(name="rule", **{**figures, **values})


def margin(
    *,
    total=30_000,
    cost=20_000,
    quantity=1,
    supplied=None,
    delivery=None,
    order_total=None,
    price_rule=None,
):
    return expected_margin(
        sold=[SoldLine(sku="70311", total_kzt=total, rule=price_rule or rule())],
        bought=[
            BoughtLine(
                article="70311",
                quantity=quantity,
                supplied_quantity=supplied or quantity,
                cost_kzt=cost,
            )
        ],
        order_total_kzt=order_total,
        delivery_fee_kzt=delivery,
    )


def judge(found, *, percent="0", least=0, accepted=None):
    return judge_margin(
        found,
        least_percent=Decimal(percent),
        least_kzt=least,
        accepted_cost_kzt=accepted,
    )


@given(
    totals=st.lists(tenge, min_size=1, max_size=4),
    costs=st.lists(st.tuples(tenge, pieces), min_size=1, max_size=4),
    commission=percents,
    tax=percents,
    delivery=tenge,
)
def test_every_tenge_of_the_price_goes_somewhere(
    totals, costs, commission, tax, delivery
):
    price_rule = rule(commission_percent=commission, tax_percent=tax)
    found = expected_margin(
        sold=[SoldLine(sku="s", total_kzt=t, rule=price_rule) for t in totals],
        bought=[
            BoughtLine(article="a", quantity=n, supplied_quantity=n, cost_kzt=cost)
            for cost, n in costs
        ],
        order_total_kzt=None,
        delivery_fee_kzt=delivery,
    )
    assert found.revenue_kzt == sum(totals)
    assert found.cost_kzt == found.purchase_kzt == sum(c * n for c, n in costs)
    exact = sum(totals) * (commission + tax) / 100
    assert abs(found.fees_kzt - exact) <= len(totals)
    gone = found.cost_kzt + found.fees_kzt + found.delivery_kzt
    assert found.revenue_kzt == gone + found.left_kzt
    assert type(found.left_kzt) is int


@given(total=tenge, cost=tenge, least=st.integers(-5_000, 50_000), percent=percents)
def test_goods_are_bought_unasked_only_for_what_is_set_to_be_earned(
    total, cost, least, percent
):
    decision = judge(margin(total=total, cost=cost), percent=percent, least=least)
    left = total - cost
    is_enough = left >= least and left >= cost * percent / 100
    assert (decision.reason == "") == is_enough
    assert decision.answer == ({} if is_enough else {"cost_kzt": cost})


@given(total=tenge, cost=tenge, dearer=tenge, delivery=tenge)
def test_a_dearer_purchase_never_turns_a_no_into_a_yes(total, cost, dearer, delivery):
    now = judge(margin(total=total, cost=cost, delivery=delivery))
    later = judge(margin(total=total, cost=cost + dearer, delivery=delivery))
    assert later.reason if now.reason else True


@given(total=tenge, cost=tenge, accepted=tenge)
def test_a_consent_holds_up_to_its_cost_and_no_further(total, cost, accepted):
    asked = judge(margin(total=total, cost=cost)).reason
    agreed = judge(margin(total=total, cost=cost), accepted=accepted).reason
    assert bool(agreed) == (bool(asked) and cost > accepted)


@given(
    cost=st.integers(2, 500_000),
    commission=percents,
    tax=percents,
    delivery=st.integers(0, 5_000),
    quantity=pieces,
)
def test_a_price_of_our_own_rules_always_passes(
    cost, commission, tax, delivery, quantity
):
    price_rule = rule(
        base=PriceRule.Base.COST,
        commission_percent=commission,
        tax_percent=tax,
        delivery_kzt=delivery,
        markup_percent=Decimal(0),
        least_margin_percent=Decimal(0),
    )
    inputs = PriceInputs(cost_kzt=cost, retail_kzt=None, rrp_enforced=False)
    price = decide_price(inputs, price_rule, jump_percent=40).price_kzt
    found = margin(
        total=price * quantity, cost=cost, quantity=quantity, price_rule=price_rule
    )
    assert found.is_delivery_estimated
    assert judge(found).reason == ""


def test_the_words_name_every_figure():
    price_rule = rule(commission_percent=Decimal("12.5"), tax_percent=Decimal(3))
    decision = judge(
        margin(
            total=1_000, cost=14_318, quantity=2, delivery=1_099, price_rule=price_rule
        )
    )
    assert decision.reason.replace("\u202f", " ").splitlines() == [
        "Bought at today's prices, the order loses 28 890 ₸",
        "The buyer pays: 1 000 ₸",
        "The goods cost today: 28 636 ₸",
        "Kaspi's commission: 125 ₸",
        "Tax by the price rules: 30 ₸",
        "Delivery fee: 1 099 ₸",
        "Left: −28 890 ₸; the least set is 0 ₸",
    ]


def test_a_profit_below_the_one_set_is_told_apart_from_a_loss():
    assert "earns 500 ₸, less than 600 ₸" in judge(
        margin(total=20_500, cost=20_000), percent="3"
    ).reason.replace("\u202f", " ")
    assert judge(margin(total=20_600, cost=20_000), percent="3").reason == ""
    assert judge(margin(total=20_600, cost=20_000), percent="3", least=601).reason
    # A loss that the shop puts up with.
    assert not judge(margin(total=19_500), percent="-100", least=-500).reason
    assert judge(margin(total=19_499), percent="-100", least=-500).reason


def test_the_smaller_of_two_prices_counts():
    assert margin(total=30_000, order_total=25_000).revenue_kzt == 25_000
    assert margin(total=30_000, order_total=31_000).revenue_kzt == 30_000
    assert margin(total=None, order_total=25_000).revenue_kzt == 25_000


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cost": None}, "Al-Style names no price: 70311"),
        ({"total": None}, "What the buyer pays is not known"),
        ({"total": None, "order_total": 90_000}, "no price for a line"),
    ],
)
def test_what_is_not_known_is_never_enough(values, words):
    decision = judge(margin(**values), percent="-100", least=-1_000_000)
    assert words in decision.reason
    assert judge(margin(cost=None), accepted=1_000_000).reason


def test_a_good_without_a_rule_waits_for_one():
    found = expected_margin(
        sold=[SoldLine(sku="70311", total_kzt=90_000, rule=None)],
        bought=[
            BoughtLine(article="1", quantity=1, supplied_quantity=1, cost_kzt=1_000)
        ],
        order_total_kzt=None,
        delivery_fee_kzt=None,
    )
    assert "No price rule" in judge(found).reason


def test_pieces_that_stay_with_us_are_no_loss_but_part_of_the_purchase():
    decision = judge(margin(total=1_500, cost=1_000, quantity=1, supplied=10))
    assert decision.reason == ""
    assert "comes to 10\u202f000 ₸" in decision.lines[-1]
    asked = judge(margin(total=900, cost=1_000, quantity=1, supplied=10))
    assert asked.answer == {"cost_kzt": 10_000}


@pytest.fixture
def no_commission(db):
    """Have a table that says nothing: then the rule's own figure counts."""
    CommissionRate.objects.all().delete()


def make_dear_order(**fields: object) -> Order:
    """The order that was bought at a loss: 1 000 ₸ paid, 28 636 ₸ to pay."""
    order = make_order((make_product("70311", cost_kzt=14_318), 2), **fields)
    order.lines.update(price_kzt=500, total_kzt=1_000)
    return order


def stop(order: Order, *, status: Step.Status = S.NEEDS_PERSON) -> Step:
    """Let the reserve wait as the handler does."""
    decision = weigh_order(order, reservation_of(order))
    Step.objects.filter(pk=step_of(order).pk).update(
        status=status, last_error=decision.reason, answered=decision.answer
    )
    return step_of(order)


def test_an_order_below_the_cost_of_its_goods_waits_for_a_person(no_commission):
    order = make_dear_order()
    reason = margin_reason(order, reservation_of(order)).replace("\u202f", " ")
    assert "loses 27 636 ₸" in reason
    assert "The goods cost today: 28 636 ₸" in reason


def test_the_carts_price_counts_before_the_stored_one(no_commission):
    order = make_order((make_product("70311", cost_kzt=1_000), 2))
    reservation = reservation_of(order)
    assert margin_reason(order, reservation) == ""
    assert margin_reason(order, reservation, costs={"70311": 2_000}) == ""
    assert "loses 2 ₸" in margin_reason(order, reservation, costs={"70311": 2_001})
    # "On request" and placeholders are no prices.
    for price in (None, 0, 1, 9_999_999):
        assert "no price: 70311" in margin_reason(
            order, reservation, costs={"70311": price}
        )


def test_the_rule_of_the_good_says_what_is_taken(settings, no_commission):
    product = make_product("70311", cost_kzt=1_000)
    order = make_order((product, 1), delivery_fee_kzt=500)
    assert margin_reason(order, reservation_of(order)) == ""
    PriceRule.objects.create(
        name="dear", product=product, commission_percent=Decimal(45), tax_percent=6
    )
    assert "loses 520 ₸" in margin_reason(order, reservation_of(order))
    settings.MARGIN_LEAST_KZT = -520
    settings.MARGIN_LEAST_PERCENT = Decimal(-100)
    assert margin_reason(order, reservation_of(order)) == ""


@pytest.mark.django_db
def test_kaspis_table_counts_before_the_rules_own_commission():
    order = make_order((make_product("70311", cost_kzt=1_000), 1))
    PriceRule.objects.update(commission_percent=Decimal(45))

    def commission():
        return weigh_order(order, reservation_of(order)).margin.commission_kzt

    assert commission() == 250
    order.lines.update(kaspi_category="Чехлы для смартфонов")
    assert commission() == 310


@pytest.mark.django_db
def test_the_page_the_guard_and_the_report_reckon_alike():
    order = make_dear_order(delivery_fee_kzt=1_099)
    PriceRule.objects.update(tax_percent=3)
    book_orders([order], now=timezone.now())
    profit = profit_of(load_full_order(order))
    assert profit.total == weigh_order(order, reservation_of(order)).margin.left_kzt
    assert profit.total == order.bookings.get().profit_kzt
    assert profit.is_below
    reservation = reservation_of(order)
    reservation.status, reservation.cost_kzt = "held", 300
    reservation.supplier_order = SupplierOrder.objects.create(
        supplier_order_id="1", placed_at=timezone.now()
    )
    reservation.save()
    paid = profit_of(load_full_order(order))
    assert paid.lines[0].is_cost_final
    assert paid.total == profit.total + 28_636 - 300


@pytest.mark.django_db
@pytest.mark.parametrize("status", [S.NEEDS_PERSON, S.REFUSED])
def test_a_person_may_buy_at_the_new_price_and_no_dearer(status):
    order = make_dear_order()
    actions.order_at_new_price(stop(order, status=status), 28_636, actor="anna")
    step = step_of(order)
    assert (step.status, step.answered) == (S.PENDING, {})
    assert accepted_cost(order) == 28_636
    reservation = reservation_of(order)
    assert margin_reason(order, reservation) == ""
    again = margin_reason(order, reservation, costs={"70311": 14_319})
    assert "at most 28\u202f636 ₸, today it is 28\u202f638 ₸" in again
    told = OrderEvent.objects.filter(order=order, actor="anna")
    assert any("28636" in event.text for event in told)


@pytest.mark.django_db
def test_a_consent_survives_a_retry_but_not_a_step_asked_for_anew():
    order = make_dear_order()
    actions.order_at_new_price(stop(order), 30_000, actor="anna")
    Step.objects.filter(order=order).update(status=S.NEEDS_PERSON)
    actions.retry_step(step_of(order), actor="anna")
    assert accepted_cost(order) == 30_000
    actions.skip_step(step_of(order), actor="anna", reason="dropped")
    actions.request_step(order, Step.Kind.RESERVE, actor="anna")
    assert accepted_cost(order) is None


@pytest.mark.django_db
def test_what_waits_for_another_reason_is_not_bought_at_a_new_price():
    order = make_dear_order()
    Step.objects.filter(order=order).update(status=S.NEEDS_PERSON)
    with pytest.raises(ActionImpossible):
        actions.order_at_new_price(step_of(order), 30_000, actor="anna")
    # The button goes with its reason.
    step = stop(order)
    assert step.waits_for_price
    actions.retry_step(step, actor="anna")
    Step.objects.filter(order=order).update(status=S.NEEDS_PERSON)
    assert not step_of(order).waits_for_price


@pytest.mark.django_db
def test_staff_see_the_figures_and_agree_to_just_these(settings):
    order = make_dear_order()
    client = log_in(settings, "owner")
    card = reverse("admin:orders_order_change", args=[order.pk])
    assert "new-price" not in page(client, card)
    step = stop(order)
    assert "Order at the new price" in page(client, card)
    url = reverse("admin:act_on_step", args=[step.pk, "new-price"])
    asked = page(client, url).replace("\u202f", " ")
    assert 'value="28636"' in asked
    assert "The buyer pays: 1 000 ₸<br>" in asked
    refused = client.post(url, {"accept_cost_kzt": "28635"})
    assert "cost 28\u202f636 ₸ today" in refused.content.decode()
    assert accepted_cost(order) is None
    client.post(url, {"accept_cost_kzt": "28636"})
    assert (step_of(order).status, accepted_cost(order)) == (S.PENDING, 28_636)
    assert "new-price" not in page(client, card)
    assert log_in(settings, "viewer").get(url).status_code == 403
