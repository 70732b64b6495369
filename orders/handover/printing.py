"""Prints waybills, and notes who printed them when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from orders.handover.waiting import newest_waybills
from orders.models import Order, OrderEvent, Waybill
from orders.plan.events import make_event
from orders.reading.waybills import merged_waybills


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One file, the orders whose waybills are in it, and those that are not."""

    pdf: bytes
    orders: tuple[Order, ...]
    missing: tuple[Order, ...]

    def summary(self) -> str:
        """Say what is in the file: "3 in the file; 24 without"."""
        text = _("In the waybills' file: %(n)d; without a waybill: %(missing)d")
        return text % {"n": len(self.orders), "missing": len(self.missing)}


def print_waybills(orders: Sequence[Order], *, actor: str, now: datetime) -> Printed:
    """Put the orders' waybills into one PDF, in their order, and mark them printed.

    A waybill that Kaspi has replaced since is left out: its label is of no use.
    """
    current = newest_waybills(orders)
    merged = merged_waybills([order for order in orders if order.pk in current])
    missing = set(merged.missing)
    printed = [o for o in orders if o.pk in current and o.code not in missing]
    with transaction.atomic():
        Waybill.objects.filter(pk__in=merged.waybills).update(
            printed_at=now, printed_by=actor
        )
        OrderEvent.objects.bulk_create(
            make_event(
                order,
                _("Waybill %(number)s printed")
                % {"number": current[order.pk].number or "—"},
                now=now,
                actor=actor,
            )
            for order in printed
        )
    done = {order.pk for order in printed}
    return Printed(
        pdf=merged.pdf,
        orders=tuple(printed),
        missing=tuple(order for order in orders if order.pk not in done),
    )
