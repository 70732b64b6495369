"""What an order earns."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.formatting import money
from catalog.models import Product
from catalog.pricing import PERCENT
from catalog.rules import RuleBook, load_rules
from orders.admin.full_order import FullOrder
from orders.models import OrderLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Profit:
    """An order's revenue and what goes off it; None = not known."""

    revenue: int | None
    cost: int | None
    # Paid as the supplier's order says, not reckoned from today's dealer prices.
    is_cost_final: bool
    delivery: int | None
    fees: int | None

    @property
    def total(self) -> int | None:
        """What is left; None while revenue or cost are unknown."""
        if self.revenue is None or self.cost is None:
            return None
        return self.revenue - self.cost - (self.delivery or 0) - (self.fees or 0)

    @property
    def percent(self) -> int | None:
        """What is left, in percent of the revenue."""
        if self.total is None or not self.revenue:
            return None
        return round(100 * self.total / self.revenue)

    def rows(self) -> list[tuple[str, SafeString]]:
        cost = _("cost") if self.is_cost_final else _("cost at today's dealer prices")
        return [
            (_("revenue"), money(self.revenue)),
            (cost, money(_minus(self.cost))),
            (_("delivery fee"), money(_minus(self.delivery))),
            (_("commission and tax by the price rules"), money(_minus(self.fees))),
        ]


def profit_of(full: FullOrder) -> Profit:
    order, lines, reservation = full.order, full.lines, full.reservation
    revenue = order.total_kzt
    if revenue is None:
        revenue = _sum([line_total(line) for line in lines])
    paid = reservation.cost_kzt if reservation is not None else None
    return Profit(
        revenue=revenue,
        cost=paid if paid is not None else _sum([_line_cost(line) for line in lines]),
        is_cost_final=paid is not None,
        delivery=order.delivery_fee_kzt,
        fees=_fees(lines, load_rules()),
    )


def _minus(value: int | None) -> int | None:
    return None if value is None else -value


def line_total(line: OrderLine) -> int | None:
    if line.total_kzt is not None:
        return line.total_kzt
    if line.price_kzt is None or line.quantity is None:
        return None
    return line.price_kzt * line.quantity


def line_margin(line: OrderLine) -> int | None:
    """Give what a line earns above today's dealer price, before any fee."""
    total, cost = line_total(line), _line_cost(line)
    return None if total is None or cost is None else total - cost


def _line_cost(line: OrderLine) -> int | None:
    product = line.product
    if product is None or product.cost_kzt is None or line.quantity is None:
        return None
    return product.cost_kzt * line.quantity


def _sum(values: list[int | None]) -> int | None:
    """Add up; None when there is nothing, or one of them is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _fees(lines: list[OrderLine], book: RuleBook) -> int | None:
    """Work out commission and tax by the rule of each line's product."""
    fees: list[int | None] = []
    for line in lines:
        total, share = line_total(line), _fee_share(line.product, book)
        known = total is not None and share is not None
        fees.append(round(total * share) if known else None)  # type: ignore[operator]
    return _sum(fees)


def _fee_share(product: Product | None, book: RuleBook) -> Decimal | None:
    if product is None:
        return None
    rule = book.find(
        product_id=product.pk,
        category_id=product.category_id,
        brand=product.brand,
        cost=product.cost_kzt,
    )
    if rule is None:
        return None
    return (rule.commission_percent + rule.tax_percent) / PERCENT
