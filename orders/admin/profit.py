"""What an order earns, as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from backoffice.formatting import money
from catalog.rules import RuleBook, load_rules
from orders.admin.full_order import FullOrder
from orders.models import OrderLine
from orders.money.earnings import least_to_earn, total_of
from orders.money.lines import LineEarnings, earnings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Profit:
    """An order's revenue and what goes off it, line by line."""

    lines: list[LineEarnings]
    # The buyer will not get the goods.
    is_called_off: bool

    @property
    def total(self) -> int | None:
        return total_of(one.left_kzt for one in self.lines)

    @property
    def revenue(self) -> int | None:
        known = all(one.is_revenue_known for one in self.lines)
        return sum(one.revenue_kzt for one in self.lines) if known else None

    @property
    def percent(self) -> int | None:
        """What is left, in percent of the revenue."""
        if self.total is None or not self.revenue:
            return None
        return round(100 * self.total / self.revenue)

    @property
    def is_below(self) -> bool:
        """Tell whether it earns less than is set: `BookingQuerySet.orders_below`."""
        if self.total is None or self.is_called_off:
            return False
        least = least_to_earn(
            total_of(one.cost_kzt for one in self.lines),
            least_percent=settings.MARGIN_LEAST_PERCENT,
            least_kzt=settings.MARGIN_LEAST_KZT,
        )
        return self.total < least

    def rows(self) -> list[tuple[str, SafeString]]:
        lines = self.lines
        is_final = all(one.is_cost_final for one in lines)
        cost = _("cost") if is_final else _("cost at today's dealer prices")
        is_guessed = any(one.is_delivery_estimated for one in lines)
        delivery = (
            _("delivery, as in the price rule") if is_guessed else _("delivery fee")
        )
        return [
            (_("revenue"), money(self.revenue)),
            (cost, money(_minus(total_of(one.cost_kzt for one in lines)))),
            (
                _("Kaspi's commission"),
                money(_minus(total_of(one.commission_kzt for one in lines))),
            ),
            (_("tax"), money(_minus(total_of(one.tax_kzt for one in lines)))),
            (delivery, money(-sum(one.delivery_kzt for one in lines))),
        ]


def profit_of(full: FullOrder, *, book: RuleBook | None = None) -> Profit:
    lines = earnings_of(
        full.order,
        full.lines,
        [full.reservation] if full.reservation is not None else [],
        book=book or load_rules(),
    )
    return Profit(lines=lines, is_called_off=full.order.is_called_off)


def profit_today(full: FullOrder, *, book: RuleBook) -> Profit:
    """What the order earns if its goods are bought at the prices last read."""
    lines = earnings_of(full.order, full.lines, [], book=book)
    return Profit(lines=lines, is_called_off=full.order.is_called_off)


def margin_of_line(profit: Profit, line: OrderLine) -> int | None:
    """Give what a line earns after all fees."""
    found = (one for one in profit.lines if one.line and one.line.pk == line.pk)
    one = next(found, None)
    return one.left_kzt if one is not None else None


def _minus(value: int | None) -> int | None:
    return None if value is None else -value
