"""Brings a known order in line with what Kaspi says of it now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.utils.translation import gettext as _

from orders.kaspi.schema import KaspiOrder
from orders.models import Buyer, Order, OrderLine, Reservation, ReservationLine, Step
from orders.plan.events import record
from orders.plan.planning import merged_quantities, replan
from orders.plan.transitions import move_step
from orders.reading.comparing import (
    Change,
    Products,
    buyer_of,
    facts_of,
    has_ended,
    line_changes,
    line_of,
    order_problem,
    removal_of,
    set_facts,
)


class ReadMoments(Protocol):
    """When an order was read, and what time it is."""

    @property
    def read_at(self) -> datetime:
        """The moment the reading was asked for."""

    @property
    def now(self) -> datetime:
        """The present."""


def is_changed(
    order: Order, seen: KaspiOrder, *, products: Products, now: datetime
) -> bool:
    """Tell whether the row differs from what was seen; its loaded lines are set."""
    problem = order.problem
    facts = facts_of(seen, order, now=now)
    if any(getattr(order, name) != value for name, value in facts.items()):
        return True
    if _buyer_changes(order, seen):
        return True
    lines = list(order.lines.all())
    if _lines_change(order, lines, seen, products=products):
        return True
    return order_problem(seen, lines, state=order.state) != problem


def update_order(
    pk: int, seen: KaspiOrder, *, products: Products, arrival: ReadMoments
) -> bool:
    """Save what changed, with its event and the new plan, in one transaction.

    False when a later reading is stored already: what was seen is out of date.
    """
    now = arrival.now
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=pk)
        if order.last_seen > arrival.read_at:
            return False
        lines = list(order.lines.select_related("product"))
        facts = facts_of(seen, order, now=now)
        changes = set_facts(order, facts)
        of_lines = _change_lines(order, lines, seen, products=products)
        changes += of_lines + _change_buyer(order, seen)
        old = order.problem
        order.problem = order_problem(seen, lines, state=order.state)
        order.last_seen = arrival.read_at
        order.save(update_fields=[*facts, "problem", "last_seen"])
        if changes:
            words = "; ".join(str(change) for change in changes)
            record(order, _("At Kaspi: %(changes)s") % {"changes": words}, now=now)
        if of_lines or old != order.problem:
            step = _fit_reservation(order, lines)
            if old != order.problem:
                _note_problem(order, step, old=old, now=now)
        replan(order, now=now)
    return True


def _lines_change(
    order: Order, lines: list[OrderLine], seen: KaspiOrder, *, products: Products
) -> bool:
    """Tell whether any line changes, setting the values without saving."""
    if seen.entries is None:
        return False
    entries = {entry.id: entry for entry in seen.entries}
    stored = {line.entry_id: line for line in lines}
    if entries.keys() - stored.keys():
        return True
    changed = [
        line_changes(line, entries[line.entry_id], products=products)
        if line.entry_id in entries
        else _removal(line, seen)
        for line in lines
    ]
    return any(changed)


def _change_lines(
    order: Order, lines: list[OrderLine], seen: KaspiOrder, *, products: Products
) -> list[Change]:
    """Save the lines that changed, and new ones, which join `lines`."""
    if seen.entries is None:
        return []
    entries = {entry.id: entry for entry in seen.entries}
    changes: list[Change] = []
    for line in lines:
        entry = entries.pop(line.entry_id, None)
        changed = (
            _removal(line, seen)
            if entry is None
            else line_changes(line, entry, products=products)
        )
        if changed:
            line.save()
            changes += changed
    for entry in entries.values():
        line = line_of(order, entry, products=products)
        line.save(force_insert=True)
        lines.append(line)
        changes.append(Change(label=_("new line"), old=None, new=str(line)))
    return changes


def _removal(line: OrderLine, seen: KaspiOrder) -> list[Change]:
    # An answer without any line is a gap in it, not an order emptied.
    return removal_of(line) if seen.entries else []


def _stored_buyer(order: Order) -> Buyer | None:
    try:
        return order.buyer
    except ObjectDoesNotExist:
        return None


def _buyer_changes(order: Order, seen: KaspiOrder) -> bool:
    """Tell whether to store the buyer's data; after the end they are let rest."""
    known = buyer_of(seen)
    if not known or has_ended(seen.state or order.state, seen.status or order.status):
        return False
    buyer = _stored_buyer(order)
    return buyer is None or any(getattr(buyer, name) != known[name] for name in known)


def _change_buyer(order: Order, seen: KaspiOrder) -> list[Change]:
    """Save the buyer's data; the trail holds none of them."""
    if not _buyer_changes(order, seen):
        return []
    is_new = _stored_buyer(order) is None
    Buyer.objects.update_or_create(order=order, defaults=buyer_of(seen))
    old = None if is_new else "***"
    return [Change(label=_("buyer's data"), old=old, new="***")]


def _fit_reservation(order: Order, lines: Sequence[OrderLine]) -> Step | None:
    """Make a reservation that is still to be made want what the lines say.

    Returns the step that waits for it. One that is under way is left alone: the
    goods may be ordered already.
    """
    step = (
        Step.objects.select_for_update()
        .filter(order=order, kind=Step.Kind.RESERVE, status__in=Step.OPEN)
        .first()
    )
    wanted = Reservation.objects.filter(
        order=order, status=Reservation.Status.WANTED
    ).first()
    waiting = (Step.Status.PENDING, Step.Status.NEEDS_PERSON)
    if wanted is None or (step is not None and step.status not in waiting):
        return None
    wanted.lines.all().delete()
    ReservationLine.objects.bulk_create(
        ReservationLine(reservation=wanted, product_id=pk, quantity=quantity)
        for pk, quantity in merged_quantities(list(lines)).items()
    )
    return step


def _note_problem(order: Order, step: Step | None, *, old: str, now: datetime) -> None:
    """Tell of a problem, or that it is gone and the order goes on by itself."""
    words = order.problem or _("What was unclear is clear now")
    record(order, words, now=now, step=step)
    if step is None or step.status != Step.Status.NEEDS_PERSON:
        return
    if order.problem:
        Step.objects.filter(pk=step.pk, last_error=old).update(last_error=words)
    elif step.last_error == old:
        move_step(
            step,
            Step.Status.PENDING,
            text=_("Reserve: nothing stands in the way any more"),
            now=now,
            not_before=now,
            last_error="",
        )
