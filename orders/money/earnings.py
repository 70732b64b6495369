"""What an order earns: pure arithmetic, the same for purchases, pages and reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from catalog.models import PriceRule
from catalog.pricing import PERCENT


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldLine:
    """What a line of the buyer's order brings, and who takes a part of it.

    `commission_percent` is what Kaspi's table says; where it says nothing, the rule's
    own figure counts.
    """

    sku: str
    total_kzt: int | None
    rule: PriceRule | None
    commission_percent: Decimal | None = None

    @property
    def commission_kzt(self) -> int | None:
        if self.rule is None:
            return None
        percent = self.commission_percent
        if percent is None:
            percent = self.rule.commission_percent or Decimal(0)
        return part_of(self.total_kzt, percent)

    @property
    def tax_kzt(self) -> int | None:
        return (
            None
            if self.rule is None
            else part_of(self.total_kzt, self.rule.tax_percent)
        )

    @property
    def fees_kzt(self) -> int | None:
        """Commission and tax."""
        commission, tax = self.commission_kzt, self.tax_kzt
        return None if commission is None or tax is None else commission + tax


@dataclass(frozen=True, slots=True, kw_only=True)
class BoughtLine:
    """Pieces for the buyer, and how many the supplier gives at least for these."""

    article: str
    quantity: int
    supplied_quantity: int
    cost_kzt: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """What an order brings and what goes off it, whole tenge; None = not known."""

    revenue_kzt: int | None
    # Of the pieces that the buyer gets.
    cost_kzt: int | None
    # What the supplier charges, pieces that stay with us included.
    purchase_kzt: int | None
    commission_kzt: int | None
    tax_kzt: int | None
    delivery_kzt: int
    # Kaspi has not told its fee: what the price was made with.
    is_delivery_estimated: bool
    # Names of what makes the sums unknown.
    unpriced: tuple[str, ...] = ()
    ruleless: tuple[str, ...] = ()

    @property
    def fees_kzt(self) -> int | None:
        """Commission and tax."""
        if self.commission_kzt is None or self.tax_kzt is None:
            return None
        return self.commission_kzt + self.tax_kzt

    @property
    def left_kzt(self) -> int | None:
        """What is left of the price; None while anything is not known."""
        revenue, cost, fees = self.revenue_kzt, self.cost_kzt, self.fees_kzt
        if revenue is None or cost is None or fees is None:
            return None
        return revenue - cost - fees - self.delivery_kzt


def expected_margin(
    *,
    sold: Sequence[SoldLine],
    bought: Sequence[BoughtLine],
    order_total_kzt: int | None,
    delivery_fee_kzt: int | None,
) -> Margin:
    """Work out what is left when these goods are bought for these lines."""
    delivery = delivery_fee_kzt
    if delivery is None:
        planned = [line.rule.delivery_kzt for line in sold if line.rule is not None]
        delivery = max(planned, default=0)
    return Margin(
        revenue_kzt=_revenue(sold, order_total_kzt),
        cost_kzt=total_of(times(line.cost_kzt, line.quantity) for line in bought),
        purchase_kzt=total_of(
            times(line.cost_kzt, line.supplied_quantity) for line in bought
        ),
        commission_kzt=total_of(line.commission_kzt for line in sold),
        tax_kzt=total_of(line.tax_kzt for line in sold),
        delivery_kzt=delivery,
        is_delivery_estimated=delivery_fee_kzt is None,
        unpriced=tuple(line.article for line in bought if line.cost_kzt is None),
        ruleless=tuple(line.sku for line in sold if line.rule is None),
    )


def least_to_earn(
    cost_kzt: int | None, *, least_percent: Decimal, least_kzt: int
) -> int:
    """Say what an order must earn at least; the greater of the two limits counts."""
    if cost_kzt is None:
        return least_kzt
    share = cost_kzt * least_percent / PERCENT
    return max(least_kzt, int(share.to_integral_value(rounding=ROUND_CEILING)))


def part_of(total_kzt: int | None, percent: Decimal) -> int | None:
    if total_kzt is None:
        return None
    part = total_kzt * percent / PERCENT
    return int(part.to_integral_value(rounding=ROUND_HALF_UP))


def shared(total: int, weights: Sequence[int]) -> list[int]:
    """Split a sum by weights into whole parts that add up to it again."""
    if not weights:
        return []
    if sum(weights) == 0:
        weights = [1] * len(weights)
    whole, reached, given, parts = sum(weights), 0, 0, []
    for weight in weights:
        reached += weight
        upto = total * reached // whole
        parts.append(upto - given)
        given = upto
    return parts


def times(value: int | None, quantity: int | None) -> int | None:
    return None if value is None or quantity is None else value * quantity


def total_of(values: Iterable[int | None]) -> int | None:
    """Add up; None when there is nothing, or one of them is unknown."""
    total: int | None = None
    for value in values:
        if value is None:
            return None
        total = value if total is None else total + value
    return total


def _revenue(sold: Sequence[SoldLine], order_total_kzt: int | None) -> int | None:
    # Where the two differ (a discount, a fee), the smaller one is sure to come.
    known = [total_of(line.total_kzt for line in sold), order_total_kzt]
    return min((total for total in known if total is not None), default=None)
