"""Decides what is to be asked of the peers, from what is known of an order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import (
    Order,
    OrderEvent,
    OrderLine,
    Reservation,
    ReservationLine,
    Step,
)
from orders.plan.events import BRIDGE, make_event, record
from orders.plan.transitions import move_reservation, move_step

Kind, Status = Step.Kind, Step.Status
Held = Reservation.Status
# How often an accept that Kaspi confirmed but did not carry out is sent again.
ACCEPTS_PER_ORDER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a new order starts with; none of it saved yet."""

    reservation: Reservation | None = None
    reservation_lines: list[ReservationLine] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    events: list[OrderEvent] = field(default_factory=list)


def open_order(
    order: Order, lines: list[OrderLine], *, now: datetime, reserve: bool
) -> Opening:
    """Say what a new order starts with.

    `reserve` False: a person accepted it before the bridge first read orders, and
    has taken care of its goods.
    """
    text = _("Order received: %(state)s, %(status)s")
    received = make_event(
        order, text % {"state": order.state, "status": order.status}, now=now
    )
    is_over = order.status in (*Order.ENDED, *Order.CALLED_OFF)
    if is_over or order.handed_over_at or not reserve:
        return Opening(events=[received])
    reservation = Reservation(order=order, created_at=now)
    wanted = [
        ReservationLine(reservation=reservation, product_id=pk, quantity=quantity)
        for pk, quantity in merged_quantities(lines).items()
    ]
    problem = problem_of(order, lines)
    if problem:
        step = make_step(order, Kind.RESERVE, now=now, status=Status.NEEDS_PERSON)
        step.last_error = problem
        events = [received, make_event(order, problem, now=now)]
        return Opening(
            reservation=reservation,
            reservation_lines=wanted,
            steps=[step],
            events=events,
        )
    steps = [make_step(order, Kind.RESERVE, now=now)] if settings.AUTO_RESERVE else []
    return Opening(
        reservation=reservation,
        reservation_lines=wanted,
        steps=steps,
        events=[received],
    )


def merged_quantities(lines: list[OrderLine]) -> dict[int, int]:
    """Add up the pieces per product id; lines that cannot be read are left out."""
    total: Counter[int] = Counter()
    for line in lines:
        if line.product_id is not None and line.quantity:
            total[line.product_id] += line.quantity
    return dict(total)


def problem_of(order: Order, lines: list[OrderLine]) -> str:
    """Say why a person must look at the order first; empty when nobody must."""
    if order.problem:
        return order.problem
    if not lines:
        return _("The order came without its lines: read it again")
    for line in lines:
        if line.problem:
            return line.problem
        if line.product_id is None:
            return _("SKU %(sku)s is none of our products") % {"sku": line.sku or "—"}
    return ""


def make_step(
    order: Order,
    kind: Step.Kind,
    *,
    now: datetime,
    status: str = Status.PENDING,
    parameters: dict[str, Any] | None = None,
) -> Step:
    """Make a step, unsaved."""
    return Step(
        order=order,
        peer=Step.PEER_OF[kind],
        kind=kind,
        status=status,
        parameters=parameters or {},
        not_before=now,
        created_at=now,
    )


def replan(order: Order, *, now: datetime, actor: str = BRIDGE) -> None:
    """Bring steps and reservation in line with what is known of the order.

    Runs in the caller's transaction, or in its own; may be run any number of times.
    """
    with transaction.atomic():
        # One planner at a time per order.
        Order.objects.select_for_update().get(pk=order.pk)
        plan = _Plan(order, now=now, actor=actor)
        if order.status in Order.CALLED_OFF:
            plan.call_off()
        elif order.status == Order.COMPLETED:
            plan.skip(tuple(Kind), _("the order is completed"))
        else:
            plan.carry_on()


class _Plan:
    """One run of the planner over one order."""

    def __init__(self, order: Order, *, now: datetime, actor: str) -> None:
        self.order, self.now, self.actor = order, now, actor
        self.steps = list(order.steps.order_by("pk"))
        self.reservation = (
            order.reservations.filter(status__in=Reservation.OPEN)
            .select_related("supplier_order")
            .first()
        )

    def carry_on(self) -> None:
        """The order lives: ask for what comes next."""
        order, held = self.order, self._is_held()
        if order.status == Order.APPROVED and order.state != Order.SIGN_REQUIRED:
            if held and settings.AUTO_ACCEPT:
                self._want_accept()
        elif order.status == Order.ACCEPTED:
            self.skip((Kind.ACCEPT,), _("Kaspi has it as accepted"))
            if order.is_assembled:
                self.skip((Kind.ASSEMBLE,), _("Kaspi has it as assembled"))
            elif held and settings.AUTO_ASSEMBLE and self._kaspi_fetches():
                self._want_once(Kind.ASSEMBLE, {"places": 1})
        if order.handed_over_at and self.reservation is not None:
            self._ship_by_hand(self.reservation)

    def call_off(self) -> None:
        """The buyer will not get the goods: ask for nothing more, release them."""
        forward = [k for k in Kind if k not in (Kind.RELEASE, Kind.ARRIVE_BACK)]
        self.skip(tuple(forward), _("the order is called off"))
        reservation = self.reservation
        if reservation is None or self._is_unsettled(Kind.RESERVE):
            return
        if reservation.status == Held.WANTED:
            text = _("Nothing was reserved, nothing is to be released")
            move_reservation(
                reservation, Held.DROPPED, text=text, now=self.now, actor=self.actor
            )
        elif self.order.handed_over_at or self._has_left(reservation):
            return
        elif reservation.status == Held.BY_HAND:
            self._want_once(
                Kind.RELEASE,
                status=Status.NEEDS_PERSON,
                error=_("Reserved by hand: release it at Al-Style by hand"),
            )
        elif reservation.status == Held.HELD:
            self._want_once(Kind.RELEASE)

    def skip(self, kinds: tuple[Step.Kind, ...], reason: str) -> None:
        """Drop what waits; what is under way is settled by whoever does it."""
        waiting = (Status.PENDING, Status.NEEDS_PERSON, Status.REFUSED)
        for step in self.steps:
            if step.kind in kinds and step.status in waiting:
                text = _("%(step)s: no longer needed, %(reason)s")
                move_step(
                    step,
                    Status.SKIPPED,
                    text=text % {"step": step.get_kind_display(), "reason": reason},
                    now=self.now,
                    actor=self.actor,
                )

    def _is_held(self) -> bool:
        return self.reservation is not None and self.reservation.status in (
            Held.HELD,
            Held.BY_HAND,
        )

    def _kaspi_fetches(self) -> bool:
        return self.order.state == Order.KASPI_DELIVERY

    def _has_left(self, reservation: Reservation) -> bool:
        supplied = reservation.supplier_order
        return supplied is not None and supplied.status in supplied.SHIPPED

    def _is_unsettled(self, kind: Step.Kind) -> bool:
        unsettled = (Status.IN_FLIGHT, Status.UNKNOWN)
        return any(s.kind == kind and s.status in unsettled for s in self.steps)

    def _of(self, kind: Step.Kind) -> list[Step]:
        return [s for s in self.steps if s.kind == kind and s.status != Status.SKIPPED]

    def _want_once(
        self,
        kind: Step.Kind,
        parameters: dict[str, Any] | None = None,
        *,
        status: str = Status.PENDING,
        error: str = "",
    ) -> None:
        if not self._of(kind):
            self._add(kind, parameters, status=status, error=error)

    def _want_accept(self) -> None:
        """Ask for the accept, again if a later reading shows it had no effect."""
        asked = self._of(Kind.ACCEPT)
        if not asked:
            self._add(Kind.ACCEPT)
            return
        last = asked[-1]
        seen_since = last.finished_at and self.order.last_seen > last.finished_at
        if last.status == Status.DONE and seen_since:
            spent = len(asked) >= ACCEPTS_PER_ORDER
            self._add(
                Kind.ACCEPT,
                status=Status.NEEDS_PERSON if spent else Status.PENDING,
                error=_("Kaspi confirmed the accept, but has the order as new"),
            )

    def _add(
        self,
        kind: Step.Kind,
        parameters: dict[str, Any] | None = None,
        *,
        status: str = Status.PENDING,
        error: str = "",
    ) -> None:
        step = make_step(
            self.order, kind, now=self.now, status=status, parameters=parameters
        )
        step.last_error = error
        step.save(force_insert=True)
        self.steps.append(step)
        if error:
            record(self.order, error, now=self.now, step=step, actor=self.actor)

    def _ship_by_hand(self, reservation: Reservation) -> None:
        """Nobody follows what was reserved by hand: the hand-over tells it left."""
        if reservation.status == Held.BY_HAND:
            move_reservation(
                reservation,
                Held.SHIPPED,
                text=_("The goods reserved by hand were handed over"),
                now=self.now,
                actor=self.actor,
                left_stock_at=self.now,
            )
