"""Which parcels wait to be handed over, and why some have no waybill yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum

from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.models import Order, OrderLine, ParcelCheck, Step, Waybill
from orders.models.order import OrderQuerySet

MOST_SHOWN = 500
FAR_AHEAD = timedelta(days=36_500)


class Missing(Enum):
    """Why a parcel of Kaspi's has no waybill that could be printed."""

    NOT_ARRIVED = "not_arrived"
    NOT_ASSEMBLED = "not_assembled"
    ASKED = "asked"
    STUCK = "stuck"
    NOT_MADE = "not_made"
    NOT_FETCHED = "not_fetched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """An order with what a packer must know; `waybill` comes without its file.

    `places` None = it was assembled elsewhere. `assembling` is the newest step that
    asked Kaspi for the waybill.
    """

    order: Order
    lines: list[OrderLine]
    waybill: Waybill | None
    assembling: Step | None
    check: ParcelCheck | None

    @property
    def places(self) -> int | None:
        if self.assembling is None or self.assembling.is_dropped:
            return None
        places = self.assembling.parameters.get("places")
        return int(places) if places else None

    @property
    def missing(self) -> Missing | None:
        """Say why there is no waybill; None when it is there or none is needed."""
        order, step = self.order, self.assembling
        if self.waybill is not None or not order.is_fetched_by_kaspi:
            return None
        if not order.is_assembled:
            if step is not None and step.is_stuck:
                return Missing.STUCK
            if step is not None and step.status in Step.OPEN:
                return Missing.ASKED
            return Missing.NOT_ARRIVED if order.awaits_arrival else _unassembled(step)
        return Missing.NOT_FETCHED if order.waybill_number else Missing.NOT_MADE

    @property
    def is_printed(self) -> bool:
        return self.waybill is not None and self.waybill.printed_at is not None

    @property
    def is_checked(self) -> bool:
        return self.check is not None and self.check.is_finished


def _unassembled(step: Step | None) -> Missing:
    is_done = step is not None and step.status == Step.Status.DONE
    return Missing.NOT_MADE if is_done else Missing.NOT_ASSEMBLED


def reason_text(parcel: Parcel) -> str:
    """Say in a sentence why a parcel has no waybill; empty when nothing is missing."""
    words = {
        None: "",
        Missing.NOT_ARRIVED: _("pre-order: the goods have not arrived yet"),
        Missing.NOT_ASSEMBLED: _("not assembled yet"),
        Missing.ASKED: _("assembling is under way: Kaspi is being asked"),
        Missing.STUCK: _("assembling waits for a person: look at the order"),
        Missing.NOT_MADE: _("Kaspi has not made it yet; it takes up to three minutes"),
        Missing.NOT_FETCHED: _("made, but its file has not been fetched yet"),
    }
    return words[parcel.missing]


def read_parcels(orders: Iterable[Order]) -> list[Parcel]:
    """Read what belongs to the orders, in four queries, in their order."""
    orders = list(orders)
    pks = [order.pk for order in orders]
    lines = defaultdict(list)
    for line in OrderLine.objects.filter(order__in=pks).select_related("product"):
        lines[line.order_id].append(line)
    waybills = newest_waybills(orders)
    steps = Step.objects.filter(order__in=pks, kind=Step.Kind.ASSEMBLE)
    assembling = {
        step.order_id: step
        for step in steps.order_by("pk").defer("sent", "answered", "last_error")
    }
    checks = ParcelCheck.objects.filter(order__in=pks).order_by("pk")
    checked = {check.order_id: check for check in checks}
    return [
        Parcel(
            order=order,
            lines=lines[order.pk],
            waybill=waybills.get(order.pk),
            assembling=assembling.get(order.pk),
            check=checked.get(order.pk),
        )
        for order in orders
    ]


def newest_waybills(orders: Iterable[Order]) -> dict[int, Waybill]:
    """Give each order's waybill, without its file; one that was replaced is none."""
    current = {order.pk: order.waybill_number for order in orders}
    kept = Waybill.objects.filter(order__in=current).order_by("pk").defer("pdf")
    newest = {waybill.order_id: waybill for waybill in kept}
    return {
        pk: waybill
        for pk, waybill in newest.items()
        if current[pk] in ("", waybill.number)
    }


def end_of_day(now: datetime) -> datetime:
    """Say when the day of `now` ends in Almaty."""
    tomorrow = timezone.localdate(now) + timedelta(days=1)
    return timezone.make_aware(datetime.combine(tomorrow, time.min))


def waiting_orders(*, due_before: datetime | None = None) -> OrderQuerySet:
    """Find the orders to hand over, the nearest deadline first.

    With `due_before` only those due by then; one without a deadline may be due now.
    """
    waiting = Order.objects.to_hand_over().with_due()
    if due_before is not None:
        waiting = waiting.filter(Q(due__lt=due_before) | Q(due__isnull=True))
    return waiting.order_by(F("due").asc(nulls_last=True), "pk")


def count_later(*, due_from: datetime) -> int:
    """Count the orders to hand over that are due then or after."""
    return Order.objects.to_hand_over().with_due().filter(Q(due__gte=due_from)).count()


def by_urgency(parcels: Iterable[Parcel]) -> list[Parcel]:
    """Sort: what is not printed first, then by the deadline."""
    far = timezone.now() + FAR_AHEAD
    return sorted(
        parcels, key=lambda p: (p.is_printed, p.order.due_at or far, p.order.pk)
    )
