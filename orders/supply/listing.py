"""Reads Al-Style's lists of orders, in whatever order and however late they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from catalog.alstyle.cart import CartClient, OrderType
from catalog.alstyle.trade import SupplierOrderRow
from orders.models import LearnedFact, SupplierListing, SupplierOrder
from orders.plan.claims import Claim
from orders.supply.learning import learn, learned
from plumbing.leases import database_now

Name = LearnedFact.Name
# Where a fresh order may stand.
SEARCHED: tuple[OrderType, ...] = ("index", "current")
# In one look; the next one goes on, for what was seen is remembered.
MOST_PAGES = 30
MOST_READ = 20


class SupplierLists:
    """One look through the lists; renews the claim before each call."""

    def __init__(self, cart: CartClient, claim: Claim) -> None:
        self._cart, self._claim = cart, claim
        self._pages_left, self._reads_left = MOST_PAGES, MOST_READ

    def unowned(self, *, not_before: datetime) -> list[SupplierOrderRow]:
        """List the orders nobody of ours has, that were not there before a moment."""
        found: dict[str, SupplierOrderRow] = {}
        for kind in SEARCHED:
            for rows in self._pages(kind):
                note_listed([row.order_id for row in rows])
                found |= {row.order_id: row for row in rows}
        earlier = SupplierListing.objects.filter(
            number__in=found, first_seen_at__lt=not_before
        )
        known = {*earlier.values_list("number", flat=True), *_owned(list(found))}
        return [row for number, row in found.items() if number not in known]

    def _pages(self, kind: OrderType) -> Iterator[list[SupplierOrderRow]]:
        """Give the pages' orders: all, or as far as new ones can stand.

        First the first and the last page: lists may be newest or oldest first.
        """
        order = learned(Name.LIST_ORDER)
        first, total = self._page(kind, 1)
        was_known = _are_known(first)
        yield first
        rest = list(range(2, total + 1))
        if order == "newest" and was_known:
            return
        if order != "newest":
            rest.reverse()
        for page in rest:
            if not self._pages_left:
                return
            rows, _total = self._page(kind, page)
            was_known = _are_known(rows)
            yield rows
            if was_known and order in ("newest", "oldest"):
                return

    def _page(self, kind: OrderType, page: int) -> tuple[list[SupplierOrderRow], int]:
        self._claim.renew()
        self._pages_left -= 1
        answer = self._cart.orders_page(kind, page=page)
        return list(answer.rows), answer.total_pages

    def read(self, number: str) -> SupplierOrderRow | None:
        """Read one order; None = the supplier does not show it, at least not yet."""
        if not self._reads_left:
            return None
        self._reads_left -= 1
        self._claim.renew()
        return self._cart.find_order(number)

    def learn_listed_numbers(self, *, since: datetime) -> None:
        """Ask under which numbers our own young orders are listed."""
        if learned(Name.LISTED_ID) == "same":
            return
        ours = SupplierOrder.objects.filter(listed_id="", placed_at__gte=since)
        for supplied in ours:
            row = self.read(supplied.supplier_order_id)
            if row is not None:
                note_listed_number(supplied, row)


def note_listed(numbers: list[str]) -> None:
    """Remember when numbers were seen first."""
    now = database_now()
    SupplierListing.objects.bulk_create(
        [SupplierListing(number=number, first_seen_at=now) for number in numbers],
        ignore_conflicts=True,
    )


def note_listed_number(supplied: SupplierOrder, row: SupplierOrderRow) -> None:
    """Keep the number under which the supplier shows one of our orders."""
    same = row.order_id == supplied.supplier_order_id
    evidence = f"{supplied.supplier_order_id}: {row.order_id}"
    learn(
        Name.LISTED_ID,
        "same" if same else "other",
        evidence=evidence,
        now=database_now(),
    )
    supplied.listed_id = row.order_id
    supplied.save(update_fields=["listed_id"])
    _join_rows(supplied)


def _join_rows(supplied: SupplierOrder) -> None:
    """Let one order of Al-Style's that was taken for two be one, as after a merge.

    What both hold is compared with what is there, and no release of either cancels it.
    """
    if supplied.merged_into_id is None:
        same = SupplierOrder.objects.filter(supplier_order_id=supplied.listed_id)
        other = same.exclude(pk=supplied.pk).filter(merged_into=None)
        other.update(merged_into=supplied)


def unlisted(pieces: Mapping[str, int]) -> list[SupplierOrder]:
    """Give our orders of just these pieces whose number in the lists is not known."""
    if learned(Name.LISTED_ID) == "same":
        return []
    unread = SupplierOrder.objects.filter(listed_id="")
    unread = unread.exclude(status=SupplierOrder.CANCELLED)
    return [
        supplied
        for supplied in unread.prefetch_related("purchases")
        if any(bought.quantities == pieces for bought in supplied.purchases.all())
    ]


def _are_known(rows: list[SupplierOrderRow]) -> bool:
    numbers = {row.order_id for row in rows}
    return SupplierListing.objects.filter(number__in=numbers).count() == len(numbers)


def _owned(numbers: list[str]) -> set[str]:
    pairs = SupplierOrder.objects.numbered(*numbers).values_list(
        "supplier_order_id", "listed_id"
    )
    return {number for pair in pairs for number in pair if number}
