"""Kaspi's orders API over HTTP: one method, one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar
from urllib.parse import quote

from django.conf import settings
from django.utils.translation import gettext as _

from orders.kaspi.peer import BadLink, KaspiPeer, parse_link, reason_of
from orders.kaspi.schema import (
    KaspiEntry,
    KaspiOrder,
    OrdersPage,
    UnreadableAnswer,
    parse_cut_status,
    parse_echo,
    parse_entries,
    parse_error_title,
    parse_one_order,
    parse_orders_page,
    parse_resource_code,
    parse_resource_id,
)
from plumbing.calls import CALLS
from plumbing.limits import Priority, TokenClock, clock_name
from plumbing.peers import (
    PeerOutcomeUnknown,
    PeerProtocolError,
    PeerRefused,
    PeerReply,
)

T = TypeVar("T")

PEER_NAME = "Kaspi"
MEDIA_TYPE = "application/vnd.api+json"
PAGE_SIZE = 100
LONGEST_WINDOW = timedelta(days=14)
LONGEST_COMMENT = 1000
AT_ONCE = 4
# A call may take its whole timeout and the time to find a connection before.
CALL_MARGIN_S = 30
MAX_PDF_BYTES = 10 * 1024 * 1024
PDF_MARK = b"%PDF"
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighedCut:
    """What stays of a line sold by weight; 0 of either removes it."""

    entry_id: str
    remained_quantity: int
    remained_weight_g: int
    reason: str
    notes: str


class KaspiClient:
    """Asks Kaspi; raises `PeerError`'s family and returns frozen values.

    A write's answer only echoes what was sent: read the order again to learn its
    state.
    """

    def __init__(self, peer: KaspiPeer) -> None:
        self.peer = peer

    def __enter__(self) -> KaspiClient:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.peer.close()

    # -- reading ----------------------------------------------------------------------

    def orders_page(
        self,
        state: str,
        *,
        ge: datetime,
        le: datetime,
        page: int,
        size: int = PAGE_SIZE,
        include_entries: bool = True,
        status: str | None = None,
    ) -> OrdersPage:
        """Read a page, counted from 0, of the orders created in a window of ≤ 14 d."""
        params: dict[str, str | int] = {
            "page[number]": page,
            "page[size]": size,
            "filter[orders][state]": state,
            "filter[orders][creationDate][$ge]": _ms(ge),
            "filter[orders][creationDate][$le]": _ms(le),
        }
        if status is not None:
            params["filter[orders][status]"] = status
        if include_entries:
            params["include[orders]"] = "entries"
        return self._read("orders", parse_orders_page, params=params)

    def order_by_code(self, code: str) -> KaspiOrder | None:
        """Read the order with this code and its lines; None when there is none."""
        params = {"filter[orders][code]": code, "include[orders]": "entries"}
        page = self._read("orders", parse_orders_page, params=params, priority="order")
        return next((order for order in page.orders if order.code == code), None)

    def order(self, order_id: str) -> KaspiOrder:
        """Read one order, without its lines."""
        path = f"orders/{_quoted(order_id)}"
        return self._read(path, parse_one_order, priority="order")

    def entries(self, order_id: str) -> tuple[KaspiEntry, ...]:
        """Read an order's lines."""
        return self._read(f"orders/{_quoted(order_id)}/entries", parse_entries)

    def entry_product(self, entry_id: str) -> str:
        """Read the id of the card at Kaspi that a line is about."""
        path = f"orderentries/{_quoted(entry_id)}/product"
        return self._read(path, parse_resource_id)

    def merchant_product(self, masterproduct_id: str) -> str:
        """Read our SKU of a card at Kaspi."""
        path = f"masterproducts/{_quoted(masterproduct_id)}/merchantProduct"
        return self._read(path, parse_resource_code)

    def waybill_pdf(self, url: str) -> bytes:
        """Fetch a waybill from one of Kaspi's own hosts."""
        try:
            parts = parse_link(url, base_url=f"{self.peer.base_url}/v2/")
        except BadLink as error:
            # Not the link itself: it is signed.
            message = _("no waybill: %(reason)s") % {"reason": error}
            raise PeerRefused(f"{PEER_NAME}: {message}") from None
        peer = self.peer.for_file(parts)
        if peer is None:
            message = _("a waybill on %(host)s, which is none of Kaspi's addresses")
            raise PeerRefused(f"{PEER_NAME}: {message % {'host': parts.hostname}}")
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        reply = peer.read(path, priority="order", max_bytes=MAX_PDF_BYTES)
        # Some writers put blanks or a byte order mark first.
        if PDF_MARK not in reply.body[:1024]:
            message = _("the waybill is not a PDF: %(words)s")
            raise PeerRefused(
                f"{PEER_NAME}: {message % {'words': reason_of(reply)}}",
                status_code=reply.status_code,
            )
        return reply.body

    # -- writing ----------------------------------------------------------------------

    def accept(self, order_id: str, *, code: str) -> str:
        """Accept a new order."""
        return self._set_status(order_id, code, "ACCEPTED_BY_MERCHANT")

    def assemble(self, order_id: str, *, code: str, places: int) -> str:
        """Tell that an order is packed; each call makes a new waybill."""
        return self._set_status(order_id, code, "ASSEMBLE", numberOfSpace=str(places))

    def arrived(self, order_id: str, *, code: str) -> str:
        """Tell that the goods of a pre-order are there."""
        return self._set_status(order_id, code, "ARRIVED")

    def arrived_backward(self, order_id: str, *, code: str) -> str:
        """Tell that the goods of a called-off order are back."""
        return self._set_status(order_id, code, "ARRIVED_BACKWARD")

    def send_code(self, order_id: str, *, code: str) -> str:
        """Let Kaspi send the buyer the code that proves the hand-over."""
        headers = {"X-Send-Code": "true", "X-Security-Code": ""}
        return self._set_status(order_id, code, "COMPLETED", headers=headers)

    def complete(self, order_id: str, *, code: str, security_code: str) -> str:
        """Hand an order over with the buyer's code."""
        # The guide has X-Send-Code in both calls.
        headers = {"X-Send-Code": "true", "X-Security-Code": security_code}
        return self._set_status(order_id, code, "COMPLETED", headers=headers)

    def cancel(self, order_id: str, *, code: str, reason: str, comment: str) -> str:
        """Cancel an order; a comment beyond 1000 characters is cut."""
        return self._set_status(
            order_id,
            code,
            "CANCELLED",
            cancellationReason=reason,
            cancellationComment=comment[:LONGEST_COMMENT],
        )

    def remove_line(
        self, entry_id: str, *, remained_quantity: int, reason: str, notes: str
    ) -> str:
        """Take pieces off a line; `remained_quantity` is what stays.

        Returns INPROGRESS or SUCCESSFULL, Kaspi's spelling.
        """
        attributes = {
            "remainedQuantity": remained_quantity,
            "reason": reason,
            "notes": notes,
        }
        return self._write_of_entry("orderEntryCancelOperation", entry_id, attributes)

    def note_imei(self, entry_id: str, *, imei: Sequence[Sequence[str]]) -> str:
        """Name a line's devices, each by the numbers of its one or two SIM cards."""
        attributes = {"items": [{"imei": list(numbers)} for numbers in imei]}
        return self._write_of_entry("orderEntryImeiOperation", entry_id, attributes)

    def cut_weighed(self, order_id: str, *, cuts: Sequence[WeighedCut]) -> str:
        """Take pieces or weight off lines sold by weight.

        Returns INPROGRESS or SUCCESSFUL, with one L here.
        """
        rows = [
            {
                "entry": {"id": cut.entry_id},
                "remainedQuantity": cut.remained_quantity,
                "remainedWeight": cut.remained_weight_g,
                "reason": cut.reason,
                "notes": cut.notes,
            }
            for cut in cuts
        ]
        # The one write without /v2, and without an envelope.
        path = f"orderPartialCancel/{_quoted(order_id)}"
        return self._sent("PUT", path, rows, parse=parse_cut_status)

    # -- both -------------------------------------------------------------------------

    def _set_status(
        self,
        order_id: str,
        code: str,
        status: str,
        *,
        headers: Mapping[str, str] | None = None,
        **attributes: str,
    ) -> str:
        resource = {
            "type": "orders",
            "id": order_id,
            "attributes": {"code": code, "status": status, **attributes},
        }
        return self._write("orders", resource, headers=headers)

    def _write(
        self,
        path: str,
        resource: dict[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        body = {"data": resource}
        return self._sent("POST", f"v2/{path}", body, parse=parse_echo, headers=headers)

    def _write_of_entry(
        self, kind: str, entry_id: str, attributes: dict[str, Any]
    ) -> str:
        entry = {"type": "orderentries", "id": entry_id}
        relationships = {"entry": {"data": entry}}
        resource = {
            "type": kind,
            "attributes": attributes,
            "relationships": relationships,
        }
        return self._write(kind, resource)

    def _sent(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | Sequence[Any],
        *,
        parse: Callable[[Any], str],
        headers: Mapping[str, str] | None = None,
    ) -> str:
        reply = self.peer.write(method, path, json_body=body, headers=headers)
        try:
            return _parsed(reply, parse)
        except PeerProtocolError as error:
            raise PeerOutcomeUnknown(
                str(error), status_code=reply.status_code
            ) from None

    def _read(
        self,
        path: str,
        parse: Callable[[Any], T],
        *,
        params: Mapping[str, str | int] | None = None,
        priority: Priority = "crawl",
    ) -> T:
        reply = self.peer.read(f"v2/{path}", params=params, priority=priority)
        return _parsed(reply, parse)


def open_client() -> KaspiClient:
    """Make a client from the settings; close it by `with`."""
    headers = {
        "X-Auth-Token": settings.KASPI_TOKEN,
        "Accept": MEDIA_TYPE,
        "Content-Type": MEDIA_TYPE,
    }
    if settings.KASPI_MERCHANT_UID:
        headers["X-Merchant-Uid"] = settings.KASPI_MERCHANT_UID
    timeout_s = float(settings.KASPI_TIMEOUT_S)
    return KaspiClient(
        KaspiPeer(
            name=PEER_NAME,
            base_url=settings.KASPI_URL,
            timeout_s=timeout_s,
            limiter=TokenClock(
                name=clock_name("kaspi", settings.KASPI_TOKEN),
                interval_s=float(settings.KASPI_INTERVAL_S),
                at_once=AT_ONCE,
                call_s=timeout_s + CALL_MARGIN_S,
            ),
            user_agent=settings.USER_AGENT,
            headers=headers,
            proxy=settings.OUTBOUND_PROXY,
            observe_only=settings.OBSERVE_ONLY,
            backoff_s=float(settings.PEER_BACKOFF_S),
            longest_wait_s=float(settings.PEER_LONGEST_WAIT_S),
            journal=CALLS,
        )
    )


def _parsed(reply: PeerReply, parse: Callable[[Any], T]) -> T:
    """Parse an answer of 2xx; errors in it never quote what may be an order."""
    try:
        raw = reply.json()
        title = parse_error_title(raw)
        if title:
            raise PeerRefused(
                f"{PEER_NAME}, {reply.path}: {title}", status_code=reply.status_code
            )
        return parse(raw)
    except (PeerProtocolError, ArithmeticError):
        # The latter: a number with an exponent beyond what decimals bear.
        message = _("answered something that is not JSON: %(words)s")
        words = message % {"words": reason_of(reply)}
    except UnreadableAnswer as error:
        words = str(error)
    raise PeerProtocolError(
        f"{PEER_NAME}, {reply.path}: {words}", status_code=reply.status_code
    )


def _ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _quoted(resource_id: str) -> str:
    return quote(resource_id, safe="")
