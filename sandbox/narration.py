"""Tell on the console what happens to each order at both peers, a line for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.alstyle.orders import SupplierOrder
from sandbox.alstyle.server import AlStyleServer
from sandbox.kaspi.orders import KaspiOrder
from sandbox.kaspi.server import KaspiServer

# At once: after a pause, or with many orders, nobody reads more.
MOST_LINES = 12
SUPPLIER_WORDS = {
    None: "заказ создан",
    "N": "ожидает оплаты",
    "R": "в резерве",
    "SV": "готов к отгрузке",
    "OS": "отгружается",
    "OK": "отгружается",
    "P": "отгружен",
    "F": "отгружен и оплачен",
    "Un": "объединён с другим",
    "DA": "отменён, товар свободен",
}
KASPI_WORDS = {
    "APPROVED_BY_BANK": "новый",
    "ACCEPTED_BY_MERCHANT": "принят",
    "COMPLETED": "выдан покупателю",
    "CANCELLED": "отменён",
    "CANCELLING": "отменён в пути",
    "KASPI_DELIVERY_RETURN_REQUESTED": "покупатель возвращает",
    "RETURNED": "возвращён магазину",
}


class Narrator:
    """Says what changed since the last `turn()`, and nothing of what was before."""

    def __init__(
        self, alstyle: AlStyleServer, kaspi: KaspiServer, *, say: Callable[[str], Any]
    ) -> None:
        self._alstyle = alstyle
        self._kaspi = kaspi
        self._say = say
        self._said = dict(self._words())

    def turn(self) -> None:
        news = [
            (who, words) for who, words in self._words() if self._said.get(who) != words
        ]
        self._said.update(news)
        moment = self._kaspi.clock.almaty().strftime("%H:%M:%S")
        for who, words in news[:MOST_LINES]:
            self._say(f"{moment}  {who}: {words}")
        if len(news) > MOST_LINES:
            self._say(f"{moment}  … и ещё изменений: {len(news) - MOST_LINES}")

    def _words(self) -> Iterator[tuple[str, str]]:
        for order in self._kaspi.orders.values():
            yield f"Kaspi {order.code}", kaspi_words(order)
        for supplied in self._alstyle.all_orders():
            # Other people's orders are no news to the shop.
            if supplied.by != "other":
                yield f"Al-Style {supplied.id}", supplier_words(supplied)


def kaspi_words(order: KaspiOrder) -> str:
    words = KASPI_WORDS.get(order.status, order.status)
    if order.state == "SIGN_REQUIRED":
        words = "новый, ждёт подписи"
    elif order.state == "NEW" and order.express:
        words = "новый, экспресс"
    elif order.status == "ACCEPTED_BY_MERCHANT" and order.handed:
        words = "передан в доставку"
    elif order.status == "ACCEPTED_BY_MERCHANT" and order.assembled:
        words = "собран"
    if order.returned_to_warehouse and not order.ended:
        words += ", можно забрать"
    if order.status == "CANCELLED" and order.reason:
        words += f" ({order.reason})"
    goods = ", ".join(f"{entry.sku}×{entry.quantity:g}" for entry in order.entries)
    return f"{words} · {goods} · {order.total:.0f} ₸"


def supplier_words(order: SupplierOrder) -> str:
    words = SUPPLIER_WORDS.get(order.status, str(order.status))
    code = f" для Kaspi {order.external_id}" if order.external_id else ""
    return f"{words}{code} · {order.total} ₸"
