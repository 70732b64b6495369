"""Words the lines that explain a price or an availability."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import lru_cache

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from backoffice.formatting import decimals, grouped

# What was decided, and with which figures; the texts below name them.
Line = tuple[str, Mapping[str, object]]
SHARES_KEPT = 1000

TEXTS = {
    # Price
    "cost": gettext_noop("Dealer price: %(cost)s ₸"),
    "no_cost": gettext_noop("No dealer price (%(cost)s): the price is on request"),
    "cost_placeholder": gettext_noop("Dealer price %(cost)s ₸ is a placeholder"),
    "rule": gettext_noop("Rule: %(name)s"),
    "no_rule": gettext_noop("No price rule fits: add one or a default rule"),
    "floor": gettext_noop(
        "Floor %(floor)s ₸: cost + %(margin)s %% + delivery %(delivery)s ₸, "
        "of which commission and tax take %(fees)s %%"
    ),
    "min_price": gettext_noop("Least price set for this product: %(price)s ₸"),
    "retail": gettext_noop("Retail price %(price)s ₸ is real and above the floor"),
    "retail_placeholder": gettext_noop("Retail price %(retail)s ₸ is a placeholder"),
    "retail_low": gettext_noop("Retail price %(retail)s ₸ is below the floor"),
    "markup": gettext_noop(
        "Cost + %(percent)s %% + %(fixed)s ₸ + delivery, commission and tax on top: "
        "%(price)s ₸"
    ),
    "rrp": gettext_noop("Retail price is enforced: not below %(price)s ₸"),
    "rrp_unknown": gettext_noop("Retail price is enforced, but what is given is none"),
    "raised_to_floor": gettext_noop("Raised to the floor: %(price)s ₸"),
    "rounded": gettext_noop("Rounded up: %(price)s ₸"),
    "override": gettext_noop("Fixed by hand: %(price)s ₸"),
    "override_low": gettext_noop(
        "The fixed price is below %(floor)s ₸: raise it, or lower the floor"
    ),
    "too_high": gettext_noop(
        "%(price)s ₸ is more than any price may be (%(limit)s ₸): look for a typing "
        "error in the rule, or in what is set for this product"
    ),
    "jump": gettext_noop(
        "Was %(old)s ₸, would be %(new)s ₸: more than %(limit)s %%, a person must look"
    ),
    "rise": gettext_noop(
        "Was %(old)s ₸, would be %(new)s ₸: more than %(limit)s %%; it goes through by "
        "itself when imports have shown it long enough"
    ),
    "price": gettext_noop("Price: %(price)s ₸"),
    # Availability
    "stale": gettext_noop("The stock figures are too old to sell by"),
    "stock": gettext_noop("Supplier's stock: %(stock)s"),
    "stock_at_least": gettext_noop("Supplier's stock: at least %(stock)s"),
    "reserved": gettext_noop(
        "In our open reservations, and ordered along with them: −%(units)s"
    ),
    "safety": gettext_noop("Kept back: −%(units)s"),
    "multiples": gettext_noop(
        "Supplied by %(by)s only: not sold until selling by the piece is allowed"
    ),
    "singly": gettext_noop(
        "Supplied by %(by)s, sold by the piece: %(units)s such orders can be met"
    ),
    "capped": gettext_noop("Shown at most: %(units)s"),
    "below_least": gettext_noop("Fewer than %(least)s: not listed"),
    "out_of_stock": gettext_noop("Out of stock"),
    "units": gettext_noop("Available: %(units)s"),
}


def explain(lines: Iterable[Line]) -> list[str]:
    """Write the lines in the active language."""
    return explainer()(lines)


def explainer() -> Callable[[Iterable[Line]], list[str]]:
    """Give an `explain` for many: texts and shares are put into words once."""
    texts: dict[str, str] = {}
    shares = lru_cache(maxsize=SHARES_KEPT)(decimals)

    def readable(value: object) -> object:
        if isinstance(value, int):
            return grouped(value)
        return shares(value) if isinstance(value, Decimal) else value

    def write(lines: Iterable[Line]) -> list[str]:
        written = []
        for code, figures in lines:
            if (text := texts.get(code)) is None:
                text = texts[code] = _(TEXTS[code])
            words = {name: readable(value) for name, value in figures.items()}
            written.append(text % words)
        return written

    return write
