"""How a price comes about: a pure function of the supplier's figures and a rule."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TypeGuard

from catalog.explaining import Line
from catalog.models import HIGHEST_PRICE_KZT, PriceRule, Product

Quarantine = Product.Quarantine

# The supplier writes 0, 1 and 9 999 999 where there is no price.
PLACEHOLDER_FROM_KZT = 9_000_000
# A retail price this many times the dealer's is a typing error, not a margin.
IMPLAUSIBLE_RETAIL_FACTOR = 10
PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceInputs:
    """What a price is made of; whole tenge."""

    cost_kzt: int | None
    retail_kzt: int | None
    rrp_enforced: bool
    override_kzt: int | None = None
    min_price_kzt: int | None = None
    accepted_kzt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceDecision:
    """A price, or the reason (`quarantine`) why the product may not be sold at it."""

    price_kzt: int | None
    quarantine: str
    lines: tuple[Line, ...]


def is_real_price(price_kzt: int | None) -> TypeGuard[int]:
    """Tell a price from the supplier's placeholders."""
    return price_kzt is not None and 1 < price_kzt < PLACEHOLDER_FROM_KZT


def round_up(amount: Decimal, *, multiple: int, ending: int) -> int:
    """Give the least whole price of at least `amount` that ends as wanted.

    `multiple` 100 and `ending` 90 give 90, 190, 290…; never less than 1.
    """
    whole = int(amount.to_integral_value(rounding=ROUND_CEILING))
    price = whole + (ending - whole) % multiple
    return price if price > 0 else multiple


def decide_price(
    inputs: PriceInputs, rule: PriceRule | None, *, jump_percent: int
) -> PriceDecision:
    """Work out the price and how it came about, one line after the other."""
    lines: list[Line] = []
    cost = inputs.cost_kzt
    if cost is None or cost <= 1:
        shown = "—" if cost is None else cost
        return _decided([("no_cost", {"cost": shown})], quarantine=Quarantine.NO_COST)
    if not is_real_price(cost):
        return _decided(
            [("cost_placeholder", {"cost": cost})], quarantine=Quarantine.PLACEHOLDER
        )
    lines.append(("cost", {"cost": cost}))
    if rule is None:
        return _decided([*lines, ("no_rule", {})], quarantine=Quarantine.NO_RULE)
    lines.append(("rule", {"name": rule.name}))
    floor = _floor(inputs, rule, cost=cost, lines=lines)
    if inputs.rrp_enforced and not _retail_is_usable(inputs, cost=cost):
        return _decided(
            [*lines, ("rrp_unknown", {})], quarantine=Quarantine.PLACEHOLDER
        )
    if inputs.override_kzt is not None:
        return _overridden(inputs, inputs.override_kzt, floor=floor, lines=lines)
    price = _calculated(inputs, rule, cost=cost, floor=floor, lines=lines)
    if price > HIGHEST_PRICE_KZT:
        return _too_high(price, lines=lines)
    accepted = inputs.accepted_kzt
    if accepted and abs(price - accepted) * 100 > jump_percent * accepted:
        figures = {"old": accepted, "new": price, "limit": jump_percent}
        if price > accepted:
            return _decided([*lines, ("rise", figures)], price, Quarantine.RISE)
        return _decided([*lines, ("jump", figures)], price, Quarantine.JUMP)
    return _decided([*lines, ("price", {"price": price})], price)


def floor_missed(decision: PriceDecision) -> int | None:
    """Give the floor that a fixed price is below; None when it is not."""
    for code, figures in decision.lines:
        if code == "override_low":
            return int(str(figures["floor"]))
    return None


def floor_of(decision: PriceDecision) -> int:
    """Give the floor, the least price of staff's included; 0 when none was found."""
    found = dict(decision.lines)
    if "min_price" in found:
        return int(str(found["min_price"]["price"]))
    return int(str(found["floor"]["floor"])) if "floor" in found else 0


def _decided(
    lines: list[Line], price: int | None = None, quarantine: str = Quarantine.NONE
) -> PriceDecision:
    return PriceDecision(price_kzt=price, quarantine=quarantine, lines=tuple(lines))


def _retail_is_usable(inputs: PriceInputs, *, cost: int) -> bool:
    retail = inputs.retail_kzt
    if retail is None or not is_real_price(retail):
        return False
    return retail <= cost * IMPLAUSIBLE_RETAIL_FACTOR


def _floor(
    inputs: PriceInputs, rule: PriceRule, *, cost: int, lines: list[Line]
) -> Decimal:
    kept = cost * (1 + rule.least_margin_percent / PERCENT) + rule.delivery_kzt
    floor = kept / rule.kept_share
    figures = {
        "floor": _ceil(floor),
        "margin": rule.least_margin_percent,
        "delivery": rule.delivery_kzt,
        "fees": rule.fees_percent,
    }
    lines.append(("floor", figures))
    if inputs.min_price_kzt and inputs.min_price_kzt > floor:
        floor = Decimal(inputs.min_price_kzt)
        lines.append(("min_price", {"price": inputs.min_price_kzt}))
    return floor


def _calculated(
    inputs: PriceInputs,
    rule: PriceRule,
    *,
    cost: int,
    floor: Decimal,
    lines: list[Line],
) -> int:
    retail = inputs.retail_kzt or 0
    usable = _retail_is_usable(inputs, cost=cost)
    if rule.base == PriceRule.Base.RETAIL and usable and retail >= floor:
        price = Decimal(retail)
        lines.append(("retail", {"price": retail}))
    else:
        if rule.base == PriceRule.Base.RETAIL:
            reason = "retail_low" if usable else "retail_placeholder"
            lines.append((reason, {"retail": retail}))
        price = _marked_up(rule, cost=cost, lines=lines)
    if inputs.rrp_enforced and retail > price:
        price = Decimal(retail)
        lines.append(("rrp", {"price": retail}))
    if price < floor:
        price = floor
        lines.append(("raised_to_floor", {"price": _ceil(floor)}))
    rounded = round_up(price, multiple=rule.round_to_kzt, ending=rule.ending_kzt)
    if rounded != price:
        lines.append(("rounded", {"price": rounded}))
    return rounded


def _marked_up(rule: PriceRule, *, cost: int, lines: list[Line]) -> Decimal:
    kept = cost * (1 + rule.markup_percent / PERCENT)
    price = (kept + rule.markup_kzt + rule.delivery_kzt) / rule.kept_share
    figures = {
        "percent": rule.markup_percent,
        "fixed": rule.markup_kzt,
        "price": _ceil(price),
    }
    lines.append(("markup", figures))
    return price


def _overridden(
    inputs: PriceInputs, override: int, *, floor: Decimal, lines: list[Line]
) -> PriceDecision:
    lines.append(("override", {"price": override}))
    if override > HIGHEST_PRICE_KZT:
        return _too_high(override, lines=lines)
    if inputs.rrp_enforced and (inputs.retail_kzt or 0) > floor:
        floor = Decimal(inputs.retail_kzt or 0)
        lines.append(("rrp", {"price": inputs.retail_kzt}))
    if override < floor:
        lines.append(("override_low", {"floor": _ceil(floor)}))
        return _decided(lines, override, Quarantine.BELOW_FLOOR)
    lines.append(("price", {"price": override}))
    return _decided(lines, override)


def _too_high(price: int, *, lines: list[Line]) -> PriceDecision:
    """Have no price: the rule fits no good, and the databases could not store it."""
    figures = {"price": price, "limit": HIGHEST_PRICE_KZT}
    return _decided([*lines, ("too_high", figures)], quarantine=Quarantine.NO_RULE)


def _ceil(amount: Decimal) -> int:
    return int(amount.to_integral_value(rounding=ROUND_CEILING))
