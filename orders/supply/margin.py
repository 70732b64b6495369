"""What an order earns, and whether that is enough to buy its goods without asking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from django.conf import settings
from django.utils.translation import gettext as _

from backoffice.formatting import grouped
from catalog.models import PriceRule, Product
from catalog.pricing import PERCENT, is_real_price
from catalog.rules import RuleBook, load_rules
from orders.models import Order, OrderLine, Reservation, Step
from orders.models.step import StepAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldLine:
    """What a line of the buyer's order brings; the rule says who takes a part of it."""

    sku: str
    total_kzt: int | None
    rule: PriceRule | None

    @property
    def fees_kzt(self) -> int | None:
        """Commission and tax."""
        if self.total_kzt is None or self.rule is None:
            return None
        fees = self.total_kzt * self.rule.fees_percent / PERCENT
        return int(fees.to_integral_value(rounding=ROUND_HALF_UP))


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
    fees_kzt: int | None
    delivery_kzt: int
    # Kaspi has not told its fee: what the price was made with.
    is_delivery_estimated: bool
    # Names of what makes the sums unknown.
    unpriced: tuple[str, ...] = ()
    ruleless: tuple[str, ...] = ()

    @property
    def left_kzt(self) -> int | None:
        """What is left of the price; None while anything is not known."""
        revenue, cost, fees = self.revenue_kzt, self.cost_kzt, self.fees_kzt
        if revenue is None or cost is None or fees is None:
            return None
        return revenue - cost - fees - self.delivery_kzt


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginDecision:
    """Whether the goods may be bought; `reason`: why a person decides, else empty.

    `lines` explain the margin; the first line of `reason` says what is wrong, the
    others repeat them.
    """

    margin: Margin
    reason: str
    lines: tuple[str, ...]

    @property
    def answer(self) -> StepAnswer:
        """What the step keeps, so that staff can agree to just this cost."""
        cost = self.margin.purchase_kzt
        return {"cost_kzt": cost} if self.reason and cost is not None else {}


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
        cost_kzt=_sum(_times(line.cost_kzt, line.quantity) for line in bought),
        purchase_kzt=_sum(
            _times(line.cost_kzt, line.supplied_quantity) for line in bought
        ),
        fees_kzt=_sum(line.fees_kzt for line in sold),
        delivery_kzt=delivery,
        is_delivery_estimated=delivery_fee_kzt is None,
        unpriced=tuple(line.article for line in bought if line.cost_kzt is None),
        ruleless=tuple(line.sku for line in sold if line.rule is None),
    )


def judge_margin(
    margin: Margin,
    *,
    least_percent: Decimal,
    least_kzt: int,
    accepted_cost_kzt: int | None = None,
) -> MarginDecision:
    """Decide whether the order earns enough to buy its goods without asking.

    `least_percent` is of the cost; the greater of the two limits counts. A person
    who agreed to `accepted_cost_kzt` has decided, as long as the purchase costs no
    more. What cannot be worked out is never enough.
    """
    least = least_kzt
    if margin.cost_kzt is not None:
        share = margin.cost_kzt * least_percent / PERCENT
        least = max(least, int(share.to_integral_value(rounding=ROUND_CEILING)))
    lines = tuple(_explain(margin, least=least))
    if _is_agreed(margin, accepted_cost_kzt):
        return MarginDecision(margin=margin, reason="", lines=lines)
    wrong = _what_is_wrong(margin, least=least)
    if wrong and accepted_cost_kzt is not None and margin.purchase_kzt is not None:
        text = _("Agreed was a cost of at most %(accepted)s ₸, today it is %(cost)s ₸")
        figures = {
            "accepted": grouped(accepted_cost_kzt),
            "cost": grouped(margin.purchase_kzt),
        }
        lines = (text % figures, *lines)
    reason = "\n".join([wrong, *lines]) if wrong else ""
    return MarginDecision(margin=margin, reason=reason, lines=lines)


def weigh_order(
    order: Order,
    reservation: Reservation,
    *,
    costs: Mapping[str, int | None] | None = None,
) -> MarginDecision:
    """Judge what the order earns if the reservation's goods are bought now.

    `costs`: prices by article that are newer than the stored ones, such as the
    cart's.
    """
    return judge_margin(
        margin_of(
            order,
            order.lines.select_related("product"),
            _bought(reservation, costs or {}),
        ),
        least_percent=settings.MARGIN_LEAST_PERCENT,
        least_kzt=settings.MARGIN_LEAST_KZT,
        accepted_cost_kzt=accepted_cost(order),
    )


def margin_reason(
    order: Order,
    reservation: Reservation,
    *,
    costs: Mapping[str, int | None] | None = None,
) -> str:
    """Say why a person decides before the goods are bought; empty when none need."""
    return weigh_order(order, reservation, costs=costs).reason


def accepted_cost(order: Order) -> int | None:
    """Give the cost up to which a person wants the goods bought in any case."""
    step = order.steps.of_kind(Step.Kind.RESERVE).open().first()
    return None if step is None else step.parameters.get("accept_cost_kzt")


def margin_of(
    order: Order, lines: Iterable[OrderLine], bought: Sequence[BoughtLine]
) -> Margin:
    """Work out what the order earns with these lines of its own."""
    book = load_rules()
    return expected_margin(
        sold=[
            SoldLine(
                sku=line.sku,
                total_kzt=line_total(line),
                rule=_rule_of(line.product, book),
            )
            for line in lines
        ],
        bought=bought,
        order_total_kzt=order.total_kzt,
        delivery_fee_kzt=order.delivery_fee_kzt,
    )


def line_total(line: OrderLine) -> int | None:
    if line.total_kzt is not None:
        return line.total_kzt
    return _times(line.price_kzt, line.quantity)


def _rule_of(product: Product | None, book: RuleBook) -> PriceRule | None:
    if product is None:
        return None
    return book.find(
        product_id=product.pk,
        category_id=product.category_id,
        brand=product.brand,
        cost=product.cost_kzt,
    )


def _bought(
    reservation: Reservation, costs: Mapping[str, int | None]
) -> list[BoughtLine]:
    rows = reservation.lines.select_related("product").order_by("product__article")
    bought = []
    for row in rows:
        cost = costs.get(row.product.article, row.product.cost_kzt)
        bought.append(
            BoughtLine(
                article=row.product.article,
                quantity=row.quantity,
                supplied_quantity=row.supplied_quantity,
                cost_kzt=cost if is_real_price(cost) else None,
            )
        )
    return bought


def _revenue(sold: Sequence[SoldLine], order_total_kzt: int | None) -> int | None:
    # Where the two differ (a discount, a fee), the smaller one is sure to come.
    known = [_sum(line.total_kzt for line in sold), order_total_kzt]
    return min((total for total in known if total is not None), default=None)


def _times(value: int | None, quantity: int | None) -> int | None:
    return None if value is None or quantity is None else value * quantity


def _sum(values: Iterable[int | None]) -> int | None:
    """Add up; None when there is nothing, or one of them is unknown."""
    total: int | None = None
    for value in values:
        if value is None:
            return None
        total = value if total is None else total + value
    return total


def _is_agreed(margin: Margin, accepted_cost_kzt: int | None) -> bool:
    cost = margin.purchase_kzt
    return (
        accepted_cost_kzt is not None and cost is not None and cost <= accepted_cost_kzt
    )


def _what_is_wrong(margin: Margin, *, least: int) -> str:
    if margin.cost_kzt is None:
        text = _("What the goods cost is not known, Al-Style names no price: %(goods)s")
        return text % {"goods": ", ".join(margin.unpriced) or "—"}
    if margin.revenue_kzt is None:
        return _("What the buyer pays is not known")
    if margin.fees_kzt is None and margin.ruleless:
        text = _("No price rule says what Kaspi takes, add one: %(goods)s")
        return text % {"goods": ", ".join(margin.ruleless)}
    if margin.left_kzt is None:
        return _("Kaspi names no price for a line of the order")
    left = {"left": grouped(abs(margin.left_kzt)), "least": grouped(least)}
    if margin.left_kzt >= least:
        return ""
    if margin.left_kzt < 0:
        return _("Bought at today's prices, the order loses %(left)s ₸") % left
    text = _(
        "Bought at today's prices, the order earns %(left)s ₸, less than %(least)s ₸"
    )
    return text % left


def _explain(margin: Margin, *, least: int) -> Iterable[str]:
    """Word the margin, one line for each figure."""
    delivery = (
        _("Delivery, as in the price rule (Kaspi has not told its fee): %(sum)s ₸")
        if margin.is_delivery_estimated
        else _("Delivery fee: %(sum)s ₸")
    )
    yield _("The buyer pays: %(sum)s ₸") % {"sum": grouped(margin.revenue_kzt)}
    yield _("The goods cost today: %(sum)s ₸") % {"sum": grouped(margin.cost_kzt)}
    yield (
        _("Commission and tax by the price rules: %(sum)s ₸")
        % {"sum": grouped(margin.fees_kzt)}
    )
    yield delivery % {"sum": grouped(margin.delivery_kzt)}
    yield (
        _("Left: %(left)s ₸; the least set is %(least)s ₸")
        % {"left": grouped(margin.left_kzt), "least": grouped(least)}
    )
    if margin.purchase_kzt != margin.cost_kzt:
        text = _("The purchase comes to %(sum)s ₸: the rest of the goods stays with us")
        yield text % {"sum": grouped(margin.purchase_kzt)}
