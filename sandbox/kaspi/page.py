"""The page for people: what Kaspi thinks this shop sells, and how it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sandbox.clock import ALMATY
from sandbox.kaspi.fetching import Fetch
from sandbox.kaspi.markup import Markup, fill, fill_each
from sandbox.kaspi.orders import (
    ACCEPTED,
    APPROVED,
    CANCELLED,
    CANCELLING,
    COMPLETED,
    OUT_OF_STOCK,
    RETURN_REQUESTED,
    RETURNED,
    KaspiOrder,
)
from sandbox.kaspi.pricelist import Offer

OFFERS_SHOWN = 500
FETCHES_SHOWN = 10
ORDERS_SHOWN = 20

# With a class of templates/page.html.
OUTCOME_WORDS = {
    "loaded": ("ok", "загружен"),
    "unchanged": ("quiet", "без изменений"),
    "failed": ("bad", "не скачан"),
    "refused": ("bad", "отклонён"),
}
STATUS_WORDS = {
    APPROVED: ("warn", "ждёт принятия"),
    ACCEPTED: ("ok", "принят"),
    COMPLETED: ("ok", "выдан"),
    CANCELLED: ("bad", "отменён"),
    CANCELLING: ("warn", "отменён в пути"),
    RETURN_REQUESTED: ("warn", "возврат"),
    RETURNED: ("quiet", "возвращён"),
}
KIND_WORDS = {
    "kaspi": "Kaspi Доставка",
    "postomat": "Postomat",
    "pickup": "самовывоз",
    "delivery": "доставка магазина",
}
REASON_WORDS = {
    OUT_OF_STOCK: "нет товара",
    "BUYER_CANCELLATION_HIMSELF": "покупатель передумал",
    "BUYER_CANCELLATION_BY_COURIER": "отказ при доставке",
    "BUYER_CANCELLATION_BY_MERCHANT": "отменил магазин",
    "BUYER_NOT_REACHABLE": "покупатель недоступен",
    "TIMEOUT_BUYER_PICKUP": "не забрали",
    "RFO_REJECTED": "в кредите отказано",
}


def shop_page(
    merchant_id: str,
    *,
    offers: Mapping[str, Offer],
    fetches: Sequence[Fetch],
    orders: Sequence[KaspiOrder],
) -> str:
    """Return the page as HTML; fetches and orders with the oldest first."""
    return fill(
        "page.html",
        merchant_id=merchant_id,
        cards=_offer_cards(offers, fetches),
        orders=_orders(orders) if orders else "",
        fetches=_fetches(fetches),
        offers=_offers(offers),
    )


def _cards(*cards: tuple[str, str, str]) -> Markup:
    names = ("value", "label", "look")
    return fill_each("card.html", (dict(zip(names, c, strict=True)) for c in cards))


def _offer_cards(offers: Mapping[str, Offer], fetches: Sequence[Fetch]) -> Markup:
    on_sale = sum(1 for offer in offers.values() if offer.available)
    preorder = sum(1 for o in offers.values() if o.available and o.preorder_days)
    bad = sum(1 for fetch in fetches if fetch.outcome in ("failed", "refused"))
    last = fetches[-1] if fetches else None
    look, words = OUTCOME_WORDS[last.outcome] if last else ("quiet", "ещё не было")
    when = f"последняя загрузка, {_moment(last.at)}" if last else "последняя загрузка"
    return _cards(
        (_grouped(on_sale), "в продаже", "ok" if on_sale else "quiet"),
        (_grouped(len(offers) - on_sale), "в списке, но не продаются", ""),
        (_grouped(preorder), "из них под заказ", ""),
        (words, when, look),
        (_grouped(bad), "неудачных загрузок", "bad" if bad else "quiet"),
    )


def _orders(orders: Sequence[KaspiOrder]) -> Markup:
    waiting = sum(1 for order in orders if order.status == APPROVED)
    open_now = sum(1 for order in orders if not order.ended) - waiting
    done = sum(1 for order in orders if order.status == COMPLETED)
    short = sum(1 for order in orders if order.reason == OUT_OF_STOCK)
    share = 100 * short / len(orders)
    cards = _cards(
        (_grouped(len(orders)), "заказов всего", ""),
        (_grouped(waiting), "ждут принятия", "warn" if waiting else "quiet"),
        (_grouped(open_now), "в работе", ""),
        (_grouped(done), "выдано", "ok" if done else "quiet"),
        (
            f"{short} ({share:.0f} %)",
            "отменено из-за отсутствия товара",
            "bad" if share > 5 else "quiet",
        ),
    )
    latest = sorted(orders, key=lambda order: order.created, reverse=True)
    rows = fill_each("order.html", map(_order, latest[:ORDERS_SHOWN]))
    return fill("orders.html", cards=cards, rows=rows)


def _order(order: KaspiOrder) -> dict[str, object]:
    look, state = STATUS_WORDS.get(order.status, ("quiet", order.status))
    if order.state == "SIGN_REQUIRED":
        state = "ждёт подписи"
    elif order.status == ACCEPTED and order.handed:
        state = "в пути"
    elif order.status == ACCEPTED and order.assembled:
        state = "собран"
    goods = (
        {"name": entry.name, "quantity": f"{entry.quantity:g}"}
        for entry in order.entries
    )
    return {
        "code": order.code,
        "look": look,
        "state": state,
        "reason": REASON_WORDS.get(order.reason, order.reason) if order.reason else "",
        "kind": KIND_WORDS[order.kind],
        "goods": fill_each("order_line.html", goods),
        "total": _grouped(round(order.total)),
        "created": _moment(order.created),
    }


def _fetches(fetches: Sequence[Fetch]) -> Markup:
    if not fetches:
        return fill("words.html", words="Прайс-лист ещё не скачивали.")
    latest = reversed(fetches[-FETCHES_SHOWN:])
    return fill("fetches.html", rows=fill_each("fetch.html", map(_fetch, latest)))


def _fetch(fetch: Fetch) -> dict[str, object]:
    look, outcome = OUTCOME_WORDS[fetch.outcome]
    return {
        "at": _moment(fetch.at),
        "look": look,
        "outcome": outcome,
        "status": fetch.status or "",
        "errors": fill_each("fetch_note.html", ({"text": t} for t in fetch.errors)),
        "warnings": fill_each("fetch_note.html", ({"text": t} for t in fetch.warnings)),
        "offers": _grouped(fetch.offers),
        "added": _grouped(fetch.added),
        "withdrawn": _grouped(fetch.withdrawn),
        "kilobytes": _grouped(-(-fetch.bytes // 1024)),
    }


def _offers(offers: Mapping[str, Offer]) -> Markup:
    if not offers:
        return fill("words.html", words="На витрине пока пусто.")
    ordered = sorted(offers.values(), key=lambda offer: not offer.available)
    rows = fill_each("offer.html", map(_offer, ordered[:OFFERS_SHOWN]))
    more = len(offers) - OFFERS_SHOWN
    tail = fill("words.html", words=f"и ещё {_grouped(more)}") if more > 0 else ""
    return fill("offers.html", rows=rows, more=tail)


def _offer(offer: Offer) -> dict[str, object]:
    look, wait = "ok", ""
    stock = "есть" if offer.stock is None else _grouped(offer.stock)
    if not offer.available:
        look, stock = "quiet", "нет"
    elif offer.preorder_days:
        look, wait = "", f"через {offer.preorder_days} дн."
    low = "от " if len(set(offer.city_prices.values())) > 1 else ""
    return {
        "sku": offer.sku,
        "model": offer.model,
        "brand": offer.brand,
        "price": low + _grouped(offer.price),
        "look": look,
        "stock": stock,
        "wait": wait,
    }


def _moment(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, ALMATY).strftime("%d.%m %H:%M:%S")


def _grouped(number: int) -> str:
    # A thin space between groups of thousands.
    return f"{number:,}".replace(",", "\u202f")
