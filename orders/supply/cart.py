"""The cart that we share with the people who use the portal: reading and judging it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.alstyle.trade import CartRow
from catalog.pricing import is_real_price
from orders.models import Purchase, Reason
from orders.models.purchase import MARKDOWN, WantedLine

# The lease under which one worker of all hosts uses the cart.
CART_LEASE = "alstyle-cart"


class CartOccupied(Exception):
    """Somebody else's rows are in the cart: step back and tell staff."""


class GoodsRefused(Exception):
    """The supplier does not give what is wanted; the text says what and why.

    Only the cart's own balance says that there is too little.
    """

    def __init__(self, text: str, *, reason: Reason) -> None:
        super().__init__(text)
        self.reason = reason

    @property
    def is_stock(self) -> bool:
        return self.reason == Reason.OUT_OF_STOCK


class PriceRisen(GoodsRefused):
    """Only the price speaks against it; `cost_kzt`: what a person may agree to."""

    def __init__(self, text: str, *, cost_kzt: int) -> None:
        super().__init__(text, reason=Reason.PRICE_ROSE)
        self.cost_kzt = cost_kzt


def pieces(rows: Sequence[CartRow]) -> dict[str, int]:
    """Add up the cart's pieces by article; marked-down ones stand apart."""
    found: dict[str, int] = {}
    for row in rows:
        name = f"{row.article}{MARKDOWN}" if row.is_markdown else row.article
        found[name] = found.get(name, 0) + row.quantity
    return found


def is_same_row(purchase: Purchase, row: CartRow) -> bool:
    """Tell whether it has the mark that the purchase's row had before the submit.

    A number and a moment: where either is another's for each row, so is the mark. That
    it differs says nothing, unless rows are known to keep theirs.
    """
    mark: str = purchase.cart_marks.get(row.article, "")
    return has_moment(purchase, row) and mark == row.mark


def has_moment(purchase: Purchase, row: CartRow) -> bool:
    """Tell whether the mark of the purchase's row had a moment beside its number."""
    return " " in purchase.cart_marks.get(row.article, "")


def is_other_row(purchase: Purchase, row: CartRow) -> bool:
    """Tell whether it has not the number that the purchase's row was given.

    That it has the same says nothing: it may be the number of the goods.
    """
    number = number_in(purchase.cart_marks.get(row.article, ""))
    return bool(number) and number != number_in(row.mark)


def number_in(mark: str) -> str:
    """Give the number of a mark, without its moment."""
    return mark.split(" ")[0]


def are_same_rows(purchase: Purchase, rows: Sequence[CartRow]) -> bool:
    """Tell so of each row that looks like one of the purchase's."""
    ours = [row for row in rows if row.article in purchase.quantities]
    return all(is_same_row(purchase, row) for row in ours)


def foreign_rows(rows: Sequence[CartRow], ours: Mapping[str, int]) -> dict[str, int]:
    """Give what is not ours: other articles, and more pieces than we put in.

    A row that a manager has made larger is his as much as ours: nobody can tell.
    """
    return {a: n for a, n in pieces(rows).items() if n > ours.get(a, 0)}


def refuse_foreign(rows: Sequence[CartRow], ours: Mapping[str, int]) -> None:
    """Raise `CartOccupied` when somebody else's goods are in the cart."""
    # What the supplier gave us as marked down is a refusal, not a manager's row.
    given = {f"{article}{MARKDOWN}": number for article, number in ours.items()}
    if foreign := foreign_rows(rows, {**given, **ours}):
        text = _("Somebody's goods are in the cart at Al-Style: %(articles)s")
        goods = ", ".join(
            f"{article} × {number}" for article, number in foreign.items()
        )
        raise CartOccupied(text % {"articles": goods})


def checked_sum(
    rows: Sequence[CartRow],
    wanted: Sequence[WantedLine],
    *,
    agreed_kzt: int | None = None,
) -> int:
    """Give the sum of a cart that is exactly what is wanted; else `GoodsRefused`.

    `agreed_kzt`: up to this sum a person has agreed to whatever the goods cost.
    """
    asked = sum((row.price_kzt or 0) * row.quantity for row in rows)
    by_article = {row.article: row for row in rows}
    is_agreed = agreed_kzt is not None and asked <= agreed_kzt
    try:
        return sum(
            checked_line(line, by_article.get(line[0]), is_agreed=is_agreed)
            for line in wanted
        )
    except PriceRisen as error:
        # Agreed to is the whole, not the first line that is too dear.
        raise PriceRisen(str(error), cost_kzt=asked) from None


def checked_line(
    line: WantedLine, row: CartRow | None, *, is_agreed: bool = False
) -> int:
    """Give the sum of a row that is exactly what is wanted; else `GoodsRefused`."""
    article, quantity, cost = line
    figures = {"article": article, "quantity": quantity}
    if row is None:
        text = _(
            "Al-Style did not take %(quantity)s pieces of %(article)s into the cart"
        )
        raise GoodsRefused(text % figures, reason=Reason.NOT_TAKEN)
    if row.is_markdown:
        text = _("Al-Style would give marked-down (defective) pieces of %(article)s")
        raise GoodsRefused(text % figures, reason=Reason.MARKED_DOWN)
    if row.balance is None:
        text = _("How many pieces of %(article)s Al-Style has cannot be read")
        raise GoodsRefused(text % figures, reason=Reason.STOCK_UNREADABLE)
    if row.balance < quantity:
        text = _("Al-Style gives %(there)s of %(quantity)s pieces of %(article)s")
        lacks = text % {**figures, "there": row.balance}
        raise GoodsRefused(lacks, reason=Reason.OUT_OF_STOCK)
    if row.quantity < quantity:
        text = _("Al-Style gives %(there)s of %(quantity)s pieces of %(article)s")
        less = text % {**figures, "there": row.quantity}
        raise GoodsRefused(less, reason=Reason.GIVES_LESS)
    price = row.price_kzt
    text = _("The price of %(article)s at Al-Style is %(price)s ₸, expected %(cost)s")
    said = text % {**figures, "price": price, "cost": cost}
    if not is_real_price(price):
        # "On request": there is no sum that anybody could agree to.
        raise GoodsRefused(said, reason=Reason.NO_PRICE)
    if not is_agreed and not _is_within_tolerance(price, cost):
        raise PriceRisen(said, cost_kzt=price * quantity)
    return price * quantity


def _is_within_tolerance(price: int, cost: int | None) -> bool:
    """A price may fall; it may rise by the tolerance."""
    if cost is None:
        return False
    return price <= cost * (1 + Decimal(settings.PRICE_TOLERANCE_PERCENT) / 100)
