"""The orders' part of the page for people."""

from __future__ import annotations

from html import escape

from sandbox.kaspi.desk import OrderDesk
from sandbox.kaspi.markup import card, grouped, moment
from sandbox.kaspi.orders import KaspiOrder

ORDERS_SHOWN = 20
HEAD = (
    "<tr><th>Заказ</th><th>Состояние</th><th>Товары</th>"
    "<th class='n wide'>Сумма, ₸</th><th class=wide>Создан</th></tr>"
)
KIND_WORDS = {
    "kaspi": "Kaspi Доставка",
    "postomat": "Postomat",
    "pickup": "самовывоз",
    "delivery": "доставка магазина",
}
REASONS = {
    "MERCHANT_OUT_OF_STOCK": "нет товара",
    "BUYER_CANCELLATION_HIMSELF": "покупатель передумал",
    "BUYER_CANCELLATION_BY_COURIER": "отказ при доставке",
    "BUYER_CANCELLATION_BY_MERCHANT": "отменил магазин",
    "BUYER_NOT_REACHABLE": "покупатель недоступен",
    "TIMEOUT_BUYER_PICKUP": "не забрали",
    "RFO_REJECTED": "в кредите отказано",
}
WORDS = {
    "APPROVED_BY_BANK": ("warn", "ждёт принятия"),
    "ACCEPTED_BY_MERCHANT": ("ok", "принят"),
    "COMPLETED": ("ok", "выдан"),
    "CANCELLED": ("bad", "отменён"),
    "CANCELLING": ("warn", "отменён в пути"),
    "KASPI_DELIVERY_RETURN_REQUESTED": ("warn", "возврат"),
    "RETURNED": ("quiet", "возвращён"),
}


def order_sections(desk: OrderDesk) -> list[str]:
    """Return the figures and the latest orders; nothing when there are none."""
    orders = list(desk.orders.values())
    if not orders:
        return []
    waiting = sum(1 for o in orders if o.status == "APPROVED_BY_BANK")
    open_now = sum(1 for o in orders if not o.ended) - waiting
    done = sum(1 for o in orders if o.status == "COMPLETED")
    short = len(desk.out_of_stock())
    share = 100 * short / len(orders)
    cards = [
        card(grouped(len(orders)), "заказов всего"),
        card(grouped(waiting), "ждут принятия", "warn" if waiting else "quiet"),
        card(grouped(open_now), "в работе"),
        card(grouped(done), "выдано", "ok" if done else "quiet"),
        card(
            f"{short} ({share:.0f} %)",
            "отменено из-за отсутствия товара",
            "bad" if share > 5 else "quiet",
        ),
    ]
    latest = sorted(orders, key=lambda order: order.created, reverse=True)
    rows = [HEAD, *(_row(order) for order in latest[:ORDERS_SHOWN])]
    return [
        f"<h2>Заказы</h2><div class=cards>{''.join(cards)}</div>",
        f"<div class='box gap'><table class=stack>{''.join(rows)}</table></div>",
    ]


def _row(order: KaspiOrder) -> str:
    lines = "<br>".join(
        f"{escape(entry.name)} × {entry.quantity:g}" for entry in order.entries
    )
    return (
        f"<tr><td class=sku>{escape(order.code)}</td>"
        f"<td>{_state(order)}<br><span class=quiet>{KIND_WORDS[order.kind]}</span></td>"
        f"<td class=model>{lines}</td>"
        f"<td class='n wide'>{grouped(round(order.total))}</td>"
        f"<td class='n wide'>{moment(order.created)}</td></tr>"
    )


def _state(order: KaspiOrder) -> str:
    css, words = WORDS.get(order.status, ("quiet", order.status))
    if order.state == "SIGN_REQUIRED":
        words = "ждёт подписи"
    elif order.status == "ACCEPTED_BY_MERCHANT":
        if order.handed:
            words = "в пути"
        elif order.assembled:
            words = "собран"
    shown = f"<span class={css}>{escape(words)}</span>"
    if order.reason:
        why = REASONS.get(order.reason, order.reason)
        shown += f"<br><span class=quiet>{escape(why)}</span>"
    return shown
