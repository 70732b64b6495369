"""Al-Style's cart and orders over HTTP: one method, one request, writes never again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeVar

from catalog.alstyle.client import PEER_NAME, says_no
from catalog.alstyle.schema import UnreadableAnswer
from catalog.alstyle.trade import (
    CartRow,
    SupplierOrderRow,
    SupplierOrdersPage,
    parse_cart,
    parse_order,
    parse_orders_page,
    parse_submitted,
)
from plumbing.limits import Priority
from plumbing.peers import (
    PeerAccessRefused,
    PeerConnection,
    PeerOutcomeUnknown,
    PeerProtocolError,
    PeerRefused,
    PeerReply,
)

T = TypeVar("T")
OrderType = Literal["index", "current", "archive", "canceled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What `submit` is told; attorney and delivery are records of `user-data`."""

    shipping_date: date
    attorney: Mapping[str, Any]
    delivery: Mapping[str, Any]
    reference: str
    bin: str = ""


class CartClient:
    """Buys at Al-Style. The cart is shared with the people who use the portal."""

    def __init__(
        self, peer: PeerConnection, *, parameters_in: Literal["query", "form"] = "query"
    ) -> None:
        self.peer = peer
        self.parameters_in = parameters_in

    def add(self, lines: Sequence[tuple[str, int]]) -> None:
        """Put articles into the cart; whether it worked only `get` tells."""
        self._write(
            "GET",
            "cart-api/add",
            add=",".join(article for article, _quantity in lines),
            quantity=",".join(str(quantity) for _article, quantity in lines),
        )

    def remove(self, article: str) -> None:
        """Take one article's row out of the cart."""
        self._write("GET", "cart-api/remove", item=article)

    def get(self) -> tuple[CartRow, ...]:
        """Read the cart, other people's rows included."""
        return self._read("cart-api/get", parse_cart)

    def submit(self, submission: Submission) -> str:
        """Turn the cart into an order that holds the goods; returns its number.

        Raises `PeerOutcomeUnknown` when an order may exist.
        """
        params = {
            "shipping_date": f"{submission.shipping_date:%d.%m.%Y}",
            "attorney_json": json.dumps(submission.attorney, ensure_ascii=False),
            "delivery_json": json.dumps(submission.delivery, ensure_ascii=False),
            "comments": submission.reference,
            "external_id": submission.reference,
        }
        if submission.bin:
            params["bin"] = submission.bin
        reply = self._write("POST", "cart-api/submit", **params)
        return self._read_written(reply, parse_submitted)

    def cancel(self, order_id: str) -> None:
        """Ask to cancel an order; only its status tells whether it is."""
        self._write("GET", "cart-api/cancel", order=order_id)

    def change_line(self, order_id: str, article: str, *, left: int) -> None:
        """Leave so many pieces of an article in an order; `order` tells whether it did.

        The method is newer and known from one source: it may not be there.
        """
        line = {"id": order_id, "article": article}
        if left:
            self._write("POST", "api/order-item-update", **line, quantity=str(left))
        else:
            self._write("POST", "api/order-item-delete", **line)

    def orders_page(
        self, kind: OrderType, *, page: int, priority: Priority = "order"
    ) -> SupplierOrdersPage:
        """Read a page of orders, 1-based."""
        return self._read(
            "api/orders", parse_orders_page, priority=priority, type=kind, page=page
        )

    def order(self, order_id: str, *, priority: Priority = "order") -> SupplierOrderRow:
        """Read one order with its lines."""
        return self._read("api/order", parse_order, priority=priority, id=order_id)

    def find_order(
        self, order_id: str, *, priority: Priority = "order"
    ) -> SupplierOrderRow | None:
        """Read one order; None = not shown, or not to be read, at least not yet.

        Raises `PeerError` for what says nothing of the order: the token is refused, the
        supplier does not answer.
        """
        try:
            return self.order(order_id, priority=priority)
        except PeerAccessRefused:
            raise
        except (PeerRefused, PeerProtocolError):
            return None

    def _read(
        self,
        path: str,
        parse: Callable[[Any], T],
        *,
        priority: Priority = "order",
        **params: str | int,
    ) -> T:
        reply = self.peer.read(path, params=params, priority=priority)
        raw = reply.json()
        if says_no(raw):
            raise PeerRefused(f"{PEER_NAME}, {path}: {_words(raw, reply)}")
        try:
            return parse(raw)
        except UnreadableAnswer as error:
            raise PeerProtocolError(f"{PEER_NAME}, {path}: {error}") from None

    def _write(self, verb: str, path: str, **params: str) -> PeerReply:
        reply = self.peer.write(
            verb,
            path,
            params=params if verb == "GET" or self.parameters_in == "query" else None,
            form=None if verb == "GET" or self.parameters_in == "query" else params,
        )
        self._read_written(reply, lambda raw: raw)
        return reply

    def _read_written(self, reply: PeerReply, parse: Callable[[Any], T]) -> T:
        """Read a write's answer: what cannot be read leaves its outcome open."""
        try:
            raw = reply.json()
        except PeerProtocolError as error:
            raise PeerOutcomeUnknown(str(error)) from None
        if says_no(raw):
            raise PeerRefused(f"{PEER_NAME}, {reply.path}: {_words(raw, reply)}")
        try:
            return parse(raw)
        except UnreadableAnswer as error:
            raise PeerOutcomeUnknown(f"{PEER_NAME}, {reply.path}: {error}") from None


def _words(raw: dict[str, Any], reply: PeerReply) -> str:
    message = raw.get("message") or raw.get("error")
    return message if isinstance(message, str) else reply.words()
