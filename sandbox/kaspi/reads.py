"""The reading half of Kaspi's orders API."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.faults import NGINX_PAGE, Fault, find
from sandbox.kaspi.desk import OrderDesk
from sandbox.kaspi.jsonapi import Json, Writer
from sandbox.kaspi.orders import Entry, KaspiOrder, to_id
from sandbox.kaspi.waybills import Signer, waybill_pdf
from sandbox.server import Reply, Request, html_reply

JSON_API = "application/vnd.api+json;charset=UTF-8"
SIZE_MAX = 100
DAYS_MAX = 14
DAY_MS = 86_400_000
STATES = frozenset(
    {"NEW", "SIGN_REQUIRED", "PICKUP", "DELIVERY", "KASPI_DELIVERY", "ARCHIVE"}
)
GE = "filter[orders][creationDate][$ge]"
LE = "filter[orders][creationDate][$le]"


class ApiRefused(Exception):
    """An error answer; `title` as Kaspi words it."""

    def __init__(self, title: str, *, status: int = 400) -> None:
        super().__init__(title)
        self.title = title
        self.status = status


def json_api(data: Json, *, status: int = 200) -> Reply:
    return Reply(status=status, data=data, content_type=JSON_API)


def error_reply(refusal: ApiRefused) -> Reply:
    error = {"title": refusal.title, "status": str(refusal.status)}
    return json_api({"errors": [error]}, status=refusal.status)


@dataclass(slots=True, kw_only=True)
class ReadApi:
    """Answers GETs. Not locked: the server locks."""

    desk: OrderDesk
    writer: Writer
    signer: Signer

    def answer(
        self, method: str, path: list[str], request: Request, faults: list[Fault]
    ) -> Reply | None:
        """Answer one GET; `path` is what follows `/shop/api/v2`; None = no such."""
        if method in ("orders", "order-by-code"):
            uid = self.desk.settings.merchant_uid
            if uid and request.header("X-Merchant-Uid") != uid:
                return json_api(self._page([], request.query, 0, 0))
            return json_api(self._list(request.query, faults))
        if method == "waybill":
            return self._waybill(path[1], request.query)
        handler = HANDLERS.get(method)
        if handler is None:
            return None
        return json_api(handler(self, path[1] if len(path) > 1 else "", request.query))

    # -- lists ------------------------------------------------------------------------

    def _list(self, query: dict[str, str], faults: list[Fault]) -> Json:
        code = query.get("filter[orders][code]")
        if code:
            found = self.desk.find(code=code)
            return self._page([found] if found is not None else [], query, 1, 1)
        number, size = _paging(query)
        chosen = self._chosen(query)
        shrinks = find(faults, "page_shrinks")
        if shrinks is not None and number > 0:
            chosen = chosen[shrinks.options["by"] :]
        begin = number * size
        shifts = find(faults, "page_shifts")
        if shifts is not None and number > 0:
            begin = max(0, begin - shifts.options["by"])
        if find(faults, "page_repeats") and number > 0:
            begin -= size
        pages = math.ceil(len(chosen) / size)
        return self._page(chosen[begin : begin + size], query, pages, len(chosen))

    def _chosen(self, query: dict[str, str]) -> list[KaspiOrder]:
        begin_ms, end_ms = self._window(query)
        state = query.get("filter[orders][state]", "")
        status = query.get("filter[orders][status]", "")
        rules = self.desk.settings
        if not state and rules.state_required:
            raise ApiRefused("Required filter [orders][state] is empty.")
        if state and state not in STATES:
            raise ApiRefused(f"Unknown value [{state}] for the filter[orders][state].")
        if state == "SIGN_REQUIRED" and rules.sign_required_400:
            raise ApiRefused("Unknown value [SIGN_REQUIRED].")
        chosen = []
        for order in self.desk.orders.values():
            shown_state, shown_status, _ = order.view(self.desk.now())
            created = self.writer.ms(order.created) or 0
            if (
                begin_ms - rules.older_by_s * 1000 <= created <= end_ms
                and state in ("", shown_state)
                and status in ("", shown_status)
            ):
                chosen.append(order)
        # Newest first, so that pages shift when orders come while they are read.
        return sorted(chosen, key=lambda order: (-order.created, order.code))

    def _window(self, query: dict[str, str]) -> tuple[int, int]:
        begin = query.get(GE, "")
        if not begin:
            raise ApiRefused(f"Required {GE.replace('filter', 'filter ')} is empty.")
        end = query.get(LE) or str(self.writer.ms(self.desk.now()))
        if not begin.lstrip("-").isdigit() or not end.lstrip("-").isdigit():
            raise ApiRefused("Wrong format of the filter[orders][creationDate].")
        days = (int(end) - int(begin)) / DAY_MS
        if days > DAYS_MAX:
            raise ApiRefused(
                "Exceeded the maximum difference for the filter[orders][creationDate]"
                f" (in days). Actual [{math.ceil(days)}], max [{DAYS_MAX}]."
            )
        return int(begin), int(end)

    def _page(
        self, orders: list[KaspiOrder], query: dict[str, str], pages: int, total: int
    ) -> Json:
        page: Json = {
            "data": [self.writer.order(order, self.desk.now()) for order in orders],
            "included": self._included(orders, query),
        }
        code = query.get("filter[orders][code]")
        if code:
            pages = total = len(orders)
        return page | {"meta": {"pageCount": pages, "totalCount": total}}

    def _included(self, orders: list[KaspiOrder], query: dict[str, str]) -> list[Json]:
        wanted = query.get("include[orders]", "").split(",")
        included: list[Json] = []
        for order in orders:
            if "entries" in wanted and order.shows_entries:
                included += [self.writer.entry(order, entry) for entry in order.entries]
            if "user" in wanted:
                included.append(self.writer.customer(order))
        return included

    # -- single things ----------------------------------------------------------------

    def _order(self, order_id: str, query: dict[str, str]) -> Json:
        order = self._found(order_id)
        return {
            "data": self.writer.order(order, self.desk.now()),
            "included": self._included([order], query),
        }

    def _entries(self, order_id: str, query: dict[str, str]) -> Json:
        order = self._found(order_id)
        entries = order.entries if order.shows_entries else []
        return {
            "data": [self.writer.entry(order, entry) for entry in entries],
            "included": [],
        }

    def _user(self, order_id: str, query: dict[str, str]) -> Json:
        return {"data": self.writer.customer(self._found(order_id))}

    def _entry(self, entry_id: str, query: dict[str, str]) -> Json:
        return {"data": self.writer.entry(*self._found_entry(entry_id))}

    def _product(self, entry_id: str, query: dict[str, str]) -> Json:
        _, entry = self._found_entry(entry_id)
        numbers = (n for n, sku in self.desk.skus.items() if sku == entry.sku)
        number = next(numbers, None)
        if number is None or not entry.shows_product:
            raise ApiRefused("Product not found", status=404)
        return {"data": self.writer.product(number, entry.name)}

    def _delivery_point(self, entry_id: str, query: dict[str, str]) -> Json:
        self._found_entry(entry_id)
        return {"data": self.writer.point()}

    def _merchant_product(self, product_id: str, query: dict[str, str]) -> Json:
        for number, sku in self.desk.skus.items():
            if to_id(number) == product_id:
                return {"data": self.writer.merchant_product(number, sku)}
        raise ApiRefused("Product not found", status=404)

    def _point(self, point_id: str, query: dict[str, str]) -> Json:
        if point_id != self.writer.point_id():
            raise ApiRefused("Point of service not found", status=404)
        return {"data": self.writer.point()}

    def _cities(self, _: str, query: dict[str, str]) -> Json:
        return {"data": self.writer.cities()}

    def _found(self, order_id: str) -> KaspiOrder:
        order = self.desk.find(id=order_id)
        if order is None:
            raise ApiRefused("Order not found", status=404)
        return order

    def _found_entry(self, entry_id: str) -> tuple[KaspiOrder, Entry]:
        found = self.desk.find_entry(entry_id)
        if found is None:
            raise ApiRefused("Order entry not found", status=404)
        return found

    def _waybill(self, name: str, query: dict[str, str]) -> Reply:
        number, now = name.removesuffix(".pdf"), self.desk.now()
        for order in self.desk.orders.values():
            for waybill in order.waybills:
                if waybill.number != number or waybill.ready_at > now:
                    continue
                ttl_s = self.desk.settings.waybill_link_ttl_s
                if order.handed or not self.signer.is_good(number, query, ttl_s=ttl_s):
                    return html_reply(NGINX_PAGE.format(title="Link expired"))
                body = waybill_pdf(waybill, code=order.code)
                return Reply(body=body, content_type="application/pdf")
        return html_reply(NGINX_PAGE.format(title="404 Not Found"), status=404)


def _paging(query: dict[str, str]) -> tuple[int, int]:
    number, size = query.get("page[number]", ""), query.get("page[size]", "")
    if not number.isdigit() or not size.isdigit() or int(size) == 0:
        raise ApiRefused("Required parameters page[number] and page[size] are empty.")
    if int(size) > SIZE_MAX:
        raise ApiRefused(f"Exceeded the maximum page[size], max [{SIZE_MAX}].")
    return int(number), int(size)


HANDLERS: dict[str, Callable[[ReadApi, str, dict[str, str]], Any]] = {
    "order": ReadApi._order,
    "entries": ReadApi._entries,
    "user": ReadApi._user,
    "entry": ReadApi._entry,
    "product": ReadApi._product,
    "delivery-point": ReadApi._delivery_point,
    "merchant-product": ReadApi._merchant_product,
    "point-of-service": ReadApi._point,
    "cities": ReadApi._cities,
}
