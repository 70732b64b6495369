"""Reads what is known of one order, for its page and for what may be done."""

from __future__ import annotations

from dataclasses import dataclass

from orders.models import Order, OrderLine, Reservation, Step, Waybill

Held, Kind, Status = Reservation.Status, Step.Kind, Step.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An order with its rows; `reservation` is the open one, else the latest."""

    order: Order
    lines: list[OrderLine]
    steps: list[Step]
    reservation: Reservation | None
    waybills: list[Waybill]

    @property
    def stuck(self) -> list[Step]:
        """The steps that wait for a person."""
        return [step for step in self.steps if step.status in Step.STUCK]

    @property
    def held(self) -> str:
        """The status of the open reservation; "" when there is none."""
        if self.reservation is None or self.reservation.status not in Reservation.OPEN:
            return ""
        return self.reservation.status

    @property
    def is_reserved(self) -> bool:
        """Whether the goods are surely ours."""
        return self.held in (Held.HELD, Held.BY_HAND)

    @property
    def is_accepted(self) -> bool:
        """Whether it is accepted and still with us."""
        order = self.order
        return order.status == Order.ACCEPTED and order.handed_over_at is None

    @property
    def is_alive(self) -> bool:
        """Whether goods are needed for it."""
        is_early = self.order.status == Order.APPROVED
        return (is_early or self.is_accepted) and self.order.ended_at is None

    def is_free(self, kind: Step.Kind) -> bool:
        """Tell whether no step of the kind waits, runs, or is stuck."""
        busy = (*Step.OPEN, Status.REFUSED)
        return not any(s.kind == kind and s.status in busy for s in self.steps)

    def is_idle(self, kind: Step.Kind) -> bool:
        """Tell whether no step of the kind waits or runs; a refused one may stand."""
        waiting = (Status.PENDING, Status.IN_FLIGHT, Status.UNKNOWN)
        return not any(s.kind == kind and s.status in waiting for s in self.steps)

    def was_done(self, kind: Step.Kind) -> bool:
        """Tell whether a step of the kind was done."""
        return any(s.kind == kind and s.status == Status.DONE for s in self.steps)


def read_standing(order: Order) -> Standing:
    """Read an order's rows; the waybills without their files."""
    reservations = list(
        order.reservations.select_related("supplier_order__merged_into")
    )
    open_ones = [r for r in reservations if r.status in Reservation.OPEN]
    return Standing(
        order=order,
        lines=list(order.lines.select_related("product")),
        steps=list(order.steps.all()),
        reservation=next(iter([*open_ones, *reservations]), None),
        waybills=list(order.waybills.defer("pdf").order_by("pk")),
    )
