"""The search box of every page: the apps look, the roof collects what they find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from backoffice.searching import Hits, Sought
from catalog.admin.search import find_by_number, find_by_words, tell_goods
from orders.admin.search import find_orders, find_supplier_orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found, by kind; `sought` may be what the keys mean in Russian."""

    sought: Sought
    kinds: Sequence[Hits]

    @property
    def only_page(self) -> str:
        """The page to show at once: the only one, or an order's named by its code."""
        exact = [kind.exact for kind in self.kinds if kind.exact]
        urls = [hit.url for kind in self.kinds for hit in kind.hits]
        if exact:
            return exact[0]
        return urls[0] if len(urls) == 1 else ""


def search(request: HttpRequest, typed: str) -> Found:
    """Find whatever the text may mean, in at most eight queries."""
    found = _search(request, Sought.of(typed))
    if not found.kinds and (other := found.sought.relaid):
        again = _search(request, other)
        return again if again.kinds else found
    return found


def _search(request: HttpRequest, sought: Sought) -> Found:
    if not sought.words:
        return Found(sought=sought, kinds=[])
    goods = find_by_number(request, sought)
    orders = None
    if goods or sought.has_digits:
        orders = find_orders(request, sought, goods=goods)
    if not goods and (orders is None or not orders.hits):
        # Only now: reading all names takes longest, and a number seldom stands in one.
        goods = find_by_words(request, sought)
        if orders is None or goods:
            orders = find_orders(request, sought, goods=goods)
    found = [orders, tell_goods(goods), find_supplier_orders(request, sought)]
    kinds = [kind for kind in found if kind is not None and kind.hits]
    return Found(sought=sought, kinds=kinds)
