"""Asks Kaspi for what a list left out: an order's lines, a line's SKU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from django.utils.translation import gettext as _

from orders.kaspi.client import KaspiClient
from orders.kaspi.schema import KaspiEntry, KaspiOrder
from orders.models import MasterProduct, Order
from orders.reading.failures import tell_failure
from plumbing.peers import PeerError, PeerRefused

# Two calls a line at most: a reading is over long before its worker's time is up.
CALLS_PER_READING = 300


class EntryReader:
    """Completes orders; after the first failure of the connection it asks no more."""

    def __init__(self, client: KaspiClient) -> None:
        self._client = client
        self._skus: dict[str, str] = {}
        self._calls_left = CALLS_PER_READING
        self._failure = ""

    def complete(
        self, orders: Iterable[KaspiOrder], *, known: Mapping[str, Order]
    ) -> list[KaspiOrder]:
        """Give the orders with lines and SKUs as far as Kaspi tells them.

        `known` by code: lines that are stored and sound are not asked for again.
        """
        completed = [self._with_entries(o, known.get(o.code)) for o in orders]
        self._recall(
            {
                entry.masterproduct_id
                for order in completed
                for entry in order.entries or ()
                if not entry.sku
            }
        )
        return [self._with_skus(order, known.get(order.code)) for order in completed]

    def _with_entries(self, order: KaspiOrder, known: Order | None) -> KaspiOrder:
        if order.entries is not None or (known is not None and _is_sound(known)):
            return order
        try:
            self._count_call()
            return order.with_entries(self._client.entries(order.id))
        except Exception as error:
            text = _("The lines could not be read: %(error)s")
            text %= {"error": self._note(error, about=order.code)}
            return replace(order, problems=(*order.problems, text))

    def _recall(self, cards: set[str]) -> None:
        """Remember in one query which cards are known."""
        wanted = cards - self._skus.keys() - {""}
        if wanted:
            pairs = MasterProduct.objects.filter(masterproduct_id__in=wanted)
            self._skus |= dict(pairs.values_list("masterproduct_id", "sku"))

    def _with_skus(self, order: KaspiOrder, known: Order | None) -> KaspiOrder:
        if order.entries is None or all(entry.sku for entry in order.entries):
            return order
        stored = (
            {line.entry_id: line.sku for line in known.lines.all()} if known else {}
        )
        return order.with_entries(
            tuple(
                entry if entry.sku else self._with_sku(entry, stored.get(entry.id, ""))
                for entry in order.entries
            )
        )

    def _with_sku(self, entry: KaspiEntry, stored: str) -> KaspiEntry:
        if stored:
            return replace(entry, sku=stored)
        try:
            sku = self._ask_for_sku(entry)
        except Exception as error:
            text = _("the SKU could not be read: %(error)s")
            text %= {"error": self._note(error, about=entry.id)}
            return replace(entry, problems=(*entry.problems, text))
        return replace(entry, sku=sku)

    def _ask_for_sku(self, entry: KaspiEntry) -> str:
        card = entry.masterproduct_id
        if not card:
            self._count_call()
            card = self._client.entry_product(entry.id)
            self._recall({card})
        if not card:
            return ""
        if card not in self._skus:
            self._count_call()
            self._skus[card] = sku = self._client.merchant_product(card)
            if sku:
                MasterProduct.objects.get_or_create(
                    masterproduct_id=card, defaults={"sku": sku}
                )
        return self._skus[card]

    def _count_call(self) -> None:
        if self._failure:
            raise PeerError(self._failure)
        if not self._calls_left:
            raise PeerError(_("too many at once; asked again at the next reading"))
        self._calls_left -= 1

    def _note(self, error: Exception, *, about: str) -> str:
        """Say why, and ask no more when the peer is away."""
        if not isinstance(error, PeerError):
            return tell_failure(error, about=about)
        if not isinstance(error, PeerRefused) and self._calls_left:
            self._failure = str(error)
        return str(error)


def _is_sound(order: Order) -> bool:
    lines = order.lines.all()
    return bool(lines) and all(line.sku for line in lines)
