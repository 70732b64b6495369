from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.explaining import TEXTS, explain
from catalog.models import PriceRule, Product
from catalog.pricing import PriceInputs, decide_price, round_up

Quarantine = Product.Quarantine


def make_rule(**figures: object) -> PriceRule:
    defaults: dict[str, object] = {
        "pk": 1,
        "name": "default",
        "base": "retail",
        "markup_percent": Decimal(20),
        "markup_kzt": 0,
        "commission_percent": Decimal(0),
        "tax_percent": Decimal(0),
        "delivery_kzt": 0,
        "least_margin_percent": Decimal(5),
        "round_to_kzt": 10,
        "ending_kzt": 0,
    }
    return PriceRule(**{**defaults, **figures})


def decide(rule: PriceRule | None = None, **inputs: object):
    values = {"cost_kzt": 1000, "retail_kzt": 1500, "rrp_enforced": False, **inputs}
    return decide_price(
        PriceInputs(**values),  # type: ignore[arg-type]
        rule or make_rule(),
        jump_percent=40,
    )


def test_real_retail_price_above_the_floor_is_taken():
    assert decide().price_kzt == 1500


@pytest.mark.parametrize("retail", [None, 0, 1, 9_000_000, 9_999_999, 1049, 10_001])
def test_unusable_retail_price_falls_back_to_cost_plus_markup(retail):
    decision = decide(retail_kzt=retail)
    assert (decision.price_kzt, decision.quarantine) == (1200, Quarantine.NONE)


@pytest.mark.parametrize(
    ("cost", "quarantine"),
    [
        (None, Quarantine.NO_COST),
        (0, Quarantine.NO_COST),
        (1, Quarantine.NO_COST),
        (9_999_999, Quarantine.PLACEHOLDER),
    ],
)
def test_without_a_real_cost_there_is_no_price(cost, quarantine):
    decision = decide(cost_kzt=cost)
    assert (decision.price_kzt, decision.quarantine) == (None, quarantine)


def test_without_a_rule_there_is_no_price():
    inputs = PriceInputs(cost_kzt=1000, retail_kzt=1500, rrp_enforced=False)
    decision = decide_price(inputs, None, jump_percent=40)
    assert (decision.price_kzt, decision.quarantine) == (None, Quarantine.NO_RULE)


def test_commission_tax_and_delivery_are_put_on_top():
    rule = make_rule(
        base="cost",
        commission_percent=Decimal(12),
        tax_percent=Decimal(3),
        delivery_kzt=100,
        round_to_kzt=1,
    )
    # (1000 × 1.2 + 100) / 0.85 = 1529.41…
    assert decide(rule).price_kzt == 1530


def test_enforced_retail_price_is_not_undercut():
    assert decide(make_rule(base="cost"), rrp_enforced=True).price_kzt == 1500


def test_enforced_retail_price_that_is_a_placeholder_quarantines_the_product():
    decision = decide(rrp_enforced=True, retail_kzt=9_999_999)
    assert (decision.price_kzt, decision.quarantine) == (None, Quarantine.PLACEHOLDER)


def test_least_price_of_the_product_raises_the_floor():
    assert decide(min_price_kzt=1900).price_kzt == 1900


def test_fixed_price_is_taken_as_it_is():
    assert decide(override_kzt=1333).price_kzt == 1333


@pytest.mark.parametrize(("rrp", "override"), [(False, 1049), (True, 1499)])
def test_fixed_price_below_what_is_allowed_quarantines_the_product(rrp, override):
    decision = decide(override_kzt=override, rrp_enforced=rrp)
    assert decision.quarantine == Quarantine.BELOW_FLOOR


@pytest.mark.parametrize(
    ("accepted", "quarantine"),
    [(1500, ""), (1080, ""), (1060, "rise"), (2500, ""), (2600, "jump")],
)
def test_a_jump_beyond_the_limit_waits(accepted, quarantine):
    decision = decide(accepted_kzt=accepted)
    assert (decision.price_kzt, decision.quarantine) == (1500, quarantine)


def test_fixed_price_never_counts_as_a_jump():
    assert decide(override_kzt=9000, accepted_kzt=1500).quarantine == Quarantine.NONE


@given(
    amount=st.decimals(min_value=0, max_value=10**8, places=4),
    step=st.integers(1, 1000),
    ending=st.integers(0, 999),
)
def test_rounding_goes_up_to_the_next_price_with_the_ending(amount, step, ending):
    ending %= step
    price = round_up(amount, multiple=step, ending=ending)
    assert isinstance(price, int)
    assert price >= max(amount, 1)
    assert price % step == ending
    assert price - step < amount or price <= step


@given(
    cost=st.integers(2, 8_999_999),
    retail=st.one_of(st.none(), st.integers(0, 10_000_000)),
    rrp=st.booleans(),
    commission=st.decimals(0, 40, places=2),
    tax=st.decimals(0, 20, places=2),
    margin=st.decimals(0, 50, places=2),
    delivery=st.integers(0, 5000),
)
def test_a_price_on_sale_always_earns_the_least_margin(
    cost, retail, rrp, commission, tax, margin, delivery
):
    rule = make_rule(
        commission_percent=commission,
        tax_percent=tax,
        least_margin_percent=margin,
        delivery_kzt=delivery,
    )
    decision = decide(rule, cost_kzt=cost, retail_kzt=retail, rrp_enforced=rrp)
    assert all(explain(decision.lines))
    if decision.quarantine:
        assert decision.price_kzt is None
        return
    kept = decision.price_kzt * (1 - (commission + tax) / 100) - delivery
    assert kept >= cost * (1 + margin / 100) - Decimal("0.0001")
    if rrp:
        assert decision.price_kzt >= retail


@pytest.mark.parametrize(
    ("figures", "inputs"),
    [
        ({"base": "cost", "markup_kzt": 2_000_000_000}, {}),
        ({}, {"min_price_kzt": 2_000_000_000}),
        ({}, {"override_kzt": 2_000_000_000}),
        ({"round_to_kzt": 2_000_000_000}, {}),
    ],
)
def test_more_than_any_price_may_be_is_none(figures, inputs):
    decision = decide(make_rule(**figures), **inputs)
    assert (decision.price_kzt, decision.quarantine) == (None, Quarantine.NO_RULE)
    assert "typing error" in explain(decision.lines)[-1]


def test_every_line_has_its_text():
    decisions = [
        decide(),
        decide(cost_kzt=1),
        decide(rrp_enforced=True, retail_kzt=1),
        decide(override_kzt=1),
        decide(accepted_kzt=1),
        decide(retail_kzt=1),
        decide(override_kzt=90_000_001),
    ]
    codes = {code for d in decisions for code, _ in d.lines}
    assert codes <= set(TEXTS)
