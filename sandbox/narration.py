"""Tell on the console what happens to each order at both peers, a line for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.alstyle.orders import SupplierOrder
from sandbox.alstyle.server import AlStyleServer
from sandbox.kaspi.orders import KaspiOrder
from sandbox.kaspi.server import KaspiServer

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
    """Says what changed since the last `turn()`."""

    def __init__(
        self, alstyle: AlStyleServer, kaspi: KaspiServer, *, say: Callable[[str], Any]
    ) -> None:
        self._alstyle = alstyle
        self._kaspi = kaspi
        self._say = say
        self._said: dict[str, str] = {}

    def turn(self) -> None:
        for order in self._kaspi.orders.values():
            self._tell(f"Kaspi {order.code}", kaspi_words(order))
        for supplied in self._alstyle.all_orders():
            self._tell(f"Al-Style {supplied.id}", supplier_words(supplied))

    def _tell(self, who: str, words: str) -> None:
        if self._said.get(who) == words:
            return
        self._said[who] = words
        moment = self._kaspi.clock.almaty().strftime("%H:%M:%S")
        self._say(f"{moment}  {who}: {words}")


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
