"""Fills the shared cart with exactly what is wanted, and takes our rows out again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.alstyle.cart import CartClient
from catalog.alstyle.trade import CartRow
from orders.models import CartState
from orders.plan.claims import Claim
from plumbing.leases import database_now
from plumbing.peers import (
    PeerAccessRefused,
    PeerError,
    PeerOutcomeUnknown,
    PeerProtocolError,
    PeerRefused,
)

NAME = "alstyle"
# The lease under which one worker of all hosts uses the cart.
CART_LEASE = "alstyle-cart"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLine:
    """Pieces of an article, and what each cost when the price was last read."""

    article: str
    quantity: int
    cost_kzt: int | None


class CartOccupied(Exception):
    """Somebody else's rows are in the cart: step back and tell staff."""


class GoodsRefused(Exception):
    """The supplier does not give what is wanted; the text says what and why."""

    def __init__(self, text: str, *, is_stock: bool) -> None:
        super().__init__(text)
        self.is_stock = is_stock


def fill_cart(cart: CartClient, wanted: Sequence[WantedLine], claim: Claim) -> int:
    """Put exactly the wanted lines into the cart and check them; returns the sum.

    Call under the cart's lease. On any exception our rows are out of the cart, or
    remembered in `CartState` until a later call has taken them out.
    """
    quantities = {line.article: line.quantity for line in wanted}
    state, _created = CartState.objects.get_or_create(name=NAME)
    rows = _clear_leftovers(cart, state, quantities, claim)
    doubt: PeerError | None = None
    if rows is None:
        _remember(state, quantities)
        doubt, refusal = _add(cart, wanted, claim)
        rows = cart.get()
        if refusal is not None:
            _take_out(cart, state, rows, claim)
            raise GoodsRefused(refusal, is_stock=True)
    try:
        return _checked_sum(rows, wanted)
    except (GoodsRefused, CartOccupied) as error:
        if isinstance(error, CartOccupied):
            CartState.objects.filter(name=NAME).update(foreign_seen_at=database_now())
        _take_out(cart, state, rows, claim)
        if doubt is not None and isinstance(error, GoodsRefused):
            # The add itself did not arrive whole: that says nothing of the goods.
            raise PeerProtocolError(str(doubt)) from None
        raise


def forget_cart() -> None:
    """Note that our rows are in the cart no more: they have become an order."""
    CartState.objects.filter(name=NAME).update(ours={})


def empty_cart(cart: CartClient, claim: Claim) -> None:
    """Take our rows out, because the supplier refused to make an order of them."""
    state = CartState.objects.get(name=NAME)
    _take_out(cart, state, cart.get(), claim)


def _clear_leftovers(
    cart: CartClient, state: CartState, quantities: dict[str, int], claim: Claim
) -> tuple[CartRow, ...] | None:
    """Take out what an earlier try left; None when the cart awaits our rows.

    A cart that already holds exactly what is wanted is given back as it is.
    """
    if not state.ours:
        return None
    rows = cart.get()
    found = {row.article: row.quantity for row in rows}
    if state.ours == quantities == found and len(rows) == len(found):
        return rows
    _take_out(cart, state, rows, claim)
    return None


def _remember(state: CartState, ours: dict[str, int]) -> None:
    state.ours = ours
    state.save(update_fields=["ours"])


def _add(
    cart: CartClient, wanted: Sequence[WantedLine], claim: Claim
) -> tuple[PeerError | None, str | None]:
    """Add the lines; returns the doubt about it, or the supplier's refusal."""
    claim.renew()
    try:
        cart.add([(line.article, line.quantity) for line in wanted])
    except PeerAccessRefused:
        raise
    except PeerOutcomeUnknown as error:
        # What is in the cart tells more than a broken answer does.
        return error, None
    except PeerRefused as error:
        return None, str(error)
    return None, None


def _take_out(
    cart: CartClient, state: CartState, rows: Sequence[CartRow], claim: Claim
) -> None:
    """Remove what we put in; a row that a person made larger gets theirs back."""
    for row in rows:
        ours = state.ours.get(row.article)
        if ours is None or row.is_markdown:
            continue
        claim.renew()
        cart.remove(row.article)
        # Forgotten one by one: what a person puts in later is not ours to remove.
        _remember(state, {a: n for a, n in state.ours.items() if a != row.article})
        if row.quantity > ours:
            claim.renew()
            cart.add([(row.article, row.quantity - ours)])
    _remember(state, {})


def _checked_sum(rows: Sequence[CartRow], wanted: Sequence[WantedLine]) -> int:
    lines = {line.article: line for line in wanted}
    foreign = [row.article for row in rows if row.article not in lines]
    by_article: dict[str, CartRow] = {}
    for row in rows:
        larger = row.article in lines and row.quantity > lines[row.article].quantity
        if larger or row.article in by_article:
            foreign.append(row.article)
        by_article[row.article] = row
    if foreign:
        text = _("Somebody's goods are in the cart at Al-Style: %(articles)s")
        raise CartOccupied(text % {"articles": ", ".join(foreign)})
    return sum(_checked_line(line, by_article) for line in wanted)


def _checked_line(line: WantedLine, rows: Mapping[str, CartRow]) -> int:
    row = rows.get(line.article)
    figures = {"article": line.article, "quantity": line.quantity}
    if row is None or row.quantity < line.quantity or row.balance < line.quantity:
        there = 0 if row is None else min(row.quantity, row.balance)
        text = _("Al-Style gives %(there)s of %(quantity)s pieces of %(article)s")
        raise GoodsRefused(text % {**figures, "there": there}, is_stock=True)
    if row.is_markdown:
        text = _("Al-Style would give marked-down (defective) pieces of %(article)s")
        raise GoodsRefused(text % figures, is_stock=True)
    if not _is_price_right(row.price_kzt, line.cost_kzt):
        text = _(
            "The price of %(article)s at Al-Style is %(price)s ₸, expected %(cost)s"
        )
        prices = {"price": row.price_kzt, "cost": line.cost_kzt}
        raise GoodsRefused(text % {**figures, **prices}, is_stock=False)
    return (row.price_kzt or 0) * line.quantity


def _is_price_right(price: int | None, cost: int | None) -> bool:
    """A price may fall; it may rise by the tolerance; "on request" is none."""
    if price is None or price <= 1:
        return False
    if cost is None:
        return False
    limit = cost * (1 + Decimal(settings.PRICE_TOLERANCE_PERCENT) / 100)
    return price <= limit
