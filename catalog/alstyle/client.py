"""Al-Style's read-only methods over HTTP: one method, one request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.conf import settings

from catalog.alstyle.goods import (
    parse_element_page,
    parse_elements,
    parse_stock_list,
)
from catalog.alstyle.reference import (
    parse_categories,
    parse_date,
    parse_user_data,
)
from catalog.alstyle.schema import (
    ADDITIONAL_FIELDS,
    CategoryList,
    ElementList,
    ElementPage,
    StockList,
    UnreadableAnswer,
    UserData,
)
from plumbing.calls import CALLS
from plumbing.limits import TokenClock, clock_name
from plumbing.peers import (
    CONNECT_TIMEOUT_S,
    PeerConnection,
    PeerProtocolError,
    PeerRefused,
    PeerReply,
    retry_after_s,
)

T = TypeVar("T")

PEER_NAME = "Al-Style"
# Stock and prices of every good come in one answer.
MAX_STOCK_BYTES = 64 * 1024 * 1024
# Al-Style clamps a larger limit silently and answers 200.
PAGE_LIMIT = 250
# Al-Style's documented interval, for a refusal that does not name one.
SLOW_DOWN_S = 5.0
# The "slow down" answer is tiny; a list of all goods is not parsed to look for it.
SLOW_DOWN_BYTES = 2000
CRAWL_PATIENCE_S = 120


class AlStyleClient:
    """Asks Al-Style; raises `PeerError`'s family and returns frozen values."""

    def __init__(self, peer: PeerConnection) -> None:
        self.peer = peer

    def __enter__(self) -> AlStyleClient:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.peer.close()

    def date(self) -> str:
        """Read when the supplier's data were last refreshed, as its own text."""
        return self._read("date", parse_date)

    def categories(self) -> CategoryList:
        """Read the whole tree as nested sets."""
        return self._read("categories", parse_categories)

    def elements_page(self, *, offset: int) -> ElementPage:
        """Read goods from `offset` on; fewer than `PAGE_LIMIT` may come."""
        return self._read(
            "elements-pagination",
            parse_element_page,
            offset=offset,
            limit=PAGE_LIMIT,
            additional_fields=ADDITIONAL_FIELDS,
        )

    def element_info(self, articles: Sequence[str]) -> ElementList:
        """Read the goods of these articles; what the catalogue has not is left out."""
        return self._read(
            "element-info",
            parse_elements,
            article=",".join(articles),
            additional_fields=ADDITIONAL_FIELDS,
        )

    def quantity_price(self) -> StockList:
        """Read stock and prices of every good in one answer."""
        reply = self.peer.read("api/quantity-price", max_bytes=MAX_STOCK_BYTES)
        with _reading(reply):
            return parse_stock_list(_granted(reply, raw) for raw in reply.json_parts())

    def user_data(self) -> UserData:
        """Read the account's powers of attorney and deliveries."""
        return self._read("user-data", parse_user_data)

    def _read(self, method: str, parse: Callable[[Any], T], **params: str | int) -> T:
        reply = self.peer.read(f"api/{method}", params=params)
        with _reading(reply):
            return parse(_granted(reply, reply.json()))


@contextmanager
def _reading(reply: PeerReply) -> Iterator[None]:
    try:
        yield
    except UnreadableAnswer as error:
        # What was said about the answer may quote it: the error redacts itself.
        raise PeerProtocolError(_said(reply, str(error))) from None


def _granted(reply: PeerReply, raw: Any) -> Any:
    if says_no(raw):
        raise PeerRefused(_said(reply, reply.words()))
    return raw


def _said(reply: PeerReply, words: str) -> str:
    return f"{PEER_NAME}, {reply.path.removeprefix('api/')}: {words}"


def open_client() -> AlStyleClient:
    """Make a client from the settings; close it by `with`."""
    return AlStyleClient(open_peer(timeout_s=float(settings.ALSTYLE_TIMEOUT_S)))


def open_peer(
    *, timeout_s: float, patience_s: float = CRAWL_PATIENCE_S
) -> PeerConnection:
    """Make the connection to Al-Style from the settings; `close()` it.

    `patience_s`: how long a call waits for its turn at the token's clock.
    """
    return PeerConnection(
        name=PEER_NAME,
        base_url=settings.ALSTYLE_URL,
        timeout_s=timeout_s,
        limiter=TokenClock(
            name=clock_name("alstyle", settings.ALSTYLE_TOKEN),
            interval_s=float(settings.ALSTYLE_INTERVAL_S),
            patience_s=patience_s,
            call_s=timeout_s + CONNECT_TIMEOUT_S,
        ),
        user_agent=settings.USER_AGENT,
        params={"access-token": settings.ALSTYLE_TOKEN},
        proxy=settings.OUTBOUND_PROXY,
        observe_only=settings.OBSERVE_ONLY,
        throttled_for_s=slow_down_s,
        backoff_s=float(settings.PEER_BACKOFF_S),
        longest_wait_s=float(settings.PEER_LONGEST_WAIT_S),
        journal=CALLS,
    )


def says_no(raw: Any) -> bool:
    """Tell whether an answer is a refusal, in either of Al-Style's two ways."""
    return isinstance(raw, dict) and raw.get("success", raw.get("status")) is False


def slow_down_s(reply: PeerReply) -> float | None:
    """Tell how long Al-Style wants us to wait, in any of its three ways, or None."""
    said_s = _said_interval_s(reply)
    if reply.status_code in (403, 429):
        return said_s or retry_after_s(reply) or SLOW_DOWN_S
    return said_s if reply.status_code == 200 else None


def _said_interval_s(reply: PeerReply) -> float | None:
    if len(reply.body) > SLOW_DOWN_BYTES or b'"interval"' not in reply.body:
        return None
    try:
        said = json.loads(reply.body)
        if said.get("success") is not False or "interval" not in said:
            return None
        return min(max(float(said["interval"]), 0.0), 3600.0)
    except (ValueError, AttributeError, TypeError, OverflowError):
        return SLOW_DOWN_S
