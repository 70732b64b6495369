"""Decides what is to be asked of the peers, from what is known of an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from orders.kaspi.words import said
from orders.models import (
    Cause,
    Order,
    OrderEvent,
    OrderLine,
    Reason,
    Reservation,
    ReservationLine,
    Step,
    merged_quantities,
)
from orders.models.step import StepParameters
from orders.money.booking import book_safely
from orders.plan.events import BRIDGE, make_event
from orders.plan.transitions import move_reservation, move_step, skip_needless
from orders.plan.wanting import make_step, want_step

Kind, Status = Step.Kind, Step.Status
# How often an accept that Kaspi confirmed but did not carry out is sent again.
ACCEPTS_PER_ORDER = 3
# A buyer may have the goods sooner than Al-Style's visible stock falls: nothing says
# when that is, and a figure from before counts our pieces once more.
STOCK_FALLS_WITHIN = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a new order starts with; none of it saved yet."""

    reservation: Reservation | None = None
    reservation_lines: list[ReservationLine] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    events: list[OrderEvent] = field(default_factory=list)


def open_order(
    order: Order, lines: Sequence[OrderLine], *, now: datetime, reserve: bool
) -> Opening:
    """Say what a new order starts with.

    `reserve` False: a person accepted it before the bridge first read orders, and
    has taken care of its goods.
    """
    text = _("Order received: %(state)s, %(status)s")
    received = make_event(
        order,
        text % {"state": said(order.state), "status": said(order.status)},
        now=now,
    )
    if order.is_over or order.handed_over_at or not reserve:
        return Opening(events=[received])
    reservation = Reservation(order=order, created_at=now)
    wanted = [
        ReservationLine(reservation=reservation, product_id=pk, quantity=quantity)
        for pk, quantity in merged_quantities(lines).items()
    ]
    steps, events = [], [received]
    if cause := order.cause_to_look(lines):
        steps = [make_step(order, Kind.RESERVE, now=now, needs_person=cause)]
        events.append(make_event(order, cause.text, now=now))
    elif settings.AUTO_RESERVE:
        steps = [make_step(order, Kind.RESERVE, now=now)]
    return Opening(
        reservation=reservation, reservation_lines=wanted, steps=steps, events=events
    )


def replan(order: Order, *, now: datetime, actor: str = BRIDGE) -> None:
    """Bring steps and reservation in line with what is known of the order.

    Runs in the caller's transaction, or in its own; may be run any number of times.
    """
    with transaction.atomic():
        # One planner at a time per order.
        # And from the row as it is now: what the caller holds may be a reading behind.
        order = Order.objects.select_for_update().get(pk=order.pk)
        plan = _Plan(order, now=now, actor=actor)
        if order.is_called_off:
            plan.call_off()
        elif order.status == Order.COMPLETED:
            plan.complete()
        else:
            plan.carry_on()
        book_safely([order], now=now)


def said_of_called_off(numbers: Sequence[str]) -> str:
    """Say that goods of an order that is called off may be held since a restore."""
    if not numbers:
        return _(
            "The order is called off, and whether its goods were bought before the "
            "restore is not known: look into Al-Style's portal, and cancel there what "
            "was ordered for it"
        )
    text = _(
        "The order is called off, and its goods may have been bought before the "
        "restore: if Al-Style's order %(numbers)s is this one's, cancel it there"
    )
    return text % {"numbers": ", ".join(numbers)}


def cause_to_look_for(reserves: Sequence[Step]) -> Cause | None:
    """Say which order a person made at Al-Style for goods that are wanted no more.

    `reserves`: the order's, oldest first. Its number was given, and it was not seen to
    hold the goods yet: nothing follows it.
    """
    number = reserves[-1].parameters.get("number") if reserves else None
    if not number or reserves[-1].status == Status.DONE:
        return None
    text = _(
        "Order %(number)s at Al-Style was named as made for this order, and was not "
        "seen to hold its goods: if it was, and nobody needs them, cancel it there"
    )
    return Cause(Reason.RELEASE_BY_HAND, text % {"number": number})


def _was_dropped(step: Step, *, since: datetime | None) -> bool:
    """Tell whether a person has dropped the step since a moment."""
    if not step.was_dropped_by_person or step.finished_at is None:
        return False
    return since is None or step.finished_at >= since


class _Plan:
    """One run of the planner over one order."""

    def __init__(self, order: Order, *, now: datetime, actor: str) -> None:
        self.order, self.now, self.actor = order, now, actor
        self.steps = list(order.steps.order_by("pk"))
        self.reservation = (
            order.reservations.open().select_related("supplier_order").first()
        )

    def carry_on(self) -> None:
        """The order lives: ask for what comes next."""
        order, reservation = self.order, self.reservation
        if order.is_closed:
            return
        if reservation is not None and reservation.has_goods:
            self._keep(reservation)
        if order.awaits_accept:
            if settings.AUTO_ACCEPT and self._is_served():
                self._want_accept()
        elif order.status == Order.ACCEPTED:
            self.skip((Kind.ACCEPT,), _("Kaspi has it as accepted"))
            if order.is_assembled:
                self.skip((Kind.ASSEMBLE,), _("Kaspi has it as assembled"))
            elif (
                settings.AUTO_ASSEMBLE
                and order.is_fetched_by_kaspi
                # Kaspi's courier would come for goods that are still to come.
                and not order.awaits_arrival
                and self._is_served()
            ):
                self._want_once(Kind.ASSEMBLE, parameters={"places": 1})
        if order.handed_over_at and reservation is not None:
            self._hand_over(reservation)

    def _keep(self, reservation: Reservation) -> None:
        """Drop a release that nobody but the bridge wanted: the order lives again."""
        for step in self.steps:
            is_of_this = step.created_at >= reservation.created_at
            if step.kind != Kind.RELEASE or not step.is_idle or not is_of_this:
                continue
            if not step.events.exclude(actor=BRIDGE).exists():
                self._skip(step, _("the order is called off no longer"))

    def _hand_over(self, reservation: Reservation) -> None:
        """The parcel has left: bring a reservation that nobody follows to its end."""
        if reservation.status == Reservation.Status.BY_HAND:
            move_reservation(
                reservation,
                Reservation.Status.SHIPPED,
                text=_("The goods reserved by hand were handed over"),
                now=self.now,
                actor=self.actor,
                left_stock_at=self.now,
            )
        elif reservation.status == Reservation.Status.WANTED:
            # The shop sent pieces of its own: those bought now would be nobody's.
            kept = set(Kind) - {Kind.RESERVE}
            reason = _("the parcel has left")
            if self._settled_reservation(kept, reason=reason) is not None:
                self._drop(reservation)

    def _is_served(self) -> bool:
        """Tell whether the goods are all held for good, or were shipped to us."""
        held = self.reservation
        if held is not None:
            is_ours = held.has_goods and not held.is_being_let_go
            return is_ours and not held.is_short
        return self.order.is_served

    def call_off(self) -> None:
        """The buyer will not get the goods: ask for nothing more, release them."""
        # What a person is to compare stays until the goods are gone.
        kept = {Kind.RELEASE, Kind.CHECK}
        if self.order.comes_back:
            kept.add(Kind.ARRIVE_BACK)
        doubtful = self._bought_before_restore()
        reservation = self._settled_reservation(
            kept, reason=_("the order is called off")
        )
        if reservation is None:
            return
        if reservation.status == Reservation.Status.WANTED:
            if doubtful is not None:
                cause = Cause(Reason.AFTER_RESTORE, said_of_called_off(doubtful))
                self._want(Kind.CHECK, needs_person=cause)
            self._drop(reservation)
        elif self.order.handed_over_at or reservation.has_left_stock:
            # What comes back comes to us: Al-Style holds it no longer.
            if self.order.has_ended and reservation.has_goods:
                self._leave(reservation)
        elif reservation.status == Reservation.Status.BY_HAND:
            text = _("Reserved by hand: release it at Al-Style by hand")
            by_hand = Cause(Reason.RELEASE_BY_HAND, text)
            self._want_release(reservation, needs_person=by_hand)
        elif reservation.status == Reservation.Status.HELD:
            self._want_release(reservation)

    def complete(self) -> None:
        """The buyer has the goods: ask for nothing more, hold nothing any more."""
        reservation = self._settled_reservation(
            {Kind.CHECK}, reason=_("the order is completed")
        )
        if reservation is None:
            return
        if reservation.status == Reservation.Status.WANTED:
            self._drop(reservation)
        elif reservation.has_goods and not reservation.was_held_too_late:
            self._leave(reservation)

    def _settled_reservation(
        self, kept: set[Step.Kind], *, reason: str
    ) -> Reservation | None:
        """Skip all steps but `kept`; give the reservation, if it can be ended now.

        What a purchase bought is to be found before it can be let go.
        """
        reservation = self.reservation
        is_buying = reservation is not None and reservation.is_being_bought
        if is_buying:
            kept = {*kept, Kind.RESERVE}
        self.skip(tuple(set(Kind) - kept), reason)
        reserving = (s for s in self.steps if s.kind == Kind.RESERVE)
        if any(step.is_unsettled for step in reserving):
            return None
        if is_buying:
            self._want(Kind.RESERVE)
            return None
        return reservation

    def _bought_before_restore(self) -> list[str] | None:
        """Name Al-Style's orders that a person was to say of whether they are its own.

        None where nobody was asked, or has said that nothing was bought.
        """
        reserves = [step for step in self.steps if step.kind == Kind.RESERVE]
        asked = [step for step in reserves if step.reason == Reason.AFTER_RESTORE]
        if not asked or not any(s.status == Status.NEEDS_PERSON for s in reserves):
            return None
        found = [c["id"] for s in asked for c in s.answered.get("maybe_bought", ())]
        found += [number for s in reserves if (number := s.parameters.get("number"))]
        return list(dict.fromkeys(found))

    def _drop(self, reservation: Reservation) -> None:
        move_reservation(
            reservation,
            Reservation.Status.DROPPED,
            text=_("Nothing was reserved, nothing is to be released"),
            now=self.now,
            actor=self.actor,
        )
        reserves = [step for step in self.steps if step.kind == Kind.RESERVE]
        if cause := cause_to_look_for(reserves):
            self._want(Kind.CHECK, needs_person=cause)

    def _leave(self, reservation: Reservation) -> None:
        left_at = self.now
        if reservation.held_at is not None and not reservation.has_left_stock:
            left_at = max(left_at, reservation.held_at + STOCK_FALLS_WITHIN)
        move_reservation(
            reservation,
            Reservation.Status.SHIPPED,
            text=_("The order has ended: its goods have left Al-Style's stock"),
            now=self.now,
            actor=self.actor,
            left_stock_at=left_at,
        )

    def skip(self, kinds: tuple[Step.Kind, ...], reason: str) -> None:
        """Drop what waits; what is under way is settled by whoever does it."""
        for step in self.steps:
            if step.kind in kinds and step.is_idle:
                self._skip(step, reason)

    def _skip(self, step: Step, reason: str) -> None:
        skip_needless(step, reason=reason, now=self.now, actor=self.actor)

    def _asked(self, kind: Step.Kind) -> list[Step]:
        """List what was asked for; a person's drop is an answer to what was known then.

        Goods that were reserved since are news.
        """
        held_at = self.reservation.held_at if self.reservation is not None else None
        return [
            step
            for step in self.steps
            if step.kind == kind
            and (not step.is_dropped or _was_dropped(step, since=held_at))
        ]

    def _want_release(
        self, reservation: Reservation, needs_person: Cause | None = None
    ) -> None:
        """Once for each reservation: an order may have had one before."""
        for step in self.steps:
            is_old = step.created_at < reservation.created_at
            if step.kind == Kind.RELEASE and step.is_idle and is_old:
                # An open one would keep this one's from being asked for.
                self._skip(step, _("the goods were reserved anew"))
        asked = self._asked(Kind.RELEASE)
        if not any(step.created_at >= reservation.created_at for step in asked):
            self._want(Kind.RELEASE, needs_person=needs_person)

    def _want_once(
        self,
        kind: Step.Kind,
        *,
        parameters: StepParameters | None = None,
        needs_person: Cause | None = None,
    ) -> None:
        if not self._asked(kind):
            self._want(kind, parameters=parameters, needs_person=needs_person)

    def _want(
        self,
        kind: Step.Kind,
        *,
        parameters: StepParameters | None = None,
        needs_person: Cause | None = None,
        text: str = "",
    ) -> None:
        step = want_step(
            self.order,
            kind,
            now=self.now,
            parameters=parameters,
            needs_person=needs_person,
            text=text,
            actor=self.actor,
        )
        if step is not None:
            self.steps.append(step)

    def _want_accept(self) -> None:
        """Ask for the accept, again if a later reading shows it had no effect."""
        asked = self._asked(Kind.ACCEPT)
        if not asked:
            self._want(Kind.ACCEPT)
            return
        last = asked[-1]
        if last.is_stuck and last.stuck_for == Reason.GOODS_GONE:
            # All that a person was told to do about it is done.
            text = _("%(step)s: the goods are held again")
            move_step(
                last,
                Status.PENDING,
                text=text % {"step": last.get_kind_display()},
                now=self.now,
                actor=self.actor,
                not_before=self.now,
            )
            return
        seen_since = last.finished_at and self.order.last_seen > last.finished_at
        if last.status == Status.DONE and seen_since:
            text = _("Kaspi confirmed the accept, but has the order as new")
            if len(asked) >= ACCEPTS_PER_ORDER:
                in_vain = Cause(Reason.ACCEPT_IN_VAIN, text)
                self._want(Kind.ACCEPT, needs_person=in_vain)
            else:
                self._want(Kind.ACCEPT, text=text)
