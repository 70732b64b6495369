"""Looks at Al-Style for an order that a broken answer left in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.alstyle.cart import CartClient, OrderType
from catalog.alstyle.trade import SupplierOrderRow
from orders.models import SupplierOrder
from orders.models.step import Candidate, SentToPeer
from plumbing.limits import Priority

# The supplier's clock may differ from ours by this much.
SKEW = timedelta(minutes=10)
# A new order is on the first pages; older ones are of no interest.
MOST_PAGES = 5
SEARCHED: tuple[OrderType, ...] = ("index", "current")
MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Orders nobody owns from the time in question.

    `matches` have exactly the lines that were sent; `doubtful` have only articles
    of ours, but not all of them or other quantities.
    """

    matches: list[SupplierOrderRow]
    doubtful: list[SupplierOrderRow]

    def candidates(self) -> list[Candidate]:
        """Show the orders a person may choose from."""
        return [
            {
                "id": row.order_id,
                "sum": row.sum_kzt,
                "placed_at": row.placed_at.isoformat() if row.placed_at else None,
                "lines": [list(line) for line in row.lines or ()],
            }
            for row in (*self.matches, *self.doubtful)
        ]


def find_submitted(
    cart: CartClient, *, sent: SentToPeer, sent_at: datetime, priority: Priority
) -> Found:
    """Find the orders that the submit described by `sent` may have made."""
    _learn_listed_numbers(cart, sent=sent, sent_at=sent_at)
    rows = _unowned_since(cart, sent_at - SKEW, priority=priority)
    wanted = {str(article): int(quantity) for article, quantity in sent["lines"]}
    matches, doubtful = [], []
    for row in rows[:MOST_CANDIDATES]:
        whole = cart.order(row.order_id, priority=priority)
        lines: dict[str, int] = {}
        for article, quantity, _price in whole.lines or ():
            lines[article] = lines.get(article, 0) + quantity
        if lines == wanted:
            matches.append(whole)
        elif lines and set(lines) <= set(wanted):
            doubtful.append(whole)
    named = [row for row in matches if sent["reference"] in row.words.split()]
    return Found(matches=named or matches, doubtful=doubtful)


def _unowned_since(
    cart: CartClient, since: datetime, *, priority: Priority
) -> list[SupplierOrderRow]:
    rows: dict[str, SupplierOrderRow] = {}
    for kind in SEARCHED:
        for page in range(1, MOST_PAGES + 1):
            answer = cart.orders_page(kind, page=page, priority=priority)
            recent = [
                row
                for row in answer.rows
                if row.placed_at is None or row.placed_at >= since
            ]
            rows.update({row.order_id: row for row in recent})
            if not recent or page >= answer.total_pages:
                break
    owned = set(_owned_numbers(list(rows)))
    return [row for number, row in rows.items() if number not in owned]


def _owned_numbers(numbers: list[str]) -> list[str]:
    pairs = SupplierOrder.objects.numbered(*numbers).values_list(
        "supplier_order_id", "listed_id"
    )
    return [number for pair in pairs for number in pair if number]


def _learn_listed_numbers(
    cart: CartClient, *, sent: SentToPeer, sent_at: datetime
) -> None:
    """Ask under which number our own orders of that time and sum are listed.

    An order that we know by its short number would else look like nobody's.
    """
    likely = SupplierOrder.objects.filter(
        listed_id="", sum_kzt=sent["sum"], placed_at__gte=sent_at - timedelta(days=1)
    )
    for ours in likely:
        row = cart.order(ours.supplier_order_id)
        SupplierOrder.objects.filter(pk=ours.pk).update(listed_id=row.order_id)
