"""What happens to an order by itself: signatures, deadlines, parcels, returns."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.clock import ALMATY, DAY_S
from sandbox.kaspi.orders import (
    ACCEPTED,
    APPROVED,
    CANCELLED,
    CANCELLING,
    COMPLETED,
    OUT_OF_STOCK,
    RETURN_REQUESTED,
    KaspiOrder,
)
from sandbox.kaspi.settings import KaspiSettings

CANCELLATIONS = {
    "reject": "RFO_REJECTED",
    "buyer-cancel": "BUYER_CANCELLATION_HIMSELF",
    "deadline": OUT_OF_STOCK,
    "not-collected": "TIMEOUT_BUYER_PICKUP",
}
EVENTS = (
    *CANCELLATIONS,
    "sign",
    "hand-over",
    "cancel-in-transit",
    "back-at-warehouse",
    "deliver",
    "return",
)


class OrderLife:
    """Moves orders on; every event can also be made to happen at once."""

    def __init__(self, settings: KaspiSettings) -> None:
        self._settings = settings

    def accept_by(self, order: KaspiOrder, since: float) -> float:
        rules = self._settings
        if order.express:
            return since + rules.express_within_s
        return working_deadline(
            since, rules.accept_within_s, rules.opens_at, rules.closes_at
        )

    def settle(self, order: KaspiOrder, now: float) -> None:
        while not order.frozen:
            due = [item for item in self._coming(order) if item[1] <= now]
            if not due:
                return
            event, at = min(due, key=lambda item: item[1])
            self.happen(order, event, at)

    def happen(self, order: KaspiOrder, event: str, now: float) -> None:
        """Make one event happen, whether it is due or not."""
        if event in CANCELLATIONS:
            if event == "deadline":
                missed = "arrive" if order.status == ACCEPTED else "accept"
                order.missed.append(missed)
            self.cancel(order, CANCELLATIONS[event], now)
        elif event == "sign":
            order.state, order.approved = "NEW", now
            order.signature_required = False
            order.deadline = self.accept_by(order, now)
        elif event == "hand-over":
            order.marks["handed"] = order.handover_deadline = now
        elif event == "cancel-in-transit":
            order.status, order.reason = CANCELLING, "BUYER_CANCELLATION_BY_COURIER"
            order.marks["cancelling"] = now
        elif event == "back-at-warehouse":
            order.returned_to_warehouse = True
        elif event == "deliver":
            order.state, order.status = "ARCHIVE", COMPLETED
            order.marks["completed"] = now
        elif event == "return":
            order.state, order.status = "KASPI_DELIVERY", RETURN_REQUESTED
            order.marks["returned"] = now
        else:
            raise ValueError(f"no such event: {event}; known: {', '.join(EVENTS)}")

    def cancel(self, order: KaspiOrder, reason: str, now: float) -> None:
        """End an order whose parcel has not left."""
        order.state, order.status, order.reason = "ARCHIVE", CANCELLED, reason
        order.marks["cancelled"] = now

    def _wait(self, name: str) -> float:
        return float(getattr(self._settings, name)) / self._settings.life_speed

    def _coming(self, order: KaspiOrder) -> list[tuple[str, float]]:
        marks = order.marks
        if order.state == "SIGN_REQUIRED":
            event = "reject" if order.fate == "unsigned" else "sign"
            return [(event, order.created + self._wait("sign_after_s"))]
        if order.state == "NEW" and order.status == APPROVED:
            coming = [("deadline", order.deadline)]
            if order.fate == "buyer_cancels_new":
                since = order.approved or order.created
                wait = self._wait("buyer_cancels_after_s")
                coming.append(("buyer-cancel", since + wait))
            return coming
        if order.status == ACCEPTED:
            return self._coming_accepted(order)
        if order.status == COMPLETED and order.fate == "returned":
            if "returned" not in marks and order.is_kaspi_delivery:
                return [("return", marks["completed"] + self._wait("return_after_s"))]
        elif order.status in (CANCELLING, RETURN_REQUESTED):
            since = marks.get("returned", marks.get("cancelling", order.created))
            if not order.returned_to_warehouse:
                return [("back-at-warehouse", since + self._wait("to_warehouse_s"))]
        return []

    def _coming_accepted(self, order: KaspiOrder) -> list[tuple[str, float]]:
        marks = order.marks
        accepted = marks.get("accepted", order.created)
        if order.handed:
            transit = self._wait("transit_s")
            if order.fate == "cancelled_in_transit":
                return [("cancel-in-transit", marks["handed"] + transit / 2)]
            return [("deliver", marks["handed"] + transit)]
        coming = []
        if order.fate == "buyer_cancels":
            wait = self._wait("buyer_cancels_after_s")
            coming.append(("buyer-cancel", accepted + wait))
        if order.preorder_days and "arrived" not in marks:
            coming.append(("deadline", accepted + order.preorder_days * DAY_S))
        if order.kind == "pickup":
            storage = self._settings.pickup_storage_s
            coming.append(("not-collected", accepted + storage))
        if order.is_kaspi_delivery and order.assembled:
            ready = marks.get("assembled", accepted)
            coming.append(("hand-over", ready + self._wait("handover_after_s")))
        return coming


def working_deadline(start: float, seconds: float, opens: int, closes: int) -> float:
    """Return when so many working seconds are over, by Almaty's clocks."""
    moment = datetime.fromtimestamp(start, ALMATY)
    left = seconds
    while True:
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        begins = midnight + timedelta(hours=opens)
        ends = midnight + timedelta(hours=closes)
        moment = max(moment, begins)
        today = max(0.0, (ends - moment).total_seconds())
        if left <= today:
            return (moment + timedelta(seconds=left)).timestamp()
        left -= today
        moment = midnight + timedelta(days=1)
