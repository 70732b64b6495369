"""What an order earns, and whether that is enough to buy its goods without asking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext as _

from backoffice.formatting import grouped
from catalog.pricing import is_real_price
from catalog.rules import load_rules
from orders.models import Order, Reason, Reservation, Step
from orders.models.step import StepAnswer
from orders.money.earnings import BoughtLine, Margin, least_to_earn
from orders.money.lines import margin_of


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
    def code(self) -> Reason:
        """Which of the reasons it is."""
        if self.margin.cost_kzt is None:
            return Reason.COST_UNKNOWN
        left = self.margin.left_kzt
        if left is None:
            return Reason.EARNINGS_UNKNOWN
        return Reason.LOSES_MONEY if left < 0 else Reason.EARNS_LITTLE

    @property
    def answer(self) -> StepAnswer:
        """What the step keeps, so that staff can agree to just this cost."""
        cost = self.margin.purchase_kzt
        return {"cost_kzt": cost} if self.reason and cost is not None else {}


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
    least = least_to_earn(
        margin.cost_kzt, least_percent=least_percent, least_kzt=least_kzt
    )
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
            book=load_rules(),
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
    commission, tax = grouped(margin.commission_kzt), grouped(margin.tax_kzt)
    yield _("Kaspi's commission: %(sum)s ₸") % {"sum": commission}
    yield _("Tax by the price rules: %(sum)s ₸") % {"sum": tax}
    yield delivery % {"sum": grouped(margin.delivery_kzt)}
    yield (
        _("Left: %(left)s ₸; the least set is %(least)s ₸")
        % {"left": grouped(margin.left_kzt), "least": grouped(least)}
    )
    if margin.purchase_kzt != margin.cost_kzt:
        text = _("The purchase comes to %(sum)s ₸: the rest of the goods stays with us")
        yield text % {"sum": grouped(margin.purchase_kzt)}
