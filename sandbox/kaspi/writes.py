"""The writing half of Kaspi's orders API: each transition, allowed or refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.kaspi.desk import OrderDesk
from sandbox.kaspi.jsonapi import Json, Writer
from sandbox.kaspi.orders import (
    ACCEPTED,
    APPROVED,
    CANCELLED,
    CANCELLING,
    COMPLETED,
    OUT_OF_STOCK,
    RETURN_REQUESTED,
    RETURNED,
    STATE_OF_KIND,
    Entry,
    KaspiOrder,
    Waybill,
    Write,
)
from sandbox.kaspi.reads import ApiRefused, json_api
from sandbox.server import Reply, Request

NAMES = {
    ACCEPTED: "accept",
    "ASSEMBLE": "assemble",
    COMPLETED: "complete",
    CANCELLED: "cancel",
    "ARRIVED": "arrive",
    "ARRIVED_BACKWARD": "arrive-backward",
}
BUYER_CANCELS = "BUYER_CANCELLATION_BY_MERCHANT"
REASONS = frozenset({OUT_OF_STOCK, "BUYER_NOT_REACHABLE", BUYER_CANCELS})
CUT_REASONS = REASONS | {"PRODUCT_UNDERWEIGHT"}
COMMENT_MAX = 1000

BAD_CODE = "Security code is not valid. And the order cannot be completed without it"
IS_CANCELLED = "Order is cancelled, so it can't be completed."
IS_COMPLETED = "Order already has been completed, so it can't be completed again."
NOT_ALLOWED = "Order is not may complete allowed"


@dataclass(slots=True, kw_only=True)
class WriteApi:
    """Carries out POSTs and PUTs. Not locked: the server locks."""

    desk: OrderDesk
    writer: Writer

    def write_order(self, request: Request) -> Reply:
        """Carry out `POST /orders`; every attempt goes into the order's books."""
        order, attributes = self._named(request)
        status = str(attributes.get("status") or "")
        write = Write(
            at=request.arrived,
            clock=self.desk.now(),
            status=status,
            ok=False,
            attributes={k: v for k, v in attributes.items() if k != "status"},
        )
        order.writes.append(write)
        before = (order.state, order.status, order.assembled)
        try:
            answered = self._carry_out(order, status, attributes, request)
        except ApiRefused as refusal:
            write.title = refusal.title
            raise
        write.ok = True
        if self.desk.settings.write_lag_s > 0:
            order.stale = (self.desk.now() + self.desk.settings.write_lag_s, *before)
        return json_api({"data": self._echo(order, answered)})

    def _named(self, request: Request) -> tuple[KaspiOrder, Json]:
        resource = _resource(request, "orders")
        order = self.desk.find(id=str(resource.get("id") or ""))
        if order is None:
            raise ApiRefused("Order not found", status=404)
        attributes = resource.get("attributes")
        if not isinstance(attributes, dict):
            raise ApiRefused("Required attributes are empty.")
        if str(attributes.get("code", order.code)) != order.code:
            raise ApiRefused("Order code does not match the id.")
        return order, attributes

    def _echo(self, order: KaspiOrder, status: str) -> Json:
        return {
            "type": "orders",
            "id": order.id,
            "attributes": {"code": order.code, "status": status},
            "relationships": {},
            "links": {"self": self.writer.link(f"orders/{order.id}")},
        }

    def _carry_out(
        self, order: KaspiOrder, status: str, attributes: Json, request: Request
    ) -> str:
        now = self.desk.now()
        if status == ACCEPTED:
            self._accept(order, now)
        elif status == "ASSEMBLE":
            return self._assemble(order, attributes, now)
        elif status == COMPLETED:
            self._complete(order, request, now)
        elif status == CANCELLED:
            self._cancel(order, attributes, now)
        elif status == "ARRIVED":
            self._arrive(order, now)
        elif status == "ARRIVED_BACKWARD":
            self._arrive_backward(order, now)
        else:
            raise ApiRefused(f"Unknown order status [{status}].")
        return status

    def _forbid(self, order: KaspiOrder, status: str) -> ApiRefused:
        return ApiRefused(
            f"Order status cannot be changed from {order.status} to {status}.",
            status=self.desk.settings.forbidden_status,
        )

    def _accept(self, order: KaspiOrder, now: float) -> None:
        if order.status != APPROVED or order.state != "NEW":
            raise self._forbid(order, ACCEPTED)
        order.state, order.status = STATE_OF_KIND[order.kind], ACCEPTED
        order.marks["accepted"] = now

    def _assemble(self, order: KaspiOrder, attributes: Json, now: float) -> str:
        if (
            order.state != "KASPI_DELIVERY" or order.status != ACCEPTED
        ) or order.handed:
            raise self._forbid(order, "ASSEMBLE")
        places = attributes.get("numberOfSpace")
        if not isinstance(places, str) or not places.isdigit() or int(places) < 1:
            raise ApiRefused("Wrong value of the attribute [numberOfSpace].")
        number = str(self.desk.dice.randint(10**10, 10**11 - 1))
        order.waybills.append(
            Waybill(
                number=number,
                places=int(places),
                issued=now,
                ready_at=now + self._waybill_wait(),
            )
        )
        order.assembled = True
        order.marks.setdefault("assembled", now)
        word = self.desk.dice.random() < self.desk.settings.assembled_word
        return "ASSEMBLED" if word else "ASSEMBLE"

    def _waybill_wait(self) -> float:
        fixed = self.desk.settings.waybill_after_s
        if fixed is not None:
            return fixed
        quick = self.desk.dice.random() < 2 / 3
        span = (2, 15) if quick else (15, 180)
        return self.desk.dice.uniform(*span) / self.desk.settings.life_speed

    def _complete(self, order: KaspiOrder, request: Request, now: float) -> None:
        if order.status == CANCELLED:
            raise ApiRefused(IS_CANCELLED)
        if order.status == COMPLETED:
            raise ApiRefused(IS_COMPLETED)
        if order.status != ACCEPTED or order.is_kaspi_delivery:
            raise ApiRefused(NOT_ALLOWED)
        code = request.header("X-Security-Code").strip()
        sends_code = request.header("X-Send-Code").lower() == "true"
        # Both calls say it: the second one too, beside the code.
        if not sends_code and (
            not code or self.desk.settings.completing_needs_send_code
        ):
            raise ApiRefused(BAD_CODE)
        if not code:
            order.security_code = f"{self.desk.dice.randint(0, 9999):04d}"
            return
        if code != order.security_code:
            raise ApiRefused(BAD_CODE)
        order.state, order.status = "ARCHIVE", COMPLETED
        order.marks["completed"] = now

    def _cancel(self, order: KaspiOrder, attributes: Json, now: float) -> None:
        reason = attributes.get("cancellationReason")
        comment = str(attributes.get("cancellationComment") or "")
        if reason not in REASONS:
            raise ApiRefused("Wrong value of the attribute [cancellationReason].")
        if len(comment) > COMMENT_MAX:
            raise ApiRefused("The attribute [cancellationComment] is too long.")
        if reason == BUYER_CANCELS and self.desk.settings.refuse_buyer_cancellation:
            raise ApiRefused("This cancellation reason is not allowed.")
        if order.status not in (APPROVED, ACCEPTED) or order.handed:
            raise self._forbid(order, CANCELLED)
        order.comment = comment
        self.desk.life.cancel(order, str(reason), now)

    def _arrive(self, order: KaspiOrder, now: float) -> None:
        if self.desk.settings.arrived_404:
            raise ApiRefused("Order not found", status=404)
        if order.preorder_days is None or order.status != ACCEPTED:
            raise self._forbid(order, "ARRIVED")
        order.marks.setdefault("arrived", now)

    def _arrive_backward(self, order: KaspiOrder, now: float) -> None:
        if order.status not in (CANCELLING, RETURN_REQUESTED):
            raise self._forbid(order, "ARRIVED_BACKWARD")
        order.state = "ARCHIVE"
        order.status = CANCELLED if order.status == CANCELLING else RETURNED
        order.marks["fetched"] = now

    # -- lines ------------------------------------------------------------------------

    def cancel_entry(self, request: Request) -> Reply:
        """Carry out `POST /orderEntryCancelOperation`."""
        resource = _resource(request, "orderEntryCancelOperation")
        order, entry = self._entry_of(resource)
        attributes = resource.get("attributes") or {}
        remained = attributes.get("remainedQuantity")
        if not isinstance(remained, (int, float)) or isinstance(remained, bool):
            raise ApiRefused("Wrong value of the attribute [remainedQuantity].")
        self._reduce(order, entry, remained, request)
        lag = self.desk.settings.entry_cancel_lag_s
        done = "INPROGRESS" if lag > 0 else "SUCCESSFULL"
        data = {
            "type": "orderEntryCancelOperation",
            "id": order.entry_id(entry),
            "attributes": attributes | {"status": done},
        }
        return json_api({"data": data})

    def cancel_part(self, request: Request, order_id: str) -> Reply:
        """Carry out `PUT /shop/api/orderPartialCancel/{id}`: a bare array of lines."""
        order = self.desk.find(id=order_id)
        rows = request.json()
        if order is None or not isinstance(rows, list):
            raise ApiRefused("Order not found", status=404)
        by_id = {order.entry_id(entry): entry for entry in order.entries}
        for row in rows:
            entry = by_id.get(str((row.get("entry") or {}).get("id")))
            left = (row.get("remainedQuantity"), row.get("remainedWeight"))
            if (
                entry is None
                or not all(isinstance(part, (int, float)) for part in left)
                or row.get("reason") not in CUT_REASONS
            ):
                raise ApiRefused("Wrong line of a partial cancellation.")
            self._reduce(order, entry, left[0], request, weight=left[1])
        lag = self.desk.settings.entry_cancel_lag_s
        status = "INPROGRESS" if lag > 0 else "SUCCESSFUL"
        return Reply(data={"orderCancelEntries": rows, "status": status})

    def note_imei(self, request: Request) -> Reply:
        """Carry out `POST /orderEntryImeiOperation`: keep what was sent."""
        resource = _resource(request, "orderEntryImeiOperation")
        order, entry = self._entry_of(resource)
        items = (resource.get("attributes") or {}).get("items")
        if not isinstance(items, list) or len(items) != entry.quantity:
            raise ApiRefused("Wrong number of IMEI.")
        for item in items:
            numbers = item.get("imei") if isinstance(item, dict) else None
            if not isinstance(numbers, list) or len(numbers) not in (1, 2):
                raise ApiRefused("Wrong value of the attribute [imei].")
        order.imei.append(resource.get("attributes"))
        return json_api({"data": resource})

    def _entry_of(self, resource: Json) -> tuple[KaspiOrder, Entry]:
        relation = (resource.get("relationships") or {}).get("entry") or {}
        entry_id = str((relation.get("data") or {}).get("id") or "")
        found = self.desk.find_entry(entry_id)
        if found is None:
            raise ApiRefused("Order entry not found", status=404)
        return found

    def _reduce(
        self,
        order: KaspiOrder,
        entry: Entry,
        remained: float,
        request: Request,
        *,
        weight: float | None = None,
    ) -> None:
        write = Write(
            at=request.arrived,
            clock=self.desk.now(),
            status="ENTRY_CANCEL",
            ok=False,
            attributes={"entry": entry.number, "remainedQuantity": remained},
        )
        order.writes.append(write)
        if order.status not in (APPROVED, ACCEPTED) or order.handed:
            raise self._forbid(order, "ENTRY_CANCEL")
        is_lighter = weight is not None and 0 <= weight < entry.weight
        most = entry.quantity if is_lighter else entry.quantity - 1
        if not 0 <= remained <= most:
            raise ApiRefused("Wrong value of the attribute [remainedQuantity].")
        if weight is not None and entry.unit_type != "PIECES":
            entry.weight, remained = weight, remained if weight else 0
        entry.quantity, write.ok = remained, True
        if not any(line.quantity for line in order.entries):
            self.desk.life.cancel(order, OUT_OF_STOCK, self.desk.now())


def _resource(request: Request, kind: str) -> Json:
    try:
        sent: Any = request.json()
    except ValueError as error:
        raise ApiRefused("The body is not JSON.") from error
    resource = sent.get("data") if isinstance(sent, dict) else None
    if not isinstance(resource, dict) or resource.get("type") != kind:
        raise ApiRefused(f"A resource of type [{kind}] is expected.")
    return resource


def name_of_write(request: Request) -> str:
    try:
        attributes = _resource(request, "orders").get("attributes") or {}
        return NAMES.get(str(attributes.get("status")), "write")
    except (ApiRefused, AttributeError):
        return "write"


OTHER_WRITES: dict[str, Callable[[WriteApi, Request], Reply]] = {
    "entry-cancel": WriteApi.cancel_entry,
    "imei": WriteApi.note_imei,
}
WRITES = frozenset({*NAMES.values(), *OTHER_WRITES, "partial-cancel", "write"})
