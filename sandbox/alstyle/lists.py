"""How the distributor's orders are shown: dates, ids, order, delay."""

from __future__ import annotations

import zlib
from datetime import date, datetime, timedelta, timezone
from typing import Any

from sandbox.alstyle.orders import CANCELLED, MERGED, OrderBook, SupplierOrder
from sandbox.alstyle.settings import AlStyleSettings
from sandbox.clock import ALMATY, Clock

TYPES: dict[str, frozenset[str | None]] = {
    "index": frozenset({None, "N", "R", MERGED}),
    "current": frozenset({"SV", "OS", "OK", "P"}),
    "archive": frozenset({"F"}),
    "canceled": frozenset({CANCELLED}),
}
ZONES = {
    "almaty": ALMATY,
    "moscow": timezone(timedelta(hours=3)),
    "utc": timezone.utc,
}
FORMATS = {
    "seconds": "%Y-%m-%d %H:%M:%S",
    "minutes": "%d.%m.%Y %H:%M",
    "day": "%Y-%m-%d",
    "iso": "%Y-%m-%dT%H:%M:%S",
    "iso-zone": "%Y-%m-%dT%H:%M:%S%z",
}


class OrderLists:
    """Shows orders as the switches say."""

    def __init__(
        self, book: OrderBook, settings: AlStyleSettings, clock: Clock
    ) -> None:
        self._book = book
        self._settings = settings
        self._clock = clock

    def listed(
        self, kind: str, *, since: date | None = None, until: date | None = None
    ) -> list[SupplierOrder]:
        """Return the orders of one type that are listed by now, in the lists' order."""
        statuses = TYPES.get(kind, TYPES["index"])
        made_by = self._clock.timestamp() - self._settings.listed_after_s
        chosen = [
            order
            for order in self._book.orders.values()
            if order.status in statuses
            and order.created <= made_by
            and (since is None or since <= self._moment(order.created).date())
            and (until is None or self._moment(order.created).date() <= until)
        ]
        if self._settings.list_order == "shuffled":
            return sorted(chosen, key=lambda order: zlib.crc32(str(order.id).encode()))
        newest_first = self._settings.list_order == "newest"
        return sorted(chosen, key=lambda order: order.id, reverse=newest_first)

    def is_hidden(self, order: SupplierOrder) -> bool:
        """Say whether `order` does not know it yet, though it may be listed."""
        hidden_s = self._settings.order_hidden_s
        age_s = self._clock.timestamp() - order.created
        return hidden_s > 0 and age_s < self._settings.listed_after_s + hidden_s

    def is_read_by(self, order: SupplierOrder, number: str) -> bool:
        """Say whether `order` knows it by one of its numbers."""
        return self._settings.reads_submit_ids or number == str(self._id(order))

    def shown(self, order: SupplierOrder) -> dict[str, Any]:
        merged = self._book.orders.get(order.merge_with) if order.merge_with else None
        paid = order.status_since if order.status == "F" else None
        row: dict[str, Any] = {
            "id": self._id(order),
            "date": self._text(order.created),
            "date_status": self._text(order.status_since),
            "date_payment": self._text(paid),
            "sum": order.total,
            "bin": order.bin,
            "user_id": 1001,
            "status": order.status,
            "merge_with": self._id(merged) if merged is not None else None,
        }
        if self._settings.shows_external_id:
            row["external_id"] = order.external_id
        if self._settings.shows_comments:
            row["comments"] = order.comments
        return row

    def with_cart(self, order: SupplierOrder) -> dict[str, Any]:
        cart = [
            {"article": line.article, "price": line.price, "quantity": line.quantity}
            for line in order.lines
        ]
        return self.shown(order) | {"cart": cart}

    def answered_id(self, order: SupplierOrder) -> int | str:
        """Return the id as submit answers it."""
        return order.long_id if self._settings.long_submit_ids else order.id

    def _id(self, order: SupplierOrder) -> int | str:
        return order.long_id if self._settings.long_order_ids else order.id

    def _moment(self, timestamp: float) -> datetime:
        return datetime.fromtimestamp(timestamp, ZONES[self._settings.date_zone])

    def _text(self, timestamp: float | None) -> str | None:
        if timestamp is None or self._settings.date_format == "empty":
            return None
        form = FORMATS[self._settings.date_format]
        text = self._moment(timestamp).strftime(form)
        if form.endswith("%z"):
            # As ISO writes it: +05:00.
            text = f"{text[:-2]}:{text[-2:]}"
        return text
