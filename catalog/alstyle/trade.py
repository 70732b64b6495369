"""Al-Style's cart and orders as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from catalog.alstyle.fields import Doubts, as_id, as_whole, read_quantity, shown
from catalog.alstyle.schema import UnreadableAnswer, as_map, parse_data

ALMATY = ZoneInfo("Asia/Almaty")
# Seconds since the epoch, not a year.
EPOCH_DIGITS = 9
# The supplier's way is unpublished: these are tried in turn.
DATE_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%d.%m.%Y %H:%M",
    "%Y-%m-%d",
    "%d.%m.%Y",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CartRow:
    """One row of the cart. `balance`: what is there at least; None = unreadable.

    `mark`: its number and moment at Al-Style, which may tell it from a later one.
    """

    article: str
    quantity: int
    price_kzt: int | None
    balance: int | None
    is_markdown: bool
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplierOrderRow:
    """An order as a list or `order` shows it; `lines` only in the latter.

    `lines` are (article, quantity, price); `words` joins the free-text fields that
    may repeat our reference.
    """

    order_id: str
    status: str
    placed_at: datetime | None
    sum_kzt: int | None
    merge_with: str
    words: str
    # As the supplier wrote it: format and zone are open, see `parse_naive`.
    date_text: str
    lines: tuple[tuple[str, int, int | None], ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplierOrdersPage:
    """One page of orders, 1-based."""

    rows: tuple[SupplierOrderRow, ...]
    page: int
    total_pages: int


def parse_cart(raw: Any) -> tuple[CartRow, ...]:
    """Read `get`; a row that cannot be read makes the whole cart unreadable.

    A cart known in part could hide a manager's rows.
    """
    rows = as_map(parse_data(raw), name="data")
    return tuple(_cart_row(key, as_map(row, name=key)) for key, row in rows.items())


def _cart_row(key: str, raw: dict[str, Any]) -> CartRow:
    article, quantity = as_id(raw.get("article")), as_whole(raw.get("quantity"))
    if article is None or quantity is None:
        raise UnreadableAnswer(f"article, quantity: {shown(raw)}")
    doubts: Doubts = []
    balance, _bound = read_quantity(raw.get("balance"), doubts=doubts)
    return CartRow(
        article=article,
        quantity=quantity,
        price_kzt=as_whole(raw.get("price")),
        balance=None if doubts else balance,
        is_markdown=raw.get("is_markdown") not in (0, "0", False, None, ""),
        mark=f"{key} {raw.get('time', '')}".strip()[:80],
    )


def parse_submitted(raw: Any) -> str:
    """Read the new order's number out of `submit`'s answer."""
    data = as_map(parse_data(raw), name="data")
    number = as_id(data.get("id"))
    if number is None or data.get("status") != "ok":
        raise UnreadableAnswer(f"id: {shown(data)}")
    return number


def parse_orders_page(raw: Any) -> SupplierOrdersPage:
    """Read `orders`."""
    answer = as_map(raw, name="answer")
    elements = answer.get("elements")
    pages = as_map(answer.get("pagination") or {}, name="pagination")
    if isinstance(elements, dict):
        elements = list(elements.values())
    if not isinstance(elements, list):
        raise UnreadableAnswer(f"elements: {shown(elements)}")
    return SupplierOrdersPage(
        rows=tuple(_order_row(as_map(row, name="order")) for row in elements),
        page=as_whole(pages.get("currentPage")) or 1,
        total_pages=as_whole(pages.get("totalPages")) or 0,
    )


def parse_order(raw: Any) -> SupplierOrderRow:
    """Read `order`, its lines included."""
    data = as_map(as_map(raw, name="answer").get("data"), name="data")
    cart = data.get("cart")
    if isinstance(cart, dict):
        cart = list(cart.values())
    if not isinstance(cart, list):
        raise UnreadableAnswer(f"cart: {shown(cart)}")
    return _order_row(data, cart=cart)


def _order_row(raw: dict[str, Any], cart: list[Any] | None = None) -> SupplierOrderRow:
    order_id = as_id(raw.get("id"))
    if order_id is None:
        raise UnreadableAnswer(f"id: {shown(raw.get('id'))}")
    words = (raw.get("external_id"), raw.get("comments"), raw.get("comment"))
    return SupplierOrderRow(
        order_id=order_id,
        status=str(raw.get("status") or ""),
        placed_at=parse_moment(raw.get("date")),
        sum_kzt=as_whole(raw.get("sum")),
        merge_with=as_id(raw.get("merge_with")) or "",
        words=" ".join(str(word) for word in words if word),
        date_text=str(raw.get("date") or ""),
        lines=None if cart is None else tuple(map(_line, cart)),
    )


def _line(raw: Any) -> tuple[str, int, int | None]:
    row = as_map(raw, name="line")
    article, quantity = as_id(row.get("article")), as_whole(row.get("quantity"))
    if article is None or quantity is None:
        raise UnreadableAnswer(f"article, quantity: {shown(row)}")
    return article, quantity, as_whole(row.get("price"))


def parse_naive(raw: str) -> tuple[str, datetime | None]:
    """Read a moment as it is written: its format and the moment without a zone.

    ("", None) when it is none of the likely ways. A zone that is written is applied.
    """
    text = raw.strip()
    if text.isdigit() and len(text) >= EPOCH_DIGITS:
        moment = datetime.fromtimestamp(int(text), timezone.utc)
        return "%s %H", moment.replace(tzinfo=None)
    for form in DATE_FORMATS:
        try:
            return form, datetime.strptime(text, form)  # noqa: DTZ007
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return "", None
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None)
        return "ISO %z %H", moment
    return "ISO %H", moment


def parse_moment(raw: Any) -> datetime | None:
    """Read a moment in one of the likely ways, as of Almaty; None when it is none."""
    form, naive = parse_naive(str(raw or ""))
    if naive is None:
        return None
    is_utc = form.startswith("%s") or "%z" in form
    return naive.replace(tzinfo=timezone.utc if is_utc else ALMATY)
