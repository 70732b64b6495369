"""The buying half of Al-Style's API: cart, submit, cancel, orders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sandbox.alstyle.cart import AddRefused, Cart
from sandbox.alstyle.catalogue import Shop
from sandbox.alstyle.lists import OrderLists
from sandbox.alstyle.orders import (
    OrderBook,
    OrderedLine,
    OrderRefused,
    SupplierOrder,
)
from sandbox.alstyle.others import OtherPeople
from sandbox.alstyle.settings import AlStyleSettings
from sandbox.clock import Clock
from sandbox.server import Params, Reply, Request, json_reply

PAGE_SIZE = 20
SUNDAY = 7
USER = {"id": 1001, "name": "Тестовый покупатель"}
NEWER = frozenset({"order-item-delete", "order-item-update", "orders-merge"})
POSTED = frozenset({"submit", "order-confirm", "orders-files", *NEWER})
WRITES = frozenset({"add", "remove", "clear", "cancel", *POSTED})
NOT_FOUND = {"name": "Not Found", "message": "Страница не найдена.", "status": 404}


@dataclass(slots=True, kw_only=True)
class TradeApi:
    """Answers cart-api and the order methods. Not locked: the server locks."""

    shop: Shop
    settings: AlStyleSettings
    clock: Clock
    cart: Cart
    orders: OrderBook
    lists: OrderLists
    others: OtherPeople

    def answer(self, method: str, request: Request) -> Reply | None:
        """Answer one method of its own root; None = no such method here."""
        root = request.path.strip("/").split("/")[0]
        handler = HANDLERS.get((root, method))
        if handler is None or (method in NEWER and not self.settings.newer_methods):
            return None
        if method in POSTED and request.verb != "POST":
            return json_reply({"status": 405, "name": "Method Not Allowed"}, status=405)
        try:
            return handler(self, _params(request))
        except OrderRefused as refusal:
            return json_reply({"status": False, "message": str(refusal)})

    # -- cart -----------------------------------------------------------------------

    def _add(self, params: Params) -> Reply:
        articles = params.get("add", "").split(",")
        quantities = params.get("quantity", "").split(",")
        answers = []
        for place, article in enumerate(articles):
            quantity = quantities[place] if place < len(quantities) else "1"
            try:
                self.cart.add(_int(article), _int(quantity), self.clock.timestamp())
            except AddRefused as refusal:
                if self.settings.add_refusal == "http":
                    data = {"success": False, "message": str(refusal)}
                    return json_reply(data, status=400)
                if self.settings.add_refusal != "silent":
                    return json_reply({"success": False, "message": str(refusal)})
            answers.append({"hash": self.cart.hash()})
        return json_reply({"success": True, "data": answers})

    def _remove(self, params: Params) -> Reply:
        article = _int(params.get("item", ""))
        there = self.cart.remove(article, self.clock.timestamp())
        row = {"success": there, "hash": self.cart.hash()}
        return json_reply({"success": True, "data": [row]})

    def _get(self, params: Params) -> Reply:
        self.others.notice_filling()
        return json_reply({"status": True, "user": USER, "data": self.cart.shown()})

    def _clear(self, params: Params) -> Reply:
        self.cart.clear(self.clock.timestamp())
        return json_reply({"status": True, "data": True})

    def _submit(self, params: Params) -> Reply:
        self._check_attorney_and_delivery(params, date_field="shipping_date")
        lines = self._cart_lines()
        if not lines:
            raise OrderRefused("Корзина пуста")
        order = self.orders.create(
            lines,
            external_id=params.get("external_id", ""),
            comments=params.get("comments", ""),
            bin=params.get("bin", ""),
            consignment=params.get("consignment", "") in ("1", "true"),
            foreign=self.cart.theirs(),
        )
        self.cart.turn_into_order(order.id, self.clock.timestamp())
        number = self.lists.answered_id(order)
        return json_reply({"status": True, "data": {"status": "ok", "id": number}})

    def _cart_lines(self) -> list[OrderedLine]:
        lines = []
        for row in self.cart.rows.values():
            good = self.shop.goods.get(row.article)
            if good is None:
                raise OrderRefused(f"Товар {row.article} не найден")
            lines.append(
                OrderedLine(
                    article=row.article,
                    quantity=row.quantity,
                    price=good.price_markdown if row.is_markdown else good.price1,
                    is_markdown=row.is_markdown,
                )
            )
        return lines

    def _check_attorney_and_delivery(self, params: Params, *, date_field: str) -> None:
        for name in (date_field, "attorney_json", "delivery_json"):
            if not params.get(name, "").strip():
                raise OrderRefused(f"Не заполнено поле {name}")
        day = _day(params[date_field])
        if day is None:
            raise OrderRefused(f"Неверная дата {date_field}")
        self._check_shipping_day(day)
        attorney = _object(params["attorney_json"], "attorney_json")
        delivery = _object(params["delivery_json"], "delivery_json")
        if attorney.get("empty") or delivery.get("empty"):
            raise OrderRefused("Доверенность или доставка не заполнены")
        if not delivery.get("СпособДоставки"):
            raise OrderRefused("Не указан способ доставки")
        ends = _day(str(attorney.get("ДатаОкончания") or ""))
        if self.settings.checks_attorney and (
            ends is None or ends < self.clock.almaty().date()
        ):
            raise OrderRefused("Срок действия доверенности истёк")

    def _check_shipping_day(self, day: date) -> None:
        tomorrow = self.clock.almaty().date() + timedelta(days=1)
        rule = self.settings.shipping_days
        if rule != "any" and day < tomorrow:
            raise OrderRefused("Дата отгрузки уже прошла")
        if rule == "working" and day.isoweekday() == SUNDAY:
            raise OrderRefused("В этот день отгрузки нет")

    # -- orders ---------------------------------------------------------------------

    def _cancel(self, params: Params) -> Reply:
        self.orders.cancel(self._order(params.get("order", "")))
        return json_reply({"status": True})

    def _confirm(self, params: Params) -> Reply:
        self._check_attorney_and_delivery(params, date_field="date_delivery")
        note = self.orders.confirm(self._order(params.get("id", "")))
        return json_reply({"status": True, "data": {"status": "ok", "id": note}})

    def _list(self, params: Params) -> Reply:
        newer = self.settings.newer_methods
        listed = self.lists.listed(
            params.get("type") or "index",
            since=_day(params.get("date_from", "")) if newer else None,
            until=_day(params.get("date_to", "")) if newer else None,
        )
        pages = -(-len(listed) // PAGE_SIZE)
        page = max(1, _int(params.get("page", "1")))
        if self.settings.clamps_page:
            page = max(1, min(page, pages))
        chosen = listed[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        return json_reply(
            {
                "elements": [self.lists.shown(order) for order in chosen],
                "pagination": {
                    "totalCount": len(listed),
                    "totalPages": pages,
                    "pageSize": PAGE_SIZE,
                    "currentPage": page,
                },
            }
        )

    def _one(self, params: Params) -> Reply:
        number = params.get("id", "").strip()
        order = self._order(number)
        if self.lists.is_hidden(order) or not self.lists.is_read_by(order, number):
            return json_reply(NOT_FOUND, status=404)
        return json_reply({"data": self.lists.with_cart(order)})

    def _reduce(self, params: Params) -> Reply:
        order, article = self._order(params.get("id", "")), params.get("article", "")
        self.orders.reduce(order, _int(article), _int(params.get("quantity", "0")))
        return json_reply({"status": True})

    def _merge(self, params: Params) -> Reply:
        order = self._order(params.get("from_id", ""))
        into = self._order(params.get("to_id", ""))
        if order is into or not (order.is_live and into.is_live):
            raise OrderRefused("Заказы нельзя объединить")
        self.orders.merge(order, into)
        return json_reply({"status": True})

    def _file(self, params: Params) -> Reply:
        order = self._order(params.get("order", ""))
        if not params.get("file", "").startswith("%PDF"):
            raise OrderRefused("Файл не является PDF")
        name = f"{order.id}_{len(order.files) + 1}.pdf"
        order.files.append(name)
        data = {"status": True, "message": "Файл загружен", "file_name": name}
        return json_reply(data)

    def _order(self, number: str) -> SupplierOrder:
        order = self.orders.find(number)
        if order is None:
            raise OrderRefused("Заказ не найден")
        return order


HANDLERS: dict[tuple[str, str], Callable[[TradeApi, Params], Reply]] = {
    ("cart-api", "add"): TradeApi._add,
    ("cart-api", "remove"): TradeApi._remove,
    ("cart-api", "get"): TradeApi._get,
    ("cart-api", "clear"): TradeApi._clear,
    ("cart-api", "submit"): TradeApi._submit,
    ("cart-api", "cancel"): TradeApi._cancel,
    ("api", "order-confirm"): TradeApi._confirm,
    ("api", "orders"): TradeApi._list,
    ("api", "order"): TradeApi._one,
    ("api", "orders-files"): TradeApi._file,
    ("api", "order-item-delete"): TradeApi._reduce,
    ("api", "order-item-update"): TradeApi._reduce,
    ("api", "orders-merge"): TradeApi._merge,
}


def _params(request: Request) -> Params:
    params = request.params()
    kind = request.header("Content-Type")
    found = re.search(r'boundary="?([^";]+)', kind)
    if not kind.startswith("multipart/form-data") or found is None:
        return params
    for part in request.body.split(b"--" + found[1].encode()):
        head, _, value = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        if name is not None:
            text = value.removesuffix(b"\r\n").decode("utf-8", "replace")
            params[name[1].decode("utf-8", "replace")] = text
    return params


def _int(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text.strip(), "%d.%m.%Y").date()  # noqa: DTZ007
    except ValueError:
        return None


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise OrderRefused(f"Поле {name} не читается") from error
    if not isinstance(data, dict):
        raise OrderRefused(f"Поле {name} не читается")
    return data
