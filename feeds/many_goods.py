"""Works out what many products get at once: each its own price, or why it gets none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice.formatting import grouped
from catalog.models import PriceRule, Product
from catalog.pricing import floor_missed, round_up
from catalog.repricing import PriceRow, decide_by, price_rows, rule_for
from catalog.rules import load_rules

# Where no rule says how to round.
USUAL_STEP_KZT = 10


class PriceWay(models.TextChoices):
    """How the prices of many products are changed."""

    PERCENT = "percent", gettext_lazy("by percent of the price now")
    AMOUNT = "amount", gettext_lazy("by tenge")
    FIXED = "fixed", gettext_lazy("one price for all of them")
    RESET = "reset", gettext_lazy("back to the prices of the rules")


@dataclass(slots=True)
class Many:
    """New values by product, and whom nothing could be done for: (row, which, why)."""

    wanted: dict[int | str, dict[str, Any]] = field(default_factory=dict)
    errors: list[tuple[int, str, str]] = field(default_factory=list)


def change_prices(
    products: QuerySet[Product],
    *,
    way: PriceWay,
    number: Decimal = Decimal(0),
    until: datetime | None = None,
) -> Many:
    """Fix the prices of the products, or give them back to the rules.

    A changed price is rounded up as the product's rule rounds; none gets below its
    floor: those products are named with the reason and stay as they are.
    """
    found = Many()
    articles = dict(products.order_by("pk").values_list("pk", "article"))
    compute = _computed(way, number)
    book = load_rules()
    for row in price_rows(products):
        if row.pk not in articles:
            continue
        if way == PriceWay.RESET:
            found.wanted[row.pk] = {
                "price_override_kzt": None,
                "price_override_until": None,
            }
            continue
        rule = rule_for(row, book)
        price, why = _fixed(row, rule, compute, way=way)
        if price is None:
            found.errors.append((0, articles[row.pk], why))
        else:
            found.wanted[row.pk] = {
                "price_override_kzt": price,
                "price_override_until": until,
            }
    return found


def _computed(way: PriceWay, number: Decimal) -> Callable[[int], Decimal]:
    if way == PriceWay.PERCENT:
        return lambda price: price * (1 + number / 100)
    if way == PriceWay.AMOUNT:
        return lambda price: price + number
    return lambda price: number


def _fixed(
    row: PriceRow,
    rule: PriceRule | None,
    compute: Callable[[int], Decimal],
    *,
    way: PriceWay,
) -> tuple[int | None, str]:
    """Give the price to fix, or None and why there is none."""
    now = decide_by(row, rule)
    if way != PriceWay.FIXED and (now.price_kzt is None or now.quarantine):
        return None, _("It has no price now that could be changed.")
    wished = compute(now.price_kzt or 0)
    if wished < 1:
        return None, _("The price would be nothing or less.")
    price = int(wished)
    if way != PriceWay.FIXED:
        step, ending = USUAL_STEP_KZT, 0
        if rule is not None:
            step, ending = rule.round_to_kzt, rule.ending_kzt
        price = round_up(wished, multiple=step, ending=ending)
        if price == now.price_kzt:
            words = _("Rounded up by its rule, the price stays %(price)s ₸.")
            return None, words % {"price": grouped(price)}
    floor = floor_missed(decide_by(row._replace(price_override_kzt=price), rule))
    if floor is not None:
        words = _("%(price)s ₸ is below its floor of %(floor)s ₸.")
        return None, words % {"price": grouped(price), "floor": grouped(floor)}
    return price, ""
