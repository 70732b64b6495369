"""What the lines of one stored order bring and cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from catalog.models import PriceRule, Product
from catalog.pricing import is_real_price
from catalog.rules import RuleBook
from orders.models import Order, OrderLine, Reservation
from orders.money.earnings import (
    BoughtLine,
    Margin,
    SoldLine,
    expected_margin,
    shared,
    times,
    total_of,
)

# Of several reservations the one whose goods the buyer gets.
HAS_COST = (
    Reservation.Status.HELD,
    Reservation.Status.SHIPPED,
    Reservation.Status.RELEASING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineEarnings:
    """What one line brings and what goes off it; None = not known."""

    # None = the order as a whole: Kaspi has told no lines.
    line: OrderLine | None
    quantity: int
    revenue_kzt: int
    cost_kzt: int | None
    is_cost_final: bool
    commission_kzt: int | None
    tax_kzt: int | None
    delivery_kzt: int
    is_delivery_estimated: bool
    is_revenue_known: bool = True

    @property
    def left_kzt(self) -> int | None:
        cost, commission, tax = self.cost_kzt, self.commission_kzt, self.tax_kzt
        if cost is None or commission is None or tax is None:
            return None
        if not self.is_revenue_known:
            return None
        return self.revenue_kzt - cost - commission - tax - self.delivery_kzt


def line_total(line: OrderLine) -> int | None:
    """Give what the buyer pays for a line; one that was taken off brings nothing."""
    if line.quantity == 0:
        return 0
    if line.total_kzt is not None:
        return line.total_kzt
    return times(line.price_kzt, line.quantity)


def margin_of(
    order: Order,
    lines: Iterable[OrderLine],
    bought: Sequence[BoughtLine],
    *,
    book: RuleBook,
) -> Margin:
    """Work out what the order earns with these lines of its own."""
    return expected_margin(
        sold=[sold_line(order, line, book=book) for line in lines],
        bought=bought,
        order_total_kzt=order.total_kzt,
        delivery_fee_kzt=delivery_fee(order),
    )


def sold_line(order: Order, line: OrderLine, *, book: RuleBook) -> SoldLine:
    """Say what a line brings, and what Kaspi's table and the price rule take of it."""
    product = line.product
    return SoldLine(
        sku=line.sku,
        total_kzt=line_total(line),
        rule=_rule_of(product, book),
        commission_percent=book.commissions.percent_of(
            category_id=product.category_id if product else None,
            kaspi_category=line.kaspi_category,
            on=timezone.localdate(order.created_at),
        ),
    )


def delivery_fee(order: Order) -> int | None:
    """Give what Kaspi takes for the delivery; None = it has not said.

    A buyer who comes to our own point costs no delivery.
    """
    if order.delivery_fee_kzt is None and order.is_fetched_by_buyer:
        return 0
    return order.delivery_fee_kzt


def earnings_of(
    order: Order,
    lines: Sequence[OrderLine],
    reservations: Iterable[Reservation],
    *,
    book: RuleBook,
) -> list[LineEarnings]:
    """Work out each line's part of what the order earns.

    Together they are the order's `Margin`. Lines that were taken off are left out.
    Needs `line.product`, `reservation.supplier_order` and the lines of the latter.
    """
    lines = [line for line in lines if line.quantity != 0]
    margin = margin_of(order, lines, [], book=book)
    known = margin.revenue_kzt is not None
    revenue = margin.revenue_kzt or 0
    if not lines:
        if not revenue:
            return []
        return [
            LineEarnings(
                line=None,
                quantity=0,
                revenue_kzt=revenue,
                cost_kzt=None,
                is_cost_final=False,
                commission_kzt=None,
                tax_kzt=None,
                delivery_kzt=margin.delivery_kzt,
                is_delivery_estimated=margin.is_delivery_estimated,
            )
        ]
    revenues = shared(revenue, [max(line_total(line) or 0, 0) for line in lines])
    deliveries = shared(margin.delivery_kzt, [max(part, 0) for part in revenues])
    costs = costs_of(lines, reservations)
    found = []
    for line, part, delivery, (cost, is_final) in zip(
        lines, revenues, deliveries, costs, strict=True
    ):
        sold = sold_line(order, line, book=book)
        found.append(
            LineEarnings(
                line=line,
                quantity=line.quantity or 0,
                revenue_kzt=part,
                is_revenue_known=known,
                cost_kzt=cost,
                is_cost_final=is_final,
                commission_kzt=sold.commission_kzt,
                tax_kzt=sold.tax_kzt,
                delivery_kzt=delivery,
                is_delivery_estimated=margin.is_delivery_estimated,
            )
        )
    return found


def costs_of(
    lines: Sequence[OrderLine], reservations: Iterable[Reservation]
) -> list[tuple[int | None, bool]]:
    """Say what each line's pieces cost, and whether that is what was paid.

    By the prices in Al-Style's order; else the line's part of what the reservation
    cost; else today's dealer price.
    """
    paid = next(
        (
            reservation
            for reservation in sorted(reservations, key=lambda r: -r.pk)
            if reservation.status in HAS_COST and reservation.supplier_order_id
        ),
        None,
    )
    prices: dict[str, int] = {}
    if paid is not None and paid.supplier_order is not None:
        for row in paid.supplier_order.lines:
            article, _pieces, price = [*row, None, None][:3]
            if isinstance(price, int) and is_real_price(price):
                prices[str(article)] = price
    dealer = [times(_dealer_price(line.product), line.quantity) for line in lines]
    by_order = [
        times(prices.get(line.product.article), line.quantity) if line.product else None
        for line in lines
    ]
    if all(cost is not None for cost in by_order):
        return [(cost, True) for cost in by_order]
    whole = paid.cost_kzt if paid is not None else None
    if whole is not None and total_of(dealer) is not None and paid is not None:
        return [(part, True) for part in _parts(whole, lines, dealer, paid)]
    return [
        (exact, True) if exact is not None else (estimate, False)
        for exact, estimate in zip(by_order, dealer, strict=True)
    ]


def _parts(
    whole_kzt: int,
    lines: Sequence[OrderLine],
    dealer: Sequence[int | None],
    paid: Reservation,
) -> list[int]:
    """Split what was paid; spare pieces and those taken off since stay ours."""
    sold = [cost or 0 for cost in dealer]
    bought = total_of(
        times(_dealer_price(row.product), row.supplied_quantity)
        for row in paid.lines.all()
    )
    rest = max((bought or 0) - sum(sold), 0)
    return shared(whole_kzt, [*sold, rest])[:-1] if rest else shared(whole_kzt, sold)


def _dealer_price(product: Product | None) -> int | None:
    cost = product.cost_kzt if product is not None else None
    return cost if is_real_price(cost) else None


def _rule_of(product: Product | None, book: RuleBook) -> PriceRule | None:
    if product is None:
        return None
    return book.find(
        product_id=product.pk,
        category_id=product.category_id,
        brand=product.brand,
        cost=product.cost_kzt,
    )
