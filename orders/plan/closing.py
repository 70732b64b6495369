"""Closes an order that Kaspi no longer shows."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import Cause, Order, Reason, Reservation, Step
from orders.plan.actions import ActionImpossible, refuse_doubtful, request_step
from orders.plan.events import record
from orders.plan.planning import cause_to_look_for, replan
from orders.plan.transitions import move_reservation, move_step
from orders.plan.wanting import want_step
from plumbing.leases import database_now

Kind, Status = Step.Kind, Step.Status


def close_order(order: Order, *, releases: bool, actor: str) -> None:
    """Note that nothing more is done for an order that Kaspi does not show.

    `releases`: whether its goods are let go; else they stay ours at Al-Style. If
    Kaspi shows it again, the next reading opens it.
    """
    now = database_now()
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=order.pk)
        if not order.is_gone or order.ended_at is not None:
            raise ActionImpossible(_("Kaspi shows the order, or it is closed already"))
        if order.steps.filter(status=Status.IN_FLIGHT).exists():
            raise ActionImpossible(
                _("The bridge is at it right now: wait a minute and look again")
            )
        refuse_doubtful(order)
        text = _("Closed: Kaspi no longer shows this order")
        order.ended_at, order.problem = now, ""
        order.save(update_fields=["ended_at", "problem"])
        record(order, text, now=now, actor=actor)
        for step in order.steps.exclude(status__in=(Status.DONE, Status.SKIPPED)):
            if step.kind != Kind.RELEASE:
                move_step(step, Status.SKIPPED, text=text, now=now, actor=actor)
        if reservation := order.reservations.open().first():
            _let_go(reservation, releases=releases, actor=actor)
        # It is planned no more; what it was to bring is taken off the books.
        replan(order, now=now, actor=actor)


def _let_go(reservation: Reservation, *, releases: bool, actor: str) -> None:
    order, now = reservation.order, database_now()
    if reservation.status == Reservation.Status.WANTED:
        move_reservation(
            reservation,
            Reservation.Status.DROPPED,
            text=_("Nothing was reserved, nothing is to be released"),
            now=now,
            actor=actor,
        )
        reserves = list(order.steps.of_kind(Kind.RESERVE).order_by("pk"))
        if releases and (cause := cause_to_look_for(reserves)):
            want_step(order, Kind.CHECK, now=now, needs_person=cause)
    elif releases and reservation.status == Reservation.Status.HELD:
        request_step(order, Kind.RELEASE, actor=actor)
    elif releases and reservation.status == Reservation.Status.BY_HAND:
        text = _("Reserved by hand: release it at Al-Style by hand")
        cause = Cause(Reason.RELEASE_BY_HAND, text)
        want_step(order, Kind.RELEASE, now=now, needs_person=cause)
