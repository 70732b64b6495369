"""What an order earns, as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.formatting import money
from orders.admin.full_order import FullOrder
from orders.models import OrderLine
from orders.supply.margin import BoughtLine, Margin, line_total, margin_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Profit:
    """An order's revenue and what goes off it."""

    margin: Margin
    # Paid as the supplier's order says, not reckoned from today's dealer prices.
    is_cost_final: bool

    @property
    def total(self) -> int | None:
        return self.margin.left_kzt

    @property
    def percent(self) -> int | None:
        """What is left, in percent of the revenue."""
        if self.total is None or not self.margin.revenue_kzt:
            return None
        return round(100 * self.total / self.margin.revenue_kzt)

    def rows(self) -> list[tuple[str, SafeString]]:
        cost = _("cost") if self.is_cost_final else _("cost at today's dealer prices")
        margin = self.margin
        return [
            (_("revenue"), money(margin.revenue_kzt)),
            (cost, money(_minus(margin.cost_kzt))),
            (_("delivery fee"), money(_minus(margin.delivery_kzt))),
            (
                _("commission and tax by the price rules"),
                money(_minus(margin.fees_kzt)),
            ),
        ]


def profit_of(full: FullOrder) -> Profit:
    bought = [
        BoughtLine(
            article=line.sku,
            quantity=line.quantity or 0,
            supplied_quantity=line.quantity or 0,
            cost_kzt=line.product.cost_kzt if line.product and line.quantity else None,
        )
        for line in full.lines
    ]
    margin = margin_of(full.order, full.lines, bought)
    paid = full.reservation.cost_kzt if full.reservation is not None else None
    if paid is not None:
        margin = replace(margin, cost_kzt=paid)
    return Profit(margin=margin, is_cost_final=paid is not None)


def _minus(value: int | None) -> int | None:
    return None if value is None else -value


def line_margin(line: OrderLine) -> int | None:
    """Give what a line earns above today's dealer price, before any fee."""
    total, product = line_total(line), line.product
    if total is None or product is None:
        return None
    if product.cost_kzt is None or line.quantity is None:
        return None
    return total - product.cost_kzt * line.quantity
