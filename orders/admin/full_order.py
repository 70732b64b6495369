"""An order with its rows, for its page and for what may be done with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from orders.models import (
    Order,
    OrderLine,
    Purchase,
    Reason,
    Reservation,
    Step,
    SupplierOrder,
    Waybill,
    merged_quantities,
)

Status = Step.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class FullOrder:
    """`reservation` is the open one, else the latest; `waybills` come without files."""

    order: Order
    lines: list[OrderLine]
    steps: list[Step]
    reservation: Reservation | None
    waybills: list[Waybill]
    # The newest first.
    purchases: list[Purchase] = field(default_factory=list)

    @property
    def purchase(self) -> Purchase | None:
        """One that is begun and not settled: of it an order may exist, unknown."""
        if not any(s.kind == Step.Kind.RESERVE and not s.is_over for s in self.steps):
            return None
        return next((one for one in self.purchases if one.is_unsettled), None)

    @property
    def stuck(self) -> list[Step]:
        return [step for step in self.steps if step.is_stuck]

    @property
    def reservation_status(self) -> str:
        """Of the open reservation; "" when there is none."""
        if self.reservation is None or self.reservation.status not in Reservation.OPEN:
            return ""
        return self.reservation.status

    @property
    def supplier_order(self) -> SupplierOrder | None:
        return self.reservation.supplier_order if self.reservation else None

    @property
    def is_reserved(self) -> bool:
        """Whether the goods are held, or were shipped to us already."""
        held = self.reservation
        return held is not None and held.status in Reservation.SERVING

    @property
    def lacks_goods(self) -> bool:
        """Whether its accept found goods missing, be it only some of them."""
        accepts = (s for s in self.stuck if s.kind == Step.Kind.ACCEPT)
        return any(step.stuck_for == Reason.GOODS_GONE for step in accepts)

    @property
    def has_too_much(self) -> bool:
        """Whether Al-Style's order holds what the buyer's has no longer."""
        held = self.reservation
        if held is None or held.status != Reservation.Status.HELD:
            return False
        wanted = merged_quantities(self.lines)
        reserved = {line.product_id: line.quantity for line in held.lines.all()}
        return any(n > wanted.get(product, 0) for product, n in reserved.items())

    @property
    def is_accepted(self) -> bool:
        """Whether it is accepted and still with us."""
        return self.order.is_still_with_us and self.order.ended_at is None

    @property
    def awaits_accept(self) -> bool:
        return self.order.awaits_accept and self.order.ended_at is None

    @property
    def needs_goods(self) -> bool:
        is_early = self.order.status == Order.APPROVED
        return (is_early or self.is_accepted) and self.order.ended_at is None

    @property
    def is_unreserved(self) -> bool:
        """Whether its goods are needed and neither held nor on their way to us."""
        if not self.needs_goods or self.has_left_stock:
            return False
        return self.reservation_status in ("", Reservation.Status.WANTED)

    @property
    def has_left_stock(self) -> bool:
        """Whether Al-Style has shipped the goods."""
        held = self.reservation
        return held is not None and held.status == Reservation.Status.SHIPPED

    @property
    def is_in_doubt(self) -> bool:
        """Whether a person must say what became of a purchase."""
        doubtful = Purchase.Status.NEEDS_PERSON
        return self.purchase is not None and self.purchase.status == doubtful

    def has_step(self, kind: Step.Kind, *statuses: Step.Status) -> bool:
        return any(s.kind == kind and s.status in statuses for s in self.steps)

    @property
    def has_step_in_flight(self) -> bool:
        return any(step.status == Status.IN_FLIGHT for step in self.steps)

    def is_free(self, kind: Step.Kind) -> bool:
        """Tell whether no step of the kind waits, runs, or is stuck."""
        return not self.has_step(kind, *Step.OPEN, Status.REFUSED)

    def is_under_way(self, kind: Step.Kind) -> bool:
        """Tell whether a step of the kind waits or runs; a stuck one does neither."""
        return self.has_step(kind, Status.PENDING, *Step.UNSETTLED)

    def is_settled(self, kind: Step.Kind) -> bool:
        return not self.has_step(kind, *Step.UNSETTLED)


def load_full_order(order: Order) -> FullOrder:
    reservations = list(
        order.reservations.select_related("supplier_order__merged_into")
    )
    bought = Purchase.objects.none()
    if reservations:
        bought = Purchase.objects.filter(reservations__order=order).distinct()
    open_ones = [r for r in reservations if r.status in Reservation.OPEN]
    return FullOrder(
        order=order,
        lines=list(order.lines.select_related("product")),
        steps=list(order.steps.all()),
        reservation=next(iter([*open_ones, *reservations]), None),
        waybills=list(order.waybills.defer("pdf").order_by("pk")),
        purchases=list(bought.select_related("supplier_order")),
    )
